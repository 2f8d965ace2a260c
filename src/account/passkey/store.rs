//! SQL of passkeys.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use webauthn_rs::prelude::Passkey;

use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{PasskeyId, PersonId};

/// A passkey on the list of whose it is.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Listed {
    /// Which.
    pub id: PasskeyId,
    /// What they call it.
    pub name: String,
    /// When it last logged in.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A person's passkeys, the newest first.
pub async fn list(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as("select id, name, last_used_at, created_at from passkeys where person_id = $1 order by id desc")
        .bind(person)
        .fetch_all(conn)
        .await
}

pub(super) async fn credential_ids(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar("select credential_id from passkeys where person_id = $1").bind(person).fetch_all(conn).await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: PasskeyId,
    person: PersonId,
    passkey: &Passkey,
    name: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into passkeys (id, person_id, credential_id, credential, name, created_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(person)
    .bind(passkey.cred_id().as_slice())
    .bind(Json(passkey))
    .bind(name)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Locked until the transaction ends: its counter goes up only.
pub(super) async fn find(conn: &mut PgConnection, person: PersonId, credential: &[u8]) -> sqlx::Result<Option<Passkey>> {
    let found: Option<Json<Passkey>> =
        sqlx::query_scalar("select credential from passkeys where person_id = $1 and credential_id = $2 for update")
            .bind(person)
            .bind(credential)
            .fetch_optional(conn)
            .await?;
    Ok(found.map(|passkey| passkey.0))
}

pub(super) async fn used(conn: &mut PgConnection, clock: &dyn Clock, credential: &[u8], passkey: &Passkey) -> sqlx::Result<()> {
    let done = sqlx::query("update passkeys set credential = $2, last_used_at = $3 where credential_id = $1")
        .bind(credential)
        .bind(Json(passkey))
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Whether there was one of theirs.
pub(super) async fn delete(conn: &mut PgConnection, person: PersonId, id: PasskeyId) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from passkeys where id = $1 and person_id = $2").bind(id).bind(person).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Whether it was not spent before.
pub(super) async fn spend(conn: &mut PgConnection, hash: &[u8], until: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query("insert into spent_challenges (hash, expires_at) values ($1, $2) on conflict do nothing")
        .bind(hash)
        .bind(until)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from spent_challenges where expires_at < $1").bind(before).execute(conn).await?.rows_affected())
}
