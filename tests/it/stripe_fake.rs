//! The adapter to Stripe against the fake, over HTTP: every call, what goes wrong on the way, and the fake's own promises.

#![expect(clippy::unwrap_used, reason = "a test that can't go on stops")]

mod api;
mod bench;
mod changes;
mod checkout;
mod giving_back;
mod invoicing;
mod mock;
mod proration;
mod raw;
mod real;
mod renewal;
mod signature;
mod types;
mod webhooks;
