//! SQL of switches.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Switch;
use crate::ids::StaffId;

/// A switch that somebody has turned.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SwitchRow {
    /// [`Switch::word`].
    pub name: String,
    /// Whether it is on.
    pub is_on: bool,
    /// Why it was turned last.
    pub reason: String,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// Whether it is on.
pub async fn is_on(conn: &mut PgConnection, switch: Switch) -> sqlx::Result<bool> {
    let found: Option<bool> =
        sqlx::query_scalar("select is_on from switches where name = $1").bind(switch.word()).fetch_optional(conn).await?;
    Ok(found.unwrap_or(true))
}

/// Those that somebody has turned.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<SwitchRow>> {
    sqlx::query_as("select name, is_on, reason, changed_at from switches").fetch_all(conn).await
}

pub(super) async fn put(
    conn: &mut PgConnection,
    switch: Switch,
    on: bool,
    reason: &str,
    staff: StaffId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into switches (name, is_on, reason, changed_at, changed_by) values ($1, $2, $3, $4, $5)
         on conflict (name) do update set is_on = excluded.is_on, reason = excluded.reason, changed_at = excluded.changed_at,
           changed_by = excluded.changed_by",
    )
    .bind(switch.word())
    .bind(on)
    .bind(reason)
    .bind(now)
    .bind(staff)
    .execute(conn)
    .await?;
    Ok(())
}
