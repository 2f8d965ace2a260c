//! SQL of tokens.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Bearer, NewToken, Token};
use crate::clock::Clock;
use crate::ids::{AccountId, PersonId, TokenId};

pub(super) async fn insert(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: TokenId,
    (person, account): (PersonId, AccountId),
    hash: &[u8],
    new: &NewToken<'_>,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    // A savepoint: the caller goes on in the same transaction after a server that is not the account's.
    let mut savepoint = sqlx::Connection::begin(conn).await?;
    sqlx::query(
        "insert into api_tokens (id, account_id, person_id, name, token_hash, scope, instance_id, expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(id)
    .bind(account)
    .bind(person)
    .bind(new.name)
    .bind(hash)
    .bind(new.scope)
    .bind(new.instance)
    .bind(until)
    .bind(clock.now())
    .execute(&mut *savepoint)
    .await?;
    savepoint.commit().await
}

pub(super) async fn count(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from api_tokens where person_id = $1 and expires_at > $2")
        .bind(person)
        .bind(clock.now())
        .fetch_one(conn)
        .await
}

pub(super) async fn list(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
) -> sqlx::Result<Vec<Token>> {
    sqlx::query_as(
        "select id, name, scope, instance_id as instance, expires_at, last_used_at, created_at from api_tokens
         where person_id = $1 and account_id = $2 and expires_at > $3 order by created_at desc, id",
    )
    .bind(person)
    .bind(account)
    .bind(clock.now())
    .fetch_all(conn)
    .await
}

/// Whose it is, if it is one and not over. That it was used is written at most every `seen_every`.
pub(super) async fn find(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    hash: &[u8],
    seen_every: TimeDelta,
) -> sqlx::Result<Option<Bearer>> {
    let now = clock.now();
    let row: Option<(Bearer, Option<DateTime<Utc>>)> = sqlx::query_as::<_, Row>(
        "select person_id, account_id, scope, instance_id, last_used_at from api_tokens where token_hash = $1 and expires_at > $2",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?
    .map(|(person, account, scope, instance, used)| (Bearer { person, account, scope, instance }, used));
    let Some((bearer, used)) = row else { return Ok(None) };
    if used.is_none_or(|used| now - used > seen_every) {
        sqlx::query("update api_tokens set last_used_at = $2 where token_hash = $1").bind(hash).bind(now).execute(conn).await?;
    }
    Ok(Some(bearer))
}

type Row = (PersonId, AccountId, super::TokenScope, Option<crate::ids::InstanceId>, Option<DateTime<Utc>>);

/// Whether there was one of theirs.
pub(super) async fn delete(conn: &mut PgConnection, person: PersonId, account: AccountId, id: TokenId) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from api_tokens where id = $1 and person_id = $2 and account_id = $3")
        .bind(id)
        .bind(person)
        .bind(account)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete_all(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    sqlx::query("delete from api_tokens where person_id = $1").bind(person).execute(conn).await?;
    Ok(())
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from api_tokens where expires_at < $1").bind(before).execute(conn).await?.rows_affected())
}
