//! Tax ids of customers: create, get, list, delete. Simpler than Stripe: only European VAT numbers are looked at for their form, and each is
//! found valid.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

pub(super) fn create(turn: &mut Turn<'_>, customer: &str, mut params: Params) -> Answered {
    let (kind, value) = (params.require("type")?, params.require("value")?);
    params.finish()?;
    if !turn.state.customers.contains_key(customer) {
        return Err(ApiError::missing("customer", customer));
    }
    let value = value.to_ascii_uppercase();
    let has_form = value.len() >= 4 && value.chars().take(2).all(|letter| letter.is_ascii_uppercase());
    if kind == "eu_vat" && !has_form {
        return Err(ApiError {
            code: Some("tax_id_invalid"),
            ..ApiError::refused("value", format!("Invalid value for {kind}."))
        });
    }
    let id = turn.id("txi");
    let tax_id = json!({
        "id": id, "object": "tax_id", "created": turn.now, "livemode": false, "customer": customer, "type": kind, "value": value,
        "country": if kind == "eu_vat" { Value::from(value.chars().take(2).collect::<String>()) } else { Value::Null },
        "owner": { "type": "customer", "customer": customer },
        "verification": { "status": "verified", "verified_name": null, "verified_address": null },
    });
    turn.state.tax_ids.insert(id, tax_id.clone());
    Ok(tax_id)
}

fn find<'a>(turn: &'a Turn<'_>, customer: &str, id: &str) -> Result<&'a Value, ApiError> {
    turn.state.tax_ids.get(id).filter(|found| found["customer"] == customer).ok_or_else(|| ApiError::missing("tax_id", id))
}

pub(super) fn get(turn: &Turn<'_>, customer: &str, id: &str) -> Answered {
    find(turn, customer, id).cloned()
}

pub(super) fn list(turn: &Turn<'_>, customer: &str, mut params: Params) -> Answered {
    let cursor = Cursor::take(&mut params)?;
    params.finish()?;
    cursor.page("tax_id", &format!("/v1/customers/{customer}/tax_ids"), &turn.state.tax_ids, |one| one["customer"] == customer)
}

pub(super) fn delete(turn: &mut Turn<'_>, customer: &str, id: &str) -> Answered {
    find(turn, customer, id)?;
    turn.state.tax_ids.remove(id);
    Ok(json!({ "id": id, "object": "tax_id", "deleted": true }))
}
