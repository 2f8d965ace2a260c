//! The one function that turns Stripe's state into ours.
//!
//! Whoever learns that something happened (webhook, return page, sweep, settling) fetches the objects as they are now and comes
//! here. What happened, in which order and how often, does not matter.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::keep::keep_checkout;
use super::store::{self, Order, OrderState, Subscription};
use super::stripe::{
    Checkout, CheckoutId, CheckoutStatus, Invoice, RemoteStatus, RemoteSubscription, RemoteSubscriptionId, Stripe, StripeError,
};
use crate::account;
use crate::audit::{self, Actor};
use crate::capacity;
use crate::clock::Clock;
use crate::ids::OrderId;
use crate::instance::{self, Intent};
use crate::mail::{self, Notice};

const ACTOR: Actor = Actor::System("billing");

/// Stripe's objects of one order as they are now.
#[derive(Debug)]
pub struct Remote {
    /// When it was asked for: what was fetched earlier never overwrites what was fetched later.
    pub fetched_at: DateTime<Utc>,
    /// The checkout, when that is how we came here.
    pub checkout: Option<Checkout>,
    /// The subscription, once there is one.
    pub subscription: Option<RemoteSubscription>,
    /// The oldest invoice that is not paid.
    pub open_invoice: Option<Invoice>,
    /// When a card was last declined that may have been tried for the checkout; looked for only while it is open.
    pub declined_at: Option<DateTime<Utc>>,
}

/// Why Stripe's state could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// An order that we gave up was paid after all, which Stripe rules out once it has said `expired`. Staff must look.
    #[error("order {0} was given up, but Stripe says that it is paid")]
    PaidAfterEnd(OrderId),
    /// Money is taken for an order of ours that is not in our database. Staff must look.
    #[error(
        "Stripe takes money with {subscription} for order {order}, which is not in our database: look for it in a backup, or cancel \
         the subscription at Stripe and refund it"
    )]
    PaidWithoutOrder {
        /// The order that the subscription names.
        order: OrderId,
        /// What takes the money.
        subscription: RemoteSubscriptionId,
    },
    /// Money is taken twice for one server. Staff must look.
    #[error(
        "Stripe takes money with {other} for the server of order {order}, which {known} pays for already: cancel one of them at Stripe"
    )]
    PaidTwice {
        /// The order that the other subscription names.
        order: OrderId,
        /// The one that we know.
        known: RemoteSubscriptionId,
        /// The other.
        other: RemoteSubscriptionId,
    },
    /// Money came for a server that is gone, or is being removed. Staff must look.
    #[error("order {0} is paid, but its server is gone or being removed: refund it, and cancel its subscription at Stripe")]
    PaidTooLate(OrderId),
    /// The database.
    #[error("Stripe's state could not be written")]
    Database(#[from] sqlx::Error),
}

impl SyncError {
    /// Whether it may succeed later by itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(_) => true,
            Self::PaidAfterEnd(_) | Self::PaidWithoutOrder { .. } | Self::PaidTwice { .. } | Self::PaidTooLate(_) => false,
        }
    }
}

/// Fetches a checkout and, once there is one, its subscription.
pub async fn fetch_checkout(stripe: &dyn Stripe, clock: &dyn Clock, id: &CheckoutId) -> Result<Remote, StripeError> {
    let checkout = stripe.checkout(id).await?;
    with_subscription(stripe, clock, checkout).await
}

/// The checkout with its subscription.
pub(super) async fn with_subscription(stripe: &dyn Stripe, clock: &dyn Clock, checkout: Checkout) -> Result<Remote, StripeError> {
    let remote = if let Some(subscription) = &checkout.subscription {
        fetch_subscription(stripe, clock, subscription).await?
    } else {
        let declined_at = match checkout.status {
            CheckoutStatus::Open => stripe.last_decline(&checkout).await?,
            CheckoutStatus::Complete | CheckoutStatus::Expired => None,
        };
        Remote { fetched_at: clock.now(), checkout: None, subscription: None, open_invoice: None, declined_at }
    };
    Ok(Remote { checkout: Some(checkout), ..remote })
}

/// Fetches a subscription and what is owed for it.
pub async fn fetch_subscription(
    stripe: &dyn Stripe,
    clock: &dyn Clock,
    id: &RemoteSubscriptionId,
) -> Result<Remote, StripeError> {
    let fetched_at = clock.now();
    let subscription = stripe.subscription(id).await?;
    let open_invoice = stripe.oldest_open_invoice(id).await?;
    Ok(Remote { fetched_at, checkout: None, subscription: Some(subscription), open_invoice, declined_at: None })
}

/// Takes Stripe's state in. The order's row is locked first, so two of these take turns. What is not ours (no order in the metadata) is
/// left alone: `Ok(None)`. Otherwise the order as it now stands.
pub async fn sync(conn: &mut PgConnection, clock: &dyn Clock, remote: &Remote) -> Result<Option<Order>, SyncError> {
    let named = remote.checkout.as_ref().and_then(|checkout| checkout.order);
    let Some(id) = named.or_else(|| remote.subscription.as_ref().and_then(|subscription| subscription.order)) else {
        return Ok(None);
    };
    let Some(order) = store::lock_order(conn, id).await? else {
        return match &remote.subscription {
            Some(subscription) if subscription.status.takes_money() => {
                Err(SyncError::PaidWithoutOrder { order: id, subscription: subscription.id.clone() })
            }
            Some(_) | None => Ok(None),
        };
    };

    if let Some(checkout) = &remote.checkout
        && order.state == OrderState::Placed
        && checkout.status != CheckoutStatus::Expired
    {
        keep_checkout(conn, clock, ACTOR, &order, &checkout.id, checkout.url.as_deref()).await?;
    }
    if let Some(at) = remote.declined_at {
        note_decline(conn, clock, &order, at).await?;
    }
    if let Some(subscription) = &remote.subscription {
        take_subscription(conn, clock, &order, subscription, remote).await?;
    } else if let Some(checkout) = &remote.checkout
        && checkout.status == CheckoutStatus::Expired
        && matches!(order.state, OrderState::Placed | OrderState::Open)
    {
        give_up(conn, clock, &order).await?;
    }
    Ok(store::lock_order(conn, id).await?)
}

