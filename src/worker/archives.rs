//! Keeps archives: asks for the proofs that are due, and takes away what nobody is to have any more.

use super::{Deps, Handle, JobError};
use crate::archive::shelf::Depot;
use crate::instance::export::{self, Expired, KeepArchives, Unproven};

/// What one look deals with; the rest has its turn with the next.
const ROUND: i64 = 50;

impl Handle for KeepArchives {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let clock = deps.clock.as_ref();
        let unproven = export::unproven(&mut conn, clock, ROUND).await?;
        let drills = export::due_drills(&mut conn, clock, ROUND).await?;
        let expired = export::expired(&mut conn, clock, ROUND).await?;
        export::measure_proofs(&mut conn, clock).await;
        drop(conn);
        for (due, drill) in unproven.iter().map(|due| (due, false)).chain(drills.iter().map(|due| (due, true))) {
            ask(deps, due, drill).await?;
        }
        if let Some(depot) = &deps.depot {
            let mut kept = Ok(());
            for gone in &expired {
                // One whose store is away does not keep the others.
                kept = remove(deps, depot, gone).await.and(kept);
            }
            kept?;
        } else if !expired.is_empty() {
            let many = expired.len();
            tracing::warn!(
                "{many} archives are to be removed, and this worker knows no store of archives: write the section [archives]"
            );
        }
        Ok(())
    }
}

async fn ask(deps: &Deps, due: &Unproven, drill: bool) -> Result<(), JobError> {
    let mut tx = deps.db.worker().begin().await?;
    if export::request_proof(&mut tx, deps.clock.as_ref(), due, drill).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// The bytes first, then the row: whatever dies in between is done again.
async fn remove(deps: &Deps, depot: &Depot, gone: &Expired) -> Result<(), JobError> {
    let files = export::shelf(depot, gone.instance_id, gone.id).clear().await?;
    let mut tx = deps.db.worker().begin().await?;
    export::archive_is_gone(&mut tx, deps.clock.as_ref(), gone).await?;
    tx.commit().await?;
    tracing::info!(archive.id = %gone.id, files, "an archive was removed");
    Ok(())
}
