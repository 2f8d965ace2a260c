//! The account at Stripe and where it sends webhooks: what is looked at before the first customer.

/// The events without which something would be noticed by the daily comparison alone.
pub const NEEDED_EVENTS: [&str; 7] = [
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
];

/// Whether money is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMode {
    /// It is.
    Live,
    /// It is not.
    Test,
}

impl StripeMode {
    /// What the key says: Stripe has one for each (`sk_live_…`, `rk_test_…`).
    pub fn of_key(key: &str) -> Self {
        if key.starts_with("sk_live_") || key.starts_with("rk_live_") { Self::Live } else { Self::Test }
    }

    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// The account that a key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeAccount {
    /// Its id.
    pub id: String,
    /// Whether money is real.
    pub mode: StripeMode,
    /// Whether it may take payments at all.
    pub charges_enabled: bool,
}

/// Where webhooks go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// The address.
    pub url: String,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Which events; `*` stands for all.
    pub events: Vec<String>,
}
