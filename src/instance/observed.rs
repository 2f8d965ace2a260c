//! What is seen of an instance, taken into its row.

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::store::{self, FirstReady};
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
    let first = store::write_observed(conn, clock, cluster, id, observed_generation, status, ready).await?;
    if let Some(first) = &first {
        let (actor, detail) = (Actor::System("fleet"), json!({ "domain": first.domain }));
        audit::record(conn, clock, actor, Some(first.account_id), "instance.ready", &id.to_string(), detail).await?;
    }
    Ok(first)
}
