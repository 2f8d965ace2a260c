//! Rows that a restored database has put back behind what their cluster was told. A row's generation goes before its custom resource, so
//! one that is behind was put back, and what was asked for in between is nowhere but in the cluster. Nothing of that is decided by a
//! program: staff see it and say when the row is right. What is asked for meanwhile goes out all the same.

mod store;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::store::account_of;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{ClusterId, InstanceId};

/// What a cluster knew that the row did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Outrun {
    /// The generation of the custom resource.
    pub generation: i64,
    /// When that was found.
    pub at: DateTime<Utc>,
}

/// What staff have not looked at yet.
pub async fn find_outrun(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Outrun>> {
    store::find(conn, id).await
}

/// Notes that a cluster's custom resource is of this generation, if the row has not reached it. What the row wants otherwise since
/// gets a number beyond, so that it is pushed. Returns whether the row is behind and nobody had noted so.
pub async fn note_outrun(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    id: InstanceId,
    generation: i64,
) -> sqlx::Result<bool> {
    let Some(was) = store::note(conn, clock, cluster, id, generation).await? else { return Ok(false) };
    let detail = json!({ "row": was, "cluster": generation });
    let account = account_of(conn, id).await?;
    audit::record(conn, clock, Actor::System("fleet"), Some(account), "instance.outrun", &id.to_string(), detail).await?;
    Ok(true)
}

/// Staff have looked: what the row says is what is wanted, and goes out. Whether there was anything to look at.
pub async fn settle_outrun(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, id: InstanceId) -> sqlx::Result<bool> {
    let Some(generation) = store::settle(conn, id).await? else { return Ok(false) };
    let account = account_of(conn, id).await?;
    let detail = json!({ "generation": generation });
    audit::record(conn, clock, actor, Some(account), "instance.outrun_settled", &id.to_string(), detail).await?;
    Ok(true)
}
