//! What is seen of an instance, taken into its row; and what became of its conditions.

mod store;

use serde_json::{Value, json};
use sqlx::PgConnection;

pub use store::{Change, changes_of, forget_old_changes};

use super::store::{FirstReady, write_observed};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{ClusterId, InstanceId};

/// Takes in what the operator of a cluster says. Returns whom to tell when `ready` holds for the first time. Unknown instances, those of
/// another cluster, and what was said before change nothing.
pub async fn observe(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    id: InstanceId,
    observed_generation: i64,
    status: &Value,
    ready: bool,
) -> sqlx::Result<Option<FirstReady>> {
    store::note_changes(conn, cluster, id, status, clock.now()).await?;
    let first = write_observed(conn, clock, cluster, id, observed_generation, status, ready).await?;
    if let Some(first) = &first {
        let (actor, detail) = (Actor::System("fleet"), json!({ "domain": first.domain }));
        audit::record(conn, clock, actor, Some(first.account_id), "instance.ready", &id.to_string(), detail).await?;
    }
    Ok(first)
}
