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
    let known = turn.state.invoice_payments.values().find(|payment| payment["invoice"] == invoice["id"]);
    if let Some(intent) = known.and_then(|payment| payment["payment"]["payment_intent"].as_str()) {
        return intent.to_owned();
    }
    let (id, intent) = (turn.id("inpay"), turn.id("pi"));
    let payment = json!({
        "id": id, "object": "invoice_payment", "created": turn.now, "livemode": false, "invoice": invoice["id"], "is_default": true,
        "amount_requested": invoice["amount_due"], "currency": invoice["currency"],
        "payment": { "type": "payment_intent", "payment_intent": intent },
    });
    turn.state.invoice_payments.insert(id, payment);
    intent
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, invoice, mut payment) = (Cursor::take(&mut params)?, params.take("invoice"), params.group("payment"));
    let (kind, intent) = (payment.take("type"), payment.take("payment_intent"));
    payment.finish()?;
    let expand = params.strings("expand");
    params.finish()?;
    match kind.as_deref() {
        Some("payment_intent") => {}
        None if intent.is_none() => {}
        None => return Err(ApiError::missing_parameter("payment[type]")),
        Some(_) => return Err(ApiError::refused("payment[type]", "Invalid payment[type]: must be one of payment_intent")),
    }
    if expand.iter().any(|path| path != "data.invoice") {
        return Err(ApiError::refused("expand", "The fake expands data.invoice only"));
    }
    let mut page = cursor.page("invoice_payment", "/v1/invoice_payments", &turn.state.invoice_payments, |payment| {
        (invoice.is_none() || payment["invoice"].as_str() == invoice.as_deref())
            && (intent.is_none() || payment["payment"]["payment_intent"].as_str() == intent.as_deref())
    })?;
    for payment in page["data"].as_array_mut().into_iter().flatten() {
        let invoice = turn.state.invoices.get(payment["invoice"].as_str().unwrap_or_default());
        payment["status"] =
            if invoice.is_some_and(|invoice| invoice["status"] == "paid") { "paid".into() } else { "open".into() };
        if let Some(invoice) = invoice.filter(|_| !expand.is_empty()) {
            payment["invoice"] = invoice.clone();
        }
    }
    Ok(page)
}
