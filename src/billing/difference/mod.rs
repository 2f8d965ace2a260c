//! Where our rows and Stripe do not agree. Expected: nowhere.
//!
//! Everything is compared daily and whenever staff ask: it finds what no webhook and no list of events told of, however long ago it
//! happened. What differs is then taken in as a webhook would have had it taken in; what differs still is shown until it no longer does.

mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

pub use self::store::{DifferenceRow, Mirror, count_open, list, mirrors, note};
use super::store::{Order, OrderState};
use super::stripe::{
    Checkout, CheckoutId, CheckoutStatus, RemoteSubscription, RemoteSubscriptionId, Stripe, StripeError, Unreadable,
};
use crate::clock::Clock;

/// Which fact differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum What {
    /// Stripe takes money, and we have no row.
    MissingHere,
    /// We have a row, and Stripe does not list it.
    MissingThere,
    /// Stripe lists one of ours that we can't read.
    Unreadable,
    /// Where it stands.
    Status,
    /// Who pays.
    Customer,
    /// How much.
    Amount,
    /// How often.
    Interval,
    /// Until when it is paid for.
    PaidUntil,
    /// When it is set to end.
    EndsAt,
    /// Since when money is owed.
    OwedSince,
    /// What became of a session that an order of ours waits for.
    Checkout,
}

impl What {
    /// Its word in `locales`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingHere => "missing-here",
            Self::MissingThere => "missing-there",
            Self::Unreadable => "unreadable",
            Self::Status => "status",
            Self::Customer => "customer",
            Self::Amount => "amount",
            Self::Interval => "interval",
            Self::PaidUntil => "paid-until",
            Self::EndsAt => "ends-at",
            Self::OwedSince => "owed-since",
            Self::Checkout => "checkout",
        }
    }
}

/// Something that is one way here and another way there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Stripe's id of the subscription or session.
    pub subject: String,
    /// Which fact.
    pub what: What,
    /// As we have it.
    pub ours: String,
    /// As Stripe has it.
    pub theirs: String,
}

/// A subscription of Stripe's list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// As it was.
    pub subscription: RemoteSubscription,
    /// The making of its oldest unpaid invoice.
    pub owed_since: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub at: DateTime<Utc>,
}

/// All that Stripe has of ours.
#[derive(Debug, Default)]
pub struct Theirs {
    /// When Stripe was asked.
    pub asked_at: DateTime<Utc>,
    /// By id.
    pub subscriptions: BTreeMap<RemoteSubscriptionId, Listed>,
    /// Those of ours that can't be read.
    pub unreadable: Vec<Unreadable>,
    /// The sessions that orders of ours wait for.
    pub checkouts: BTreeMap<CheckoutId, Checkout>,
}

