//! Orders, subscriptions and the port to Stripe.

pub mod stripe;
