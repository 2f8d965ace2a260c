//! What tests stand on: the whole program but Kubernetes, each time on a database of its own.
//!
//! ```ignore
//! #[tokio::test]
//! async fn somebody_orders() {
//!     let Start { app, customer, .. } = TestApp::start().await;
//!     let page = customer.get("/new").await.see("address");
//!     customer.submit(&page, "/new/address", &[("name", "birds")]).await.redirects_to("/new/owner");
//!     app.run_jobs().await;
//!     let link = app.link_to("customer@mail.example");
//! }
//! ```
//!
//! The program ends when `app` is dropped, so a test binds it even when it does not use it (`app: _app`).
//!
//! Postgres, HTTP and Stripe's wire format are real; only clock, mails and DNS are scripted. A test ends in a failure when it leaves
//! jobs that are due, jobs that failed, or mails that are owed ([`TestApp::leave_jobs`] says that this is meant).

mod answer;
mod app;
pub mod chart;
mod client;
mod cluster;
mod database;
mod parts;
mod people;
mod s3;
mod shop;
mod smtp;
mod tests;

pub use answer::Answer;
pub use app::{Capacity, NEWEST, OPERATOR_KEY, Start, TestApp};
pub use client::Client;
pub use cluster::{Turn, clear, database_of, reach_the_rig, turn};
pub use database::Database;
pub use parts::{PASSKEYS_AT, audit_signer, operator_key};
pub use people::{Identity, PASSWORD, add_cluster};
pub use s3::S3Client;
pub use shop::Shop;
pub use smtp::{LOGIN, SMTP_HOST, SMTP_PASSWORD, Shown, mail_server};
