//! `POST /v1/subscriptions/{id}`: items (plan, quantity, more of them) with proration, interval, trial, pause, end date and undo, discounts,
//! tax, metadata. `preview` runs the same code on a copy.
//!
//! Simpler than Stripe: `payment_behavior=pending_if_incomplete` is refused; a credit is what the item costs, also where its bill is not paid
//! yet; a change from a free to a paid price keeps the period.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::invoices::Reason;
use super::lines::{self, Line};
use super::params::Params;
use super::store::{Reduction, Turn};
use super::subscription_create::{PAYMENT_BEHAVIORS, automatic_tax, missing_card, quantity};
use super::{discounts, invoices, preview, subscriptions, tax};

/// What is to become of an item.
#[derive(Debug)]
struct ItemChange {
    /// Which; a new one without.
    id: Option<String>,
    price: Option<Value>,
    quantity: Option<i64>,
    deleted: bool,
}

/// What is asked for, checked.
#[derive(Debug)]
pub(super) struct Change {
    items: Vec<ItemChange>,
    proration: Proration,
    /// As of when is prorated.
    at: Option<i64>,
    starts_over: bool,
    /// Unix seconds; the present ends it.
    trial_end: Option<i64>,
    missing_card: Option<String>,
    pause: Option<Value>,
    end: Option<End>,
    at_period_end: Option<bool>,
    reductions: Option<Vec<Reduction>>,
    tax: Option<bool>,
    description: Option<String>,
    metadata: serde_json::Map<String, Value>,
    refuses_decline: bool,
    waits_for_payment: bool,
}

/// A date to end on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    At(i64),
    Never,
}

/// When the difference is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proration {
    NextInvoice,
    Now,
    Never,
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    let subscription = subscriptions::get(turn, id)?;
    let change = read(turn, &subscription, params)?;
    if change.refuses_decline {
        let due = preview::cost(turn, &subscription, &change)?;
        let customer = subscription["customer"].as_str().unwrap_or_default();
        if due > 0 && !turn.state.cards.get(customer).is_some_and(|card| card.renews()) {
            return Err(ApiError::card_declined());
        }
    }
    let waits = change.waits_for_payment;
    let invoice = apply(turn, subscription, &change)?;
    let changed = subscriptions::get(turn, id)?;
    turn.emit("customer.subscription.updated", &changed);
    if let Some(invoice) = invoice.filter(|invoice| !waits || invoices::is_free(turn, invoice)) {
        invoices::collect(turn, &invoice);
    }
    subscriptions::get(turn, id)
}

/// Reads and checks; changes nothing.
pub(super) fn read(turn: &Turn<'_>, subscription: &Value, mut params: Params) -> Result<Change, ApiError> {
    let items = params.list("items").into_iter().map(|item| read_item(turn, subscription, item)).collect::<Result<_, _>>()?;
    let proration = params.choice("proration_behavior", &["create_prorations", "always_invoice", "none"])?;
    let behavior = params.choice("payment_behavior", &PAYMENT_BEHAVIORS)?;
    let starts_over = params.choice("billing_cycle_anchor", &["now", "unchanged"])?.is_some_and(|word| word == "now");
    let change = Change {
        items,
        proration: match proration.as_deref() {
            Some("always_invoice") => Proration::Now,
            Some("none") => Proration::Never,
            _ => Proration::NextInvoice,
        },
        at: params.int("proration_date")?,
        starts_over,
        trial_end: read_trial(turn, &mut params)?,
        missing_card: missing_card(&mut params)?,
        pause: read_pause(&mut params)?,
        end: read_end(turn, &mut params)?,
        at_period_end: params.flag("cancel_at_period_end")?,
        reductions: discounts::take(&mut params)?,
        tax: automatic_tax(&mut params)?,
        description: params.take("description"),
        metadata: params.metadata(),
        refuses_decline: behavior.as_deref() == Some("error_if_incomplete"),
        waits_for_payment: behavior.as_deref() == Some("default_incomplete"),
    };
    let mut details = params.group("cancellation_details");
    details.take("comment");
    details.take("feedback");
    details.finish()?;
    params.finish()?;
    check(turn, subscription, &change)?;
    Ok(change)
}

