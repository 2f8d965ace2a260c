//! Stripe's webhook: verified on the raw bytes, kept as it came, and a job enqueued, in one transaction. Nothing else: what happened is
//! found out by fetching.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::AppState;
use super::error::WebError;
use crate::billing::jobs::{SyncCheckout, SyncSubscription};
use crate::billing::{self, stripe::verify_webhook};
use crate::crash;
use crate::queue;

/// The most that an event may weigh; Stripe's stay far below.
pub(super) const LIMIT: usize = 512 * 1024;

/// POST `/hooks/stripe`. A redelivery is answered like the first delivery, and changes nothing.
pub(super) async fn stripe(State(state): State<AppState>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, WebError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let event = verify_webhook(&body, signature, &state.webhook_secrets, state.clock.now()).map_err(|refused| {
        // A wrong secret in the configuration looks just like this, and would otherwise stay silent until the sweep.
        tracing::warn!(error = %refused, "a webhook was refused");
        metrics::counter!("paddock_webhooks_refused_total").increment(1);
        WebError::Unreadable { field: "stripe-signature".to_owned(), message: refused.to_string() }
    })?;
    crash::point("hook.verified");
    let mut tx = state.db.auth().begin().await?;
    if billing::event_received(&mut tx, state.clock.as_ref(), &event, &body).await? {
        if let Some(subscription) = event.refs.subscription.clone() {
            queue::enqueue(&mut tx, &SyncSubscription { subscription }, None).await?;
        }
        if let Some(checkout) = event.refs.checkout.clone() {
            queue::enqueue(&mut tx, &SyncCheckout { checkout }, None).await?;
        }
    }
    crash::point("hook.before_commit");
    tx.commit().await?;
    crash::point("hook.committed");
    Ok(StatusCode::OK)
}
