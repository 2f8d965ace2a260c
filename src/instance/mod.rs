//! Hosted servers: their address, their intent and what is seen of them.

pub mod address;
pub mod arrival;
pub mod claim;
pub mod dns;
pub mod export;
mod hold;
mod intent;
pub mod mail_health;
mod observed;
mod outrun;
mod own_mail;
pub mod owner;
mod phase;
mod removal;
pub mod run;
pub mod sites;
mod store;
pub mod upkeep;
pub mod usage;
pub mod webfinger;

pub use hold::{Hold, HoldRow, archive_proven_at, hold, lift, list_holds};
pub use intent::{Intent, set_intent, set_plan};
pub use observed::{Change, changes_of, forget_old_changes, observe};
pub use outrun::{Outrun, find_outrun, note_outrun, settle_outrun};
pub use own_mail::{OwnMailFacts, remove_own_mail, set_own_mail};
pub use phase::{BuildingStep, Phase, Seen, StepState};
pub use removal::{
    FinalArchive, Keeping, RemovalError, RemovalRequest, RemovalTerms, confirm_removal, finish_removal, open_removal, removal_of,
    removal_terms, remove_archived, request_removal, withdraw_removal,
};
pub use store::{
    COLUMNS, FirstReady, Instance, Mailing, NewInstance, StoredSize, ToPush, UNSEEN_AFTER, building_since, conflict,
    count_by_intent, domains_of, find, find_owned, forget_old_steps, insert, list_mailing, list_not_ready, list_owned,
    mark_pushed, page_owned, push_again, pushed, record_step, release, size_of, to_push, typical_seconds,
};
