//! From Stripe's types to ours. What we can't say in our words is [`StripeError::Unreadable`]: with money nothing is guessed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use miniserde::json::Value as RawJson;
use serde_json::Value;
use stripe_shared::{
    CheckoutSession, CheckoutSessionPaymentStatus, CheckoutSessionStatus, RecurringInterval, SubscriptionStatus,
};

use super::change::{PACK, PRODUCT};
use super::{
    Checkout, CheckoutStatus, EventHint, Interval, Invoice, Owed, PackItem, Page, PaidInvoice, RemoteStatus, RemoteSubscription,
    Result, StripeAccount, StripeError, StripeMode, Unreadable, WebhookEndpoint,
};
use crate::money::{Currency, Money};

/// The keys of our ids in Stripe's metadata.
pub(super) const ORDER: &str = "order";
/// See [`ORDER`].
pub(super) const ACCOUNT: &str = "account";
/// See [`ORDER`].
pub(super) const INSTANCE: &str = "instance";

/// The key of what staff give, in the metadata of credit notes and balances.
pub(super) const GIVING: &str = "giving";

fn unreadable(what: impl Into<String>) -> StripeError {
    StripeError::Unreadable { what: what.into() }
}

pub(super) fn id<T>(what: &str, text: &str) -> Result<T>
where
    T: TryFrom<String, Error = super::BadRemoteId>,
{
    text.to_owned().try_into().map_err(|error| unreadable(format!("{what} id `{text}` {error}")))
}

fn time(what: &str, seconds: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| unreadable(format!("{what} at {seconds}")))
}

fn maybe_time(what: &str, seconds: Option<i64>) -> Result<Option<DateTime<Utc>>> {
    seconds.map(|seconds| time(what, seconds)).transpose()
}

fn money(minor: i64, currency: &stripe_types::Currency) -> Result<Money> {
    let code = currency.to_string();
    let currency = Currency::from_code(&code).ok_or_else(|| unreadable(format!("an amount in `{code}`")))?;
    Ok(Money::new(minor, currency))
}

pub(super) fn currency_of(amount: Money) -> stripe_types::Currency {
    match amount.currency {
        Currency::Eur => stripe_types::Currency::EUR,
        Currency::Usd => stripe_types::Currency::USD,
        Currency::Gbp => stripe_types::Currency::GBP,
        Currency::Chf => stripe_types::Currency::CHF,
        Currency::Jpy => stripe_types::Currency::JPY,
        // async-stripe has no name of its own for it.
        Currency::Kwd => stripe_types::Currency::Unknown("kwd".to_owned()),
    }
}

/// One of our ids, where somebody (the dashboard, another program) may have written anything.
fn ours<T: std::str::FromStr>(metadata: &HashMap<String, String>, key: &str) -> Option<T> {
    metadata.get(key)?.parse().ok()
}

/// `req_…` out of the address of the request's log, the one place where async-stripe lets it through.
pub(super) fn request_id(log_url: &str) -> Option<String> {
    let id = log_url.split(['/', '?']).find(|part| part.starts_with("req_"))?;
    Some(id.to_owned())
}

/// What one costs, and per what.
pub(super) fn price(price: &stripe_shared::Price) -> Result<(Money, Interval)> {
    let amount = price.unit_amount.ok_or_else(|| unreadable(format!("price {} without a whole amount", price.id.as_str())))?;
    let recurring =
        price.recurring.as_ref().ok_or_else(|| unreadable(format!("price {} that is paid once", price.id.as_str())))?;
    let interval = match (&recurring.interval, recurring.interval_count) {
        (RecurringInterval::Month, 1) => Interval::Month,
        (RecurringInterval::Year, 1) => Interval::Year,
        (other, count) => return Err(unreadable(format!("price {} per {count} {}", price.id.as_str(), other.as_str()))),
    };
    Ok((money(amount, &price.currency)?, interval))
}

