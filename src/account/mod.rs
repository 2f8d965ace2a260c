//! Customers, the people who sign in for them, and the host's staff.

pub mod email;
