//! What a customer wants of a subscription: to end it, or to go on. It is written down in one transaction; a job then tells Stripe, and takes
//! in what became of it. So a wish that was confirmed is never lost, and one that Stripe has carried out is not carried out again.

use serde_json::json;
use sqlx::PgConnection;

use super::dunning::follow_standing;
use super::jobs::CarryWish;
use super::standing::Dates;
use super::store::{self, Subscription};
use super::stripe::{Stripe, StripeError};
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
    /// Not over after all.
    GoOn,
}

impl Wish {
    /// Whether it makes sense for a subscription as it now is.
    pub fn fits(self, subscription: &Subscription) -> bool {
        match self {
            Self::EndNow => !subscription.is_over(),
            Self::EndWithPeriod => !subscription.is_over() && subscription.cancel_at.is_none(),
            Self::GoOn => !subscription.is_over() && subscription.cancel_at.is_some(),
        }
    }
}

/// Why a wish was not taken. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The subscription is not so that it could be done, or is so already.
    #[error("the subscription is over, or is already as it should be")]
    NotNow,
    /// Another wish is on its way to Stripe.
    #[error("another wish is being carried out")]
    Busy,
    /// The database.
    #[error("the wish could not be written down")]
    Database(#[from] sqlx::Error),
}

/// Writes down what a customer wants of the subscription of an instance.
pub async fn make_wish(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    instance: InstanceId,
    wish: Wish,
) -> Result<(), WishError> {
    let account = tx.account();
    let conn = tx.conn();
    let subscription = store::find_subscription(conn, instance).await?.ok_or(WishError::NotNow)?;
    if subscription.wish.is_some_and(|other| other != wish) {
        return Err(WishError::Busy);
    }
    if subscription.wish == Some(wish) {
        return Ok(());
    }
    if !wish.fits(&subscription) {
        return Err(WishError::NotNow);
    }
    if !store::set_wish(conn, clock, subscription.id, wish).await? {
        return Err(WishError::Busy);
    }
    queue::enqueue(conn, &CarryWish { subscription: subscription.id }, None).await?;
    let id = subscription.id.to_string();
    Ok(audit::record(conn, clock, actor, Some(account), "subscription.wish", &id, json!({ "wish": wish })).await?)
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
    let told = match wish {
        Wish::EndNow => stripe.end_subscription(remote).await,
        Wish::EndWithPeriod => stripe.end_with_period(remote, true).await,
        Wish::GoOn => stripe.end_with_period(remote, false).await,
    };
    let met = match told {
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
    wish_at: chrono::DateTime<chrono::Utc>,
    met: bool,
) -> sqlx::Result<()> {
    if !store::clear_wish(conn, subscription.id, wish_at).await? {
        return Ok(());
    }
    let action = if met { "subscription.wish_done" } else { "subscription.wish_void" };
    let (account, id) = (Some(subscription.account_id), subscription.id.to_string());
    audit::record(conn, clock, Actor::System("billing"), account, action, &id, json!({ "wish": wish })).await
}
