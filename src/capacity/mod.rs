//! Clusters and places: what can still be promised.
//!
//! A place is reserved in the transaction that places an order, confirmed by the payment, and freed only after Stripe has said that
//! nobody can pay for it any more. So nobody is ever charged without a place. When there is none, people wait; who is next is invited, and a
//! place is kept for them until a deadline.

mod link;
mod store;
mod waiting;

use serde_json::json;
use sqlx::PgConnection;

pub use link::{Leaver, read_leave_link, write_leave_link};
pub use store::{
    ClusterRow, Invited, Joined, Waiting, confirm, free, join_waiting_list, list_clusters, nudge, ordered, reserve,
    waiting_entry, waiting_total,
};
pub use waiting::{KeepWaitingList, Kept, estimate, expected_at, keep_waiting_list, order_ended, stop_waiting, wait};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{AccountId, ClusterId};

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

/// The open cluster with most room, or `None` when there is no place for this account. Other orders and invitations wait until this
/// transaction ends, so a place that is reserved in it exists.
pub async fn cluster_with_room(conn: &mut PgConnection, whose: AccountId) -> sqlx::Result<Option<ClusterId>> {
    sqlx::query_scalar("select cluster_with_room($1)").bind(whose).fetch_one(conn).await
}

/// Places that an account may order: the one that is kept for it, or what is left after those that are kept for others and for all who stand
/// before it on the waiting list; without an account, for whoever comes new. A hint for pages; only [`cluster_with_room`] decides.
pub async fn places_left(conn: &mut PgConnection, whose: Option<AccountId>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select places_left_for($1)").bind(whose).fetch_one(conn).await
}
