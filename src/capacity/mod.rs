//! Clusters and places: what can still be promised.
//!
//! A place is reserved in the transaction that places an order, confirmed by the payment, and freed only after Stripe has said that
//! nobody can pay for it any more. So nobody is ever charged without a place.

mod store;
mod waiting;

use serde_json::json;
use sqlx::PgConnection;

pub use store::{
    ClusterRow, Joined, Waiting, confirm, free, join_waiting_list, leave_waiting_list, list_clusters, reserve, waiting_entry,
    waiting_total,
};
pub use waiting::{stop_waiting, wait};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::ClusterId;

/// Makes a cluster of the configuration known, or takes over its capacity, in the caller's transaction. For the fleet, at start.
pub async fn put_cluster(conn: &mut PgConnection, clock: &dyn Clock, name: &str, capacity: i32) -> sqlx::Result<ClusterId> {
    let (id, before) = store::upsert_cluster(conn, clock, name, capacity).await?;
    let action = match before {
        None => "cluster.registered",
        Some(before) if before != capacity => "cluster.resized",
        Some(_) => return Ok(id),
    };
    let detail = json!({ "name": name, "capacity": capacity });
    audit::record(conn, clock, Actor::System("fleet"), None, action, &id.to_string(), detail).await?;
    Ok(id)
}

/// The open cluster with most room, or `None` when everything is full. Other orders wait until this transaction ends, so a place
/// that is reserved in it exists.
pub async fn cluster_with_room(conn: &mut PgConnection) -> sqlx::Result<Option<ClusterId>> {
    sqlx::query_scalar("select cluster_with_room()").fetch_one(conn).await
}

/// Places left over all open clusters. A hint for pages; only [`cluster_with_room`] decides.
pub async fn places_left(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select places_left()").fetch_one(conn).await
}
