//! `expand[]`: whole objects in the place of their ids: <https://docs.stripe.com/api/expanding_objects>.
//!
//! Simpler than Stripe: whatever is an id of an object that the fake keeps can be expanded, `PaymentIntent`s and payment methods can't, and
//! fields that only exist when asked for are unknown.

use serde_json::Value;

use super::errors::ApiError;
use super::store::State;

/// As deep as Stripe goes.
const DEEPEST: usize = 4;

/// Expands every path in an answer.
pub(super) fn expand(state: &State, answer: &mut Value, paths: &[String]) -> Result<(), ApiError> {
    for path in paths {
        let parts: Vec<&str> = path.split('.').collect();
        let depth = parts.len() - usize::from(parts.first() == Some(&"data"));
        if depth > DEEPEST {
            return Err(ApiError::refused(
                "expand",
                format!("You cannot expand more than {DEEPEST} levels of a property: {path}"),
            ));
        }
        walk(state, answer, &parts)
            .map_err(|field| ApiError::refused("expand", format!("This property cannot be expanded ({field}).")))?;
    }
    Ok(())
}

/// `Err`: the field where it ends.
fn walk<'a>(state: &State, value: &mut Value, parts: &[&'a str]) -> Result<(), &'a str> {
    let Some((&field, rest)) = parts.split_first() else { return Ok(()) };
    if let Value::Array(all) = value {
        return all.iter_mut().try_for_each(|one| walk(state, one, parts));
    }
    let Some(found) = value.get_mut(field) else { return Err(field) };
    match found {
        Value::Null => return Ok(()),
        Value::String(_) => put(state, found, field)?,
        Value::Array(all) => {
            for one in all.iter_mut().filter(|one| one.is_string()) {
                put(state, one, field)?;
            }
        }
        // Lists and objects within are passed through; the last part must be an id.
        _ if rest.is_empty() => return Err(field),
        _ => {}
    }
    walk(state, found, rest)
}

fn put<'a>(state: &State, id: &mut Value, field: &'a str) -> Result<(), &'a str> {
    *id = find(state, id.as_str().unwrap_or_default()).cloned().ok_or(field)?;
    Ok(())
}

fn find<'a>(state: &'a State, id: &str) -> Option<&'a Value> {
    let shelves = [
        &state.customers,
        &state.subscriptions,
        &state.invoices,
        &state.prices,
        &state.products,
        &state.checkouts,
        &state.attempts,
        &state.coupons,
        &state.promotion_codes,
        &state.discounts,
        &state.refunds,
        &state.credit_notes,
        &state.disputes,
    ];
    shelves.into_iter().find_map(|shelf| shelf.get(id))
}
