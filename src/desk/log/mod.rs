//! The audit log over all accounts.

mod store;

pub use store::list;

use super::choices;
use crate::audit::Entry;
use crate::db::slice::Start;

choices! {
    /// Whose doings.
    Show {
        /// Everybody's.
        All = "all",
        /// Customers'.
        People = "person",
        /// The host's own people's.
        Staff = "staff",
        /// The program's own.
        System = "system",
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The whole id of what was changed or of who changed it, or the whole name of what was done. Empty: any.
    pub names: &'a str,
    /// Whose doings.
    pub show: Show,
    /// From where on.
    pub start: Start<i64>,
}

/// An entry with its place in the log.
#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    /// Its number.
    pub id: i64,
    /// The entry.
    #[sqlx(flatten)]
    pub entry: Entry,
}
