//! Brings rollouts on.

use super::{Deps, Handle, JobError};
use crate::rollout::{self, jobs::AdvanceRollouts};

impl Handle for AdvanceRollouts {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        Ok(rollout::advance(&deps.db, deps.clock.as_ref()).await?)
    }
}
