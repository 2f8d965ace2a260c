//! Clusters and places: what can still be promised.
//!
//! A place is reserved in the transaction that places an order, confirmed by the payment, and freed only after Stripe has said that
//! nobody can pay for it any more. So nobody is ever charged without a place. What a cluster has and what a server takes of it are
//! [`crate::plan::Amounts`]; `place` decides which cluster it is. When there is no room, people wait; who is next is invited, and a place is
//! kept for them until a deadline.

mod cluster;
mod link;
mod place;
mod store;
mod waiting;

pub use cluster::{BadCluster, NewCluster, add_cluster, drain, set_capacity, undrain};
pub use link::{Leaver, read_leave_link, write_leave_link};
pub use place::{OpenCluster, PROMISED, choose, enough_for, promised, room};
pub use store::{
    ClusterAccess, ClusterRow, ClusterState, Invited, Joined, Waiting, confirm, find_cluster, free, has_room_to_grow,
    join_waiting_list, list_cluster_access, list_clusters, note_seen, note_trouble, nudge, open_clusters,
    open_clusters_to_reserve, ordered, reserve, set_place, waiting_entry, waiting_total, widen,
};
pub use waiting::{KeepWaitingList, Kept, estimate, expected_at, keep_waiting_list, order_ended, stop_waiting, wait};
