//! SQL of authenticators and recovery codes.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::HolderId;
use crate::clock::Clock;
use crate::db::exactly_one;

/// What is kept of an authenticator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Row {
    pub seed: Vec<u8>,
    pub confirmed_at: Option<DateTime<Utc>>,
}

pub(super) async fn find(conn: &mut PgConnection, holder: HolderId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as("select seed, confirmed_at from authenticators where holder_id = $1")
        .bind(holder.uuid())
        .fetch_optional(conn)
        .await
}

/// Whether it was written: one that is in use stays.
pub(super) async fn put_seed(conn: &mut PgConnection, clock: &dyn Clock, holder: HolderId, seed: &[u8]) -> sqlx::Result<bool> {
    let (person, staff) = holder.columns();
    let done = sqlx::query(
        "insert into authenticators (person_id, staff_id, seed, created_at) values ($1, $2, $3, $4)
         on conflict (holder_id) do update set seed = $3, last_step = 0, created_at = $4 where authenticators.confirmed_at is null",
    )
    .bind(person)
    .bind(staff)
    .bind(seed)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn confirm(conn: &mut PgConnection, clock: &dyn Clock, holder: HolderId) -> sqlx::Result<()> {
    let done = sqlx::query("update authenticators set confirmed_at = $2 where holder_id = $1 and confirmed_at is null")
        .bind(holder.uuid())
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Takes the code of a step, if no code of it or a later one was taken before.
pub(super) async fn take_step(conn: &mut PgConnection, holder: HolderId, step: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("update authenticators set last_step = $2 where holder_id = $1 and last_step < $2")
        .bind(holder.uuid())
        .bind(step)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether there was one in use.
pub(super) async fn delete(conn: &mut PgConnection, holder: HolderId) -> sqlx::Result<bool> {
    sqlx::query("delete from recovery_codes where holder_id = $1").bind(holder.uuid()).execute(&mut *conn).await?;
    let was: Option<bool> =
        sqlx::query_scalar("delete from authenticators where holder_id = $1 returning confirmed_at is not null")
            .bind(holder.uuid())
            .fetch_optional(conn)
            .await?;
    Ok(was == Some(true))
}

/// New codes; the old ones are good for nothing any more.
pub(super) async fn put_codes(conn: &mut PgConnection, holder: HolderId, hashes: &[Vec<u8>]) -> sqlx::Result<()> {
    let (person, staff) = holder.columns();
    sqlx::query("delete from recovery_codes where holder_id = $1").bind(holder.uuid()).execute(&mut *conn).await?;
    sqlx::query("insert into recovery_codes (person_id, staff_id, code_hash) select $1, $2, unnest($3::bytea[])")
        .bind(person)
        .bind(staff)
        .bind(hashes)
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a code up, if it is one that is left.
pub(super) async fn take_code(conn: &mut PgConnection, clock: &dyn Clock, holder: HolderId, hash: &[u8]) -> sqlx::Result<bool> {
    let done = sqlx::query("update recovery_codes set used_at = $3 where holder_id = $1 and code_hash = $2 and used_at is null")
        .bind(holder.uuid())
        .bind(hash)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn codes_left(conn: &mut PgConnection, holder: HolderId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from recovery_codes where holder_id = $1 and used_at is null")
        .bind(holder.uuid())
        .fetch_one(conn)
        .await
}
