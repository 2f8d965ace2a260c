//! What a customer wants of a subscription: to end it, or to go on. It is written down in one transaction; a job then tells Stripe, and takes
//! in what became of it. So a wish that was confirmed is never lost, and one that Stripe has carried out is not carried out again.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::change;
use super::dunning::follow_standing;
use super::jobs::CarryWish;
use super::standing::Dates;
use super::store::{self, Subscription};
use super::stripe::{End, Stripe, StripeError};
use super::sync::{SyncError, fetch_subscription, sync};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::{AccountTx, Db};
use crate::ids::{InstanceId, SubscriptionId};
use crate::queue;

/// What should become of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Over at once. What was paid is not paid back by this.
    EndNow,
    /// Over when what is paid for is over.
    EndWithPeriod,
    /// Over on a date. Until then it is paid as before, the last period in full.
    EndOn,
    /// Not over after all.
    GoOn,
}

impl Wish {
    /// Whether it makes sense for a subscription as it now is.
    pub fn fits(self, subscription: &Subscription) -> bool {
        match self {
            Self::EndNow => !subscription.is_over(),
            Self::EndWithPeriod | Self::EndOn => !subscription.is_over() && subscription.cancel_at.is_none(),
            Self::GoOn => !subscription.is_over() && subscription.cancel_at.is_some(),
        }
    }
}

/// How far ahead a date may lie.
pub const FURTHEST: TimeDelta = TimeDelta::days(731);

/// Why a wish was not taken. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The subscription is not so that it could be done, or is so already.
    #[error("the subscription is over, or is already as it should be")]
    NotNow,
    /// Another wish, or a change of plan, is on its way to Stripe.
    #[error("another wish is being carried out")]
    Busy,
    /// Not ahead, or more than [`FURTHEST`] ahead.
    #[error("the date is not ahead, or more than {} days ahead", FURTHEST.num_days())]
    Date,
    /// The database.
    #[error("the wish could not be written down")]
    Database(#[from] sqlx::Error),
}

/// Writes down what a customer wants of the subscription of an instance. `ends_at` goes with [`Wish::EndOn`].
pub async fn make_wish(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    instance: InstanceId,
    wish: Wish,
    ends_at: Option<DateTime<Utc>>,
) -> Result<(), WishError> {
    let account = tx.account();
    let conn = tx.conn();
    let ends_at = match wish {
        Wish::EndOn => Some(ends_at.filter(|at| is_ahead(*at, clock.now())).ok_or(WishError::Date)?),
        Wish::EndNow | Wish::EndWithPeriod | Wish::GoOn => None,
    };
    let subscription = store::find_subscription(conn, instance).await?.ok_or(WishError::NotNow)?;
    let same = subscription.wish == Some(wish) && subscription.wish_ends_at == ends_at;
    if same {
        return Ok(());
    }
    if subscription.wish.is_some() || change::is_under_way(conn, subscription.id).await? {
        return Err(WishError::Busy);
    }
    if !wish.fits(&subscription) {
        return Err(WishError::NotNow);
    }
    if !store::set_wish(conn, clock, subscription.id, wish, ends_at).await? {
        return Err(WishError::Busy);
    }
    queue::enqueue(conn, &CarryWish { subscription: subscription.id }, None).await?;
    let id = subscription.id.to_string();
    Ok(audit::record(conn, clock, actor, Some(account), "subscription.wish", &id, told(wish, ends_at)).await?)
}

fn is_ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at > now && at - now <= FURTHEST
}

/// What the audit log says.
fn told(wish: Wish, ends_at: Option<DateTime<Utc>>) -> Value {
    match ends_at {
        Some(at) => json!({ "wish": wish, "ends_at": at }),
        None => json!({ "wish": wish }),
    }
}

/// Why a wish was not carried out yet.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// Stripe.
    #[error("Stripe could not be told what becomes of the subscription")]
    Stripe(#[from] StripeError),
    /// What Stripe said could not be taken in.
    #[error("what became of the subscription could not be written")]
    Sync(#[from] SyncError),
    /// The database.
    #[error("the wish could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Tells Stripe what a customer wants, and takes in what came of it. Without a wish nothing is done.
pub async fn carry_wish(
    db: &Db,
    clock: &dyn Clock,
    stripe: &dyn Stripe,
    dates: &Dates,
    id: SubscriptionId,
) -> Result<(), CarryError> {
    let mut conn = db.worker().acquire().await?;
    let Some(subscription) = store::find_subscription_by_id(&mut conn, id).await? else { return Ok(()) };
    let (Some(wish), Some(wish_at)) = (subscription.wish, subscription.wish_at) else { return Ok(()) };
    drop(conn);
    let remote = &subscription.stripe_subscription_id;
    let asked = match (wish, subscription.wish_ends_at) {
        (Wish::EndNow, _) => stripe.end_subscription(remote).await,
        // A date that has come while Stripe was away is one that Stripe refuses.
        (Wish::EndOn, Some(at)) if at <= clock.now() => stripe.end_subscription(remote).await,
        (Wish::EndOn, Some(at)) => stripe.set_end(remote, End::On(at)).await,
        (Wish::EndOn, None) | (Wish::EndWithPeriod, _) => stripe.set_end(remote, End::WithPeriod).await,
        (Wish::GoOn, _) => stripe.set_end(remote, End::Never).await,
    };
    let met = match asked {
        Ok(()) => true,
        // It was over before: what it is then is taken in, and the page says so.
        Err(StripeError::Refused { .. } | StripeError::NotFound { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    let remote = fetch_subscription(stripe, clock, remote).await?;
    let mut tx = db.worker().begin().await?;
    if let Some(order) = sync(&mut tx, clock, &remote).await? {
        follow_standing(&mut tx, clock, dates, &order).await?;
    }
    done(&mut tx, clock, &subscription, wish, wish_at, met).await?;
    tx.commit().await?;
    Ok(())
}

async fn done(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    subscription: &Subscription,
    wish: Wish,
    wish_at: DateTime<Utc>,
    met: bool,
) -> sqlx::Result<()> {
    if !store::clear_wish(conn, subscription.id, wish_at).await? {
        return Ok(());
    }
    let action = if met { "subscription.wish_done" } else { "subscription.wish_void" };
    let (account, id) = (Some(subscription.account_id), subscription.id.to_string());
    audit::record(conn, clock, Actor::System("billing"), account, action, &id, told(wish, subscription.wish_ends_at)).await
}
