//! Invoices: how they are made, paid, tried again and ended, and what that does to their subscription.
//!
//! Simpler than Stripe: an invoice is final when it is made (Stripe keeps a renewal's as a draft for an hour), and a subscription is past
//! due from the first failed try on. When its tries come, and what follows the last one, is `collection`'s to say.

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::lines::{self, Line, Sums};
use super::list::Cursor;
use super::params::Params;
use super::store::{Charge, Turn};
use super::{balance, charges, collection::AfterRetries, discounts, subscriptions, tax};

/// Why an invoice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Create,
    Cycle,
    Update,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
        }
    }
}

/// Writes the invoice for the subscription's current period and for what waits, and makes it its newest; gives the invoice's id.
pub(super) fn bill(turn: &mut Turn<'_>, subscription: &mut Value, reason: Reason) -> String {
    let lines = lines_of_period(turn, subscription);
    turn.state.pending.remove(subscription["id"].as_str().unwrap_or_default());
    bill_lines(turn, subscription, &lines, reason)
}

/// What waits, and the current period: for nothing as long as it is a trial.
fn lines_of_period(turn: &Turn<'_>, subscription: &Value) -> Vec<Line> {
    let id = subscription["id"].as_str().unwrap_or_default();
    let mut lines = turn.state.pending.get(id).cloned().unwrap_or_default();
    let (period, is_trial) = (subscriptions::period(subscription), subscription["status"] == "trialing");
    lines.extend(subscriptions::held(turn, subscription).iter().map(|held| {
        let line = held.line(period);
        if is_trial { Line { amount: 0, description: format!("Trial period for {}", line.description), ..line } } else { line }
    }));
    lines
}

/// Writes an invoice of these lines.
pub(super) fn bill_lines(turn: &mut Turn<'_>, subscription: &mut Value, lines: &[Line], reason: Reason) -> String {
    let id = turn.id("in");
    let (mut invoice, used) = compose(turn, &id, subscription, lines, reason);
    subscription["discounts"] = discounts::left_after(turn, subscription, &used);
    subscription["latest_invoice"] = id.clone().into();
    if subscription["status"] == "unpaid" {
        invoice["status"] = "draft".into();
        invoice["auto_advance"] = false.into();
    }
    match subscription["pause_collection"]["behavior"].as_str() {
        Some("keep_as_draft") => invoice["status"] = "draft".into(),
        Some("mark_uncollectible") => invoice["status"] = "uncollectible".into(),
        Some("void") => invoice["status"] = "void".into(),
        _ => {}
    }
    if invoice["status"] != "open" {
        invoice["auto_advance"] = false.into();
        invoice["ending_balance"] = invoice["starting_balance"].clone();
    }
    let customer = invoice["customer"].as_str().unwrap_or_default().to_owned();
    let (before, after) = (invoice["starting_balance"].as_i64(), invoice["ending_balance"].as_i64());
    turn.state.invoices.insert(id.clone(), invoice.clone());
    subscriptions::put(turn, subscription.clone());
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        let currency = invoice["currency"].as_str().unwrap_or_default();
        balance::change(turn, &customer, after - before, currency, "applied_to_invoice", Some(("invoice", &id)));
    }
    id
}

