//! Clusters and places: what can still be promised.
