//! SQL of attempts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::WINDOW;
use crate::clock::Clock;

/// Counts one more, and returns how many there are in the window and when it began. Counting goes before hashing: those who come at once
/// can't all be the last one that is let through.
pub(super) async fn count(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    scope: &str,
    key: &[u8],
) -> sqlx::Result<(i32, DateTime<Utc>)> {
    let now = clock.now();
    sqlx::query_as(
        "insert into log_in_attempts (scope, key, count, since) values ($1, $2, 1, $3)
         on conflict (scope, key) do update set
           count = case when log_in_attempts.since <= $4 then 1 else log_in_attempts.count + 1 end,
           since = case when log_in_attempts.since <= $4 then $3 else log_in_attempts.since end
         returning count, since",
    )
    .bind(scope)
    .bind(key)
    .bind(now)
    .bind(now - WINDOW)
    .fetch_one(conn)
    .await
}

pub(super) async fn take_back(conn: &mut PgConnection, scope: &str, key: &[u8]) -> sqlx::Result<()> {
    sqlx::query("update log_in_attempts set count = count - 1 where scope = $1 and key = $2 and count > 0")
        .bind(scope)
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let old = clock.now() - WINDOW;
    Ok(sqlx::query("delete from log_in_attempts where since < $1").bind(old).execute(conn).await?.rows_affected())
}
