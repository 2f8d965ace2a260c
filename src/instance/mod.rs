//! Hosted servers: their address, their intent and what is seen of them.

pub mod address;
pub mod dns;
pub mod owner;
