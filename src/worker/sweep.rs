//! What happens without anybody asking: comparing everything with Stripe, and tidying up.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::figures::KeepFigures;
use super::{Deps, Handle, JobError};
use crate::account::{link, session};
use crate::billing;
use crate::billing::jobs::{SettleOrder, SweepStripe, SyncCheckout, SyncPrices, SyncSubscription};
use crate::queue::{self, Job};
use crate::{desk, instance, mail, telemetry};

/// After a start, the first comparison with Stripe.
const SWEEP_SOON: Duration = Duration::from_mins(5);
/// Between two rounds of [`Tidy`].
const TIDY_EVERY: Duration = Duration::from_hours(6);

/// Between two readings of the overview's figures.
const FIGURES_EVERY: Duration = Duration::from_hours(1);

/// Between two looks for jobs that were replaced while they ran: before anybody sees them as failed.
const REPLACED_EVERY: Duration = Duration::from_secs(5);

/// Forgets what is over or old: sessions, links, mails, webhooks, times of steps, figures. What was done, and who did it, stays (`audit`).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tidy {}

impl Job for Tidy {
    const NAME: &'static str = "tidy";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}

impl Handle for Tidy {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let (mut conn, clock) = (deps.db.worker().acquire().await?, deps.clock.as_ref());
        let sessions = session::forget_old(&mut conn, clock).await?;
        let links = link::forget_old(&mut conn, clock).await?;
        let mails = mail::forget_old(&mut conn, clock).await?;
        let events = billing::forget_old_events(&mut conn, clock).await?;
        let steps = instance::forget_old_steps(&mut conn).await?;
        let figures = desk::figures::forget_old(&mut conn, clock).await?;
        tracing::info!(sessions, links, mails, events, steps, figures, "tidied up");
        Ok(())
    }
}

impl Handle for SweepStripe {
    /// Only enqueues: each object is then compared by the job that a webhook would have caused.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        for order in billing::orders_to_sweep(&mut conn).await? {
            if let Some(checkout) = order.checkout_id {
                queue::enqueue(&mut conn, &SyncCheckout { checkout }, None).await?;
            }
            if order.checkout_expires_at <= deps.clock.now() {
                queue::enqueue(&mut conn, &SettleOrder { order: order.id, early: false }, None).await?;
            }
        }
        drop(conn);
        let mut after = None;
        loop {
            let page = deps.stripe.list_subscriptions(after.as_ref()).await?;
            let mut conn = deps.db.worker().acquire().await?;
            for subscription in &page.items {
                queue::enqueue(&mut conn, &SyncSubscription { subscription: subscription.id.clone() }, None).await?;
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.id.clone()),
                _ => return Ok(()),
            }
        }
    }
}

/// Enqueues what is due by time alone. Keys make sure that several workers enqueue one of each.
pub(super) async fn schedule(deps: Arc<Deps>, sweep_every: Duration, shutdown: CancellationToken) {
    // Not at once: after each deployment the first payments would stand behind a comparison of everything.
    let mut sweep = tokio::time::interval_at(tokio::time::Instant::now() + sweep_every.min(SWEEP_SOON), sweep_every);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut figures = tokio::time::interval(FIGURES_EVERY);
    let mut replaced = tokio::time::interval(REPLACED_EVERY);
    // A price that Stripe does not have yet costs the first customer a second; and the catalogue may have changed.
    note(enqueue(&deps, &SyncPrices {}).await);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = sweep.tick() => note(enqueue(&deps, &SweepStripe {}).await),
            _ = tidy.tick() => note(enqueue(&deps, &Tidy {}).await),
            _ = figures.tick() => note(enqueue(&deps, &KeepFigures {}).await),
            _ = replaced.tick() => note(queue::forget_replaced(deps.db.owner()).await.map(drop)),
        }
    }
}

async fn enqueue<J: Job>(deps: &Deps, job: &J) -> sqlx::Result<()> {
    let mut conn = deps.db.worker().acquire().await?;
    queue::enqueue(&mut conn, job, None).await
}

/// A schedule that could not be kept comes round again.
fn note(outcome: sqlx::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(error = telemetry::chain(&error), "a scheduled job could not be enqueued");
    }
}
