//! Checkout Sessions: create, get, list, expire, and what paying one does.
//!
//! Simpler than Stripe: mode `subscription` with one item and a known customer; no taxes, discounts or trials. Of the dozen events
//! that paying sets off, the three that carry news are sent, in Stripe's order.

use serde_json::{Value, json};

use super::cards::Card;
use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::{Basket, Turn};
use super::{charges, invoices, subscriptions};

const HALF_HOUR: i64 = 30 * 60;
const DAY: i64 = 24 * 3600;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let mode = params.require("mode")?;
    let success_url = params.url("success_url")?.ok_or_else(|| ApiError::missing_parameter("success_url"))?;
    let cancel_url = params.url("cancel_url")?;
    let customer = params.require("customer")?;
    let (reference, metadata) = (params.take("client_reference_id"), params.metadata());
    let expires_at = params.int("expires_at")?.unwrap_or(turn.now + DAY);
    let mut subscription = params.group("subscription_data");
    let subscription_metadata = subscription.metadata();
    subscription.finish()?;
    let items = params.list("line_items");
    params.finish()?;

    if mode != "subscription" {
        return Err(ApiError::refused("mode", "The fake sells subscriptions only"));
    }
    if !turn.state.customers.contains_key(&customer) {
        return Err(ApiError::missing_reference("customer", "customer", &customer));
    }
    if expires_at < turn.now + HALF_HOUR {
        return Err(ApiError::refused(
            "expires_at",
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
        ));
    }
    if expires_at > turn.now + DAY {
        return Err(ApiError::refused(
            "expires_at",
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
        ));
    }
    let Ok([mut item]) = <[Params; 1]>::try_from(items) else {
        return Err(ApiError::refused("line_items", "The fake takes exactly one line item"));
    };
    let price_id = item.require("price")?;
    let quantity = item.int("quantity")?.unwrap_or(1);
    item.finish()?;
    if quantity < 1 {
        return Err(ApiError::bad_parameter("parameter_invalid_integer", "line_items[0][quantity]".to_owned(), "at least 1"));
    }
    let price = turn
        .state
        .prices
        .get(&price_id)
        .ok_or_else(|| ApiError::missing_reference("line_items[0][price]", "price", &price_id))?;
    if price["active"] != true {
        return Err(ApiError::refused(
            "line_items[0][price]",
            "The price specified is inactive. This field only accepts active prices.",
        ));
    }
    let total = price["unit_amount"].as_i64().and_then(|amount| amount.checked_mul(quantity));
    let total = total.ok_or_else(|| ApiError::refused("line_items[0][quantity]", "The total is too large"))?;
    let currency = price["currency"].clone();

    let id = turn.id("cs_test");
    let session = json!({
        "id": id, "object": "checkout.session", "created": turn.now, "livemode": false, "mode": mode, "ui_mode": "hosted_page",
        "status": "open", "payment_status": "unpaid", "customer": customer, "client_reference_id": reference, "metadata": metadata,
        "success_url": success_url, "cancel_url": cancel_url, "url": format!("{}checkout/{id}", turn.base_url), "expires_at": expires_at,
        "currency": currency, "amount_subtotal": total, "amount_total": total, "subscription": null, "invoice": null,
        "automatic_tax": { "enabled": false }, "custom_fields": [], "custom_text": {}, "payment_method_types": ["card"], "shipping_options": [],
    });
    turn.state.checkouts.insert(id.clone(), session.clone());
    turn.state.baskets.insert(id, Basket { price: price_id, quantity, metadata: subscription_metadata });
    Ok(session)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.checkouts.get(id).cloned().ok_or_else(|| ApiError::missing("checkout.session", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, status) = (Cursor::take(&mut params)?, params.take("customer"), params.take("status"));
    params.finish()?;
    cursor.page("checkout.session", "/v1/checkout/sessions", &turn.state.checkouts, |session| {
        (customer.is_none() || session["customer"].as_str() == customer.as_deref())
            && (status.is_none() || session["status"].as_str() == status.as_deref())
    })
}

pub(super) fn expire(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    params.finish()?;
    let session = get(turn, id)?;
    match session["status"].as_str() {
        Some("open") => Ok(close(turn, session)),
        other => Err(ApiError {
            param: None,
            ..ApiError::refused(
                "",
                format!(
                    "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
                    other.unwrap_or_default()
                ),
            )
        }),
    }
}

/// The session's time is over.
pub(super) fn close(turn: &mut Turn<'_>, mut session: Value) -> Value {
    session["status"] = "expired".into();
    session["url"] = Value::Null;
    put(turn, session.clone());
    turn.emit("checkout.session.expired", &session);
    session
}

/// The customer pays with `card`. A session that is paid stays as it is: pressing the button twice charges once.
pub(super) fn pay(turn: &mut Turn<'_>, id: &str, card: Card) -> Answered {
    let mut session = get(turn, id)?;
    match session["status"].as_str() {
        Some("open") => {}
        Some("complete") => return Ok(session),
        _ => return Err(ApiError::refused("id", "This Checkout Session has expired.")),
    }
    if card == Card::Declines {
        charges::failed(turn, &session, "amount_total");
        return Err(ApiError::card_declined());
    }
    let basket = turn.state.baskets.get(id).cloned().ok_or_else(|| ApiError::missing("checkout.session", id))?;
    let customer = session["customer"].as_str().unwrap_or_default().to_owned();
    turn.state.cards.insert(customer.clone(), card);

    let mut subscription = subscriptions::start(turn, &customer, &basket)?;
    let invoice = invoices::bill(turn, &mut subscription, "subscription_create");
    turn.emit("customer.subscription.created", &subscription);
    invoices::pay(turn, &invoice);

    session["status"] = "complete".into();
    session["payment_status"] = "paid".into();
    session["url"] = Value::Null;
    session["subscription"] = subscription["id"].clone();
    session["invoice"] = invoice.into();
    put(turn, session.clone());
    turn.emit("checkout.session.completed", &session);
    Ok(session)
}

/// Where the customer goes after paying.
pub(super) fn success_url(session: &Value) -> String {
    let id = session["id"].as_str().unwrap_or_default();
    session["success_url"].as_str().unwrap_or_default().replace("{CHECKOUT_SESSION_ID}", id)
}

fn put(turn: &mut Turn<'_>, session: Value) {
    let id = session["id"].as_str().unwrap_or_default().to_owned();
    turn.state.checkouts.insert(id, session);
}
