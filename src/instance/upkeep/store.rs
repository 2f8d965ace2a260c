//! SQL of a server's release and of when it may change.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::{VersionChange, Window};
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
