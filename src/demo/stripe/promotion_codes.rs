//! Promotion codes: what customers type to get a coupon. Create, get, update, list.

use serde_json::{Value, json};

use super::coupons;
use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let mut promotion = params.group("promotion");
    let (kind, coupon) = (promotion.require("type")?, promotion.require("coupon")?);
    promotion.finish()?;
    let (code, customer) = (params.take("code"), params.take("customer"));
    let (until, most) = (params.int("expires_at")?, params.int("max_redemptions")?);
    let (active, metadata) = (params.flag("active")?.unwrap_or(true), params.metadata());
    let mut limits = params.group("restrictions");
    let (first, least) = (limits.flag("first_time_transaction")?.unwrap_or(false), limits.int("minimum_amount")?);
    let least_currency = limits.take("minimum_amount_currency");
    limits.finish()?;
    params.finish()?;

    if kind != "coupon" {
        return Err(ApiError::refused("promotion[type]", "Invalid promotion[type]: must be one of coupon"));
    }
    let found = coupons::get(turn, &coupon).map_err(|_| ApiError::missing_reference("promotion[coupon]", "coupon", &coupon))?;
    if found["valid"] != true {
        return Err(ApiError::refused("promotion[coupon]", "The coupon can't be redeemed any more."));
    }
    if let Some(customer) = customer.as_ref().filter(|id| !turn.state.customers.contains_key(*id)) {
        return Err(ApiError::missing_reference("customer", "customer", customer));
    }
    if least.is_some() != least_currency.is_some() {
        return Err(ApiError::missing_parameter("restrictions[minimum_amount_currency]"));
    }
    let id = turn.id("promo");
    let code = code.unwrap_or_else(|| id.to_ascii_uppercase().replace('_', ""));
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(ApiError::refused(
            "code",
            "Valid characters are lower case letters (a-z), upper case letters (A-Z), digits (0-9) and dashes (-).",
        ));
    }
    if active && find(turn, &code).is_some() {
        return Err(ApiError::taken("code", "An active promotion code with this code already exists.".to_owned()));
    }
    let promotion_code = json!({
        "id": id, "object": "promotion_code", "created": turn.now, "livemode": false, "active": active, "code": code, "customer": customer,
        "promotion": { "type": "coupon", "coupon": coupon }, "expires_at": until, "max_redemptions": most, "times_redeemed": 0,
        "metadata": metadata,
        "restrictions": { "first_time_transaction": first, "minimum_amount": least, "minimum_amount_currency": least_currency },
    });
    turn.state.promotion_codes.insert(id, promotion_code.clone());
    Ok(promotion_code)
}

/// The active one of a code, in either case of letters.
pub(super) fn find<'a>(turn: &'a Turn<'_>, code: &str) -> Option<&'a Value> {
    let is = |found: &&Value| found["active"] == true && found["code"].as_str().is_some_and(|is| is.eq_ignore_ascii_case(code));
    turn.state.promotion_codes.values().find(is)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.promotion_codes.get(id).cloned().ok_or_else(|| ApiError::missing("promotion_code", id))
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let (active, metadata) = (params.flag("active")?, params.metadata());
    params.finish()?;
    let mut promotion_code = get(turn, id)?;
    if let Some(active) = active {
        promotion_code["active"] = active.into();
    }
    for (key, value) in metadata {
        promotion_code["metadata"][key] = value;
    }
    turn.state.promotion_codes.insert(id.to_owned(), promotion_code.clone());
    Ok(promotion_code)
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, code, active) = (Cursor::take(&mut params)?, params.take("code"), params.flag("active")?);
    let (coupon, customer) = (params.take("coupon"), params.take("customer"));
    params.finish()?;
    cursor.page("promotion_code", "/v1/promotion_codes", &turn.state.promotion_codes, |found| {
        let fits = |wanted: &Option<String>, is: &Value| wanted.is_none() || is.as_str() == wanted.as_deref();
        code.as_ref().is_none_or(|code| found["code"].as_str().is_some_and(|is| is.eq_ignore_ascii_case(code)))
            && active.is_none_or(|active| found["active"] == active)
            && fits(&coupon, &found["promotion"]["coupon"])
            && fits(&customer, &found["customer"])
    })
}