pub(super) fn checkout(session: &CheckoutSession) -> Result<Checkout> {
    let status = match &session.status {
        Some(CheckoutSessionStatus::Open) => CheckoutStatus::Open,
        Some(CheckoutSessionStatus::Complete) => CheckoutStatus::Complete,
        Some(CheckoutSessionStatus::Expired) => CheckoutStatus::Expired,
        other => return Err(unreadable(format!("checkout status {other:?}"))),
    };
    let paid = match &session.payment_status {
        CheckoutSessionPaymentStatus::Paid | CheckoutSessionPaymentStatus::NoPaymentRequired => true,
        CheckoutSessionPaymentStatus::Unpaid => false,
        other => return Err(unreadable(format!("payment status `{}`", other.as_str()))),
    };
    Ok(Checkout {
        id: id("checkout", session.id.as_str())?,
        url: session.url.clone(),
        status,
        paid,
        subscription: session.subscription.as_ref().map(|found| id("subscription", found.id().as_str())).transpose()?,
        customer: session.customer.as_ref().map(|found| id("customer", found.id().as_str())).transpose()?,
        total: session.amount_total.zip(session.currency.as_ref()).and_then(|(minor, currency)| money(minor, currency).ok()),
        created: time("checkout", session.created)?,
        expires_at: time("checkout expiry", session.expires_at)?,
        order: session.metadata.as_ref().and_then(|metadata| ours(metadata, ORDER)),
    })
}

pub(super) fn subscription(remote: &stripe_shared::Subscription) -> Result<RemoteSubscription> {
    let status = match &remote.status {
        SubscriptionStatus::Incomplete => RemoteStatus::Incomplete,
        SubscriptionStatus::IncompleteExpired => RemoteStatus::IncompleteExpired,
        SubscriptionStatus::Trialing => RemoteStatus::Trialing,
        SubscriptionStatus::Active => RemoteStatus::Active,
        SubscriptionStatus::PastDue => RemoteStatus::PastDue,
        SubscriptionStatus::Canceled => RemoteStatus::Canceled,
        SubscriptionStatus::Unpaid => RemoteStatus::Unpaid,
        SubscriptionStatus::Paused => RemoteStatus::Paused,
        other => return Err(unreadable(format!("subscription status `{}`", other.as_str()))),
    };
    let Items { plan, packs, amount, interval } = items(remote)?;
    Ok(RemoteSubscription {
        id: id("subscription", remote.id.as_str())?,
        status,
        customer: id("customer", remote.customer.id().as_str())?,
        item: id("item", plan.id.as_str())?,
        price: id("price", plan.price.id.as_str())?,
        packs,
        interval,
        amount,
        created: time("subscription", remote.created)?,
        current_period_start: time("period start", plan.current_period_start)?,
        current_period_end: time("period end", plan.current_period_end)?,
        cancel_at: maybe_time("cancel_at", remote.cancel_at)?,
        cancel_at_period_end: remote.cancel_at_period_end,
        canceled_at: maybe_time("canceled_at", remote.canceled_at)?,
        ended_at: maybe_time("ended_at", remote.ended_at)?,
        latest_invoice: remote
            .latest_invoice
            .as_ref()
            .and_then(|found| found.id().as_ref())
            .map(|found| id("invoice", found.as_str()))
            .transpose()?,
        order: ours(&remote.metadata, ORDER),
        account: ours(&remote.metadata, ACCOUNT),
        instance: ours(&remote.metadata, INSTANCE),
    })
}

/// What a subscription is for.
struct Items<'a> {
    plan: &'a stripe_shared::SubscriptionItem,
    packs: Option<PackItem>,
    amount: Money,
    interval: Interval,
}

