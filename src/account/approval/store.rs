//! SQL of what takes two.

use sqlx::PgConnection;

use super::{Approval, Decision, Kind};
use crate::account::Scope;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{ApprovalId, StaffId};

/// What was asked for about `subject` and is not decided, whether its time is over or not; nobody else decides it until the transaction ends.
pub(super) async fn undecided(conn: &mut PgConnection, kind: Kind, subject: &str) -> sqlx::Result<Option<Approval>> {
    sqlx::query_as(
        "select id, kind, subject, reason, asked_by, asked_at, expires_at, decision, decided_by, decided_at
         from approvals where kind = $1 and subject = $2 and decision is null for update",
    )
    .bind(kind)
    .bind(subject)
    .fetch_optional(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, id: ApprovalId) -> sqlx::Result<Option<Approval>> {
    sqlx::query_as(
        "select id, kind, subject, reason, asked_by, asked_at, expires_at, decision, decided_by, decided_at
         from approvals where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(conn: &mut PgConnection, approval: &Approval) -> sqlx::Result<()> {
    let Approval { id, kind, subject, reason, asked_by, asked_at, expires_at, decision: _, decided_by: _, decided_at: _ } =
        approval;
    let done = sqlx::query(
        "insert into approvals (id, kind, subject, reason, asked_by, asked_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(kind)
    .bind(subject)
    .bind(reason)
    .bind(asked_by)
    .bind(asked_at)
    .bind(expires_at)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

pub(super) async fn decide(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: ApprovalId,
    by: Option<StaffId>,
    decision: Decision,
) -> sqlx::Result<()> {
    let done =
        sqlx::query("update approvals set decision = $2, decided_by = $3, decided_at = $4 where id = $1 and decision is null")
            .bind(id)
            .bind(decision)
            .bind(by)
            .bind(clock.now())
            .execute(conn)
            .await?;
    exactly_one(&done)
}

/// How many of the staff may ask for and agree to what takes this scope.
pub(super) async fn count_with(conn: &mut PgConnection, scope: Scope) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from staff where $1 = any(scopes) or 'admin' = any(scopes)")
        .bind(scope)
        .fetch_one(conn)
        .await
}

/// What waits, the oldest first.
pub async fn list_open(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<Vec<Approval>> {
    sqlx::query_as(
        "select id, kind, subject, reason, asked_by, asked_at, expires_at, decision, decided_by, decided_at
         from approvals where decision is null and expires_at > $1 order by asked_at, id limit 200",
    )
    .bind(clock.now())
    .fetch_all(conn)
    .await
}

/// What was decided or is too old, the newest first, at most `limit`.
pub async fn list_recent(conn: &mut PgConnection, clock: &dyn Clock, limit: i64) -> sqlx::Result<Vec<Approval>> {
    sqlx::query_as(
        "select id, kind, subject, reason, asked_by, asked_at, expires_at, decision, decided_by, decided_at
         from approvals where decision is not null or expires_at <= $1 order by asked_at desc, id limit $2",
    )
    .bind(clock.now())
    .bind(limit)
    .fetch_all(conn)
    .await
}
