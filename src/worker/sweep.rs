//! What happens without anybody asking, by time alone: when it is enqueued, and tidying up.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::alert::LookForAlerts;
use super::figures::KeepFigures;
use super::{Deps, Handle, JobError};
use crate::account::{attempt, call, device, hook, link, move_address, passkey, session, token};
use crate::audit::chain::ChainAudit;
use crate::billing;
use crate::billing::jobs::{CatchUpEvents, ReviewStandings, SweepStripe, SyncPrices};
use crate::capacity::KeepWaitingList;
use crate::instance::export::KeepArchives;
use crate::instance::usage::AskUsage;
use crate::plan;
use crate::queue::{self, Job};
use crate::rollout::jobs::AdvanceRollouts;
use crate::{desk, instance, mail, privacy, telemetry};

/// After a start, the first comparison with Stripe.
const SWEEP_SOON: Duration = Duration::from_mins(5);
/// Between two readings of Stripe's list of events: so long, at most, does an event go unnoticed whose webhook does not come.
const CATCH_UP_EVERY: Duration = Duration::from_mins(5);
/// Between two rounds of [`Tidy`].
const TIDY_EVERY: Duration = Duration::from_hours(6);

/// Between two looks for subscriptions that time alone has changed.
const REVIEW_EVERY: Duration = Duration::from_mins(10);

/// Between two looks at the waiting list without a place that became free.
const WAITING_EVERY: Duration = Duration::from_mins(1);
/// Between two looks for what somebody should look at.
const ALERTS_EVERY: Duration = Duration::from_mins(1);
/// After a start, the first round of asking servers how they are used.
const USAGE_SOON: Duration = Duration::from_mins(2);
/// Between two rounds of asking servers how they are used.
const USAGE_EVERY: Duration = Duration::from_mins(10);
/// Between two readings of the overview's figures.
const FIGURES_EVERY: Duration = Duration::from_hours(1);

/// Between two rounds of chaining the audit log: as long, at most, may somebody change what is new in it unnoticed.
const CHAIN_EVERY: Duration = Duration::from_secs(15);

/// Between two looks for jobs that were replaced while they ran: before anybody sees them as failed.
const REPLACED_EVERY: Duration = Duration::from_secs(5);

/// Between two looks for archives that are to be proven or to go.
const ARCHIVES_EVERY: Duration = Duration::from_mins(1);

/// Between two looks at rollouts without a nudge.
const ROLLOUTS_EVERY: Duration = Duration::from_secs(15);

/// Forgets what is over or old: sessions, links, mails, webhooks of both ways, times of steps, figures. What was done, and who did it, stays (`audit`).
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
        let attempts = attempt::forget_old(&mut conn, clock).await?;
        let devices = device::forget_old(&mut conn, clock).await?;
        let changes = move_address::forget_old(&mut conn, clock).await?;
        let tokens = token::forget_old(&mut conn, clock).await?;
        let calls = call::forget_old(&mut conn, clock).await?;
        let hooks = hook::forget_old(&mut conn, clock).await?;
        let mails = mail::forget_old(&mut conn, clock).await?;
        let events = billing::forget_old_events(&mut conn, clock).await?;
        let steps = instance::forget_old_steps(&mut conn).await?;
        let figures = desk::figures::forget_old(&mut conn, clock).await?;
        let questions = passkey::forget_old(&mut conn, clock).await?;
        let kept = privacy::forget_kept(&mut conn, clock).await?;
        let alerts = desk::alerts::forget_old(&mut conn, clock).await?;
        let usage = instance::usage::forget_old(&mut conn, clock).await?;
        let changes_seen = instance::forget_old_changes(&mut conn, clock).await?;
        tracing::info!(
            sessions,
            links,
            attempts,
            devices,
            changes,
            tokens,
            calls,
            hooks,
            mails,
            events,
            steps,
            figures,
            questions,
            kept,
            alerts,
            usage,
            changes_seen,
            "tidied up"
        );
        Ok(())
    }
}

/// Enqueues what is due by time alone. Keys make sure that several workers enqueue one of each.
pub(super) async fn schedule(deps: Arc<Deps>, sweep_every: Duration, shutdown: CancellationToken) {
    // Not at once: after each deployment the first payments would stand behind a comparison of everything.
    let mut sweep = tokio::time::interval_at(tokio::time::Instant::now() + sweep_every.min(SWEEP_SOON), sweep_every);
    let mut review = tokio::time::interval(REVIEW_EVERY);
    let mut waiting = tokio::time::interval(WAITING_EVERY);
    let catch_up_every = sweep_every.min(CATCH_UP_EVERY);
    let mut catch_up = tokio::time::interval_at(tokio::time::Instant::now() + catch_up_every, catch_up_every);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut figures = tokio::time::interval(FIGURES_EVERY);
    let mut alerts = tokio::time::interval(ALERTS_EVERY);
    // Not at once either: a worker that is started again and again would ask everybody's servers each time.
    let mut usage = tokio::time::interval_at(tokio::time::Instant::now() + USAGE_SOON, USAGE_EVERY);
    let mut replaced = tokio::time::interval(REPLACED_EVERY);
    let mut rollouts = tokio::time::interval(ROLLOUTS_EVERY);
    let mut chain = tokio::time::interval(CHAIN_EVERY);
    let mut archives = tokio::time::interval(ARCHIVES_EVERY);
    while let Err(error) = bring_in_releases(&deps).await {
        tracing::warn!(error = telemetry::chain(&error), "the releases of the catalogue could not be brought in; trying again");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    // A price that Stripe does not have yet costs the first customer a second; and the catalogue may have changed.
    note(enqueue(&deps, &SyncPrices {}).await);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = sweep.tick() => note(enqueue(&deps, &SweepStripe {}).await),
            _ = review.tick() => note(enqueue(&deps, &ReviewStandings {}).await),
            _ = waiting.tick() => note(enqueue(&deps, &KeepWaitingList {}).await),
            _ = catch_up.tick() => note(enqueue(&deps, &CatchUpEvents {}).await),
            _ = tidy.tick() => note(enqueue(&deps, &Tidy {}).await),
            _ = rollouts.tick() => note(enqueue(&deps, &AdvanceRollouts {}).await),
            _ = chain.tick() => note(enqueue(&deps, &ChainAudit {}).await),
            _ = archives.tick() => note(enqueue(&deps, &KeepArchives {}).await),
            _ = alerts.tick() => note(enqueue(&deps, &LookForAlerts {}).await),
            _ = usage.tick() => note(enqueue(&deps, &AskUsage { after: None }).await),
            _ = figures.tick() => note(enqueue(&deps, &KeepFigures {}).await),
            _ = replaced.tick() => note(queue::forget_replaced(deps.db.owner()).await.map(drop)),
        }
    }
}

/// The file may have releases that the database does not: at the very first start it has none at all.
async fn bring_in_releases(deps: &Deps) -> sqlx::Result<()> {
    let mut tx = deps.db.worker().begin().await?;
    for version in plan::seed_releases(&mut tx, deps.clock.as_ref(), &deps.releases).await? {
        tracing::info!(release.version = %version, "a release of the catalogue was brought in");
    }
    tx.commit().await
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
