//! SQL of changes of address.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Change, Side};
use crate::account::email::EmailAddress;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::PersonId;

/// A new change in the place of one that was open.
pub(super) async fn put(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: Uuid,
    person: PersonId,
    email: &EmailAddress,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("update address_changes set state = 'replaced' where person_id = $1 and state = 'open'")
        .bind(person)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into address_changes (id, person_id, email, email_canonical, state, expires_at, created_at)
         values ($1, $2, $3, $4, 'open', $5, $6)",
    )
    .bind(id)
    .bind(person)
    .bind(email.smtp())
    .bind(email.canonical())
    .bind(until)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes that a person has asked for since then.
pub(super) async fn count(conn: &mut PgConnection, person: PersonId, since: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from address_changes where person_id = $1 and created_at > $2")
        .bind(person)
        .bind(since)
        .fetch_one(conn)
        .await
}

/// The change, if it is open, and kept so until the transaction ends.
pub(super) async fn find(conn: &mut PgConnection, clock: &dyn Clock, id: Uuid) -> sqlx::Result<Option<Change>> {
    sqlx::query_as(
        "select id, person_id as person, email, old_confirmed_at, new_confirmed_at from address_changes
         where id = $1 and state = 'open' and expires_at > $2 for update",
    )
    .bind(id)
    .bind(clock.now())
    .fetch_optional(conn)
    .await
}

pub(super) async fn confirm(conn: &mut PgConnection, clock: &dyn Clock, id: Uuid, side: Side) -> sqlx::Result<()> {
    let query = match side {
        Side::Old => "update address_changes set old_confirmed_at = $2 where id = $1 and state = 'open'",
        Side::New => "update address_changes set new_confirmed_at = $2 where id = $1 and state = 'open'",
    };
    exactly_one(&sqlx::query(query).bind(id).bind(clock.now()).execute(conn).await?)
}

pub(super) async fn done(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    let done =
        sqlx::query("update address_changes set state = 'done' where id = $1 and state = 'open'").bind(id).execute(conn).await?;
    exactly_one(&done)
}

/// Gives a person the address. The constraint says whether somebody else has it.
pub(super) async fn set_email(conn: &mut PgConnection, person: PersonId, email: &EmailAddress) -> sqlx::Result<()> {
    // A savepoint: the caller goes on in the same transaction after a violation of uniqueness.
    let mut savepoint = sqlx::Connection::begin(conn).await?;
    let done = sqlx::query("update people set email = $2, email_canonical = $3 where id = $1")
        .bind(person)
        .bind(email.smtp())
        .bind(email.canonical())
        .execute(&mut *savepoint)
        .await?;
    exactly_one(&done)?;
    savepoint.commit().await
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from address_changes where expires_at < $1").bind(before).execute(conn).await?.rows_affected())
}
