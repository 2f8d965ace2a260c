//! SQL of calls that are done once.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Answer, Call};
use crate::clock::Clock;

/// What is known of a key.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub fingerprint: Vec<u8>,
    pub status: Option<i16>,
    pub kind: Option<String>,
    pub body: Option<Vec<u8>>,
    pub begun_at: DateTime<Utc>,
}

/// Whether the key was free.
pub(super) async fn insert(conn: &mut PgConnection, clock: &dyn Clock, call: &Call<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into calls_once (person_id, key, fingerprint, begun_at) values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(call.person)
    .bind(call.key)
    .bind(call.fingerprint)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn find(conn: &mut PgConnection, call: &Call<'_>) -> sqlx::Result<Option<Row>> {
    sqlx::query_as("select fingerprint, status, kind, body, begun_at from calls_once where person_id = $1 and key = $2")
        .bind(call.person)
        .bind(call.key)
        .fetch_optional(conn)
        .await
}

/// Takes over a call that broke off. Whether nobody was faster.
pub(super) async fn take_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    call: &Call<'_>,
    begun_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done =
        sqlx::query("update calls_once set begun_at = $4 where person_id = $1 and key = $2 and begun_at = $3 and status is null")
            .bind(call.person)
            .bind(call.key)
            .bind(begun_at)
            .bind(clock.now())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn keep(conn: &mut PgConnection, call: &Call<'_>, answer: &Answer) -> sqlx::Result<()> {
    sqlx::query("update calls_once set status = $3, kind = $4, body = $5 where person_id = $1 and key = $2 and status is null")
        .bind(call.person)
        .bind(call.key)
        .bind(answer.status)
        .bind(&answer.kind)
        .bind(&answer.body)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn delete(conn: &mut PgConnection, call: &Call<'_>) -> sqlx::Result<()> {
    sqlx::query("delete from calls_once where person_id = $1 and key = $2 and status is null")
        .bind(call.person)
        .bind(call.key)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from calls_once where begun_at < $1").bind(before).execute(conn).await?.rows_affected())
}
