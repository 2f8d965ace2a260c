//! Discounts: coupons that a subscription has. Checked and redeemed here; what they take off is arithmetic of `lines`.
//!
//! Simpler than Stripe: only subscriptions have them, neither customers nor single invoices or items.

use chrono::{DateTime, Months};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::lines::Cut;
use super::params::Params;
use super::store::{Reduction, Turn};
use super::{coupons, promotion_codes};

/// Reads `discounts[0][coupon]=…` or `discounts[0][promotion_code]=…`; an empty text takes all away. `None`: nothing was said.
pub(super) fn take(params: &mut Params) -> Result<Option<Vec<Reduction>>, ApiError> {
    if params.take("discounts").is_some_and(|text| text.is_empty()) {
        return Ok(Some(Vec::new()));
    }
    let mut wanted = Vec::new();
    for mut one in params.list("discounts") {
        wanted.push(match (one.take("coupon"), one.take("promotion_code")) {
            (Some(coupon), None) => Reduction::Coupon(coupon),
            (None, Some(code)) => Reduction::PromotionCode(code),
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::refused("discounts", "Give each discount one of coupon and promotion_code."));
            }
        });
        one.finish()?;
    }
    Ok(if wanted.is_empty() { None } else { Some(wanted) })
}

/// The coupon behind it, if this customer may have it for a purchase of `amount`.
pub(super) fn check<'a>(turn: &'a Turn<'_>, wanted: &Reduction, customer: &str, amount: i64) -> Result<&'a Value, ApiError> {
    let of_coupon = |id: &str, param: &str| {
        let found = turn.state.coupons.get(id).ok_or_else(|| ApiError::missing_reference(param, "coupon", id))?;
        if coupons::is_valid(found, turn.now) {
            Ok(found)
        } else {
            Err(ApiError { code: Some("coupon_expired"), ..ApiError::refused(param, format!("Coupon expired: {id}")) })
        }
    };
    let id = match wanted {
        Reduction::Coupon(id) => return of_coupon(id, "discounts[0][coupon]"),
        Reduction::PromotionCode(id) => id,
    };
    let param = "discounts[0][promotion_code]";
    let code = promotion_codes::get(turn, id).map_err(|_| ApiError::missing_reference(param, "promotion code", id))?;
    let no = |why: &str| Err(ApiError::refused(param, format!("This promotion code cannot be redeemed because {why}.")));
    if code["active"] != true || code["expires_at"].as_i64().is_some_and(|until| until <= turn.now) {
        return no("it has expired or is not active");
    }
    if code["max_redemptions"].as_i64().is_some_and(|most| code["times_redeemed"].as_i64() >= Some(most)) {
        return no("it has been redeemed as often as it may");
    }
    if code["customer"].as_str().is_some_and(|only| only != customer) {
        return no("it is for another customer");
    }
    let limits = &code["restrictions"];
    let bought = turn.state.charges.iter().any(|charge| charge.customer == customer);
    if limits["first_time_transaction"] == true && bought {
        return no("the associated customer has prior transactions");
    }
    if limits["minimum_amount"].as_i64().is_some_and(|least| amount < least) {
        return no("the purchase does not reach the minimum amount");
    }
    of_coupon(code["promotion"]["coupon"].as_str().unwrap_or_default(), param)
}

/// Gives it to a subscription, from now on; gives the discount's id.
pub(super) fn redeem(turn: &mut Turn<'_>, wanted: &Reduction, subscription: &Value) -> Result<String, ApiError> {
    let customer = subscription["customer"].as_str().unwrap_or_default().to_owned();
    let coupon = check(turn, wanted, &customer, i64::MAX)?.clone();
    let id = turn.id("di");
    let months = coupon["duration_in_months"].as_u64().and_then(|months| u32::try_from(months).ok());
    let end = months
        .and_then(|months| Some(DateTime::from_timestamp(turn.now, 0)?.checked_add_months(Months::new(months))?.timestamp()));
    let code = if let Reduction::PromotionCode(code) = wanted { Some(code.clone()) } else { None };
    let discount = json!({
        "id": id, "object": "discount", "source": { "type": "coupon", "coupon": coupon["id"] }, "promotion_code": code, "start": turn.now,
        "end": end, "customer": customer, "subscription": subscription["id"], "subscription_item": null, "invoice": null,
        "invoice_item": null, "checkout_session": null,
    });
    turn.state.discounts.insert(id.clone(), discount);
    let count = |found: Option<&mut Value>| {
        if let Some(found) = found {
            found["times_redeemed"] = (found["times_redeemed"].as_i64().unwrap_or_default() + 1).into();
        }
    };
    count(turn.state.coupons.get_mut(coupon["id"].as_str().unwrap_or_default()));
    count(code.and_then(|code| turn.state.promotion_codes.get_mut(&code)));
    Ok(id)
}

/// What a subscription's discounts take off an invoice that is made now.
pub(super) fn cuts(turn: &Turn<'_>, subscription: &Value) -> Vec<Cut> {
    let ids = subscription["discounts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let cut = |id: &str| {
        let discount = turn.state.discounts.get(id).filter(|discount| is_running(discount, turn.now))?;
        let off = coupons::off(coupon_of(turn, discount), &subscription["currency"])?;
        Some(Cut { discount: id.to_owned(), off })
    };
    ids.filter_map(cut).collect()
}

/// What is left of a subscription's discounts once these have been used: those for one invoice are gone.
pub(super) fn left_after(turn: &Turn<'_>, subscription: &Value, used: &[(String, i64)]) -> Value {
    let ids = subscription["discounts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let stays = |id: &&str| {
        let Some(discount) = turn.state.discounts.get(*id) else { return false };
        let is_used_up = coupon_of(turn, discount)["duration"] == "once" && used.iter().any(|(used, _)| used == id);
        is_running(discount, turn.now) && !is_used_up
    };
    ids.filter(stays).map(Value::from).collect()
}

fn is_running(discount: &Value, now: i64) -> bool {
    discount["end"].as_i64().is_none_or(|end| now < end)
}

fn coupon_of<'a>(turn: &'a Turn<'_>, discount: &Value) -> &'a Value {
    turn.state.coupons.get(discount["source"]["coupon"].as_str().unwrap_or_default()).unwrap_or(&Value::Null)
}
