//! The adapter to Stripe against the fake, over HTTP: every call, what goes wrong on the way, and the fake's own promises.

mod api;
mod bench;
mod checkout;
mod renewal;
mod signature;
mod webhooks;
