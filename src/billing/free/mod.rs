//! Servers that the host gives away: to its moderators, to partners. Staff say for which account and plan, and why; the next order of that plan
//! costs nothing, and Stripe never hears of it. Such a server has no subscription: it runs until staff end it.

mod store;

use serde_json::json;
use sqlx::PgConnection;

pub(super) use self::store::open_free;
pub use self::store::{FreeServer, list_free};
use super::store::{OrderState, lock_order, set_paid};
use crate::audit::{self, Actor};
use crate::capacity;
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{AccountId, FreeId, OrderId, StaffId};
use crate::instance::{self, Intent};
use crate::plan::Plan;

const ACTOR: Actor = Actor::System("billing");
/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 3..=200;

/// Why no server was given away. The keys of the words that say so are `free-…`.
#[derive(Debug, thiserror::Error)]
pub enum FreeError {
    /// It says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// One that is used, or was withdrawn.
    #[error("it is used already, or withdrawn")]
    Used,
    /// The database.
    #[error("it could not be written down")]
    Database(#[from] sqlx::Error),
}

/// Gives an account a server of a plan, in the caller's transaction.
///
/// # Errors
/// See [`FreeError`].
pub async fn give_free(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    account: AccountId,
    plan: &Plan,
    reason: &str,
) -> Result<FreeId, FreeError> {
    let reason = reason.trim();
    if !REASON.contains(&reason.chars().count()) {
        return Err(FreeError::Reason);
    }
    let id = FreeId::new();
    store::insert(conn, clock, id, account, &plan.code, reason, staff).await?;
    let detail = json!({ "free": id, "plan": plan.code, "reason": reason });
    audit::record(conn, clock, Actor::Staff(staff), Some(account), "free.given", &account.to_string(), detail).await?;
    Ok(id)
}

/// Takes back one that was not used, in the caller's transaction.
///
/// # Errors
/// [`FreeError::Used`] when an order has it.
pub async fn withdraw_free(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    account: AccountId,
    id: FreeId,
) -> Result<(), FreeError> {
    if !store::withdraw(conn, clock, account, id).await? {
        return Err(FreeError::Used);
    }
    let detail = json!({ "free": id });
    Ok(audit::record(conn, clock, Actor::Staff(staff), Some(account), "free.withdrawn", &account.to_string(), detail).await?)
}

/// Lets the server of an order begin that costs nothing. One that is paid, given up or not free is left alone.
///
/// # Errors
/// Those of the database.
pub async fn take_free(db: &Db, clock: &dyn Clock, id: OrderId) -> sqlx::Result<()> {
    let mut tx = db.worker().begin().await?;
    let Some(order) = lock_order(&mut tx, id).await? else { return Ok(()) };
    if order.free_id.is_none() || order.state != OrderState::Placed {
        return Ok(());
    }
    set_paid(&mut tx, clock, id).await?;
    capacity::confirm(&mut tx, order.instance_id).await?;
    let detail = json!({ "instance": order.instance_id, "free": order.free_id });
    audit::record(&mut tx, clock, ACTOR, Some(order.account_id), "order.free", &id.to_string(), detail).await?;
    instance::set_intent(&mut tx, clock, ACTOR, order.instance_id, Intent::Running, "free").await?;
    tx.commit().await
}