fn check(turn: &Turn<'_>, subscription: &Value, change: &Change) -> Result<(), ApiError> {
    if subscriptions::is_over(subscription) {
        return Err(ApiError::refused("id", "A canceled subscription can only update its cancellation_details and metadata."));
    }
    if subscription["status"] == "incomplete" && (!change.items.is_empty() || change.starts_over || change.trial_end.is_some()) {
        return Err(ApiError::refused("id", "The first invoice of the subscription has to be paid before it can be changed."));
    }
    if matches!(change.end, Some(End::At(_))) && change.at_period_end == Some(true) {
        return Err(ApiError::refused(
            "cancel_at",
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
        ));
    }
    let (start, end) = subscriptions::period(subscription);
    if change.at.is_some_and(|at| at < start || at > end) {
        return Err(ApiError::refused("proration_date", "Cannot specify proration_date outside of current subscription period."));
    }
    let customer = subscription["customer"].as_str().unwrap_or_default();
    for reduction in change.reductions.iter().flatten() {
        discounts::check(turn, reduction, customer, i64::MAX)?;
    }
    if change.tax == Some(true) {
        tax::check(turn.customer(&subscription["customer"]))?;
    }
    let after = items_after(subscription, &change.items, &mut || String::new());
    let Some(first) = after.first() else {
        return Err(ApiError::refused("items", "A subscription must have at least one active plan."));
    };
    let differs = |item: &Value| {
        item["price"]["currency"] != subscription["currency"]
            || subscriptions::interval_of(&item["price"]) != subscriptions::interval_of(&first["price"])
    };
    if after.iter().any(differs) {
        return Err(ApiError::refused("items", "Currency and interval must be the same for all items of a subscription."));
    }
    Ok(())
}

fn read_item(turn: &Turn<'_>, subscription: &Value, mut item: Params) -> Result<ItemChange, ApiError> {
    let (id, deleted, quantity) = (item.take("id"), item.flag("deleted")?.unwrap_or(false), quantity(&mut item)?);
    let param = item.called("price");
    let price = item.take("price").map(|price| subscriptions::price_of(turn, &price, &param)).transpose()?;
    let missing = item.called("id");
    item.finish()?;
    match &id {
        Some(id) if !subscriptions::items(subscription).any(|found| found["id"] == id.as_str()) => {
            return Err(ApiError::missing_reference(&missing, "subscription_item", id));
        }
        None if price.is_none() => return Err(ApiError::missing_parameter(&param)),
        Some(_) | None => {}
    }
    Ok(ItemChange { id, price, quantity, deleted })
}

fn read_trial(turn: &Turn<'_>, params: &mut Params) -> Result<Option<i64>, ApiError> {
    match params.take("trial_end").as_deref() {
        None => Ok(None),
        Some("now") => Ok(Some(turn.now)),
        Some(text) => match text.parse() {
            Ok(end) if end > turn.now => Ok(Some(end)),
            Ok(_) => Err(ApiError::refused("trial_end", "The trial end must be in the future.")),
            Err(_) => Err(ApiError::bad_parameter("parameter_invalid_integer", "trial_end".to_owned(), "a Unix time or now")),
        },
    }
}

