//! SQL of a server's release and of when it may change.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::{AskedMajors, VersionChange, Window};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::InstanceId;

/// The generation of the new intent; `None` when the server is not to run, or to run something else than `change.from`.
pub(super) async fn update_version(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    change: VersionChange,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "update instances set mastodon_version = $3, generation = generation + 1, intent_at = $4
         where id = $1 and mastodon_version = $2 and intent = 'running' and released_at is null returning generation",
    )
    .bind(id)
    .bind(change.from.to_string())
    .bind(change.to.to_string())
    .bind(clock.now())
    .fetch_optional(conn)
    .await
}

pub(super) async fn update_window(conn: &mut PgConnection, id: InstanceId, window: Option<&Window>) -> sqlx::Result<()> {
    let done = sqlx::query("update instances set maintenance_window = $2 where id = $1 and released_at is null")
        .bind(id)
        .bind(window.map(Json))
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Whether that changed anything.
pub(super) async fn update_canary(conn: &mut PgConnection, id: InstanceId, canary: bool) -> sqlx::Result<bool> {
    let done = sqlx::query("update instances set canary = $2 where id = $1 and canary <> $2 and released_at is null")
        .bind(id)
        .bind(canary)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn majors(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<AskedMajors> {
    sqlx::query_as("select postgres_major as postgres, valkey_major as valkey from instances where id = $1")
        .bind(id)
        .fetch_one(conn)
        .await
}

/// Whether that changed anything; then also a new generation, so that the fleet passes it on.
pub(super) async fn update_majors(conn: &mut PgConnection, id: InstanceId, asked: AskedMajors) -> sqlx::Result<bool> {
    let AskedMajors { postgres, valkey } = asked;
    let done = sqlx::query(
        "update instances set postgres_major = $2, valkey_major = $3, generation = generation + 1
         where id = $1 and (postgres_major, valkey_major) is distinct from ($2, $3) and intent <> 'absent' and released_at is null",
    )
    .bind(id)
    .bind(postgres)
    .bind(valkey)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
