//! SQL of what became of conditions.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::ids::{ClusterId, InstanceId};

/// For as long they are kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// A condition has changed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Change {
    /// When the fleet saw it.
    pub at: DateTime<Utc>,
    /// Which: its type.
    pub condition: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The operator's word for why.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
}

/// Notes which conditions `status` has otherwise than the row, which is still the old one.
pub(super) async fn note_changes(
    conn: &mut PgConnection,
    cluster: ClusterId,
    id: InstanceId,
    status: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into condition_changes (instance_id, at, condition, status, reason, message)
         select i.id, $3, n ->> 'type', n ->> 'status', coalesce(n ->> 'reason', ''), coalesce(n ->> 'message', '')
         from instances i, jsonb_array_elements($2::jsonb -> 'conditions') with ordinality as c (n, place)
         where i.id = $1 and i.cluster_id = $4 and not exists (
           select from jsonb_array_elements(i.observed -> 'conditions') as o
           where o ->> 'type' = n ->> 'type' and o ->> 'status' = n ->> 'status' and o ->> 'reason' = n ->> 'reason')
         order by place",
    )
    .bind(id)
    .bind(status)
    .bind(now)
    .bind(cluster)
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest changes of a server, at most `limit`.
pub async fn changes_of(conn: &mut PgConnection, id: InstanceId, limit: i64) -> sqlx::Result<Vec<Change>> {
    sqlx::query_as(
        "select at, condition, status, reason, message from condition_changes where instance_id = $1 order by id desc limit $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Forgets changes of more than ninety days ago. Returns how many.
pub async fn forget_old_changes(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from condition_changes where at < $1").bind(clock.now() - KEPT).execute(conn).await?;
    Ok(done.rows_affected())
}
