//! A customer's balance: what is set off against the next invoice (negative: in the customer's favour). Create and list transactions.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;
use crate::money::Currency;

pub(super) fn create(turn: &mut Turn<'_>, customer: &str, mut params: Params) -> Answered {
    let amount = params.int("amount")?.ok_or_else(|| ApiError::missing_parameter("amount"))?;
    let currency = params.require("currency")?;
    let (description, metadata) = (params.take("description"), params.metadata());
    params.finish()?;
    let Some(found) = turn.state.customers.get(customer) else { return Err(ApiError::missing("customer", customer)) };
    if Currency::from_code(&currency).is_none() {
        return Err(ApiError::refused("currency", format!("Invalid currency: {currency}")));
    }
    if found["currency"].as_str().is_some_and(|has| has != currency) {
        return Err(ApiError::refused("currency", "You cannot combine currencies on a single customer."));
    }
    let mut transaction = change(turn, customer, amount, &currency, "adjustment", None);
    transaction["description"] = description.into();
    transaction["metadata"] = metadata.into();
    put(turn, &transaction);
    Ok(transaction)
}

/// Books a change of the balance.
pub(super) fn change(
    turn: &mut Turn<'_>,
    customer: &str,
    amount: i64,
    currency: &str,
    kind: &str,
    of: Option<(&str, &str)>,
) -> Value {
    let id = turn.id("cbtxn");
    let before = of_customer(turn, customer);
    let after = before.saturating_add(amount);
    let mut transaction = json!({
        "id": id, "object": "customer_balance_transaction", "created": turn.now, "livemode": false, "customer": customer, "amount": amount,
        "currency": currency, "type": kind, "ending_balance": after, "description": null, "metadata": {}, "invoice": null,
        "credit_note": null,
    });
    if let Some((field, id)) = of {
        transaction[field] = id.into();
    }
    if let Some(found) = turn.state.customers.get_mut(customer) {
        found["balance"] = after.into();
        found["currency"] = currency.into();
    }
    put(turn, &transaction);
    transaction
}

pub(super) fn of_customer(turn: &Turn<'_>, customer: &str) -> i64 {
    turn.state.customers.get(customer).and_then(|found| found["balance"].as_i64()).unwrap_or_default()
}

pub(super) fn list(turn: &Turn<'_>, customer: &str, mut params: Params) -> Answered {
    let cursor = Cursor::take(&mut params)?;
    params.finish()?;
    let url = format!("/v1/customers/{customer}/balance_transactions");
    cursor.page("customer_balance_transaction", &url, &turn.state.balance_transactions, |one| one["customer"] == customer)
}

fn put(turn: &mut Turn<'_>, transaction: &Value) {
    let id = transaction["id"].as_str().unwrap_or_default().to_owned();
    turn.state.balance_transactions.insert(id, transaction.clone());
}
