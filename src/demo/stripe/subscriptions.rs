//! Subscriptions: what they are made of, get, list, cancel, resume. Changing one is `subscription_update`, making one over the API
//! `subscription_create`; most begin with a paid checkout.
//!
//! Simpler than Stripe: all items are billed together, and no schedules. A date of cancellation inside a period neither shortens its bill
//! nor gives anything back (at Stripe: `proration_behavior=none`).

use chrono::{DateTime, Months};
use serde_json::{Map, Value, json};

use super::errors::{Answered, ApiError};
use super::invoices::Reason;
use super::lines::Held;
use super::list::Cursor;
use super::params::Params;
use super::store::{Reduction, Turn};
use super::{discounts, invoices};

/// How long the first payment may be outstanding.
pub(super) const INCOMPLETE_SECONDS: i64 = 23 * 3600;

/// What a subscription is to be.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// Prices with quantities.
    pub items: Vec<(String, i64)>,
    pub metadata: Map<String, Value>,
    pub description: Option<String>,
    pub trial_end: Option<i64>,
    /// What a trial without a card ends in.
    pub missing_card: Option<String>,
    pub tax: bool,
    pub reductions: Vec<Reduction>,
}

/// A new one: active, or trialing; its first invoice is the caller's to write.
pub(super) fn start(turn: &mut Turn<'_>, customer: &str, terms: &Terms) -> Answered {
    let id = turn.id("sub");
    let mut items = Vec::new();
    let trial_end = terms.trial_end.filter(|end| *end > turn.now);
    for (price, quantity) in &terms.items {
        let found = turn.state.prices.get(price).cloned();
        let price = found.ok_or_else(|| ApiError::missing_reference("items[0][price]", "price", price))?;
        let end = trial_end.unwrap_or_else(|| period_end(turn.now, turn.now, interval_of(&price)));
        items.push(item(turn, &id, &price, *quantity, (turn.now, end)));
    }
    let Some(first) = items.first() else { return Err(ApiError::missing_parameter("items")) };
    if items.iter().any(|item| {
        item["price"]["currency"] != first["price"]["currency"] || interval_of(&item["price"]) != interval_of(&first["price"])
    }) {
        return Err(ApiError::refused("items", "Currency and interval must be the same for all items of a subscription."));
    }
    let mut subscription = json!({
        "id": id, "object": "subscription", "status": if trial_end.is_some() { "trialing" } else { "active" }, "customer": customer,
        "metadata": terms.metadata, "description": terms.description, "livemode": false, "created": turn.now, "start_date": turn.now,
        "billing_cycle_anchor": trial_end.unwrap_or(turn.now), "billing_mode": { "type": "flexible" }, "billing_schedules": [],
        "automatic_tax": { "enabled": terms.tax }, "collection_method": "charge_automatically", "currency": first["price"]["currency"],
        "discounts": [], "invoice_settings": { "issuer": { "type": "self" } }, "latest_invoice": null, "pause_collection": null,
        "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null, "cancellation_details": {},
        "trial_start": trial_end.map(|_| turn.now), "trial_end": trial_end,
        "trial_settings": { "end_behavior": {
            "missing_payment_method": terms.missing_card.as_deref().unwrap_or("create_invoice"),
        }},
        "items": { "object": "list", "has_more": false, "url": format!("/v1/subscription_items?subscription={id}"), "data": items },
    });
    for reduction in &terms.reductions {
        let discount = discounts::redeem(turn, reduction, &subscription)?;
        if let Some(ids) = subscription["discounts"].as_array_mut() {
            ids.push(discount.into());
        }
    }
    put(turn, subscription.clone());
    Ok(subscription)
}

/// The price that a parameter names, on sale.
pub(super) fn price_of(turn: &Turn<'_>, id: &str, param: &str) -> Answered {
    let price = turn.state.prices.get(id).ok_or_else(|| ApiError::missing_reference(param, "price", id))?;
    if price["active"] == true {
        Ok(price.clone())
    } else {
        Err(ApiError::refused(param, "The price specified is inactive. This field only accepts active prices."))
    }
}

pub(super) fn item(turn: &mut Turn<'_>, subscription: &str, price: &Value, quantity: i64, period: (i64, i64)) -> Value {
    json!({
        "id": turn.id("si"), "object": "subscription_item", "created": turn.now, "current_period_start": period.0,
        "current_period_end": period.1, "discounts": [], "metadata": {}, "plan": plan(price), "price": price, "subscription": subscription,
        "quantity": quantity,
    })
}

/// The price in the words of an older API, which items carry still.
pub(super) fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"], "object": "plan", "active": price["active"], "billing_scheme": "per_unit", "created": price["created"],
        "currency": price["currency"], "interval": price["recurring"]["interval"], "interval_count": 1, "livemode": false,
        "usage_type": "licensed", "amount": price["unit_amount"], "product": price["product"], "metadata": {},
    })
}

pub(super) fn interval_of(price: &Value) -> &str {
    price["recurring"]["interval"].as_str().unwrap_or_default()
}

pub(super) fn items(subscription: &Value) -> impl Iterator<Item = &Value> {
    subscription["items"]["data"].as_array().into_iter().flatten()
}