/// A card was declined on a payment page. Stripe does not say on which: it is noted only where no other order of the account could have
/// been meant. Where one could, the page says what is true of both: not paid yet.
async fn note_decline(conn: &mut PgConnection, clock: &dyn Clock, order: &Order, at: DateTime<Utc>) -> sqlx::Result<()> {
    if store::set_declined(conn, order.id, at).await? {
        audit::record(conn, clock, ACTOR, Some(order.account_id), "order.declined", &order.id.to_string(), json!({ "at": at }))
            .await?;
    }
    Ok(())
}

async fn take_subscription(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    order: &Order,
    subscription: &RemoteSubscription,
    remote: &Remote,
) -> Result<(), SyncError> {
    if !mirror(conn, clock, order, subscription, remote).await? {
        return Ok(());
    }
    if !subscription.status.takes_money() {
        // Over before we ever heard that it had begun (refunded and cancelled at Stripe): nobody pays, so nothing is kept.
        let over = matches!(subscription.status, RemoteStatus::Canceled | RemoteStatus::IncompleteExpired);
        let waits = matches!(order.state, OrderState::Placed | OrderState::Open);
        return if over && waits { give_up(conn, clock, order).await } else { Ok(()) };
    }
    match order.state {
        OrderState::Expired => return Err(SyncError::PaidAfterEnd(order.id)),
        OrderState::Paid => {}
        OrderState::Placed | OrderState::Open => {
            let instance = instance::find(conn, order.instance_id).await?;
            let instance = instance.filter(|instance| instance.released_at.is_none()).ok_or(SyncError::PaidTooLate(order.id))?;
            store::set_paid(conn, clock, order.id).await?;
            capacity::confirm(conn, order.instance_id).await?;
            let detail =
                json!({ "instance": order.instance_id, "subscription": subscription.id.as_str(), "price": order.price() });
            audit::record(conn, clock, ACTOR, Some(order.account_id), "order.paid", &order.id.to_string(), detail).await?;
            // Only the first payment starts a server. What later changes of standing do is the dunning's to decide.
            if instance.intent == Intent::Absent {
                instance::set_intent(conn, clock, ACTOR, order.instance_id, Intent::Running, "paid").await?;
            }
        }
    }
    Ok(())
}

/// Brings our mirror of the subscription up to date. `false`: it is not the one that its server has now, and over; it changes nothing.
async fn mirror(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    order: &Order,
    remote: &RemoteSubscription,
    seen: &Remote,
) -> Result<bool, SyncError> {
    let owed_since = seen.open_invoice.as_ref().map(|invoice| invoice.created);
    let before = store::lock_subscription(conn, order.instance_id).await?;
    if let Some(known) = before.as_ref().filter(|known| known.stripe_subscription_id != remote.id) {
        if remote.status.is_over() || remote.status == RemoteStatus::Incomplete {
            return Ok(false);
        }
        if !known.is_over() {
            let (known, other) = (known.stripe_subscription_id.clone(), remote.id.clone());
            return Err(SyncError::PaidTwice { order: order.id, known, other });
        }
    }
    store::put_subscription(conn, seen.fetched_at, order, remote, owed_since).await?;
    let Some(now) = store::find_subscription(conn, order.instance_id).await? else { return Ok(true) };
    let action = if before.is_none() { "subscription.begun" } else { "subscription.changed" };
    // That it was looked at is no change.
    if before.is_some_and(|before| Subscription { synced_at: now.synced_at, ..before } == now) {
        return Ok(true);
    }
    let detail = json!({
        "subscription": now.stripe_subscription_id.as_str(), "status": now.status, "until": now.current_period_end,
        "cancel_at": now.cancel_at, "owed_since": now.open_invoice_since,
    });
    audit::record(conn, clock, ACTOR, Some(order.account_id), action, &now.id.to_string(), detail).await?;
    Ok(true)
}

/// Stripe has said that nobody can pay any more: address and place of a new server are free, and the customer is told.
pub(super) async fn give_up(conn: &mut PgConnection, clock: &dyn Clock, order: &Order) -> Result<(), SyncError> {
    store::set_expired(conn, order.id).await?;
    let Some(instance) = instance::find(conn, order.instance_id).await? else { return Ok(()) };
    // An order by which a server would have come back: it keeps what it has, as long as was promised before.
    let first = instance.intent == Intent::Absent;
    if first {
        capacity::free(conn, order.instance_id).await?;
        instance::release(conn, clock, order.instance_id).await?;
        capacity::order_ended(conn, clock, order.id).await?;
    }
    if let Some(person) = account::list_members(conn, order.account_id).await?.first()
        && first
    {
        let notice = Notice::OrderExpired { order: order.id, domain: instance.domain };
        mail::owe(conn, clock, &person.email, &person.locale, &notice, Some(&format!("order-expired:{}", order.id))).await?;
    }
    audit::record(conn, clock, ACTOR, Some(order.account_id), "order.expired", &order.id.to_string(), json!({})).await?;
    Ok(())
}
