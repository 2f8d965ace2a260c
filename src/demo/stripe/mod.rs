//! A fake Stripe: an HTTP server that speaks the part of the API we use, and keeps state.
