//! Prices: create, get, update, list by lookup key. Only whole amounts per month or year.

use serde_json::json;

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;
use crate::money::Currency;

const TAX_BEHAVIORS: [&str; 3] = ["inclusive", "exclusive", "unspecified"];

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let currency = params.require("currency")?;
    let product = params.require("product")?;
    let amount = params.int("unit_amount")?.ok_or_else(|| ApiError::missing_parameter("unit_amount"))?;
    let mut recurring = params.group("recurring");
    let interval = recurring.require("interval")?;
    let every = recurring.int("interval_count")?.unwrap_or(1);
    recurring.finish()?;
    let (lookup_key, nickname, metadata) = (params.take("lookup_key"), params.take("nickname"), params.metadata());
    let active = params.flag("active")?.unwrap_or(true);
    let tax_behavior = params.choice("tax_behavior", &TAX_BEHAVIORS)?.unwrap_or_else(|| "unspecified".to_owned());
    params.finish()?;

    let Some(known) = Currency::from_code(&currency) else {
        return Err(ApiError::refused("currency", format!("Invalid currency: {currency}")));
    };
    if amount < 0 {
        return Err(ApiError::bad_parameter("parameter_invalid_integer", "unit_amount".to_owned(), "at least 0"));
    }
    if amount % known.step() != 0 {
        return Err(ApiError::refused(
            "unit_amount",
            format!("Invalid unit_amount: must be a multiple of {} in {currency}", known.step()),
        ));
    }
    if !matches!(interval.as_str(), "month" | "year") || every != 1 {
        return Err(ApiError::refused("recurring[interval]", "The fake bills once a month or once a year"));
    }
    if !turn.state.products.contains_key(&product) {
        return Err(ApiError::missing_reference("product", "product", &product));
    }
    if lookup_key.as_ref().is_some_and(|key| key.len() > 200) {
        return Err(ApiError::refused("lookup_key", "Invalid string: must be at most 200 characters"));
    }
    if let Some(key) = &lookup_key {
        give_key(turn, key, false)?;
    }
    let id = turn.id("price");
    let price = json!({
        "id": id, "object": "price", "active": active, "billing_scheme": "per_unit", "created": turn.now, "livemode": false,
        "currency": currency, "product": product, "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
        "tax_behavior": tax_behavior, "lookup_key": lookup_key, "nickname": nickname, "metadata": metadata, "type": "recurring",
        "recurring": { "interval": interval, "interval_count": 1, "usage_type": "licensed" },
    });
    turn.state.prices.insert(id, price.clone());
    Ok(price)
}

/// The amount never changes; the rest may.
pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let (active, nickname, metadata) = (params.flag("active")?, params.take("nickname"), params.metadata());
    let (lookup_key, takes_over) = (params.take("lookup_key"), params.flag("transfer_lookup_key")?.unwrap_or(false));
    let tax_behavior = params.choice("tax_behavior", &TAX_BEHAVIORS)?;
    params.finish()?;
    let mut price = get(turn, id)?;
    if tax_behavior
        .as_ref()
        .is_some_and(|wanted| price["tax_behavior"] != "unspecified" && price["tax_behavior"] != wanted.as_str())
    {
        return Err(ApiError::refused(
            "tax_behavior",
            "The tax behavior of a price can't be changed once it is inclusive or exclusive.",
        ));
    }
    if let Some(key) = lookup_key {
        if price["lookup_key"] != key.as_str() {
            give_key(turn, &key, takes_over)?;
        }
        price["lookup_key"] = key.into();
    }
    if let Some(active) = active {
        price["active"] = active.into();
    }
    for (field, value) in [("nickname", nickname), ("tax_behavior", tax_behavior)] {
        if let Some(value) = value {
            price[field] = value.into();
        }
    }
    for (key, value) in metadata {
        price["metadata"][key] = value;
    }
    turn.state.prices.insert(id.to_owned(), price.clone());
    Ok(price)
}

/// Makes a lookup key free, or says who has it.
fn give_key(turn: &mut Turn<'_>, key: &str, takes_over: bool) -> Result<(), ApiError> {
    let Some((id, holder)) = turn.state.prices.iter_mut().find(|(_, price)| price["lookup_key"].as_str() == Some(key)) else {
        return Ok(());
    };
    if !takes_over {
        return Err(ApiError::refused("lookup_key", format!("A price (`{id}`) already uses that lookup key.")));
    }
    holder["lookup_key"] = serde_json::Value::Null;
    Ok(())
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.prices.get(id).cloned().ok_or_else(|| ApiError::missing("price", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, active) = (Cursor::take(&mut params)?, params.flag("active")?);
    let (keys, product) = (params.strings("lookup_keys"), params.take("product"));
    params.finish()?;
    cursor.page("price", "/v1/prices", &turn.state.prices, |price| {
        let key = price["lookup_key"].as_str();
        (active.is_none() || price["active"].as_bool() == active)
            && (product.is_none() || price["product"].as_str() == product.as_deref())
            && (keys.is_empty() || keys.iter().any(|wanted| Some(wanted.as_str()) == key))
    })
}