/// Ours have one item for the plan, and may have one for storage packs. One with others was changed by hand, and which of them is the plan
/// would be a guess.
fn items(remote: &stripe_shared::Subscription) -> Result<Items<'_>> {
    let is_pack = |item: &&stripe_shared::SubscriptionItem| item.price.product.id().as_str().strip_prefix(PRODUCT) == Some(PACK);
    let (packs, plans): (Vec<_>, Vec<_>) = remote.items.data.iter().partition(is_pack);
    let (Some(&plan), true, true) = (plans.first(), plans.len() == 1, packs.len() <= 1) else {
        return Err(unreadable(format!("subscription {} with {} items", remote.id.as_str(), remote.items.data.len())));
    };
    let beyond = || unreadable(format!("subscription {} of an amount beyond counting", remote.id.as_str()));
    let cost = |item: &stripe_shared::SubscriptionItem| -> Result<(Money, Interval, u32)> {
        let (each, interval) = price(&item.price)?;
        let quantity = u32::try_from(item.quantity.unwrap_or(1)).map_err(|_| beyond())?;
        Ok((each, interval, quantity))
    };
    let times = |each: Money, quantity| each.checked_times(quantity).ok_or_else(beyond);
    let (each, interval, quantity) = cost(plan)?;
    let mut amount = times(each, quantity)?;
    let mut found = None;
    if let Some(&item) = packs.first() {
        let (each, _, quantity) = cost(item)?;
        amount = amount.checked_add(times(each, quantity)?).ok_or_else(beyond)?;
        let (item_id, price) = (id("item", item.id.as_str())?, id("price", item.price.id.as_str())?);
        found = Some(PackItem { item: item_id, price, each, quantity });
    }
    Ok(Items { plan, packs: found, amount, interval })
}

/// A page of subscriptions. One that can't be read is named when it is ours; anybody may have made the others, of any kind.
pub(super) fn subscriptions(page: &[stripe_shared::Subscription], more: bool) -> Page<RemoteSubscription> {
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    for remote in page {
        match subscription(remote) {
            Ok(found) => items.push(found),
            Err(_) if !remote.metadata.contains_key(ORDER) => {}
            Err(error) => unreadable.push(Unreadable { id: remote.id.to_string(), why: error.to_string() }),
        }
    }
    Page { items, more, last: page.last().map(|last| last.id.to_string()), unreadable }
}

/// A page of open invoices, as far as they are a subscription's.
pub(super) fn owed(page: &[stripe_shared::Invoice], more: bool) -> Result<Page<Owed>> {
    let mut items = Vec::new();
    for invoice in page {
        let details = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        if let Some(details) = details {
            let found = id("subscription", details.subscription.id().as_str())?;
            items.push(Owed { subscription: found, since: time("invoice", invoice.created)? });
        }
    }
    let last = page.last().and_then(|last| last.id.as_ref()).map(ToString::to_string);
    Ok(Page { items, more, last, unreadable: Vec::new() })
}

pub(super) fn invoice(invoice: &stripe_shared::Invoice) -> Result<Invoice> {
    let found = invoice.id.as_ref().ok_or_else(|| unreadable("an invoice without an id"))?;
    Ok(Invoice {
        id: id("invoice", found.as_str())?,
        created: time("invoice", invoice.created)?,
        due: maybe_time("invoice due date", invoice.due_date)?,
        amount_due: money(invoice.amount_due, &invoice.currency)?,
        attempt_count: invoice.attempt_count,
        next_attempt: maybe_time("next payment attempt", invoice.next_payment_attempt)?,
        hosted_url: invoice.hosted_invoice_url.clone(),
    })
}

/// A list of paid invoices. Those that were paid with credit alone are among them: nothing can be given back of them.
pub(super) fn paid_invoices(list: &Value) -> Result<Vec<PaidInvoice>> {
    let invoice = |invoice: &Value| {
        let currency = Currency::from_code(invoice["currency"].as_str()?)?;
        Some(PaidInvoice {
            id: invoice["id"].as_str()?.to_owned().try_into().ok()?,
            number: invoice["number"].as_str().unwrap_or_default().to_owned(),
            created: DateTime::from_timestamp(invoice["created"].as_i64()?, 0)?,
            paid: Money::new(invoice["amount_paid"].as_i64()?, currency),
            given_back: Money::new(invoice["post_payment_credit_notes_amount"].as_i64()?, currency),
        })
    };
    let all = list["data"].as_array().ok_or_else(|| unreadable("the list of invoices"))?;
    all.iter().map(|one| invoice(one).ok_or_else(|| unreadable("a paid invoice"))).collect()
}

