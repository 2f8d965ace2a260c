//! Charges: each attempt at a card, list by customer.
//!
//! Simpler than Stripe: only what a list is read for, an event only where a card was declined, and each attempt on a session's page has a
//! `PaymentIntent` of its own. Money that was taken is counted apart, in [`super::store::Charge`].
//!
//! As at Stripe, a session does not name its `PaymentIntent` and a charge not its invoice: that is what [`super::invoice_payments`] tell.

use serde_json::{Value, json};

use super::errors::Answered;
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
        "payment_intent": intent,
        "failure_code": if paid { Value::Null } else { "card_declined".into() },
        "failure_message": if paid { Value::Null } else { "Your card was declined.".into() },
    });
    turn.state.attempts.insert(id, charge.clone());
    charge
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, mut created) = (Cursor::take(&mut params)?, params.take("customer"), params.group("created"));
    let since = created.int("gte")?;
    created.finish()?;
    params.finish()?;
    cursor.page("charge", "/v1/charges", &turn.state.attempts, |charge| {
        (customer.is_none() || charge["customer"].as_str() == customer.as_deref())
            && since.is_none_or(|since| charge["created"].as_i64() >= Some(since))
    })
}
