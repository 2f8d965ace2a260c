//! How long work tells how far it is, and how it is told to stop.

use std::fmt;

use serde::Serialize;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Looking at what there is.
    Survey,
    /// Writing or restoring the database.
    Database,
    /// Writing or restoring media.
    Media,
    /// Reading back what was written, or checking what was received.
    Check,
    /// Comparing what was restored with what the archive says.
    Compare,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Survey => "survey",
            Self::Database => "database",
            Self::Media => "media",
            Self::Check => "check",
            Self::Compare => "compare",
        })
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Which one.
    pub step: Step,
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes that there are, as far as that is known; for the database an estimate.
    pub total: Option<u64>,
    /// Files that are done.
    pub objects: u64,
}

/// Whoever looks on.
pub trait Watch: Send + Sync {
    /// Is told often: several times a second.
    fn progress(&self, progress: Progress);

    /// Whether the work is to end at the next point from which it can go on later.
    fn stopped(&self) -> bool;
}

/// Nobody looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Watch for Nobody {
    fn progress(&self, _progress: Progress) {}

    fn stopped(&self) -> bool {
        false
    }
}
