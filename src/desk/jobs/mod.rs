//! Jobs of the queue: what is owed, what failed, what waits for a person. The queue's tables belong to the log-in user, so all of this takes
//! its pool.

mod store;

use chrono::{DateTime, Utc};

pub use store::{about, by_task, list, retry_dead};

use super::choices;

choices! {
    /// Which jobs.
    Show {
        /// All that are not done.
        All = "all",
        /// Those that have used up their tries.
        Dead = "dead",
        /// Those that failed and will be tried again.
        Failing = "failing",
        /// Those that somebody works on.
        Running = "running",
    }
}

/// How many jobs of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OfTask {
    /// [`crate::queue::Job::NAME`].
    pub task: String,
    /// Not done, the dead among them.
    pub all: i64,
    /// Given up.
    pub dead: i64,
    /// When the oldest that waits for its turn was or will be due.
    pub next: Option<DateTime<Utc>>,
}