/// Whether something in a list carries this id of ours.
pub(super) fn has_giving(list: &Value, key: crate::ids::GivingId) -> Result<bool> {
    let all = list["data"].as_array().ok_or_else(|| unreadable("a list of what was given"))?;
    Ok(all.iter().any(|one| one["metadata"][GIVING] == key.to_string()))
}

/// An attempt at a card that failed.
pub(super) struct Decline {
    /// When.
    pub(super) at: DateTime<Utc>,
    /// What was to be paid. A charge itself no longer says for which invoice it is; this does.
    pub(super) payment_intent: String,
}

/// The failed charges of a list over this amount, in its order. Those without a `PaymentIntent` (made by hand, or by other software) are
/// never of a Checkout Session.
pub(super) fn declines(list: &Value, amount: Money) -> Result<Vec<Decline>> {
    let charges = list["data"].as_array().ok_or_else(|| unreadable("the list of charges"))?;
    let failed = charges.iter().filter(|charge| {
        charge["status"] == "failed"
            && charge["amount"].as_i64() == Some(amount.minor)
            && charge["currency"].as_str() == Some(amount.currency.code())
    });
    let mut declines = Vec::new();
    for charge in failed {
        let at = charge["created"].as_i64().ok_or_else(|| unreadable("a charge without a time"))?;
        if let Some(intent) = charge["payment_intent"].as_str() {
            declines.push(Decline { at: time("charge", at)?, payment_intent: intent.to_owned() });
        }
    }
    Ok(declines)
}

/// Whether a payment with these invoice payments (their invoices expanded) is the first one of a subscription. It has no invoice as long
/// as Checkout has not made the subscription; a renewal has one that says so.
pub(super) fn is_first_payment(list: &Value) -> Result<bool> {
    let payments = list["data"].as_array().ok_or_else(|| unreadable("the list of invoice payments"))?;
    Ok(payments.iter().all(|payment| payment["invoice"]["billing_reason"] == "subscription_create"))
}

/// An answer as plain JSON.
pub(super) fn plain(answer: &RawJson, what: &str) -> Result<Value> {
    serde_json::from_str(&miniserde::json::to_string(answer)).map_err(|_| unreadable(what))
}

pub(super) fn account(account: &Value, mode: StripeMode) -> Result<StripeAccount> {
    let (Some(id), Some(charges_enabled)) = (account["id"].as_str(), account["charges_enabled"].as_bool()) else {
        return Err(unreadable("the account"));
    };
    Ok(StripeAccount { id: id.to_owned(), mode, charges_enabled })
}

pub(super) fn webhook_endpoints(list: &Value) -> Result<Vec<WebhookEndpoint>> {
    let endpoint = |endpoint: &Value| {
        let events = endpoint["enabled_events"].as_array()?;
        Some(WebhookEndpoint {
            url: endpoint["url"].as_str()?.to_owned(),
            enabled: endpoint["status"] == "enabled",
            events: events.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    };
    let all = list["data"].as_array().ok_or_else(|| unreadable("the list of webhook endpoints"))?;
    all.iter().map(|one| endpoint(one).ok_or_else(|| unreadable("a webhook endpoint"))).collect()
}

/// A page of Stripe's list of events, turned to oldest first. With `ending_before` the flag `has_more` speaks of newer events;
/// without, of older ones, which are not what was asked for.
pub(super) fn events(page: &RawJson, has_cursor: bool) -> Result<Page<EventHint>> {
    let page = plain(page, "the list of events")?;
    let data = page.pointer("/data").and_then(Value::as_array).ok_or_else(|| unreadable("the list of events"))?;
    let items: Vec<EventHint> = data
        .iter()
        .rev()
        .map(|event| EventHint::read(event).ok_or_else(|| unreadable("an event without id, type or time")))
        .collect::<Result<_>>()?;
    let more = has_cursor && page.pointer("/has_more").and_then(Value::as_bool).unwrap_or(false);
    Ok(Page { last: items.last().map(|event| event.id.to_string()), items, more, unreadable: Vec::new() })
}
