//! The one binary of integration tests: everything that is tested from outside the modules.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod access;
mod address;
mod architecture;
mod archive;
mod audit;
mod bad_input;
mod browser;
mod buckets;
mod chart;
mod checkout;
mod claims;
mod clusters;
mod config;
mod database;
mod demo;
mod dev;
mod differences;
mod dns;
mod ending;
mod faults;
mod fleet;
mod harness;
mod histories;
mod image;
mod languages;
mod mail;
mod metrics;
mod operator;
mod park;
mod plan;
mod preflight;
mod recovery;
mod rig;
mod rollout;
mod routes;
mod standing;
mod stripe_fake;
mod templates;
mod tidy;
mod waiting;
