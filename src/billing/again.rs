//! Taking a server up again whose subscription is over, while its data is kept: an order for the server that is there, at the price that it had.
//! It is paid like a first one; the payment then lifts what the end had set.

use serde_json::json;

use super::jobs::SettleOrder;
use super::order::{MOST_UNPAID, SETTLE_AFTER, deadline};
use super::store::{self, OrderState};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::{AccountTx, violates};
use crate::ids::OrderId;
use crate::instance::{self, Hold, Instance};
use crate::queue;

/// Why a server can't be taken up again. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// Its subscription is not over: there is nothing to order.
    #[error("the subscription is not over")]
    NotOver,
    /// The host's people have stopped it, or its removal has begun: paying would not bring it back.
    #[error("the host's people have stopped the server, or are removing it")]
    Held,
    /// Other orders of the account wait for their payment.
    #[error("too many orders wait for payment")]
    TooManyUnpaid,
    /// The database.
    #[error("the order could not be written")]
    Database(#[from] sqlx::Error),
}

/// Orders a server of the account again, in the caller's transaction. An order for it that waits for its payment is that order.
pub async fn order_again(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    instance: &Instance,
    checkout_minutes: i64,
) -> Result<OrderId, AgainError> {
    let account = tx.account();
    let conn = tx.conn();
    let subscription = store::find_subscription(conn, instance.id).await?.ok_or(AgainError::NotOver)?;
    if !subscription.is_over() || instance.released_at.is_some() {
        return Err(AgainError::NotOver);
    }
    let stopped = |reason: Hold| match reason {
        Hold::Ended | Hold::Abuse | Hold::Staff => true,
        Hold::Over | Hold::Unpaid | Hold::Asked | Hold::Moving => false,
    };
    let held = instance::list_holds(conn, instance.id).await?.iter().any(|row| stopped(row.reason));
    if held || instance::removal_of(conn, instance.id).await?.is_some() {
        return Err(AgainError::Held);
    }
    let orders = store::waiting_orders(conn, account).await?;
    if let Some(open) = orders.iter().find(|order| order.instance_id == instance.id) {
        return Ok(open.id);
    }
    if store::count_unpaid(conn, account).await? >= MOST_UNPAID {
        return Err(AgainError::TooManyUnpaid);
    }
    let last = store::find_order_of(conn, instance.id).await?.filter(|order| order.state == OrderState::Paid);
    let last = last.ok_or(AgainError::NotOver)?;
    let (order, expires_at) = (OrderId::new(), deadline(clock, checkout_minutes));
    store::insert_order(
        conn,
        clock,
        order,
        account,
        instance.id,
        &instance.plan_code,
        subscription.billing_interval,
        subscription.price(),
        None,
        expires_at,
    )
    .await
    .map_err(|error| if violates(&error, "orders_open_key") { AgainError::TooManyUnpaid } else { error.into() })?;
    queue::enqueue(conn, &SettleOrder { order, early: false }, Some(expires_at + SETTLE_AFTER)).await?;
    let detail = json!({ "instance": instance.id, "domain": instance.domain, "before": last.id, "price": subscription.price() });
    audit::record(conn, clock, actor, Some(account), "order.placed_again", &order.to_string(), detail).await?;
    Ok(order)
}
