//! Ends an order whose time is over: first it is made sure at Stripe that nobody can pay any more, then address and place are freed.

use super::checkout::asked;
use super::store::{self, OrderState};
use super::stripe::{Stripe, StripeError};
use super::sync::{Remote, SyncError, give_up, sync, with_subscription};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::OrderId;

/// Why an order could not be settled yet.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Stripe.
    #[error("the checkout could not be ended")]
    Stripe(#[from] StripeError),
    /// What Stripe said could not be taken in.
    #[error("the end of the order could not be written")]
    Sync(#[from] SyncError),
    /// Somebody began to open a checkout while we looked: the next try looks for that one.
    #[error("a checkout of the order is being opened at this moment")]
    BeingOpened,
    /// The database.
    #[error("the order could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Settles an order. One that is paid or expired is left alone, and one whose time is not over too, unless its customer gave up
/// (`early`). Catalogue and configuration have no say in it: whatever became of them, address and place are freed.
pub async fn settle(db: &Db, clock: &dyn Clock, stripe: &dyn Stripe, id: OrderId, early: bool) -> Result<(), SettleError> {
    let mut conn = db.worker().acquire().await?;
    let Some(order) = store::find_order(&mut conn, id).await? else { return Ok(()) };
    if !matches!(order.state, OrderState::Placed | OrderState::Open) || (order.checkout_expires_at > clock.now() && !early) {
        return Ok(());
    }
    let customer = store::customer_of(&mut conn, order.account_id).await?;
    drop(conn);

    let checkout = match (&order.checkout_id, asked(&order, customer.as_ref())) {
        (Some(checkout), _) => Some(stripe.expire_checkout(checkout).await?),
        // No session was ever asked for.
        (None, None) => None,
        // A session may exist that we never heard of: we died between Stripe's answer and our commit. The same request again
        // gives that session; where there is none Stripe refuses to make one that ends in the past, and that is the proof.
        (None, Some(wanted)) => match stripe.open_checkout(&wanted).await {
            Ok(found) => Some(stripe.expire_checkout(&found.id).await?),
            Err(StripeError::Refused { param: Some(param), .. }) if param == "expires_at" => None,
            Err(error) => return Err(error.into()),
        },
    };
    let remote = match checkout {
        Some(checkout) => Some(with_subscription(stripe, clock, checkout).await?),
        None => None,
    };
    let mut tx = db.worker().begin().await?;
    match remote {
        Some(remote) => {
            let remote: Remote = remote;
            sync(&mut tx, clock, &remote).await?;
        }
        None => {
            if let Some(now) = store::lock_order(&mut tx, id).await?
                && matches!(now.state, OrderState::Placed | OrderState::Open)
            {
                if now.asked_price != order.asked_price {
                    return Err(SettleError::BeingOpened);
                }
                give_up(&mut tx, clock, &now).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(())
}
