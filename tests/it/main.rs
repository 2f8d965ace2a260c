//! The one binary of integration tests: everything that is tested from outside the modules.

mod address;
mod dns;
mod mail;
mod plan;
mod rig;
mod stripe_fake;
