//! SQL of servers that are given away.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::ids::{AccountId, FreeId, OrderId, StaffId};

/// A server that was given away.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FreeServer {
    /// Which.
    pub id: FreeId,
    /// Of which plan.
    pub plan_code: String,
    /// Why.
    pub reason: String,
    /// By whom.
    pub staff_id: StaffId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was taken back.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// The order that has it.
    pub order_id: Option<OrderId>,
}

/// What was given to an account, newest first, at most 50.
pub async fn list_free(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<FreeServer>> {
    sqlx::query_as(
        "select f.id, f.plan_code, f.reason, f.staff_id, f.created_at, f.withdrawn_at,
                (select o.id from orders o where o.free_id = f.id and o.state <> 'expired') as order_id
         from free_servers f where f.account_id = $1 order by f.id desc limit 50",
    )
    .bind(account)
    .fetch_all(conn)
    .await
}

/// The oldest of an account and a plan that no order has.
pub(in crate::billing) async fn open_free(
    conn: &mut PgConnection,
    account: AccountId,
    plan_code: &str,
) -> sqlx::Result<Option<FreeId>> {
    sqlx::query_scalar(
        "select id from free_servers f where account_id = $1 and plan_code = $2 and withdrawn_at is null
           and not exists (select from orders o where o.free_id = f.id and o.state <> 'expired')
         order by id limit 1",
    )
    .bind(account)
    .bind(plan_code)
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: FreeId,
    account: AccountId,
    plan_code: &str,
    reason: &str,
    staff: StaffId,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into free_servers (id, account_id, plan_code, reason, staff_id, created_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(account)
    .bind(plan_code)
    .bind(reason)
    .bind(staff)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether it was not used, and is taken back now. An order that is being placed has the row until it is written.
pub(super) async fn withdraw(conn: &mut PgConnection, clock: &dyn Clock, account: AccountId, id: FreeId) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update free_servers f set withdrawn_at = $3 where id = $1 and account_id = $2 and withdrawn_at is null
           and not exists (select from orders o where o.free_id = f.id and o.state <> 'expired')",
    )
    .bind(id)
    .bind(account)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
