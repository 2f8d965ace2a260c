//! Hosted servers: their address, their intent and what is seen of them.

pub mod address;
pub mod dns;
mod intent;
mod own_mail;
pub mod owner;
mod phase;
pub mod run;
mod store;

pub use intent::{Intent, set_intent};
pub use own_mail::{OwnMailFacts, remove_own_mail, set_own_mail};
pub use phase::{Phase, phase};
pub use store::{
    FirstReady, Instance, Mailing, NewInstance, StoredSize, ToPush, building_since, conflict, count_by_intent, domains_of, find,
    find_owned, insert, list_all, list_mailing, list_not_ready, list_owned, mark_pushed, observe, push_again, pushed,
    record_step, release, to_push, typical_seconds,
};
