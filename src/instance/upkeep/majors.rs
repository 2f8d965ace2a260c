//! Another major release of PostgreSQL or Valkey for one server: asked for by name, by staff.

use serde_json::json;
use sqlx::PgConnection;

use super::store;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::InstanceId;
use crate::instance::store::account_of;

/// Major releases that are asked for; what runs stays where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct AskedMajors {
    /// Of PostgreSQL.
    pub postgres: Option<i16>,
    /// Of Valkey.
    pub valkey: Option<i16>,
}

/// What is asked for. [`sqlx::Error::RowNotFound`] when there is no such server.
pub async fn asked_majors(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<AskedMajors> {
    store::majors(conn, id).await
}

/// Asks for other major releases, or takes that back, in the caller's transaction; the fleet is nudged when it commits. Whether that
/// changed anything: not for a server that was never paid or is gone, and not when the same was asked for before.
pub async fn ask_for_majors(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    asked: AskedMajors,
    why: &str,
) -> sqlx::Result<bool> {
    if !store::update_majors(conn, id, asked).await? {
        return Ok(false);
    }
    let account = account_of(conn, id).await?;
    let AskedMajors { postgres, valkey } = asked;
    let detail = json!({ "postgres": postgres, "valkey": valkey, "why": why });
    audit::record(conn, clock, actor, Some(account), "instance.majors", &id.to_string(), detail).await?;
    Ok(true)
}
