//! The job of rollouts: what it is; `worker` runs it.

use serde::{Deserialize, Serialize};

use crate::queue::Job;

/// Brings every open rollout on: looks at who is being upgraded, and begins with whose turn it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct AdvanceRollouts {}

impl Job for AdvanceRollouts {
    const NAME: &'static str = "advance_rollouts";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
    /// One at a time: two would count the same servers against the pace twice.
    fn lane(&self) -> Option<String> {
        Some("rollouts".to_owned())
    }
}
