//! Stripe's webhook: verified on the raw bytes and kept as it came. Nothing else stands before the answer: what happened is found out by
//! fetching, and `worker` enqueues that.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use super::AppState;
use super::error::WebError;
use crate::billing::inbox::{self, Received};
use crate::billing::stripe::verify_webhook;
use crate::crash;
use crate::db::Db;
use crate::telemetry;

/// The most that an event may weigh; Stripe's stay far below.
pub(super) const LIMIT: usize = 512 * 1024;
/// Events that are kept in one statement.
const MOST_AT_ONCE: usize = 256;

/// POST `/hooks/stripe`. A redelivery is answered like the first delivery, and changes nothing.
pub(super) async fn stripe(State(state): State<AppState>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, WebError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = state.clock.now();
    let event = verify_webhook(&body, signature, &state.webhook_secrets, now).map_err(|refused| {
        // A wrong secret in the configuration looks just like this, and would otherwise stay silent until the sweep.
        tracing::warn!(error = %refused, "a webhook was refused");
        metrics::counter!("paddock_webhooks_refused_total").increment(1);
        WebError::Unreadable { field: "stripe-signature".to_owned(), message: refused.to_string() }
    })?;
    crash::point("hook.verified");
    let received = Received {
        id: event.id,
        kind: event.kind,
        api_version: event.api_version.unwrap_or_default(),
        raw: body.into(),
        at: now,
    };
    if !state.inbox().keep(&state.db, received).await {
        // Stripe tries again.
        return Ok(StatusCode::SERVICE_UNAVAILABLE);
    }
    crash::point("hook.committed");
    Ok(StatusCode::OK)
}

/// Keeps events that come at the same time in one statement: a rush after an outage costs one commit for many.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    event: Received,
    kept: oneshot::Sender<bool>,
}

impl Inbox {
    /// Whether the event is durable now.
    async fn keep(self: &Arc<Self>, db: &Db, event: Received) -> bool {
        let (kept, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { event, kept });
        // Apart from this request: when its caller hangs up, the others' events are kept nevertheless.
        let (inbox, db) = (Arc::clone(self), db.clone());
        tokio::spawn(async move { inbox.empty(&db).await });
        answer.await.unwrap_or(false)
    }

    /// Keeps what waits when its turn comes; whoever came meanwhile has been taken along.
    async fn empty(&self, db: &Db) {
        let _turn = self.turn.lock().await;
        let batch: Vec<Waiting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(MOST_AT_ONCE);
            waiting.drain(..count).collect()
        };
        if batch.is_empty() {
            return;
        }
        let events = batch.iter().map(|one| one.event.clone()).collect();
        let kept = keep_all(db, events).await;
        // The database is there and does not take it: one such event must not hold up the others.
        let one_by_one = batch.len() > 1 && kept.as_ref().is_err_and(|error| error.as_database_error().is_some());
        if let Err(error) = &kept {
            tracing::error!(error = telemetry::chain(error), events = batch.len(), "webhooks could not be kept");
        }
        for Waiting { event, kept: answer } in batch {
            let kept = kept.is_ok() || (one_by_one && keep_all(db, vec![event]).await.is_ok());
            // Nobody may be waiting any more: that is no error.
            let _gone = answer.send(kept);
        }
    }
}

async fn keep_all(db: &Db, events: Vec<Received>) -> sqlx::Result<()> {
    let mut conn = db.auth().acquire().await?;
    crash::point("hook.before_commit");
    inbox::keep(&mut conn, events).await
}
