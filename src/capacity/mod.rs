//! Clusters and places: what can still be promised.
//!
//! A place is reserved in the transaction that places an order, confirmed by the payment, and freed only after Stripe has said that
//! nobody can pay for it any more. So nobody is ever charged without a place.

mod store;
mod waiting;

use sqlx::PgConnection;

pub use store::{
    ClusterRow, Waiting, confirm, free, join_waiting_list, leave_waiting_list, list_clusters, put_cluster, reserve, vacate,
    waiting_entry, waiting_total,
};
pub use waiting::{stop_waiting, wait};

use crate::ids::ClusterId;

/// The open cluster with most room, or `None` when everything is full. Other orders wait until this transaction ends, so a place
/// that is reserved in it exists.
pub async fn cluster_with_room(conn: &mut PgConnection) -> sqlx::Result<Option<ClusterId>> {
    sqlx::query_scalar("select cluster_with_room()").fetch_one(conn).await
}

/// Places left over all open clusters. A hint for pages; only [`cluster_with_room`] decides.
pub async fn places_left(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select places_left()").fetch_one(conn).await
}
