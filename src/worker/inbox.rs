//! Stripe's events: those that webhooks brought are handed on, and Stripe's list is asked for those that they did not bring.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::stripe::of_stripe;
use super::{Deps, Handle, JobError};
use crate::billing::inbox::{self, BATCH};
use crate::billing::jobs::{CatchUpEvents, SweepStripe};
use crate::billing::stripe::StripeError;
use crate::crash;
use crate::queue;
use crate::telemetry;

/// Between two looks into the inbox: what a payment waits for at most before anybody deals with it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Hands events on until `shutdown`. Several workers share them.
pub(super) async fn run(deps: Arc<Deps>, shutdown: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        match hand_on(&deps).await {
            Ok(()) => is_well = true,
            // Said once: Postgres may be away for a while.
            Err(error) => {
                if is_well {
                    tracing::warn!(error = telemetry::chain(&error), "Stripe's events can't be handed on; it is tried again");
                }
                is_well = false;
            }
        }
    }
}

/// Hands on all that is there.
pub(super) async fn hand_on(deps: &Deps) -> sqlx::Result<()> {
    let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
    loop {
        let mut tx = deps.db.worker().begin().await?;
        let count = inbox::hand_on(&mut tx, deps.clock.as_ref()).await?;
        if count == 0 {
            return Ok(());
        }
        crash::point("inbox.before_commit");
        tx.commit().await?;
        crash::point("inbox.committed");
        if count < batch {
            return Ok(());
        }
    }
}

impl Handle for CatchUpEvents {
    /// Reads Stripe's list from where it was last read, oldest first.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let clock = deps.clock.as_ref();
        let mut after = inbox::reading(&mut *deps.db.worker().acquire().await?).await?.events_cursor;
        let is_first = after.is_none();
        loop {
            let page = match deps.stripe.events_since(after.as_ref()).await {
                Ok(page) => page,
                // Stripe shows events for 30 days: what happened before, only the objects tell.
                Err(StripeError::NotFound { .. }) if after.is_some() => {
                    let mut tx = deps.db.worker().begin().await?;
                    inbox::forget_cursor(&mut tx).await?;
                    queue::enqueue(&mut tx, &SweepStripe {}, None).await?;
                    tx.commit().await?;
                    after = None;
                    continue;
                }
                Err(error) => return Err(of_stripe(error)),
            };
            let mut tx = deps.db.worker().begin().await?;
            let news = inbox::hear(&mut tx, clock, &page.items).await?;
            if is_first && after.is_none() {
                // Nobody knows what came before the newest hundred.
                queue::enqueue(&mut tx, &SweepStripe {}, None).await?;
            }
            tx.commit().await?;
            if news > 0 {
                tracing::warn!(events = news, "Stripe's list told of events that no webhook has brought");
                metrics::counter!("paddock_webhooks_missed_total").increment(u64::try_from(news).unwrap_or(u64::MAX));
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.id.clone()),
                _ => return Ok(()),
            }
        }
    }
}
