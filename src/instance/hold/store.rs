//! SQL of the reasons for which servers do not run.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Hold;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, InstanceId};
use crate::instance::Intent;

/// A reason that holds.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HoldRow {
    /// Which.
    pub reason: Hold,
    /// What is worth knowing beside; may be empty.
    pub note: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// All that hold a server, the oldest first.
pub async fn list_holds(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Vec<HoldRow>> {
    sqlx::query_as("select reason, note, since from holds where instance_id = $1 order by since, reason")
        .bind(id)
        .fetch_all(conn)
        .await
}

/// Locks a server that may be stopped and started; whose it is. The order of locks is everywhere: order, subscription, server.
pub(super) async fn lock(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<AccountId> {
    sqlx::query_scalar(
        "select account_id from instances
         where id = $1 and released_at is null and removal_confirmed_at is null and intent <> 'absent' for update",
    )
    .bind(id)
    .fetch_one(conn)
    .await
}

/// Whether it is news.
pub(super) async fn insert_hold(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    account: AccountId,
    reason: Hold,
    note: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into holds (instance_id, account_id, reason, note, since) values ($1, $2, $3, $4, $5)
         on conflict (instance_id, reason) do nothing",
    )
    .bind(id)
    .bind(account)
    .bind(reason)
    .bind(note)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes reasons away; those that held.
pub(super) async fn delete_holds(conn: &mut PgConnection, id: InstanceId, reasons: &[Hold]) -> sqlx::Result<Vec<Hold>> {
    let words: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    sqlx::query_scalar("delete from holds where instance_id = $1 and reason = any($2) returning reason")
        .bind(id)
        .bind(words)
        .fetch_all(conn)
        .await
}

/// Its `LOCAL_DOMAIN`.
pub(super) async fn domain_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<String> {
    sqlx::query_scalar("select domain from instances where id = $1").bind(id).fetch_one(conn).await
}

/// Writes what a locked server should be. When that, or the reason that visitors read, is another one: what it should have been before. A running server forgets nothing of
/// when it began; one that stays stopped for another reason keeps the time of its stop.
pub(super) async fn write_intent(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    intent: Intent,
    reason: &str,
) -> sqlx::Result<Option<Intent>> {
    let (now, said): (Intent, Option<String>) =
        sqlx::query_as("select intent, intent_reason from instances where id = $1").bind(id).fetch_one(&mut *conn).await?;
    if now == intent && (intent == Intent::Running || said.as_deref() == Some(reason)) {
        return Ok(None);
    }
    let done = sqlx::query(
        "update instances set intent = $2, intent_reason = $3, generation = generation + 1,
           intent_at = case when intent = $2 then intent_at else $4 end,
           removal_reason = case when $2 = 'archived' then removal_reason end,
           removal_requested_at = case when $2 = 'archived' then removal_requested_at end,
           removal_requested_by = case when $2 = 'archived' then removal_requested_by end
         where id = $1",
    )
    .bind(id)
    .bind(intent)
    .bind(reason)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)?;
    Ok(Some(now))
}

/// When a restore last proved an archive of everything on it. Whoever makes and proves archives writes it.
pub async fn archive_proven_at(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select archive_proven_at from instances where id = $1").bind(id).fetch_one(conn).await
}
