//! Keeping a server up to date: which release of Mastodon it should run, and when a change of it suits its owner.

mod majors;
mod store;
mod window;

use serde_json::json;
use sqlx::PgConnection;

pub use majors::{AskedMajors, ask_for_majors, asked_majors};
pub use window::{BadWindow, Day, Opening, Window};

use super::store::account_of;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::AccountTx;
use crate::ids::InstanceId;
use crate::plan::Version;

/// A change of the release that a server should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionChange {
    /// What it should run until now.
    pub from: Version,
    /// What it should run from now on.
    pub to: Version,
}

/// Changes the release that a running server should run, in the caller's transaction; the fleet is nudged when it commits. Returns the
/// generation of the new intent; `None` when the server should not run, or should run another release than `change.from`: nothing was
/// written then.
pub async fn set_version(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    change: VersionChange,
    why: &str,
) -> sqlx::Result<Option<i64>> {
    let Some(generation) = store::update_version(conn, clock, id, change).await? else { return Ok(None) };
    let account = account_of(conn, id).await?;
    let detail = json!({ "from": change.from, "to": change.to, "why": why });
    audit::record(conn, clock, actor, Some(account), "instance.version", &id.to_string(), detail).await?;
    Ok(Some(generation))
}

/// Says when a server of the account may be upgraded; `None`: at any time. [`sqlx::Error::RowNotFound`] when it is not the account's.
pub async fn set_window(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    window: Option<&Window>,
) -> sqlx::Result<()> {
    let account = tx.account();
    store::update_window(tx.conn(), id, window).await?;
    let detail = json!({ "window": window });
    audit::record(tx.conn(), clock, actor, Some(account), "instance.window", &id.to_string(), detail).await
}

/// Says whether a server gets new releases before the others. Whether that changed anything.
pub async fn set_canary(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    canary: bool,
) -> sqlx::Result<bool> {
    if !store::update_canary(conn, id, canary).await? {
        return Ok(false);
    }
    let account = account_of(conn, id).await?;
    audit::record(conn, clock, actor, Some(account), "instance.canary", &id.to_string(), json!({ "canary": canary })).await?;
    Ok(true)
}
