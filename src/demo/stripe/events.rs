//! Events: made with each change, listed newest first, gone after 30 days. The object in an event is what it was at that moment.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

/// The version whose shapes the fake speaks: that of async-stripe.
pub(super) const API_VERSION: &str = "2026-09-30.endive";
/// How long Stripe's API shows events.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

impl Turn<'_> {
    /// Writes down that something happened to `object`, and puts it into the post as the policy says.
    pub(super) fn emit(&mut self, kind: &str, object: &Value) {
        let id = self.id("evt");
        let has_endpoint = self.state.webhook_url.is_some();
        let event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now, "livemode": false, "type": kind,
            "data": { "object": object }, "pending_webhooks": i32::from(has_endpoint),
            "request": { "id": null, "idempotency_key": null },
        });
        self.state.events.insert(id.clone(), event);
        if has_endpoint {
            self.state.undelivered.insert(id.clone());
            self.state.post(&id, kind);
        }
    }

    pub(super) fn forget_old_events(&mut self) {
        let oldest = self.now - KEPT_SECONDS;
        // Ids sort by age, so a look at the first says whether there is anything to forget.
        if self.state.events.values().next().is_none_or(|event| event["created"].as_i64() >= Some(oldest)) {
            return;
        }
        self.state.events.retain(|_, event| event["created"].as_i64() >= Some(oldest));
        let events = &self.state.events;
        self.state.undelivered.retain(|id| events.contains_key(id));
    }
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.events.get(id).cloned().ok_or_else(|| ApiError::missing("event", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, kind, kinds) = (Cursor::take(&mut params)?, params.take("type"), params.strings("types"));
    params.finish()?;
    cursor.page("event", "/v1/events", &turn.state.events, |event| {
        let is = event["type"].as_str().unwrap_or_default();
        kind.as_deref().is_none_or(|kind| kind == is) && (kinds.is_empty() || kinds.iter().any(|kind| kind == is))
    })
}
