//! `POST /v1/subscriptions`: one for a customer whose card is on file, without a payment page.
//!
//! Simpler than Stripe: `payment_behavior` is `allow_incomplete`, `default_incomplete` or `error_if_incomplete`.

use super::errors::{Answered, ApiError};
use super::invoices::Reason;
use super::params::Params;
use super::store::Turn;
use super::subscriptions::{self, Terms};
use super::{discounts, invoices, tax};

pub(super) const PAYMENT_BEHAVIORS: [&str; 3] = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let customer = params.require("customer")?;
    let mut terms = Terms { metadata: params.metadata(), description: params.take("description"), ..Terms::default() };
    for mut item in params.list("items") {
        terms.items.push((item.require("price")?, quantity(&mut item)?.unwrap_or(1)));
        item.finish()?;
    }
    let behavior = params.choice("payment_behavior", &PAYMENT_BEHAVIORS)?;
    terms.trial_end = trial(turn, &mut params)?;
    terms.missing_card = missing_card(&mut params)?;
    terms.reductions = discounts::take(&mut params)?.unwrap_or_default();
    terms.tax = automatic_tax(&mut params)?.unwrap_or(false);
    params.finish()?;

    let Some(found) = turn.state.customers.get(&customer) else {
        return Err(ApiError::missing_reference("customer", "customer", &customer));
    };
    if terms.tax {
        tax::check(found)?;
    }
    for (price, _) in &terms.items {
        subscriptions::price_of(turn, price, "items[0][price]")?;
    }
    for reduction in &terms.reductions {
        discounts::check(turn, reduction, &customer, i64::MAX)?;
    }
    let pays = turn.state.cards.get(&customer).is_some_and(|card| card.renews());
    if behavior.as_deref() == Some("error_if_incomplete") && !pays && terms.trial_end.is_none() {
        return Err(ApiError::card_declined());
    }

    let mut subscription = subscriptions::start(turn, &customer, &terms)?;
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    let waits = behavior.as_deref() == Some("default_incomplete");
    let invoice = invoices::bill(turn, &mut subscription, Reason::Create);
    if subscription["status"] != "trialing" && !invoices::is_free(turn, &invoice) && (waits || !pays) {
        subscription["status"] = "incomplete".into();
        subscriptions::put(turn, subscription.clone());
    }
    turn.emit("customer.subscription.created", &subscription);
    if invoices::is_free(turn, &invoice) || !waits {
        invoices::collect(turn, &invoice);
    }
    subscriptions::get(turn, &id)
}

/// At least 1.
pub(super) fn quantity(item: &mut Params) -> Result<Option<i64>, ApiError> {
    match item.int("quantity")? {
        Some(quantity) if quantity < 1 => {
            Err(ApiError::bad_parameter("parameter_invalid_integer", item.called("quantity"), "at least 1"))
        }
        other => Ok(other),
    }
}

/// When the trial is to end: `trial_end` or `trial_period_days`.
fn trial(turn: &Turn<'_>, params: &mut Params) -> Result<Option<i64>, ApiError> {
    let (days, end) = (params.int("trial_period_days")?, params.int("trial_end")?);
    match (days, end) {
        (Some(_), Some(_)) => {
            Err(ApiError::refused("trial_end", "You may only specify one of these parameters: trial_end, trial_period_days."))
        }
        (Some(days), None) if (1..=730).contains(&days) => Ok(Some(turn.now + days * 24 * 3600)),
        (Some(_), None) => {
            Err(ApiError::bad_parameter("parameter_invalid_integer", params.called("trial_period_days"), "from 1 to 730"))
        }
        (None, Some(end)) if end <= turn.now => {
            Err(ApiError::refused(&params.called("trial_end"), "The trial end must be in the future."))
        }
        (None, end) => Ok(end),
    }
}

/// `trial_settings[end_behavior][missing_payment_method]`.
pub(super) fn missing_card(params: &mut Params) -> Result<Option<String>, ApiError> {
    let mut settings = params.group("trial_settings");
    let mut end = settings.group("end_behavior");
    let word = end.choice("missing_payment_method", &["cancel", "create_invoice", "pause"])?;
    end.finish()?;
    settings.finish()?;
    Ok(word)
}

/// `automatic_tax[enabled]`.
pub(super) fn automatic_tax(params: &mut Params) -> Result<Option<bool>, ApiError> {
    let mut tax = params.group("automatic_tax");
    let enabled = tax.flag("enabled")?;
    tax.finish()?;
    Ok(enabled)
}
