//! Pages, the JSON API and Stripe's webhook.
