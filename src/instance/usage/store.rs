//! SQL of what is on servers.

use sqlx::PgConnection;

use super::Usage;
use crate::ids::{AccountId, InstanceId};

/// What was last measured of a server; `None` when nothing was.
pub async fn usage_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Usage>> {
    sqlx::query_as("select media_bytes, database_bytes, measured_at from usages where instance_id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// What was last measured of each of these servers.
pub async fn list_usages(conn: &mut PgConnection, ids: &[InstanceId]) -> sqlx::Result<Vec<(InstanceId, Usage)>> {
    let rows: Vec<(InstanceId, i64, i64, chrono::DateTime<chrono::Utc>)> =
        sqlx::query_as("select instance_id, media_bytes, database_bytes, measured_at from usages where instance_id = any($1)")
            .bind(ids)
            .fetch_all(conn)
            .await?;
    let usage = |(id, media_bytes, database_bytes, measured_at)| (id, Usage { media_bytes, database_bytes, measured_at });
    Ok(rows.into_iter().map(usage).collect())
}

pub(super) async fn put(conn: &mut PgConnection, id: InstanceId, account: AccountId, usage: &Usage) -> sqlx::Result<()> {
    let Usage { media_bytes, database_bytes, measured_at } = usage;
    sqlx::query(
        "insert into usages (instance_id, account_id, media_bytes, database_bytes, measured_at) values ($1, $2, $3, $4, $5)
         on conflict (instance_id) do update set media_bytes = excluded.media_bytes, database_bytes = excluded.database_bytes,
           measured_at = excluded.measured_at
         where usages.measured_at <= excluded.measured_at",
    )
    .bind(id)
    .bind(account)
    .bind(media_bytes)
    .bind(database_bytes)
    .bind(measured_at)
    .execute(conn)
    .await?;
    Ok(())
}
