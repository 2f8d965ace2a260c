//! Compares everything with Stripe, and takes in what differs.

use std::collections::BTreeSet;

use super::stripe::of_stripe;
use super::{Deps, Handle, JobError};
use crate::billing::difference::{self, Difference, Listed, Theirs, What};
use crate::billing::jobs::{SettleOrder, SweepStripe, SyncCheckout, SyncSubscription};
use crate::billing::stripe::{CheckoutId, RemoteSubscriptionId};
use crate::billing::{self, Remote};
use crate::queue;
use crate::telemetry;

impl Handle for SweepStripe {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let orders = billing::orders_to_sweep(&mut conn).await?;
        for order in orders.iter().filter(|order| order.checkout_expires_at <= deps.clock.now()) {
            queue::enqueue(&mut conn, &SettleOrder { order: order.id, early: false }, None).await?;
        }
        drop(conn);
        let mut theirs = difference::look(deps.stripe.as_ref(), deps.clock.as_ref(), &orders).await.map_err(of_stripe)?;
        let compared = theirs.subscriptions.len() + theirs.unreadable.len() + theirs.checkouts.len();
        let found = compare(deps, &theirs).await?;
        for subject in
            found.iter().filter(|one| can_be_taken_in(one.what)).map(|one| one.subject.as_str()).collect::<BTreeSet<_>>()
        {
            take_in(deps, subject, &mut theirs).await?;
        }
        let left = if found.is_empty() { Vec::new() } else { compare(deps, &theirs).await? };
        let mut tx = deps.db.worker().begin().await?;
        difference::note(&mut tx, deps.clock.now(), compared, &found, &left).await?;
        tx.commit().await?;
        if !found.is_empty() {
            tracing::warn!(found = found.len(), left = left.len(), "our rows and Stripe did not agree");
        }
        Ok(())
    }
}

async fn compare(deps: &Deps, theirs: &Theirs) -> sqlx::Result<Vec<Difference>> {
    let mut conn = deps.db.worker().acquire().await?;
    let (ours, orders) = (difference::mirrors(&mut conn).await?, billing::orders_to_sweep(&mut conn).await?);
    Ok(difference::compare(&ours, &orders, theirs))
}

/// Whether fetching it again can help.
fn can_be_taken_in(what: What) -> bool {
    match what {
        What::MissingHere
        | What::Status
        | What::Customer
        | What::Amount
        | What::Interval
        | What::PaidUntil
        | What::EndsAt
        | What::OwedSince
        | What::Checkout => true,
        What::MissingThere | What::Unreadable => false,
    }
}

/// Takes a subscription or session in as it is now; what is compared next is what was taken in. When that fails, the job that a webhook
/// would have caused is enqueued: it says why, and is tried again.
async fn take_in(deps: &Deps, subject: &str, theirs: &mut Theirs) -> Result<(), JobError> {
    let (stripe, clock) = (deps.stripe.as_ref(), deps.clock.as_ref());
    let subscription: Option<RemoteSubscriptionId> = subject.parse().ok();
    let checkout: Option<CheckoutId> = subject.parse().ok();
    let fetched = match (&subscription, &checkout) {
        (Some(id), _) => billing::fetch_subscription(stripe, clock, id).await,
        (None, Some(id)) => billing::fetch_checkout(stripe, clock, id).await,
        (None, None) => return Ok(()),
    };
    let failed = match fetched {
        Ok(remote) => match write(deps, &remote).await {
            Ok(()) => {
                see(theirs, remote);
                return Ok(());
            }
            Err(error) => telemetry::chain(&error),
        },
        Err(error) => telemetry::chain(&error),
    };
    tracing::warn!(subject, error = failed, "what differs could not be taken in; a job tries again");
    let mut conn = deps.db.worker().acquire().await?;
    if let Some(subscription) = subscription {
        queue::enqueue(&mut conn, &SyncSubscription { subscription }, None).await?;
    } else if let Some(checkout) = checkout {
        queue::enqueue(&mut conn, &SyncCheckout { checkout }, None).await?;
    }
    Ok(())
}

async fn write(deps: &Deps, remote: &Remote) -> Result<(), billing::SyncError> {
    let mut tx = deps.db.worker().begin().await?;
    if let Some(order) = billing::sync(&mut tx, deps.clock.as_ref(), remote).await? {
        billing::follow_standing(&mut tx, deps.clock.as_ref(), &deps.dates, &order).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn see(theirs: &mut Theirs, remote: Remote) {
    let owed_since = remote.open_invoice.as_ref().map(|invoice| invoice.created);
    if let Some(subscription) = remote.subscription {
        theirs.subscriptions.insert(subscription.id.clone(), Listed { subscription, owed_since, at: remote.fetched_at });
    }
    if let Some(checkout) = remote.checkout {
        theirs.checkouts.insert(checkout.id.clone(), checkout);
    }
}
