//! Coupons: create, get, update, list, delete. Simpler than Stripe: not bound to products, and one currency each.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::lines::Off;
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;
use crate::money::Currency;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let (id, name, metadata) = (params.take("id"), params.take("name"), params.metadata());
    let (percent, amount, currency) = (params.take("percent_off"), params.int("amount_off")?, params.take("currency"));
    let duration = params.choice("duration", &["once", "repeating", "forever"])?.unwrap_or_else(|| "once".to_owned());
    let months = params.int("duration_in_months")?;
    let (most, until) = (params.int("max_redemptions")?, params.int("redeem_by")?);
    params.finish()?;
    let percent = percent.as_deref().map(read_percent).transpose()?;
    match (&percent, amount) {
        (Some(_), Some(_)) => {
            return Err(ApiError::refused(
                "amount_off",
                "You may only specify one of these parameters: amount_off, percent_off.",
            ));
        }
        (None, None) => return Err(ApiError::missing_parameter("percent_off")),
        (None, Some(amount)) if amount < 1 => {
            return Err(ApiError::bad_parameter("parameter_invalid_integer", "amount_off".to_owned(), "at least 1"));
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if amount.is_some() && currency.as_deref().and_then(Currency::from_code).is_none() {
        return Err(ApiError::missing_parameter("currency"));
    }
    if (duration == "repeating") != months.is_some() {
        return Err(ApiError::refused(
            "duration_in_months",
            "You must pass duration_in_months with a duration of repeating, and only then.",
        ));
    }
    if until.is_some_and(|until| until <= turn.now) {
        return Err(ApiError::refused("redeem_by", "redeem_by must be a timestamp in the future."));
    }
    if let Some(id) = id.as_ref().filter(|id| turn.state.coupons.contains_key(*id)) {
        return Err(ApiError::taken("id", format!("Coupon already exists: {id}")));
    }
    let id = id.unwrap_or_else(|| turn.id("coupon"));
    let coupon = json!({
        "id": id, "object": "coupon", "created": turn.now, "livemode": false, "name": name, "metadata": metadata, "percent_off": percent,
        "amount_off": amount, "currency": if amount.is_some() { currency } else { None }, "duration": duration, "duration_in_months": months,
        "max_redemptions": most, "redeem_by": until, "times_redeemed": 0, "valid": true,
    });
    turn.state.coupons.insert(id, coupon.clone());
    Ok(coupon)
}

fn read_percent(text: &str) -> Result<Value, ApiError> {
    let wrong =
        || ApiError::refused("percent_off", "Invalid percent_off: must be greater than 0 and at most 100, with two decimals");
    basis_points(text).filter(|points| (1..=10_000).contains(points)).ok_or_else(wrong)?;
    text.parse::<f64>().map(Value::from).map_err(|_| wrong())
}

/// `12.5` is 1250.
fn basis_points(text: &str) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 2 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hundredths: i64 = format!("{rest:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

/// How much a coupon takes off amounts of this currency.
pub(super) fn off(coupon: &Value, currency: &Value) -> Option<Off> {
    if let Some(percent) = coupon["percent_off"].as_number() {
        return basis_points(&percent.to_string()).map(Off::Share);
    }
    coupon["amount_off"].as_i64().filter(|_| coupon["currency"] == *currency).map(Off::Amount)
}

/// Whether it can be redeemed at `now`.
pub(super) fn is_valid(coupon: &Value, now: i64) -> bool {
    coupon["redeem_by"].as_i64().is_none_or(|until| now < until)
        && coupon["max_redemptions"].as_i64().is_none_or(|most| coupon["times_redeemed"].as_i64() < Some(most))
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    let mut coupon = turn.state.coupons.get(id).cloned().ok_or_else(|| ApiError::missing("coupon", id))?;
    coupon["valid"] = is_valid(&coupon, turn.now).into();
    Ok(coupon)
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let (name, metadata) = (params.take("name"), params.metadata());
    params.finish()?;
    let mut coupon = get(turn, id)?;
    if let Some(name) = name {
        coupon["name"] = name.into();
    }
    for (key, value) in metadata {
        coupon["metadata"][key] = value;
    }
    turn.state.coupons.insert(id.to_owned(), coupon.clone());
    Ok(coupon)
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let cursor = Cursor::take(&mut params)?;
    params.finish()?;
    cursor.page("coupon", "/v1/coupons", &turn.state.coupons, |_| true)
}

/// Nobody can redeem it any more; who has it keeps it.
pub(super) fn delete(turn: &mut Turn<'_>, id: &str) -> Answered {
    let mut coupon = get(turn, id)?;
    // Discounts name it, so it stays on the shelf, used up.
    coupon["max_redemptions"] = 0.into();
    turn.state.coupons.insert(id.to_owned(), coupon);
    Ok(json!({ "id": id, "object": "coupon", "deleted": true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_have_two_decimals() {
        let points = ["25", "12.5", "0.01", "100", "33.333", "x", "1.-1", ""].map(basis_points);
        assert_eq!(points, [Some(2500), Some(1250), Some(1), Some(10_000), None, None, None, None]);
        assert_eq!(off(&json!({ "percent_off": 25.0 }), &Value::Null), Some(Off::Share(2500)));
        assert_eq!(off(&json!({ "amount_off": 500, "currency": "eur" }), &"eur".into()), Some(Off::Amount(500)));
        assert_eq!(off(&json!({ "amount_off": 500, "currency": "eur" }), &"usd".into()), None);
    }
}
