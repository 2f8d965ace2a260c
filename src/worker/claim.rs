//! Looks whether customers' own domains point here. The questions first, then one transaction.

use anyhow::anyhow;

use super::{Deps, Handle, JobError};
use crate::instance::claim::{self, CheckAddress, Outcome};

impl Handle for CheckAddress {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let claim = claim::find_claim(&mut conn, self.instance).await?;
        drop(conn);
        let Some(claim) = claim.filter(claim::Claim::is_wanted) else { return Ok(()) };
        let sight = claim::see(&deps.views, &claim, &deps.dns_target).await;
        let mut tx = deps.db.worker().begin().await?;
        let outcome = claim::take_in(&mut tx, deps.clock.as_ref(), self.instance, sight).await?;
        tx.commit().await?;
        match outcome {
            Outcome::Confirmed => tracing::info!(instance.id = %self.instance, domain = claim.domain, "a domain points here"),
            Outcome::Settled | Outcome::Waits(_) => {}
            Outcome::WasAnothers => {
                let domain = claim.domain;
                return Err(JobError::Fail(anyhow!(
                    "{domain} points here, and a name of it was served for another account before: find out whose it is now"
                )));
            }
        }
        Ok(())
    }
}
