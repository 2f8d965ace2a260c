//! Keeps the figures of the staff's overview, hour by hour, so that it can show where they are going.

use serde::{Deserialize, Serialize};

use super::{Deps, Handle, JobError};
use crate::desk::figures;
use crate::queue::Job;

/// Reads all figures and keeps them as those of this hour. Run twice in an hour, the second counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeepFigures {}

impl Job for KeepFigures {
    const NAME: &'static str = "keep_figures";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}

impl Handle for KeepFigures {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let (mut conn, now) = (deps.db.worker().acquire().await?, deps.clock.now());
        let reading = figures::read(&mut conn, deps.db.owner(), &deps.catalogue, now).await?;
        figures::keep(&mut conn, &reading, now).await?;
        Ok(())
    }
}