/// The items as far as money is concerned.
pub(super) fn held(turn: &Turn<'_>, subscription: &Value) -> Vec<Held> {
    let held = |item: &Value| {
        let product = turn.state.products.get(item["price"]["product"].as_str().unwrap_or_default());
        Held {
            item: item["id"].as_str().unwrap_or_default().to_owned(),
            price: item["price"].clone(),
            quantity: item["quantity"].as_i64().unwrap_or(1),
            name: product.and_then(|product| product["name"].as_str()).unwrap_or("Subscription").to_owned(),
        }
    };
    items(subscription).map(held).collect()
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

/// The period that begins now, by the anchor; a trial is over with it.
pub(super) fn next_period(subscription: &mut Value, now: i64) {
    let anchor = subscription["billing_cycle_anchor"].as_i64().unwrap_or_default();
    let end = period_end(anchor, now, interval_of(&subscription["items"]["data"][0]["price"]));
    set_period(subscription, (now, end));
    if subscription["status"] == "trialing" {
        subscription["status"] = "active".into();
    }
}

pub(super) fn set_period(subscription: &mut Value, period: (i64, i64)) {
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        item["current_period_start"] = period.0.into();
        item["current_period_end"] = period.1.into();
    }
}

/// It renews, or would.
pub(super) fn is_running(subscription: &Value) -> bool {
    matches!(subscription["status"].as_str(), Some("active" | "past_due" | "trialing" | "unpaid"))
}

/// It is over for good.
pub(super) fn is_over(subscription: &Value) -> bool {
    matches!(subscription["status"].as_str(), Some("canceled" | "incomplete_expired"))
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.subscriptions.get(id).cloned().ok_or_else(|| ApiError::missing("subscription", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, price, status) =
        (Cursor::take(&mut params)?, params.take("customer"), params.take("price"), params.take("status"));
    let mut created = params.group("created");
    let (since, until) = (created.int("gte")?, created.int("lt")?);
    created.finish()?;
    params.finish()?;
    cursor.page("subscription", "/v1/subscriptions", &turn.state.subscriptions, |subscription| {
        let is = subscription["status"].as_str().unwrap_or_default();
        let fits = match status.as_deref() {
            None => is != "canceled",
            Some("all") => true,
            Some("ended") => matches!(is, "canceled" | "incomplete_expired"),
            Some(wanted) => wanted == is,
        };
        let made = subscription["created"].as_i64();
        fits && since.is_none_or(|since| made >= Some(since))
            && until.is_none_or(|until| made < Some(until))
            && (customer.is_none() || subscription["customer"].as_str() == customer.as_deref())
            && (price.is_none() || items(subscription).any(|item| item["price"]["id"].as_str() == price.as_deref()))
    })
}

/// `DELETE /v1/subscriptions/{id}`.
pub(super) fn cancel_now(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let (bills, gives_back) = (params.flag("invoice_now")?.unwrap_or(false), params.flag("prorate")?.unwrap_or(false));
    let mut details = params.group("cancellation_details");
    let said =
        json!({ "comment": details.take("comment"), "feedback": details.take("feedback"), "reason": "cancellation_requested" });
    details.finish()?;
    params.finish()?;
    let mut subscription = get(turn, id)?;
    if is_over(&subscription) {
        return Err(ApiError::missing("subscription", id));
    }
    subscription["cancellation_details"] = said;
    put(turn, subscription.clone());
    // What was never paid for, or is free, is not given back.
    if gives_back && subscription["status"] != "trialing" && subscription["status"] != "incomplete" {
        let (at, period) = (turn.now, period(&subscription));
        let unused: Vec<_> = held(turn, &subscription).iter().map(|held| held.unused(at, period)).collect();
        turn.state.pending.entry(id.to_owned()).or_default().extend(unused);
    }
    if bills {
        let lines = turn.state.pending.remove(id).unwrap_or_default();
        if !lines.is_empty() {
            let invoice = invoices::bill_lines(turn, &mut subscription, &lines, Reason::Update);
            invoices::collect(turn, &invoice);
        }
    }
    turn.state.pending.remove(id);
    cancel(turn, id)
}

/// Over, from now on.
pub(super) fn cancel(turn: &mut Turn<'_>, id: &str) -> Answered {
    let mut subscription = get(turn, id)?;
    if is_over(&subscription) {
        return Err(ApiError::missing("subscription", id));
    }
    // Without a first payment it never began.
    let is_unbegun = subscription["status"] == "incomplete";
    subscription["status"] = if is_unbegun { "incomplete_expired" } else { "canceled" }.into();
    subscription["ended_at"] = turn.now.into();
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = turn.now.into();
    }
    put(turn, subscription.clone());
    invoices::stop(turn, id, is_unbegun);
    turn.emit(if is_unbegun { "customer.subscription.updated" } else { "customer.subscription.deleted" }, &subscription);
    Ok(subscription)
}

/// `POST /v1/subscriptions/{id}/resume`: one that was paused at the end of its trial goes on, with a new period from now.
pub(super) fn resume(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    params.choice("billing_cycle_anchor", &["now"])?;
    params.choice("proration_behavior", &["none", "create_prorations", "always_invoice"])?;
    params.finish()?;
    let mut subscription = get(turn, id)?;
    if subscription["status"] != "paused" {
        return Err(ApiError::refused("id", "You can only resume a subscription whose status is paused."));
    }
    let interval = interval_of(&subscription["items"]["data"][0]["price"]).to_owned();
    subscription["billing_cycle_anchor"] = turn.now.into();
    let end = period_end(turn.now, turn.now, &interval);
    set_period(&mut subscription, (turn.now, end));
    subscription["status"] = "active".into();
    let invoice = invoices::bill(turn, &mut subscription, Reason::Update);
    turn.emit("customer.subscription.resumed", &subscription);
    invoices::collect(turn, &invoice);
    get(turn, id)
}

/// The invoices say whether it is paid up.
pub(super) fn set_status(turn: &mut Turn<'_>, id: &str, status: &str) {
    let Ok(mut subscription) = get(turn, id) else { return };
    if !is_over(&subscription) && subscription["status"] != "paused" && subscription["status"] != status {
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
