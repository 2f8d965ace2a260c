//! Refunds: money of a charge goes back to the card. Create, get, update, list. Simpler than Stripe: each succeeds at once.

use serde_json::{Value, json};

use super::charges;
use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let (charge, intent, amount) = (params.take("charge"), params.take("payment_intent"), params.int("amount")?);
    let (reason, metadata) = (params.choice("reason", &REASONS)?, params.metadata());
    params.finish()?;
    let charge = match (charge, intent) {
        (Some(charge), _) => charges::get(turn, &charge).map_err(|_| ApiError::missing_reference("charge", "charge", &charge))?,
        (None, Some(intent)) => charges::of_intent(turn, &intent)
            .cloned()
            .ok_or_else(|| ApiError::missing_reference("payment_intent", "payment_intent", &intent))?,
        (None, None) => return Err(ApiError::missing_parameter("charge")),
    };
    make(turn, charge, amount, reason.as_deref(), &Value::Object(metadata))
}

/// Gives back `amount`, or what is left.
pub(super) fn make(
    turn: &mut Turn<'_>,
    mut charge: Value,
    amount: Option<i64>,
    reason: Option<&str>,
    metadata: &Value,
) -> Answered {
    let number = |field: &str| charge[field].as_i64().unwrap_or_default();
    let (whole, refunded) = (number("amount_captured"), number("amount_refunded"));
    let id = charge["id"].as_str().unwrap_or_default().to_owned();
    if charge["paid"] != true {
        return Err(ApiError::refused("charge", format!("Charge {id} is not successful.")));
    }
    if refunded >= whole {
        let message = format!("Charge {id} has already been refunded.");
        return Err(ApiError { code: Some("charge_already_refunded"), ..ApiError::refused("charge", message) });
    }
    if charge["disputed"] == true {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(ApiError { code: Some("charge_disputed"), ..ApiError::refused("charge", message) });
    }
    let amount = amount.unwrap_or(whole - refunded);
    if amount < 1 {
        return Err(ApiError::bad_parameter("parameter_invalid_integer", "amount".to_owned(), "at least 1"));
    }
    if amount > whole - refunded {
        let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({}).", whole - refunded);
        return Err(ApiError::refused("amount", message));
    }
    charge["amount_refunded"] = (refunded + amount).into();
    charge["refunded"] = (refunded + amount == whole).into();
    turn.state.attempts.insert(id.clone(), charge.clone());
    let refund_id = turn.id("re");
    let refund = json!({
        "id": refund_id, "object": "refund", "created": turn.now, "amount": amount, "currency": charge["currency"], "charge": id,
        "payment_intent": charge["payment_intent"], "reason": reason, "status": "succeeded", "metadata": metadata,
        "balance_transaction": null, "receipt_number": null,
    });
    turn.state.refunds.insert(refund_id, refund.clone());
    turn.emit("refund.created", &refund);
    turn.emit("charge.refunded", &charge);
    Ok(refund)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.refunds.get(id).cloned().ok_or_else(|| ApiError::missing("refund", id))
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let metadata = params.metadata();
    params.finish()?;
    let mut refund = get(turn, id)?;
    for (key, value) in metadata {
        refund["metadata"][key] = value;
    }
    turn.state.refunds.insert(id.to_owned(), refund.clone());
    Ok(refund)
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, charge, intent) = (Cursor::take(&mut params)?, params.take("charge"), params.take("payment_intent"));
    params.finish()?;
    cursor.page("refund", "/v1/refunds", &turn.state.refunds, |refund| {
        (charge.is_none() || refund["charge"].as_str() == charge.as_deref())
            && (intent.is_none() || refund["payment_intent"].as_str() == intent.as_deref())
    })
}
