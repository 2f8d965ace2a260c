//! Charges: each attempt at a card, get, list by customer or `PaymentIntent`.
//!
//! Simpler than Stripe: no balance transactions, an event only where a card was declined, and each attempt on a session's page has a
//! `PaymentIntent` of its own. Money that was taken is counted apart, in [`super::store::Charge`].
//!
//! As at Stripe, a session does not name its `PaymentIntent` and a charge not its invoice: that is what [`super::invoice_payments`] tell.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::invoice_payments;
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

/// Money was taken for a session or an invoice. `amount` names the field that says how much.
pub(super) fn succeeded(turn: &mut Turn<'_>, of: &Value, amount: &str) {
    attempt(turn, of, amount, true);
}

/// The card was declined.
pub(super) fn failed(turn: &mut Turn<'_>, of: &Value, amount: &str) {
    let charge = attempt(turn, of, amount, false);
    turn.emit("charge.failed", &charge);
}

fn attempt(turn: &mut Turn<'_>, of: &Value, amount: &str, paid: bool) -> Value {
    let id = turn.id("ch");
    let intent = if of["object"] == "invoice" { invoice_payments::intent_of(turn, of) } else { turn.id("pi") };
    let charge = json!({
        "id": id, "object": "charge", "created": turn.now, "livemode": false, "customer": of["customer"], "amount": of[amount],
        "currency": of["currency"], "status": if paid { "succeeded" } else { "failed" }, "paid": paid, "captured": paid, "refunded": false,
        "payment_intent": intent, "amount_captured": if paid { of[amount].clone() } else { 0.into() }, "amount_refunded": 0, "disputed": false,
        "billing_details": { "address": null, "email": of["customer_email"], "name": of["customer_name"], "phone": null, "tax_id": null },
        "metadata": {}, "description": null,
        "failure_code": if paid { Value::Null } else { "card_declined".into() },
        "failure_message": if paid { Value::Null } else { "Your card was declined.".into() },
    });
    turn.state.attempts.insert(id, charge.clone());
    charge
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.attempts.get(id).cloned().ok_or_else(|| ApiError::missing("charge", id))
}

/// The one that took money under a `PaymentIntent`.
pub(super) fn of_intent<'a>(turn: &'a Turn<'_>, intent: &str) -> Option<&'a Value> {
    turn.state.attempts.values().find(|charge| charge["payment_intent"] == intent && charge["paid"] == true)
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, mut created) = (Cursor::take(&mut params)?, params.take("customer"), params.group("created"));
    let intent = params.take("payment_intent");
    let since = created.int("gte")?;
    created.finish()?;
    params.finish()?;
    cursor.page("charge", "/v1/charges", &turn.state.attempts, |charge| {
        (customer.is_none() || charge["customer"].as_str() == customer.as_deref())
            && (intent.is_none() || charge["payment_intent"].as_str() == intent.as_deref())
            && since.is_none_or(|since| charge["created"].as_i64() >= Some(since))
    })
}
