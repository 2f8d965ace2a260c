//! Invoices: get, list, pay, and what a paid or failed one does to its subscription.
//!
//! Simpler than Stripe: an invoice is final when it is made (Stripe keeps a renewal's as a draft for an hour) and has one line. The
//! retries are those of the dashboard's schedule 3, 5 and 7 days, after which the subscription stays `past_due`, which is the setting
//! that Paddock asks for.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::{Charge, Turn};
use super::{charges, subscriptions};

const DAY: i64 = 24 * 3600;
/// Days until the next attempt, after the first, second and third.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];

/// Writes the invoice for the subscription's current period and makes it its newest; gives the invoice's id.
pub(super) fn bill(turn: &mut Turn<'_>, subscription: &mut Value, reason: &str) -> String {
    let (id, line) = (turn.id("in"), turn.id("il"));
    let item = &subscription["items"]["data"][0];
    let quantity = item["quantity"].as_i64().unwrap_or(1);
    let amount = item["price"]["unit_amount"].as_i64().unwrap_or_default().saturating_mul(quantity);
    let (start, end) = subscriptions::period(subscription);
    let product = turn.state.products.get(item["price"]["product"].as_str().unwrap_or_default());
    let name = product.and_then(|product| product["name"].as_str()).unwrap_or("Subscription").to_owned();
    let currency = item["price"]["currency"].clone();
    let line = json!({
        "id": line, "object": "line_item", "amount": amount, "currency": currency, "description": name, "discountable": true,
        "discounts": [], "invoice": id, "livemode": false, "metadata": {}, "parent": null, "period": { "start": start, "end": end },
        "quantity": quantity, "subtotal": amount,
    });
    let details = json!({ "subscription": subscription["id"], "metadata": subscription["metadata"] });
    let mut invoice = json!({
        "id": id, "object": "invoice", "status": "open", "customer": subscription["customer"], "created": turn.now, "livemode": false,
        "currency": currency, "amount_due": amount, "amount_paid": 0, "amount_remaining": amount, "subtotal": amount, "total": amount,
        "attempt_count": 0, "attempted": false, "next_payment_attempt": null, "due_date": null, "billing_reason": reason,
        "collection_method": "charge_automatically", "number": format!("TEST-{:06}", turn.state.made), "period_start": start,
        "period_end": turn.now, "hosted_invoice_url": format!("{}invoice/{id}", turn.base_url),
        "status_transitions": { "finalized_at": turn.now, "paid_at": null },
        "parent": { "type": "subscription_details", "quote_details": null, "subscription_details": details },
        "lines": { "object": "list", "has_more": false, "url": format!("/v1/invoices/{id}/lines"), "data": [line] },
    });
    // What is always the same here.
    let rest = json!({
        "amount_overpaid": 0, "amount_shipping": 0, "starting_balance": 0, "auto_advance": true, "automatic_tax": { "enabled": false },
        "default_tax_rates": [], "discounts": [], "issuer": { "type": "self" }, "metadata": {}, "payment_settings": {},
        "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
    });
    if let (Value::Object(invoice), Value::Object(rest)) = (&mut invoice, rest) {
        invoice.extend(rest);
    }
    turn.state.invoices.insert(id.clone(), invoice);
    subscription["latest_invoice"] = id.clone().into();
    subscriptions::put(turn, subscription.clone());
    id
}

/// The money came in. An invoice that is paid stays as it is.
pub(super) fn pay(turn: &mut Turn<'_>, id: &str) {
    let Some(mut invoice) = turn.state.invoices.get(id).filter(|invoice| invoice["status"] == "open").cloned() else { return };
    let amount = invoice["amount_due"].as_i64().unwrap_or_default();
    count_attempt(&mut invoice);
    invoice["status"] = "paid".into();
    invoice["amount_paid"] = amount.into();
    invoice["amount_remaining"] = 0.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["paid_at"] = turn.now.into();
    let details = &invoice["parent"]["subscription_details"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let charge = Charge {
        customer: text(&invoice["customer"]),
        subscription: text(&details["subscription"]),
        invoice: id.to_owned(),
        order: details["metadata"]["order"].as_str().map(str::to_owned),
        amount,
        currency: text(&invoice["currency"]),
        at: turn.now,
    };
    let subscription = charge.subscription.clone();
    if amount > 0 {
        turn.state.charges.push(charge);
        charges::succeeded(turn, &invoice, "amount_due");
    }
    turn.state.invoices.insert(id.to_owned(), invoice.clone());
    turn.emit("invoice.paid", &invoice);
    let owes = turn.state.invoices.values().any(|other| other["status"] == "open" && subscription_of(other) == subscription);
    if !owes {
        subscriptions::set_status(turn, &subscription, "active");
    }
}

/// Tries the card on file.
pub(super) fn collect(turn: &mut Turn<'_>, id: &str) -> bool {
    let Some(invoice) = turn.state.invoices.get(id) else { return false };
    let card = turn.state.cards.get(invoice["customer"].as_str().unwrap_or_default());
    let pays = card.is_some_and(|card| card.renews());
    if pays {
        pay(turn, id);
    } else {
        fail(turn, id);
    }
    pays
}

fn fail(turn: &mut Turn<'_>, id: &str) {
    let Some(mut invoice) = turn.state.invoices.get(id).filter(|invoice| invoice["status"] == "open").cloned() else { return };
    let attempts = count_attempt(&mut invoice);
    let wait = usize::try_from(attempts - 1).ok().and_then(|n| RETRY_DAYS.get(n));
    invoice["next_payment_attempt"] = wait.map(|days| turn.now + days * DAY).into();
    turn.state.invoices.insert(id.to_owned(), invoice.clone());
    charges::failed(turn, &invoice, "amount_due");
    turn.emit("invoice.payment_failed", &invoice);
    subscriptions::set_status(turn, &subscription_of(&invoice), "past_due");
}

fn count_attempt(invoice: &mut Value) -> i64 {
    let attempts = invoice["attempt_count"].as_i64().unwrap_or_default() + 1;
    invoice["attempt_count"] = attempts.into();
    invoice["attempted"] = true.into();
    attempts
}

fn subscription_of(invoice: &Value) -> String {
    invoice["parent"]["subscription_details"]["subscription"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.invoices.get(id).cloned().ok_or_else(|| ApiError::missing("invoice", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, subscription, status) =
        (Cursor::take(&mut params)?, params.take("customer"), params.take("subscription"), params.take("status"));
    params.finish()?;
    cursor.page("invoice", "/v1/invoices", &turn.state.invoices, |invoice| {
        (customer.is_none() || invoice["customer"].as_str() == customer.as_deref())
            && subscription.as_ref().is_none_or(|wanted| subscription_of(invoice) == *wanted)
            && (status.is_none() || invoice["status"].as_str() == status.as_deref())
    })
}

/// `POST /v1/invoices/{id}/pay`.
pub(super) fn pay_now(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    params.finish()?;
    if get(turn, id)?["status"] != "open" {
        return Err(ApiError::refused("id", "Invoice is already paid"));
    }
    if collect(turn, id) { get(turn, id) } else { Err(ApiError::card_declined()) }
}
