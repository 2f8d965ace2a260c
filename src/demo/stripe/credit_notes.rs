//! Credit notes: less is owed for an invoice, or something of it is given back. Create, get, list, void.
//!
//! Simpler than Stripe: by amount, not by lines, and without tax of its own; after payment the refund is made here, never linked to one
//! that exists.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;
use super::{balance, charges, invoices, refunds};

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "order_change", "product_unsatisfactory"];

/// How what was paid is given back.
struct Split {
    refund: i64,
    credit: i64,
    elsewhere: i64,
}

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let id = params.require("invoice")?;
    let amount = params.int("amount")?.ok_or_else(|| ApiError::missing_parameter("amount"))?;
    let (memo, reason, metadata) = (params.take("memo"), params.choice("reason", &REASONS)?, params.metadata());
    let mut part = |field: &str| Ok::<_, ApiError>(params.int(field)?.unwrap_or(0));
    let split = Split { refund: part("refund_amount")?, credit: part("credit_amount")?, elsewhere: part("out_of_band_amount")? };
    params.finish()?;

    let mut invoice =
        turn.state.invoices.get(&id).cloned().ok_or_else(|| ApiError::missing_reference("invoice", "invoice", &id))?;
    let is_paid = match invoice["status"].as_str() {
        Some("paid") => true,
        Some("open") => false,
        _ => return Err(ApiError::refused("invoice", "Credit notes are for invoices that are open or paid.")),
    };
    let number = |field: &str| invoice[field].as_i64().unwrap_or_default();
    let left =
        if is_paid { number("amount_paid") - number("post_payment_credit_notes_amount") } else { number("amount_remaining") };
    if amount < 1 || amount > left {
        return Err(ApiError::refused(
            "amount",
            format!("The credit note's amount must be from 1 to {left}, what the invoice has left."),
        ));
    }
    let given = split.refund + split.credit + split.elsewhere;
    if is_paid && given != amount {
        return Err(ApiError::refused(
            "amount",
            "The sum of refund, credit and outside of Stripe must equal the credit note's amount.",
        ));
    }
    if !is_paid && given != 0 {
        return Err(ApiError::refused("refund_amount", "Nothing was paid yet that could be given back."));
    }
    let refund = if split.refund > 0 { Some(refund(turn, &invoice, split.refund)?) } else { None };
    let note_id = turn.id("cn");
    let note = written(turn, &note_id, &invoice, (amount, is_paid), &split, refund.as_ref());
    let note = with(note, json!({ "memo": memo, "reason": reason, "metadata": metadata }));
    let field = if is_paid { "post_payment_credit_notes_amount" } else { "pre_payment_credit_notes_amount" };
    invoice[field] = (number(field) + amount).into();
    if !is_paid {
        invoice["amount_remaining"] = (left - amount).into();
    }
    let is_settled = !is_paid && left == amount;
    turn.state.invoices.insert(id.clone(), invoice.clone());
    if split.credit > 0 {
        let (customer, currency) =
            (invoice["customer"].as_str().unwrap_or_default(), invoice["currency"].as_str().unwrap_or_default());
        balance::change(turn, customer, -split.credit, currency, "credit_note", Some(("credit_note", &note_id)));
    }
    turn.state.credit_notes.insert(note_id, note.clone());
    turn.emit("credit_note.created", &note);
    if is_settled {
        invoices::pay(turn, &id);
    }
    Ok(note)
}

fn refund(turn: &mut Turn<'_>, invoice: &Value, amount: i64) -> Answered {
    let intent = turn.state.intents.get(invoice["id"].as_str().unwrap_or_default()).cloned();
    let charge = intent.and_then(|intent| charges::of_intent(turn, &intent)).cloned();
    let charge = charge.ok_or_else(|| ApiError::refused("refund_amount", "No card was charged for this invoice."))?;
    refunds::make(turn, charge, Some(amount), None, &json!({}))
}

fn written(
    turn: &mut Turn<'_>,
    id: &str,
    invoice: &Value,
    (amount, is_paid): (i64, bool),
    split: &Split,
    refund: Option<&Value>,
) -> Value {
    let line = json!({
        "id": turn.id("cnli"), "object": "credit_note_line_item", "amount": amount, "description": "Credit", "discount_amount": 0,
        "discount_amounts": [], "livemode": false, "pretax_credit_amounts": [], "quantity": 1, "tax_rates": [], "taxes": [],
        "type": "custom_line_item", "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    });
    let refunds: Vec<Value> = refund
        .map(|refund| json!({ "amount_refunded": refund["amount"], "refund": refund["id"], "type": "refund" }))
        .into_iter()
        .collect();
    json!({
        "id": id, "object": "credit_note", "created": turn.now, "livemode": false, "customer": invoice["customer"], "invoice": invoice["id"],
        "currency": invoice["currency"], "amount": amount, "amount_shipping": 0, "subtotal": amount, "total": amount,
        "subtotal_excluding_tax": amount, "total_excluding_tax": amount, "total_taxes": [], "discount_amount": 0, "discount_amounts": [],
        "pretax_credit_amounts": [], "number": format!("{}-CN-{id}", invoice["number"].as_str().unwrap_or_default()),
        "pdf": format!("{}credit_note/{id}/pdf", turn.base_url), "out_of_band_amount": split.elsewhere, "refunds": refunds,
        "post_payment_amount": if is_paid { amount } else { 0 }, "pre_payment_amount": if is_paid { 0 } else { amount },
        "status": "issued", "type": if is_paid { "post_payment" } else { "pre_payment" }, "voided_at": null, "effective_at": turn.now,
        "lines": { "object": "list", "has_more": false, "url": format!("/v1/credit_notes/{id}/lines"), "data": [line] },
    })
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.credit_notes.get(id).cloned().ok_or_else(|| ApiError::missing("credit_note", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, invoice, customer) = (Cursor::take(&mut params)?, params.take("invoice"), params.take("customer"));
    params.finish()?;
    cursor.page("credit_note", "/v1/credit_notes", &turn.state.credit_notes, |note| {
        (invoice.is_none() || note["invoice"].as_str() == invoice.as_deref())
            && (customer.is_none() || note["customer"].as_str() == customer.as_deref())
    })
}

/// Takes one back that only lowered what is owed.
pub(super) fn void(turn: &mut Turn<'_>, id: &str) -> Answered {
    let mut note = get(turn, id)?;
    let invoice = turn.state.invoices.get_mut(note["invoice"].as_str().unwrap_or_default());
    let Some(invoice) = invoice.filter(|invoice| invoice["status"] == "open" && note["status"] == "issued") else {
        return Err(ApiError::refused("id", "You can only void a credit note that is issued and whose invoice is open."));
    };
    let amount = note["amount"].as_i64().unwrap_or_default();
    for (field, sign) in [("pre_payment_credit_notes_amount", -1), ("amount_remaining", 1)] {
        invoice[field] = (invoice[field].as_i64().unwrap_or_default() + sign * amount).into();
    }
    note["status"] = "void".into();
    note["voided_at"] = turn.now.into();
    turn.state.credit_notes.insert(id.to_owned(), note.clone());
    turn.emit("credit_note.voided", &note);
    Ok(note)
}
