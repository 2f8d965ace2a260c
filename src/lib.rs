//! Paddock: the control plane of a business that hosts Mastodon servers.
//!
//! One sentence organises everything: **handlers change intent in Postgres, in one transaction (row + audit + job); one
//! reconciler per boundary, which takes no input, makes the next thing equal the intent.**
//!
//! ```text
//! page/API/webhook ─tx→ rows ─fleet push→ custom resource ─operator→ cluster objects
//! page/API ←SELECT── rows ←fleet pull── custom resource status ←operator── cluster objects
//! ```
//!
//! Modules stand in the order in which they may import one another: base ← domain ← edges ← cmd.

// base: imports nothing above it
pub mod audit;
pub mod clock;
pub mod config;
pub mod crash;
pub mod crypto;
pub mod db;
pub mod ids;
pub mod internet;
pub mod mail;
pub mod money;
pub mod queue;
pub mod resource;
pub mod sealing;
pub mod telemetry;
pub mod words;

// domain: types, pure rules, SQL; no axum, no kube
pub mod account;
pub mod archive;
pub mod billing;
pub mod capacity;
pub mod desk;
pub mod incident;
pub mod instance;
pub mod plan;
pub mod privacy;
pub mod rollout;
pub mod switch;

// edges: may use domain and base, never each other
pub mod demo;
pub mod fleet;
pub mod operator;
pub mod park;
pub mod web;
pub mod worker;

// composition roots, one per subcommand
pub mod cmd;
