//! Invoice payments: which `PaymentIntent` is of which invoice. List by the one or the other.
//!
//! Simpler than Stripe: an invoice has one, made at the first attempt at its card, and it is either open or paid.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

/// The `PaymentIntent` of an invoice: the same one at each attempt.
pub(super) fn intent_of(turn: &mut Turn<'_>, invoice: &Value) -> String {
    let invoice_id = invoice["id"].as_str().unwrap_or_default().to_owned();
    if let Some(intent) = turn.state.intents.get(&invoice_id) {
        return intent.clone();
    }
    let (id, intent) = (turn.id("inpay"), turn.id("pi"));
    let payment = json!({
        "id": id, "object": "invoice_payment", "created": turn.now, "livemode": false, "invoice": invoice["id"], "is_default": true,
        "amount_requested": invoice["amount_due"], "currency": invoice["currency"],
        "payment": { "type": "payment_intent", "payment_intent": intent },
        "amount_paid": null, "status": "open", "status_transitions": { "canceled_at": null, "paid_at": null },
    });
    turn.state.intents.insert(invoice_id, intent.clone());
    turn.state.invoice_payments.insert(id, payment);
    intent
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, invoice, mut payment) = (Cursor::take(&mut params)?, params.take("invoice"), params.group("payment"));
    let (kind, intent) = (payment.take("type"), payment.take("payment_intent"));
    payment.finish()?;
    params.finish()?;
    match kind.as_deref() {
        Some("payment_intent") => {}
        None if intent.is_none() => {}
        None => return Err(ApiError::missing_parameter("payment[type]")),
        Some(_) => return Err(ApiError::refused("payment[type]", "Invalid payment[type]: must be one of payment_intent")),
    }
    let mut page = cursor.page("invoice_payment", "/v1/invoice_payments", &turn.state.invoice_payments, |payment| {
        (invoice.is_none() || payment["invoice"].as_str() == invoice.as_deref())
            && (intent.is_none() || payment["payment"]["payment_intent"].as_str() == intent.as_deref())
    })?;
    for payment in page["data"].as_array_mut().into_iter().flatten() {
        let invoice = turn.state.invoices.get(payment["invoice"].as_str().unwrap_or_default());
        if let Some(paid) = invoice.filter(|invoice| invoice["status"] == "paid") {
            payment["status"] = "paid".into();
            payment["amount_paid"] = paid["amount_paid"].clone();
            payment["status_transitions"]["paid_at"] = paid["status_transitions"]["paid_at"].clone();
        }
    }
    Ok(page)
}
