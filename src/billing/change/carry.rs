//! Makes a change at Stripe and lets the server follow.

use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, Change, Why};
use super::{Known, Terms, Till};
use crate::audit::{self, Actor};
use crate::billing::dunning::follow_standing;
use crate::billing::standing::Dates;
use crate::billing::store::{Subscription, find_subscription_by_id};
use crate::billing::stripe::{RemoteStatus, RemoteSubscription, StripeError};
use crate::billing::sync::{fetch_subscription, sync};
use crate::billing::wish::CarryError;
use crate::capacity;
use crate::clock::Clock;
use crate::ids::ChangeId;
use crate::instance;
use crate::plan::Interval;

const ACTOR: Actor = Actor::System("billing");

/// Makes a change that was asked for, and takes in what came of it. One that is over is left alone.
///
/// Whatever line it dies at, it begins again: a subscription that is so already is not changed again, and the same request under the same key
/// is one change and one charge.
pub async fn carry_change(till: Till<'_>, dates: &Dates, id: ChangeId) -> Result<(), CarryError> {
    let Till { db, clock, stripe, catalogue } = till;
    let mut conn = db.worker().acquire().await?;
    let Some(change) = store::find(&mut conn, id).await?.filter(|change| change.ended_at.is_none()) else { return Ok(()) };
    let subscription = find_subscription_by_id(&mut conn, change.subscription_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let terms = Terms::of_change(&change);
    let known = Known::of(&mut conn, catalogue, &terms).await?;
    drop(conn);

    let remote = stripe.subscription(&subscription.stripe_subscription_id).await?;
    let why = make(till, &change, &terms, &known, &remote).await?;
    let seen = fetch_subscription(stripe, clock, &subscription.stripe_subscription_id).await?;
    let mut tx = db.worker().begin().await?;
    if let Some(order) = sync(&mut tx, clock, &seen).await? {
        follow_standing(&mut tx, clock, dates, &order).await?;
    }
    end(&mut tx, clock, &subscription, &change, why).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes it; why not, if it can't be made.
async fn make(
    till: Till<'_>,
    change: &Change,
    terms: &Terms<'_>,
    known: &Known,
    remote: &RemoteSubscription,
) -> Result<Option<Why>, StripeError> {
    let stripe = till.stripe;
    // Already so: it was made, and we died before we noted it.
    let Some(wanted) = terms.change(stripe, known, remote, change.as_of).await? else { return Ok(None) };
    if remote.status != RemoteStatus::Active || wanted.as_of < remote.current_period_start {
        return Ok(Some(Why::NotNow));
    }
    match stripe.preview_change(&wanted).await {
        Ok(bill) if bill.due > change.due_minor.saturating_add(bearable(remote, terms.interval)) => return Ok(Some(Why::Price)),
        Ok(_) => {}
        Err(StripeError::Refused { .. } | StripeError::NotFound { .. }) => return Ok(Some(Why::Refused)),
        Err(error) => return Err(error),
    }
    match stripe.change_subscription(&wanted, change.id).await {
        Ok(()) => Ok(None),
        Err(StripeError::Declined { .. }) => Ok(Some(Why::Declined)),
        Err(StripeError::Refused { .. } | StripeError::NotFound { .. }) => Ok(Some(Why::Refused)),
        Err(error) => Err(error),
    }
}

/// How much more may be charged than was shown. Nothing, as what is given back is counted as of the moment that was shown. Where a new period
/// begins, it begins later than what was shown, and less of the old one is left: that is at most an hour of it.
fn bearable(remote: &RemoteSubscription, interval: Interval) -> i64 {
    if remote.interval == interval {
        return 0;
    }
    let hours = (remote.current_period_end - remote.current_period_start).num_hours().max(1);
    remote.amount.minor / hours + 1
}

/// The server follows, or keeps what it has; room that was taken for nothing is free again.
async fn end(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    subscription: &Subscription,
    change: &Change,
    why: Option<Why>,
) -> sqlx::Result<()> {
    if !store::end(conn, clock, change.id, why).await? {
        return Ok(());
    }
    let instance = change.instance_id;
    if why.is_none() {
        match instance::set_plan(conn, clock, ACTOR, instance, &change.plan_code, &change.size).await {
            // Removed meanwhile: what was paid for it is for staff to give back, as all that is paid too late.
            Ok(()) | Err(sqlx::Error::RowNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    let size = instance::size_of(conn, instance).await?;
    capacity::set_place(conn, instance, &size.size.footprint()).await?;
    let action = if why.is_none() { "subscription.change_done" } else { "subscription.change_void" };
    let detail = json!({ "change": change.id, "plan": change.plan_code, "why": why });
    audit::record(conn, clock, ACTOR, Some(change.account_id), action, &subscription.id.to_string(), detail).await
}

#[cfg(test)]
mod tests;
