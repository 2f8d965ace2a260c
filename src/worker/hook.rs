//! Tells customers' programs what has happened to their servers.
//!
//! Not jobs of the queue: that a program of a customer's does not answer is nothing that staff have to look at.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Deps;
use crate::account::hook::delivery::{self, Due, Outcome};
use crate::account::hook::headers;
use crate::telemetry;

/// Between two looks for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tries that are taken at a time; each ends by itself long before another worker would take it over.
const BATCH: i64 = 32;
/// Tries that are under way at a time.
const AT_ONCE: usize = 16;

/// Tells until `shutdown`. Several workers share what is due.
pub(super) async fn run(deps: Arc<Deps>, shutdown: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        match deliver(&deps).await {
            Ok(()) => is_well = true,
            // Said once: Postgres may be away for a while.
            Err(error) => {
                if is_well {
                    tracing::warn!(error = telemetry::chain(&error), "webhooks can't be delivered; it is tried again");
                }
                is_well = false;
            }
        }
    }
}

/// Tells all that is due.
pub(super) async fn deliver(deps: &Deps) -> sqlx::Result<()> {
    loop {
        let taken = delivery::take(&mut *deps.db.worker().acquire().await?, deps.clock.as_ref(), BATCH).await?;
        if taken.is_empty() {
            return Ok(());
        }
        let outcomes: Vec<sqlx::Result<()>> =
            futures::stream::iter(taken).map(|due| tell(deps, due)).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect::<sqlx::Result<()>>()?;
    }
}

/// Network first, then the transaction: dying in between tells once more, under the same id.
async fn tell(deps: &Deps, due: Due) -> sqlx::Result<()> {
    let began = Instant::now();
    let outcome = send(deps, &due).await;
    let millis = i32::try_from(began.elapsed().as_millis()).unwrap_or(i32::MAX);
    let word = match &outcome {
        Outcome::Answered(200..=299) => "taken",
        Outcome::Answered(_) => "refused",
        Outcome::Failed(_) => "failed",
    };
    metrics::counter!("paddock_webhooks_sent_total", "outcome" => word).increment(1);
    let mut tx = deps.db.worker().begin().await?;
    delivery::note(&mut tx, deps.clock.as_ref(), &due, &outcome, millis).await?;
    tx.commit().await
}

async fn send(deps: &Deps, due: &Due) -> Outcome {
    let now = deps.clock.now();
    let Ok(url) = due.url.parse() else { return Outcome::Failed("the address can't be read".to_owned()) };
    let headers = match headers(&due.secrets(&deps.key, now), due.event_id, now, &due.payload) {
        Ok(headers) => headers,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    match deps.outbound.post(&url, headers, due.payload.clone().into_bytes()).await {
        Ok(reply) => Outcome::Answered(reply.status),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
