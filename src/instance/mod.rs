//! Hosted servers: their address, their intent and what is seen of them.

pub mod address;
pub mod dns;
mod intent;
pub mod owner;
mod phase;
mod removal;
mod store;

pub use intent::{Intent, set_intent};
pub use phase::{Phase, phase};
pub use removal::{RemovalError, RemovalRequest, confirm_removal, finish_removal, request_removal, withdraw_removal};
pub use store::{
    FirstReady, Instance, NewInstance, StoredSize, ToPush, building_since, conflict, count_by_intent, domains_of, find,
    find_owned, insert, list_all, list_not_ready, list_owned, mark_pushed, observe, push_again, pushed, record_step, release,
    removal_of, to_push, typical_seconds,
};
