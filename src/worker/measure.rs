//! How far the queue is behind, as figures: what an alarm is set on. See docs/metrics.md.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Deps;
use crate::billing::{difference, inbox};
use crate::queue::{self, Backlog};

/// Prometheus asks about as often.
const EVERY: Duration = Duration::from_secs(15);

/// Measures until `shutdown`. While the database is away the figures stay as they were; what is away shows elsewhere.
pub(super) async fn measure(deps: Arc<Deps>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        if let Ok(backlog) = queue::backlog(deps.db.owner(), deps.clock.now()).await {
            let Backlog { due, oldest_seconds, dead } = backlog;
            metrics::gauge!("paddock_jobs_due").set(whole(due));
            metrics::gauge!("paddock_jobs_oldest_due_seconds").set(oldest_seconds);
            metrics::gauge!("paddock_jobs_dead").set(whole(dead));
        }
        if let Ok(mut conn) = deps.db.worker().acquire().await
            && let (Ok(waiting), Ok(differences)) = (inbox::waiting(&mut conn).await, difference::count_open(&mut conn).await)
        {
            metrics::gauge!("paddock_stripe_events_waiting").set(whole(waiting));
            metrics::gauge!("paddock_stripe_differences").set(whole(differences));
        }
    }
}

/// Gauges are floating point; no queue is long enough to lose one in it.
fn whole(count: i64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
