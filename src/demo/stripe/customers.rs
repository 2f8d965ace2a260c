//! Customers: create, get, update, list by address. Deleting is left out.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let email = email(&mut params)?;
    let (name, description, metadata) = (params.take("name"), params.take("description"), params.metadata());
    params.finish()?;
    let customer = json!({
        "id": turn.id("cus"), "object": "customer", "created": turn.now, "livemode": false,
        "email": email, "name": name, "description": description, "metadata": metadata,
        "balance": 0, "delinquent": false,
    });
    put(turn, customer.clone());
    turn.emit("customer.created", &customer);
    Ok(customer)
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let mut customer = get(turn, id)?;
    let changes = [("email", email(&mut params)?), ("name", params.take("name")), ("description", params.take("description"))];
    let metadata = params.metadata();
    params.finish()?;
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