/// Asks Stripe for everything: all subscriptions and open invoices, a page at a time, and the session of each of `orders`.
pub async fn look(stripe: &dyn Stripe, clock: &dyn Clock, orders: &[Order]) -> Result<Theirs, StripeError> {
    let at = clock.now();
    let mut theirs = Theirs { asked_at: at, ..Theirs::default() };
    let owed = owed_since(stripe).await?;
    let mut after = None;
    loop {
        let page = stripe.list_subscriptions(after.as_ref()).await?;
        theirs.unreadable.extend(page.unreadable);
        let next = page.last;
        for subscription in page.items {
            let owed_since = owed.get(&subscription.id).copied();
            theirs.subscriptions.insert(subscription.id.clone(), Listed { subscription, owed_since, at });
        }
        match next {
            Some(last) if page.more => after = Some(last.parse().map_err(unreadable_cursor)?),
            _ => break,
        }
    }
    for id in orders.iter().filter_map(|order| order.checkout_id.as_ref()) {
        match stripe.checkout(id).await {
            Ok(checkout) => drop(theirs.checkouts.insert(id.clone(), checkout)),
            // The comparison says that it is missing.
            Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(theirs)
}

fn unreadable_cursor(error: super::stripe::BadRemoteId) -> StripeError {
    StripeError::Unreadable { what: format!("the end of a page of subscriptions {error}") }
}

/// Since when money is owed, by subscription.
async fn owed_since(stripe: &dyn Stripe) -> Result<BTreeMap<RemoteSubscriptionId, DateTime<Utc>>, StripeError> {
    let mut owed = BTreeMap::new();
    let mut after = None;
    loop {
        let page = stripe.list_owed(after.as_deref()).await?;
        // Newest first: the last one that is seen is the oldest.
        owed.extend(page.items.into_iter().map(|one| (one.subscription, one.since)));
        match page.last {
            Some(last) if page.more => after = Some(last),
            _ => return Ok(owed),
        }
    }
}

/// Every difference between our rows and Stripe's. A row that was taken in after Stripe was asked is newer than what is compared here,
/// and left out.
pub fn compare(ours: &[Mirror], orders: &[Order], theirs: &Theirs) -> Vec<Difference> {
    let mut found = Vec::new();
    let known: BTreeMap<_, _> = ours.iter().map(|mirror| (&mirror.stripe_subscription_id, mirror)).collect();
    for (id, listed) in &theirs.subscriptions {
        match known.get(id) {
            Some(mirror) if mirror.synced_at > listed.at => {}
            Some(mirror) => compare_one(mirror, listed, &mut found),
            // What is not ours, and what never took money, needs no row.
            None if listed.subscription.order.is_some() && listed.subscription.status.takes_money() => {
                found.push(difference(id.as_str(), What::MissingHere, none(), word(&listed.subscription.status)));
            }
            None => {}
        }
    }
    let unreadable = |id: &RemoteSubscriptionId| theirs.unreadable.iter().any(|one| one.id == id.as_str());
    for mirror in ours.iter().filter(|mirror| !theirs.subscriptions.contains_key(&mirror.stripe_subscription_id)) {
        // Made after Stripe was asked.
        let is_newer = mirror.created_at > theirs.asked_at;
        if !is_newer && !unreadable(&mirror.stripe_subscription_id) {
            found.push(difference(mirror.stripe_subscription_id.as_str(), What::MissingThere, word(&mirror.status), none()));
        }
    }
    found.extend(theirs.unreadable.iter().map(|one| difference(&one.id, What::Unreadable, none(), one.why.clone())));
    found.extend(orders.iter().filter_map(|order| compare_order(order, theirs)));
    found
}

fn compare_one(mirror: &Mirror, listed: &Listed, found: &mut Vec<Difference>) {
    let (remote, id) = (&listed.subscription, mirror.stripe_subscription_id.as_str());
    let mut both = |what: What, ours: String, theirs: String| {
        if ours != theirs {
            found.push(difference(id, what, ours, theirs));
        }
    };
    both(What::Status, word(&mirror.status), word(&remote.status));
    both(What::Customer, mirror.customer.as_ref().map_or_else(none, ToString::to_string), remote.customer.to_string());
    both(What::Amount, mirror.amount().to_string(), remote.amount.to_string());
    both(What::Interval, mirror.billing_interval.as_str().to_owned(), remote.interval.as_str().to_owned());
    both(What::PaidUntil, moment(Some(mirror.current_period_end)), moment(Some(remote.current_period_end)));
    both(What::EndsAt, moment(mirror.cancel_at), moment(remote.cancel_at));
    both(What::OwedSince, moment(mirror.open_invoice_since), moment(listed.owed_since));
}

fn compare_order(order: &Order, theirs: &Theirs) -> Option<Difference> {
    let id = order.checkout_id.as_ref().filter(|_| matches!(order.state, OrderState::Placed | OrderState::Open))?;
    let status = match theirs.checkouts.get(id) {
        Some(Checkout { status: CheckoutStatus::Open, .. }) => return None,
        Some(checkout) => word(&checkout.status),
        None => none(),
    };
    Some(difference(id.as_str(), What::Checkout, "open".to_owned(), status))
}

fn difference(subject: &str, what: What, ours: String, theirs: String) -> Difference {
    Difference { subject: subject.to_owned(), what, ours, theirs }
}

/// Nothing, for staff.
fn none() -> String {
    "–".to_owned()
}

fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(none, |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Stripe's word.
fn word(status: &impl serde::Serialize) -> String {
    serde_json::to_value(status).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_else(none)
}

#[cfg(test)]
mod tests;
