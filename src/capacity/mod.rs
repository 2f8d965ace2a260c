//! Clusters and places: what can still be promised.
//!
//! A place is reserved in the transaction that places an order, confirmed by the payment, and freed only after Stripe has said that
//! nobody can pay for it any more. So nobody is ever charged without a place. What a cluster has and what a server takes of it are
//! [`crate::plan::Amounts`]; `place` decides which cluster it is.

mod cluster;
mod place;
mod store;
mod waiting;

pub use cluster::{BadCluster, NewCluster, add_cluster, drain, set_capacity, undrain};
pub use place::{OpenCluster, PROMISED, choose, enough_for, promised, room};
pub use store::{
    ClusterAccess, ClusterRow, ClusterState, Joined, Waiting, confirm, find_cluster, free, join_waiting_list, leave_waiting_list,
    list_cluster_access, list_clusters, note_seen, note_trouble, open_clusters, open_clusters_to_reserve, reserve, vacate,
    waiting_entry, waiting_total,
};
pub use waiting::{stop_waiting, wait};
