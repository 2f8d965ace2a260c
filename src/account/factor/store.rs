//! SQL of authenticators and recovery codes.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::PersonId;

/// What is kept of an authenticator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Row {
    pub seed: Vec<u8>,
    pub confirmed_at: Option<DateTime<Utc>>,
}

pub(super) async fn find(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as("select seed, confirmed_at from authenticators where person_id = $1").bind(person).fetch_optional(conn).await
}

/// Whether it was written: one that is in use stays.
pub(super) async fn put_seed(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, seed: &[u8]) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "insert into authenticators (person_id, seed, created_at) values ($1, $2, $3)
         on conflict (person_id) do update set seed = $2, last_step = 0, created_at = $3 where authenticators.confirmed_at is null",
    )
    .bind(person)
    .bind(seed)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn confirm(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId) -> sqlx::Result<()> {
    let done = sqlx::query("update authenticators set confirmed_at = $2 where person_id = $1 and confirmed_at is null")
        .bind(person)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Takes the code of a step, if no code of it or a later one was taken before.
pub(super) async fn take_step(conn: &mut PgConnection, person: PersonId, step: i64) -> sqlx::Result<bool> {
    let done = sqlx::query("update authenticators set last_step = $2 where person_id = $1 and last_step < $2")
        .bind(person)
        .bind(step)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether there was one in use.
pub(super) async fn delete(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<bool> {
    sqlx::query("delete from recovery_codes where person_id = $1").bind(person).execute(&mut *conn).await?;
    let was: Option<bool> =
        sqlx::query_scalar("delete from authenticators where person_id = $1 returning confirmed_at is not null")
            .bind(person)
            .fetch_optional(conn)
            .await?;
    Ok(was == Some(true))
}

/// New codes; the old ones are good for nothing any more.
pub(super) async fn put_codes(conn: &mut PgConnection, person: PersonId, hashes: &[Vec<u8>]) -> sqlx::Result<()> {
    sqlx::query("delete from recovery_codes where person_id = $1").bind(person).execute(&mut *conn).await?;
    sqlx::query("insert into recovery_codes (person_id, code_hash) select $1, unnest($2::bytea[])")
        .bind(person)
        .bind(hashes)
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a code up, if it is one that is left.
pub(super) async fn take_code(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, hash: &[u8]) -> sqlx::Result<bool> {
    let done = sqlx::query("update recovery_codes set used_at = $3 where person_id = $1 and code_hash = $2 and used_at is null")
        .bind(person)
        .bind(hash)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn codes_left(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from recovery_codes where person_id = $1 and used_at is null")
        .bind(person)
        .fetch_one(conn)
        .await
}
