//! The port to Stripe.
