//! Chains what the audit log has got since the last time, and signs it now and then.

use super::{Deps, Handle, JobError};
use crate::audit::chain::{self, ChainAudit};

impl Handle for ChainAudit {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        loop {
            let mut tx = deps.db.worker().begin().await?;
            let chained = chain::extend(&mut tx).await?;
            tx.commit().await?;
            if chained == 0 {
                break;
            }
        }
        let mut tx = deps.db.worker().begin().await?;
        let signed = chain::sign(&mut tx, deps.clock.as_ref(), &deps.audit_signer).await?;
        tx.commit().await?;
        if let Some(checkpoint) = signed {
            // Where logs are kept, whoever has the database can't take it back.
            tracing::info!(%checkpoint, "the audit log is signed");
        }
        Ok(())
    }
}
