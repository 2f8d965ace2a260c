//! The jobs of billing: what they are; `worker` runs them.

use serde::{Deserialize, Serialize};

use super::stripe::{CheckoutId, RemoteSubscriptionId};
use crate::ids::{ChangeId, GivingId, OrderId, SubscriptionId};
use crate::queue::Job;

/// Fetches a checkout (and its subscription) and takes it in.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncCheckout {
    /// Which.
    pub checkout: CheckoutId,
}

impl Job for SyncCheckout {
    const NAME: &'static str = "sync_checkout";
    fn key(&self) -> Option<String> {
        Some(self.checkout.to_string())
    }
    /// Jobs of one object take turns. Those of an order and of its subscription may run side by side: the order's row is locked, and
    /// what was fetched earlier does not overwrite what was fetched later.
    fn lane(&self) -> Option<String> {
        Some(self.checkout.to_string())
    }
}

/// Fetches a subscription and takes it in.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncSubscription {
    /// Which.
    pub subscription: RemoteSubscriptionId,
}

impl Job for SyncSubscription {
    const NAME: &'static str = "sync_subscription";
    fn key(&self) -> Option<String> {
        Some(self.subscription.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.subscription.to_string())
    }
}

/// Ends an order: makes sure at Stripe that it can't be paid, then frees address and place.
#[derive(Debug, Serialize, Deserialize)]
pub struct SettleOrder {
    /// Which.
    pub order: OrderId,
    /// The customer gave up; otherwise only once the checkout's time is over.
    #[serde(default)]
    pub early: bool,
}

impl Job for SettleOrder {
    const NAME: &'static str = "settle_order";
    fn key(&self) -> Option<String> {
        Some(self.order.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.order.to_string())
    }
}

/// Looks at every subscription that time alone will have changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReviewStandings {}

impl Job for ReviewStandings {
    const NAME: &'static str = "review_standings";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}

/// Tells Stripe what a customer wants of a subscription.
#[derive(Debug, Serialize, Deserialize)]
pub struct CarryWish {
    /// Which.
    pub subscription: SubscriptionId,
}

impl Job for CarryWish {
    const NAME: &'static str = "carry_wish";
    fn key(&self) -> Option<String> {
        Some(self.subscription.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.subscription.to_string())
    }
}

/// Makes a change of plan, interval or storage packs at Stripe.
#[derive(Debug, Serialize, Deserialize)]
pub struct CarryChange {
    /// Which.
    pub change: ChangeId,
    /// Of which subscription.
    pub subscription: SubscriptionId,
}

impl Job for CarryChange {
    const NAME: &'static str = "carry_change";
    fn key(&self) -> Option<String> {
        Some(self.change.to_string())
    }
    /// It and what else is wanted of the subscription take turns.
    fn lane(&self) -> Option<String> {
        Some(self.subscription.to_string())
    }
}

/// Lets the server of an order begin that costs nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakeFree {
    /// Which.
    pub order: OrderId,
}

impl Job for TakeFree {
    const NAME: &'static str = "take_free";
    fn key(&self) -> Option<String> {
        Some(self.order.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.order.to_string())
    }
}

/// Tells Stripe what staff give a customer.
#[derive(Debug, Serialize, Deserialize)]
pub struct CarryGiving {
    /// Which.
    pub giving: GivingId,
}

impl Job for CarryGiving {
    const NAME: &'static str = "carry_giving";
    fn key(&self) -> Option<String> {
        Some(self.giving.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.giving.to_string())
    }
}

/// Reads Stripe's list of events from where it was last read, for the webhooks that did not come.
#[derive(Debug, Serialize, Deserialize)]
pub struct CatchUpEvents {}

impl Job for CatchUpEvents {
    const NAME: &'static str = "catch_up_events";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
    fn lane(&self) -> Option<String> {
        Some("stripe_events".to_owned())
    }
}

/// Compares everything with Stripe, for what neither webhooks nor the list of events told of.
#[derive(Debug, Serialize, Deserialize)]
pub struct SweepStripe {}

impl Job for SweepStripe {
    const NAME: &'static str = "sweep_stripe";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
    /// One at a time: two would take each other's findings for gone.
    fn lane(&self) -> Option<String> {
        Some("sweep_stripe".to_owned())
    }
}

/// Makes sure that Stripe has each price of the catalogue.
#[derive(Debug, Serialize, Deserialize)]
pub struct SyncPrices {}

impl Job for SyncPrices {
    const NAME: &'static str = "sync_prices";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
