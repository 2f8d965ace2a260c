//! The one binary of integration tests: everything that is tested from outside the modules.

mod address;
mod dns;
mod harness;
mod mail;
mod plan;
mod operator;
mod rig;
mod routes;
mod stripe_fake;
