//! SQL of devices.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::ids::PersonId;

/// Whether somebody with this address, in the form to compare, has logged in from the device.
pub(super) async fn is_known(conn: &mut PgConnection, device: &[u8], address: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (select from devices d join people p on p.id = d.person_id
                        where d.secret_hash = $1 and p.email_canonical = $2)",
    )
    .bind(device)
    .bind(address)
    .fetch_one(conn)
    .await
}

/// Whether the device is new for a person, and whether they had one before.
pub(super) async fn put(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    device: &[u8],
    person: PersonId,
) -> sqlx::Result<(bool, bool)> {
    let had: bool =
        sqlx::query_scalar("select exists (select from devices where person_id = $1)").bind(person).fetch_one(&mut *conn).await?;
    // A row that was there has been locked to be updated; one that is new has not.
    let new: bool = sqlx::query_scalar(
        "insert into devices (secret_hash, person_id, first_seen_at, last_seen_at) values ($1, $2, $3, $3)
         on conflict (secret_hash, person_id) do update set last_seen_at = $3 returning xmax = 0",
    )
    .bind(device)
    .bind(person)
    .bind(clock.now())
    .fetch_one(conn)
    .await?;
    Ok((new, had))
}

pub(super) async fn forget_all(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    sqlx::query("delete from devices where person_id = $1").bind(person).execute(conn).await?;
    Ok(())
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from devices where last_seen_at < $1").bind(before).execute(conn).await?.rows_affected())
}