/// The whole invoice, which nobody has seen yet, and what its discounts took off.
pub(super) fn compose(
    turn: &mut Turn<'_>,
    id: &str,
    subscription: &Value,
    lines: &[Line],
    reason: Reason,
) -> (Value, Vec<(String, i64)>) {
    let customer = turn.customer(&subscription["customer"]).clone();
    let is_taxed = subscription["automatic_tax"]["enabled"] == true;
    let rule = if is_taxed { tax::of(turn, &customer) } else { None };
    let cuts = discounts::cuts(turn, subscription);
    let sums = Sums::of(lines, &cuts, rule, || turn.id("il"), id, &subscription["id"]);
    let starting = customer["balance"].as_i64().unwrap_or_default();
    let due = sums.total.saturating_add(starting).max(0);
    // A balance that asks for nothing stays as what is left of it.
    let ending = starting.saturating_add(sums.total).min(0);
    let details = json!({ "subscription": subscription["id"], "metadata": subscription["metadata"] });
    let start = lines.iter().map(|line| line.period.0).min().unwrap_or(turn.now);
    let mut invoice = json!({
        "id": id, "object": "invoice", "status": "open", "customer": subscription["customer"], "created": turn.now, "livemode": false,
        "customer_email": customer["email"], "customer_name": customer["name"], "customer_address": customer["address"],
        "currency": subscription["currency"], "amount_due": due, "amount_paid": 0, "amount_remaining": due, "subtotal": sums.subtotal,
        "total": sums.total, "total_excluding_tax": sums.total_without_tax(), "total_taxes": sums.total_taxes(),
        "total_discount_amounts": lines::discount_amounts(&sums.discounts), "starting_balance": starting, "ending_balance": ending,
        "attempt_count": 0, "attempted": false, "next_payment_attempt": null, "due_date": null, "billing_reason": reason.as_str(),
        "collection_method": "charge_automatically", "number": format!("TEST-{:06}", turn.state.made), "period_start": start,
        "period_end": turn.now, "hosted_invoice_url": format!("{}invoice/{id}", turn.base_url),
        "invoice_pdf": format!("{}invoice/{id}/pdf", turn.base_url),
        "status_transitions": { "finalized_at": turn.now, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
        "parent": { "type": "subscription_details", "quote_details": null, "subscription_details": details },
        "lines": { "object": "list", "has_more": false, "url": format!("/v1/invoices/{id}/lines"), "data": sums.lines },
    });
    // What is always the same here, and what came later.
    let rest = json!({
        "amount_overpaid": 0, "amount_shipping": 0, "auto_advance": true, "automatic_tax": tax::shown(is_taxed, rule.is_some()),
        "default_tax_rates": [], "discounts": sums.discounts.iter().map(|(id, _)| id).collect::<Vec<_>>(), "issuer": { "type": "self" },
        "metadata": {}, "payment_settings": {}, "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
    });
    if let (Value::Object(invoice), Value::Object(rest)) = (&mut invoice, rest) {
        invoice.extend(rest);
    }
    (invoice, sums.discounts)
}

/// The invoice that the next period will bring, as long as nothing changes.
pub(super) fn upcoming(turn: &mut Turn<'_>, subscription: &Value) -> Value {
    let lines = lines_of_period(turn, subscription);
    let id = turn.id("upcoming_in");
    let (mut invoice, _) = compose(turn, &id, subscription, &lines, Reason::Cycle);
    invoice["billing_reason"] = "upcoming".into();
    invoice["status"] = "draft".into();
    invoice["hosted_invoice_url"] = Value::Null;
    invoice["invoice_pdf"] = Value::Null;
    invoice
}

/// Nothing is to be paid.
pub(super) fn is_free(turn: &Turn<'_>, id: &str) -> bool {
    turn.state.invoices.get(id).is_some_and(|invoice| invoice["amount_due"] == 0)
}

/// The money came in. An invoice that is paid stays as it is.
pub(super) fn pay(turn: &mut Turn<'_>, id: &str) {
    let can_be_paid = |invoice: &&Value| invoice["status"] == "open" || invoice["status"] == "uncollectible";
    let Some(mut invoice) = turn.state.invoices.get(id).filter(can_be_paid).cloned() else { return };
    let amount = invoice["amount_remaining"].as_i64().unwrap_or_default();
    if amount > 0 {
        count_attempt(&mut invoice);
    }
    invoice["attempted"] = true.into();
    invoice["status"] = "paid".into();
    invoice["amount_paid"] = amount.into();
    invoice["amount_remaining"] = 0.into();
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["paid_at"] = turn.now.into();
    let details = &invoice["parent"]["subscription_details"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let charge = Charge {
        customer: text(&invoice["customer"]),
        subscription: text(&details["subscription"]),
        invoice: id.to_owned(),
        order: details["metadata"]["order"].as_str().map(str::to_owned),
        amount,
        currency: text(&invoice["currency"]),
        at: turn.now,
    };
    let subscription = charge.subscription.clone();
    if amount > 0 {
        turn.state.charges.push(charge);
        charges::succeeded(turn, &invoice, "amount_paid");
    }
    turn.state.invoices.insert(id.to_owned(), invoice.clone());
    turn.emit("invoice.paid", &invoice);
    // The newest invoice says whether it is paid up.
    let found = turn.state.subscriptions.get(&subscription);
    if found.is_some_and(|found| found["latest_invoice"] == id && found["status"] != "trialing") {
        subscriptions::set_status(turn, &subscription, "active");
    }
}

/// Tries the card on file.
pub(super) fn collect(turn: &mut Turn<'_>, id: &str) -> bool {
    let Some(invoice) = turn.state.invoices.get(id).filter(|invoice| invoice["status"] == "open") else { return false };
    let card = turn.state.cards.get(invoice["customer"].as_str().unwrap_or_default());
    let pays = invoice["amount_remaining"] == 0 || card.is_some_and(|card| card.renews());
    if pays {
        pay(turn, id);
    } else {
        fail(turn, id);
    }
    pays
}

fn fail(turn: &mut Turn<'_>, id: &str) {
    let Some(mut invoice) = turn.state.invoices.get(id).filter(|invoice| invoice["status"] == "open").cloned() else { return };
    let subscription = subscription_of(&invoice);
    let attempts = count_attempt(&mut invoice);
    let is_first = turn.state.subscriptions.get(&subscription).is_some_and(|found| found["status"] == "incomplete");
    // A first payment is not tried again by itself.
    let wait = if is_first { None } else { turn.state.collection.wait(attempts) };
    invoice["next_payment_attempt"] = wait.map(|wait| turn.now + wait).into();
    turn.state.invoices.insert(id.to_owned(), invoice.clone());
    charges::failed(turn, &invoice, "amount_remaining");
    turn.emit("invoice.payment_failed", &invoice);
    let asks = turn.state.cards.get(invoice["customer"].as_str().unwrap_or_default()).is_some_and(|card| card.asks_always());
    if asks {
        turn.emit("invoice.payment_action_required", &invoice);
    }
    if is_first {
        return;
    }
    match (wait, turn.state.collection.then) {
        (Some(_), _) | (None, AfterRetries::PastDue) => subscriptions::set_status(turn, &subscription, "past_due"),
        (None, AfterRetries::Unpaid) => subscriptions::set_status(turn, &subscription, "unpaid"),
        (None, AfterRetries::Cancel) => {
            // It may be over already: then it stays so.
            let _over = subscriptions::cancel(turn, &subscription);
        }
    }
}

/// Its subscription is over: nobody is charged any more. One that never began leaves no debt.
pub(super) fn stop(turn: &mut Turn<'_>, subscription: &str, voids: bool) {
    let Some(latest) = turn.state.subscriptions.get(subscription).and_then(|found| found["latest_invoice"].as_str()) else {
        return;
    };
    let latest = latest.to_owned();
    let Some(invoice) = turn.state.invoices.get_mut(&latest) else { return };
    invoice["next_payment_attempt"] = Value::Null;
    if voids && invoice["status"] == "open" {
        invoice["status"] = "void".into();
        invoice["status_transitions"]["voided_at"] = turn.now.into();
        let voided = invoice.clone();
        turn.emit("invoice.voided", &voided);
    }
}

fn count_attempt(invoice: &mut Value) -> i64 {
    let attempts = invoice["attempt_count"].as_i64().unwrap_or_default() + 1;
    invoice["attempt_count"] = attempts.into();
    invoice["attempted"] = true.into();
    attempts
}

pub(super) fn subscription_of(invoice: &Value) -> String {
    invoice["parent"]["subscription_details"]["subscription"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.invoices.get(id).cloned().ok_or_else(|| ApiError::missing("invoice", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, subscription, status) =
        (Cursor::take(&mut params)?, params.take("customer"), params.take("subscription"), params.take("status"));
    let mut created = params.group("created");
    let (since, until) = (created.int("gte")?, created.int("lt")?);
    created.finish()?;
    params.finish()?;
    cursor.page("invoice", "/v1/invoices", &turn.state.invoices, |invoice| {
        let made = invoice["created"].as_i64();
        (status.is_none() || invoice["status"].as_str() == status.as_deref())
            && (customer.is_none() || invoice["customer"].as_str() == customer.as_deref())
            && subscription.as_ref().is_none_or(|wanted| subscription_of(invoice) == *wanted)
            && since.is_none_or(|since| made >= Some(since))
            && until.is_none_or(|until| made < Some(until))
    })
}

/// `POST /v1/invoices/{id}/pay`.
pub(super) fn pay_now(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let is_paid_elsewhere = params.flag("paid_out_of_band")?.unwrap_or(false);
    params.finish()?;
    let invoice = get(turn, id)?;
    match invoice["status"].as_str() {
        Some("paid") => return Err(ApiError::refused("id", "Invoice is already paid")),
        Some("draft") => drop(finalize(turn, id, Params::default())?),
        Some("open" | "uncollectible") => {}
        _ => return Err(ApiError::refused("id", "This invoice can't be paid any more.")),
    }
    if is_paid_elsewhere {
        pay_elsewhere(turn, id);
        return get(turn, id);
    }
    if collect(turn, id) { get(turn, id) } else { Err(ApiError::card_declined()) }
}

/// Paid outside Stripe: no card is charged.
fn pay_elsewhere(turn: &mut Turn<'_>, id: &str) {
    let Some(invoice) = turn.state.invoices.get_mut(id) else { return };
    let remaining = invoice["amount_remaining"].clone();
    invoice["amount_remaining"] = 0.into();
    pay(turn, id);
    if let Some(invoice) = turn.state.invoices.get_mut(id) {
        invoice["amount_paid"] = remaining;
    }
}

/// `POST /v1/invoices/{id}/finalize`: a draft is owed from now on.
pub(super) fn finalize(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    params.flag("auto_advance")?;
    params.finish()?;
    step(turn, id, &["draft"], "open", "finalized_at", "invoice.finalized")
}

/// `POST /v1/invoices/{id}/void`: nothing is owed, and never was.
pub(super) fn void(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    params.finish()?;
    step(turn, id, &["open", "uncollectible"], "void", "voided_at", "invoice.voided")
}

/// `POST /v1/invoices/{id}/mark_uncollectible`: nobody expects it any more.
pub(super) fn mark_uncollectible(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    params.finish()?;
    step(turn, id, &["open"], "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")
}

fn step(turn: &mut Turn<'_>, id: &str, from: &[&str], to: &str, when: &str, kind: &str) -> Answered {
    let mut invoice = get(turn, id)?;
    let is = invoice["status"].as_str().unwrap_or_default();
    if !from.contains(&is) {
        return Err(ApiError::refused(
            "id",
            format!("This invoice is {is}: only {} invoices can become {to}.", from.join(" and ")),
        ));
    }
    invoice["status"] = to.into();
    invoice["status_transitions"][when] = turn.now.into();
    invoice["next_payment_attempt"] = Value::Null;
    turn.state.invoices.insert(id.to_owned(), invoice.clone());
    turn.emit(kind, &invoice);
    // A newest invoice that is no longer owed does not hold the subscription up.
    let subscription = subscription_of(&invoice);
    let found = turn.state.subscriptions.get(&subscription);
    if to != "open" && found.is_some_and(|found| found["latest_invoice"] == id && found["status"] == "past_due") {
        subscriptions::set_status(turn, &subscription, "active");
    }
    Ok(invoice)
}

/// `GET /v1/invoices/{id}/lines`.
pub(super) fn lines_of(turn: &Turn<'_>, id: &str, mut params: Params) -> Answered {
    let cursor = Cursor::take(&mut params)?;
    params.finish()?;
    let invoice = get(turn, id)?;
    let lines = invoice["lines"]["data"].as_array().into_iter().flatten();
    let shelf = lines.map(|line| (line["id"].as_str().unwrap_or_default().to_owned(), line.clone())).collect();
    cursor.page("line_item", &format!("/v1/invoices/{id}/lines"), &shelf, |_| true)
}