/// An empty text ends the pause.
fn read_pause(params: &mut Params) -> Result<Option<Value>, ApiError> {
    if params.take("pause_collection").is_some_and(|text| text.is_empty()) {
        return Ok(Some(Value::Null));
    }
    let mut pause = params.group("pause_collection");
    if pause.is_empty() {
        return Ok(None);
    }
    let behavior = pause.choice("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
    let behavior = behavior.ok_or_else(|| ApiError::missing_parameter("pause_collection[behavior]"))?;
    let resumes_at = pause.int("resumes_at")?;
    pause.finish()?;
    Ok(Some(json!({ "behavior": behavior, "resumes_at": resumes_at })))
}

fn read_end(turn: &Turn<'_>, params: &mut Params) -> Result<Option<End>, ApiError> {
    match params.take("cancel_at").as_deref() {
        None => Ok(None),
        Some("") => Ok(Some(End::Never)),
        Some(text) => match text.parse() {
            Ok(at) if at > turn.now => Ok(Some(End::At(at))),
            Ok(_) => Err(ApiError::refused("cancel_at", "The cancel_at timestamp must be in the future.")),
            Err(_) => Err(ApiError::bad_parameter("parameter_invalid_integer", "cancel_at".to_owned(), "a Unix time")),
        },
    }
}

/// The items as they will be; `ids` names new ones.
fn items_after(subscription: &Value, changes: &[ItemChange], ids: &mut impl FnMut() -> String) -> Vec<Value> {
    let mut items: Vec<Value> = subscriptions::items(subscription).cloned().collect();
    for change in changes {
        let Some(id) = &change.id else {
            let Some(price) = &change.price else { continue };
            let mut item = items.first().cloned().unwrap_or_default();
            item["id"] = ids().into();
            item["metadata"] = json!({});
            set_item(&mut item, price, Some(change.quantity.unwrap_or(1)));
            items.push(item);
            continue;
        };
        if change.deleted {
            items.retain(|item| item["id"] != id.as_str());
            continue;
        }
        if let Some(item) = items.iter_mut().find(|item| item["id"] == id.as_str()) {
            let price = change.price.clone().unwrap_or_else(|| item["price"].clone());
            set_item(item, &price, change.quantity);
        }
    }
    items
}

fn set_item(item: &mut Value, price: &Value, quantity: Option<i64>) {
    item["price"] = price.clone();
    item["plan"] = subscriptions::plan(price);
    if let Some(quantity) = quantity {
        item["quantity"] = quantity.into();
    }
}

/// Makes the change; the invoice that it set off, not yet paid.
pub(super) fn apply(turn: &mut Turn<'_>, mut subscription: Value, change: &Change) -> Result<Option<String>, ApiError> {
    let before = subscriptions::held(turn, &subscription);
    let old_period = subscriptions::period(&subscription);
    let old_interval = subscriptions::interval_of(&subscription["items"]["data"][0]["price"]).to_owned();
    let was_free = subscription["status"] == "trialing";

    let items = items_after(&subscription, &change.items, &mut || turn.id("si"));
    subscription["items"]["data"] = items.into();
    set_terms(turn, &mut subscription, change)?;

    let interval = subscriptions::interval_of(&subscription["items"]["data"][0]["price"]).to_owned();
    let starts_over = change.trial_end.is_some() || (!was_free && (change.starts_over || interval != old_interval));
    let at = if starts_over { turn.now } else { change.at.unwrap_or(turn.now) };
    let after = if starts_over { Vec::new() } else { subscriptions::held(turn, &subscription) };
    let mut lines = Vec::new();
    if !was_free && change.proration != Proration::Never {
        lines = lines::prorate(&before, &after, at, old_period);
    }
    if starts_over {
        start_over(turn, &mut subscription, change.trial_end, &interval);
    }
    set_end(&mut subscription, change, turn.now);
    Ok(settle(turn, subscription, change.proration, starts_over, lines))
}

/// Bills the difference now or with the next invoice.
fn settle(turn: &mut Turn<'_>, mut subscription: Value, when: Proration, starts_over: bool, lines: Vec<Line>) -> Option<String> {
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    let bills_now = starts_over || (when == Proration::Now && !lines.is_empty());
    if starts_over {
        turn.state.pending.entry(id).or_default().extend(lines);
        return Some(invoices::bill(turn, &mut subscription, Reason::Update));
    }
    if bills_now {
        return Some(invoices::bill_lines(turn, &mut subscription, &lines, Reason::Update));
    }
    if !lines.is_empty() {
        turn.state.pending.entry(id).or_default().extend(lines);
    }
    subscriptions::put(turn, subscription);
    None
}

/// A new period from now on: a trial, or one that is paid for.
fn start_over(turn: &Turn<'_>, subscription: &mut Value, trial_end: Option<i64>, interval: &str) {
    let trial_end = trial_end.filter(|end| *end > turn.now);
    let was_free = subscription["status"] == "trialing";
    let end = trial_end.unwrap_or_else(|| subscriptions::period_end(turn.now, turn.now, interval));
    subscription["billing_cycle_anchor"] = trial_end.unwrap_or(turn.now).into();
    subscriptions::set_period(subscription, (turn.now, end));
    if let Some(end) = trial_end {
        if !was_free {
            subscription["trial_start"] = turn.now.into();
        }
        subscription["trial_end"] = end.into();
        subscription["status"] = "trialing".into();
    } else if was_free {
        subscription["trial_end"] = turn.now.into();
        subscription["status"] = "active".into();
    }
}

fn set_terms(turn: &mut Turn<'_>, subscription: &mut Value, change: &Change) -> Result<(), ApiError> {
    for (key, value) in &change.metadata {
        // An empty text takes the key away.
        match (value.as_str(), subscription["metadata"].as_object_mut()) {
            (Some(""), Some(metadata)) => drop(metadata.remove(key)),
            _ => subscription["metadata"][key] = value.clone(),
        }
    }
    if let Some(description) = &change.description {
        subscription["description"] = description.as_str().into();
    }
    if let Some(enabled) = change.tax {
        subscription["automatic_tax"]["enabled"] = enabled.into();
    }
    if let Some(word) = &change.missing_card {
        subscription["trial_settings"]["end_behavior"]["missing_payment_method"] = word.as_str().into();
    }
    if let Some(pause) = &change.pause {
        subscription["pause_collection"] = pause.clone();
    }
    if let Some(reductions) = &change.reductions {
        let mut ids = Vec::new();
        for reduction in reductions {
            ids.push(discounts::redeem(turn, reduction, subscription)?);
        }
        subscription["discounts"] = ids.into();
    }
    Ok(())
}

fn set_end(subscription: &mut Value, change: &Change, now: i64) {
    match change.end {
        Some(End::At(at)) => write_end(subscription, Some(at), false, now),
        Some(End::Never) => write_end(subscription, None, false, now),
        None => {}
    }
    match change.at_period_end {
        Some(true) => {
            let at = subscriptions::period(subscription).1;
            write_end(subscription, Some(at), true, now);
        }
        // Taking the one back does not take the other back: a date stays.
        Some(false) if subscription["cancel_at_period_end"] == true => write_end(subscription, None, false, now),
        Some(false) | None => {}
    }
}

fn write_end(subscription: &mut Value, at: Option<i64>, at_period_end: bool, now: i64) {
    subscription["cancel_at"] = at.into();
    subscription["cancel_at_period_end"] = at_period_end.into();
    subscription["canceled_at"] = at.map(|_| now).into();
}
