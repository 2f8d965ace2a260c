//! Asks running servers what they tell everybody of themselves, a few at a time.

use super::{Deps, Handle, JobError};
use crate::desk::alerts;
use crate::instance::usage::{self, AskUsage};
use crate::queue;

/// Servers of one job: so many that are all away take two minutes.
const BATCH: i64 = 400;
/// Asked at a time.
const AT_ONCE: usize = 16;

impl Handle for AskUsage {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let servers = usage::to_ask(&mut conn, self.after, BATCH).await?;
        drop(conn);
        let mut outcomes = Vec::with_capacity(servers.len());
        for some in servers.chunks(AT_ONCE) {
            let asked = some.iter().map(|server| usage::ask(deps.sites.as_ref(), &server.host));
            outcomes.extend(futures::future::join_all(asked).await);
        }
        let now = deps.clock.now();
        let mut tx = deps.db.worker().begin().await?;
        for (server, outcome) in servers.iter().zip(&outcomes) {
            usage::keep(&mut tx, server, outcome, now).await?;
            if let Some(until) = outcome.as_ref().ok().and_then(|told| told.certificate_until) {
                alerts::keep_certificate(&mut tx, server.id, until, now).await?;
            }
        }
        // Fewer than asked for: these were the last.
        if let Some(last) = servers.get(usize::try_from(BATCH - 1)?) {
            queue::enqueue(&mut tx, &AskUsage { after: Some(last.id) }, None).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
