//! The account and its one webhook endpoint, as far as somebody looks before the first customer.
//!
//! Simpler than Stripe: the account can always take payments, and the endpoint is sent every event.

use serde_json::{Value, json};

use super::store::Turn;

pub(super) fn get(turn: &Turn<'_>) -> Value {
    json!({
        "id": "acct_fake", "object": "account", "charges_enabled": true, "country": "DE", "default_currency": "eur",
        "created": turn.now, "details_submitted": true, "payouts_enabled": true, "type": "standard",
    })
}

pub(super) fn endpoints(turn: &Turn<'_>) -> Value {
    let endpoint = |url: &url::Url| {
        json!({
            "id": "we_fake", "object": "webhook_endpoint", "url": url.as_str(), "status": "enabled", "enabled_events": ["*"],
            "livemode": false, "api_version": super::events::API_VERSION, "created": turn.now, "metadata": {},
        })
    };
    let data: Vec<Value> = turn.state.webhook_url.iter().map(endpoint).collect();
    json!({"object": "list", "data": data, "has_more": false, "url": "/v1/webhook_endpoints"})
}
