//! Subscriptions: get, list, update (end date, metadata), cancel. They begin with a paid checkout, so `incomplete` never shows.
//! Changing the price of a running one is left out.

use chrono::{DateTime, Months};
use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::{Basket, Turn};

/// A new one, active from now; its first invoice is the caller's to write.
pub(super) fn start(turn: &mut Turn<'_>, customer: &str, basket: &Basket) -> Answered {
    let price = turn
        .state
        .prices
        .get(&basket.price)
        .cloned()
        .ok_or_else(|| ApiError::missing_reference("price", "price", &basket.price))?;
    let (id, item) = (turn.id("sub"), turn.id("si"));
    let interval = price["recurring"]["interval"].clone();
    let end = period_end(turn.now, turn.now, interval.as_str().unwrap_or_default());
    let plan = json!({
        "id": price["id"], "object": "plan", "active": true, "billing_scheme": "per_unit", "created": price["created"], "currency": price["currency"],
        "interval": interval, "interval_count": 1, "livemode": false, "usage_type": "licensed", "amount": price["unit_amount"], "product": price["product"],
    });
    let subscription = json!({
        "id": id, "object": "subscription", "status": "active", "customer": customer, "metadata": basket.metadata, "livemode": false,
        "created": turn.now, "start_date": turn.now, "billing_cycle_anchor": turn.now, "billing_mode": { "type": "flexible" },
        "billing_schedules": [], "automatic_tax": { "enabled": false }, "collection_method": "charge_automatically", "currency": price["currency"],
        "discounts": [], "invoice_settings": { "issuer": { "type": "self" } }, "latest_invoice": null,
        "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
        "items": { "object": "list", "has_more": false, "url": format!("/v1/subscription_items?subscription={id}"), "data": [{
            "id": item, "object": "subscription_item", "created": turn.now, "current_period_start": turn.now, "current_period_end": end,
            "discounts": [], "metadata": {}, "plan": plan, "price": price, "subscription": id, "quantity": basket.quantity,
        }]},
    });
    put(turn, subscription.clone());
    Ok(subscription)
}

/// The next end of a period after `after`, counted from the anchor, so that the 31st comes back after February.
pub(super) fn period_end(anchor: i64, after: i64, interval: &str) -> i64 {
    let months_each = if interval == "year" { 12 } else { 1 };
    DateTime::from_timestamp(anchor, 0)
        .and_then(|start| {
            (1..2400)
                .filter_map(|n| start.checked_add_months(Months::new(n * months_each)))
                .map(|end| end.timestamp())
                .find(|end| *end > after)
        })
        .unwrap_or(i64::MAX)
}

pub(super) fn period(subscription: &Value) -> (i64, i64) {
    let item = &subscription["items"]["data"][0];
    (item["current_period_start"].as_i64().unwrap_or_default(), item["current_period_end"].as_i64().unwrap_or(i64::MAX))
}

/// It renews, or would.
pub(super) fn is_running(subscription: &Value) -> bool {
    matches!(subscription["status"].as_str(), Some("active" | "past_due"))
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.subscriptions.get(id).cloned().ok_or_else(|| ApiError::missing("subscription", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, price, status) =
        (Cursor::take(&mut params)?, params.take("customer"), params.take("price"), params.take("status"));
    params.finish()?;
    cursor.page("subscription", "/v1/subscriptions", &turn.state.subscriptions, |subscription| {
        let is = subscription["status"].as_str().unwrap_or_default();
        let fits = match status.as_deref() {
            None => is != "canceled",
            Some("all") => true,
            Some("ended") => matches!(is, "canceled" | "incomplete_expired"),
            Some(wanted) => wanted == is,
        };
        fits && (customer.is_none() || subscription["customer"].as_str() == customer.as_deref())
            && (price.is_none() || subscription["items"]["data"][0]["price"]["id"].as_str() == price.as_deref())
    })
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let mut subscription = get(turn, id)?;
    let (at_end, cancel_at, metadata) = (params.flag("cancel_at_period_end")?, params.take("cancel_at"), params.metadata());
    params.finish()?;
    let cancel_at = match cancel_at.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(text) => {
            let at: i64 = text
                .parse()
                .map_err(|_| ApiError::bad_parameter("parameter_invalid_integer", "cancel_at".to_owned(), "a Unix time"))?;
            if at <= turn.now {
                return Err(ApiError::refused("cancel_at", "The cancel_at timestamp must be in the future."));
            }
            Some(Some(at))
        }
    };
    if !is_running(&subscription) {
        return Err(ApiError::refused("id", "A canceled subscription can only update its cancellation_details and metadata."));
    }
    for (key, value) in metadata {
        subscription["metadata"][key] = value;
    }
    if let Some(at) = cancel_at {
        set_end(&mut subscription, at, false, turn.now);
    }
    if let Some(at_end) = at_end {
        let end = period(&subscription).1;
        set_end(&mut subscription, at_end.then_some(end), at_end, turn.now);
    }
    put(turn, subscription.clone());
    turn.emit("customer.subscription.updated", &subscription);
    Ok(subscription)
}

fn set_end(subscription: &mut Value, at: Option<i64>, at_period_end: bool, now: i64) {
    subscription["cancel_at"] = at.into();
    subscription["cancel_at_period_end"] = at_period_end.into();
    subscription["canceled_at"] = at.map(|_| now).into();
}

/// Over, from now on.
pub(super) fn cancel(turn: &mut Turn<'_>, id: &str) -> Answered {
    let mut subscription = get(turn, id)?;
    if !is_running(&subscription) {
        return Err(ApiError::missing("subscription", id));
    }
    subscription["status"] = "canceled".into();
    subscription["ended_at"] = turn.now.into();
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = turn.now.into();
    }
    put(turn, subscription.clone());
    turn.emit("customer.subscription.deleted", &subscription);
    Ok(subscription)
}

/// The invoices say whether it is paid up.
pub(super) fn set_status(turn: &mut Turn<'_>, id: &str, status: &str) {
    let Ok(mut subscription) = get(turn, id) else { return };
    if is_running(&subscription) && subscription["status"] != status {
        subscription["status"] = status.into();
        put(turn, subscription.clone());
        turn.emit("customer.subscription.updated", &subscription);
    }
}

pub(super) fn put(turn: &mut Turn<'_>, subscription: Value) {
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    turn.state.subscriptions.insert(id, subscription);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_from_the_anchor() {
        let at = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp();
        let anchor = at("2026-01-31T10:00:00Z");
        assert_eq!(period_end(anchor, anchor, "month"), at("2026-02-28T10:00:00Z"));
        assert_eq!(period_end(anchor, at("2026-02-28T10:00:00Z"), "month"), at("2026-03-31T10:00:00Z"));
        assert_eq!(period_end(anchor, anchor, "year"), at("2027-01-31T10:00:00Z"));
    }
}
