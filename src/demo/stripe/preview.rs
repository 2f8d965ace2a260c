//! `POST /v1/invoices/create_preview`: what a change would cost, or what the next period will. The change is really made, on a copy of all
//! that has a say in it: so what is shown is what is then billed.
//!
//! Simpler than Stripe: only for a subscription that exists.

use serde_json::Value;

use super::errors::{Answered, ApiError};
use super::params::Params;
use super::store::{State, Turn};
use super::subscription_update::{self, Change};
use super::{invoices, subscriptions};

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let (id, customer) = (params.take("subscription"), params.take("customer"));
    let id = id.ok_or_else(|| ApiError::refused("subscription", "The fake previews existing subscriptions only."))?;
    let mut details = params.group("subscription_details");
    // What is said at the top is said of the subscription too.
    params.hand_down(&["discounts", "automatic_tax"], &mut details);
    params.finish()?;
    let subscription =
        subscriptions::get(turn, &id).map_err(|_| ApiError::missing_reference("subscription", "subscription", &id))?;
    if customer.is_some_and(|customer| subscription["customer"] != customer) {
        return Err(ApiError::refused("customer", "The subscription belongs to another customer."));
    }
    if subscriptions::is_over(&subscription) {
        return Err(ApiError {
            code: Some("invoice_upcoming_none"),
            ..ApiError::refused("subscription", format!("No upcoming invoices for subscription: {id}"))
        });
    }
    let change = subscription_update::read(turn, &subscription, details)?;
    invoice(turn, &subscription, &change)
}

/// What a change would have to be paid at once.
pub(super) fn cost(turn: &Turn<'_>, subscription: &Value, change: &Change) -> Result<i64, ApiError> {
    let mut copy = copy(turn.state, subscription);
    let mut dry = Turn { state: &mut copy, now: turn.now, base_url: turn.base_url };
    let invoice = subscription_update::apply(&mut dry, subscription.clone(), change)?;
    Ok(invoice.and_then(|id| dry.state.invoices.get(&id)).and_then(|invoice| invoice["amount_due"].as_i64()).unwrap_or_default())
}

fn invoice(turn: &Turn<'_>, subscription: &Value, change: &Change) -> Answered {
    let mut copy = copy(turn.state, subscription);
    let mut dry = Turn { state: &mut copy, now: turn.now, base_url: turn.base_url };
    let made = subscription_update::apply(&mut dry, subscription.clone(), change)?;
    if let Some(mut invoice) = made.and_then(|id| dry.state.invoices.remove(&id)) {
        let id = dry.id("upcoming_in");
        for line in invoice["lines"]["data"].as_array_mut().into_iter().flatten() {
            line["invoice"] = id.as_str().into();
        }
        invoice["id"] = id.into();
        invoice["status"] = "draft".into();
        return Ok(invoice);
    }
    // Nothing at once: what the next period brings, with what waits.
    let id = subscription["id"].as_str().unwrap_or_default();
    let mut changed = subscriptions::get(&dry, id)?;
    let (_, end) = subscriptions::period(&changed);
    if changed["cancel_at"].as_i64().is_some_and(|at| at <= end) {
        return Err(ApiError {
            code: Some("invoice_upcoming_none"),
            ..ApiError::refused("subscription", format!("No upcoming invoices for subscription: {id}"))
        });
    }
    dry.now = end;
    subscriptions::next_period(&mut changed, end);
    Ok(invoices::upcoming(&mut dry, &changed))
}

/// All that has a say in what a subscription costs.
fn copy(state: &State, subscription: &Value) -> State {
    let (id, customer) = (subscription["id"].as_str().unwrap_or_default(), subscription["customer"].as_str().unwrap_or_default());
    State {
        salt: state.salt.clone(),
        made: state.made,
        customers: state.customers.get(customer).map(|found| (customer.to_owned(), found.clone())).into_iter().collect(),
        subscriptions: [(id.to_owned(), subscription.clone())].into(),
        pending: state.pending.get(id).map(|lines| (id.to_owned(), lines.clone())).into_iter().collect(),
        products: state.products.clone(),
        prices: state.prices.clone(),
        coupons: state.coupons.clone(),
        promotion_codes: state.promotion_codes.clone(),
        discounts: state
            .discounts
            .iter()
            .filter(|(_, found)| found["subscription"] == id)
            .map(|(id, found)| (id.clone(), found.clone()))
            .collect(),
        tax_ids: state
            .tax_ids
            .iter()
            .filter(|(_, found)| found["customer"] == customer)
            .map(|(id, found)| (id.clone(), found.clone()))
            .collect(),
        ..State::default()
    }
}
