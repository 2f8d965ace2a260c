//! Customers: create, get, update, list by address, delete. Sources and shipping are left out.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;
use super::subscriptions;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let email = email(&mut params)?;
    let (name, description, metadata) = (params.take("name"), params.take("description"), params.metadata());
    let (address, phone, exempt) = (address(&mut params)?, params.take("phone"), exempt(&mut params)?);
    params.finish()?;
    let customer = json!({
        "id": turn.id("cus"), "object": "customer", "created": turn.now, "livemode": false,
        "email": email, "name": name, "description": description, "metadata": metadata,
        "balance": 0, "delinquent": false, "currency": null, "address": address, "phone": phone,
        "tax_exempt": exempt.unwrap_or_else(|| "none".to_owned()), "preferred_locales": [],
    });
    put(turn, customer.clone());
    turn.emit("customer.created", &customer);
    Ok(customer)
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let mut customer = get(turn, id)?;
    let changes = [("email", email(&mut params)?), ("name", params.take("name")), ("description", params.take("description"))];
    let metadata = params.metadata();
    let (address, phone, exempt) = (address(&mut params)?, params.take("phone"), exempt(&mut params)?);
    params.finish()?;
    if let Some(address) = address {
        customer["address"] = address;
    }
    for (field, value) in [("phone", phone), ("tax_exempt", exempt)] {
        if let Some(value) = value {
            customer[field] = value.into();
        }
    }
    for (field, value) in changes {
        if let Some(value) = value {
            customer[field] = value.into();
        }
    }
    for (key, value) in metadata {
        customer["metadata"][key] = value;
    }
    put(turn, customer.clone());
    turn.emit("customer.updated", &customer);
    Ok(customer)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.customers.get(id).cloned().ok_or_else(|| ApiError::missing("customer", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, email) = (Cursor::take(&mut params)?, params.take("email"));
    params.finish()?;
    // Case counts, as it does at Stripe.
    cursor.page("customer", "/v1/customers", &turn.state.customers, |customer| {
        email.is_none() || customer["email"].as_str() == email.as_deref()
    })
}

/// Ends what they have, and forgets them.
pub(super) fn delete(turn: &mut Turn<'_>, id: &str) -> Answered {
    let customer = get(turn, id)?;
    let theirs = |(_, found): &(&String, &Value)| found["customer"] == id && !subscriptions::is_over(found);
    let running: Vec<String> = turn.state.subscriptions.iter().filter(theirs).map(|(id, _)| id.clone()).collect();
    for subscription in running {
        subscriptions::cancel(turn, &subscription)?;
    }
    turn.state.customers.remove(id);
    turn.state.cards.remove(id);
    turn.emit("customer.deleted", &customer);
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}

fn address(params: &mut Params) -> Result<Option<Value>, ApiError> {
    let mut given = params.group("address");
    if given.is_empty() {
        return Ok(None);
    }
    let fields = ["city", "country", "line1", "line2", "postal_code", "state"];
    let address = fields.into_iter().map(|field| (field.to_owned(), given.take(field).into())).collect();
    given.finish()?;
    Ok(Some(Value::Object(address)))
}

fn exempt(params: &mut Params) -> Result<Option<String>, ApiError> {
    params.choice("tax_exempt", &["none", "exempt", "reverse"])
}

fn email(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.take("email") {
        Some(email) if !email.contains('@') => {
            Err(ApiError::bad_parameter("email_invalid", "email".to_owned(), "an e-mail address"))
        }
        other => Ok(other),
    }
}

fn put(turn: &mut Turn<'_>, customer: Value) {
    let id = customer["id"].as_str().unwrap_or_default().to_owned();
    turn.state.customers.insert(id, customer);
}
