//! Opens Stripe's page for an order. Every step may be repeated: Stripe knows the order by its id, and what is sent is fixed in the row.

use chrono::TimeDelta;
use url::Url;

use super::jobs::SettleOrder;
use super::keep::{keep_checkout, keep_customer};
use super::store::{self, Order, OrderState};
use super::stripe::{
    CheckoutStatus, CheckoutWanted, CustomerId, NewCustomer, PACK, PriceId, PriceWanted, Stripe, StripeError, Terms,
};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::crash;
use crate::db::Db;
use crate::ids::{AccountId, OrderId};
use crate::money::Money;
use crate::plan::{Catalogue, Interval};
use crate::queue;

/// Where Stripe sends people back to, and what its payment pages ask.
#[derive(Debug, Clone)]
pub struct Urls {
    /// Where the pages are.
    pub base: Url,
    /// What is asked beside the card.
    pub terms: Terms,
}

/// Why there is no page to pay on.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// It is paid, or a payment is being confirmed.
    #[error("the order is paid already")]
    Paid,
    /// Its time is over, or so nearly that Stripe opens no page for it any more.
    #[error("the order's time is over")]
    Expired,
    /// There is no such order of this account, or its plan has left the catalogue before Stripe had a price for it.
    #[error("there is no such order")]
    Missing,
    /// Stripe.
    #[error("the checkout could not be opened")]
    Stripe(#[from] StripeError),
    /// The database.
    #[error("the order could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Stripe opens no session that would end sooner (API reference, `expires_at` of a Checkout Session).
const SHORTEST: TimeDelta = TimeDelta::minutes(30);

/// What checkouts are opened with.
#[derive(Debug, Clone, Copy)]
pub struct Checkouts<'a> {
    /// The database.
    pub db: &'a Db,
    /// The present.
    pub clock: &'a dyn Clock,
    /// Stripe.
    pub stripe: &'a dyn Stripe,
    /// What is sold.
    pub catalogue: &'a Catalogue,
    /// Where Stripe sends people back to.
    pub urls: &'a Urls,
}

/// The page on which the order can be paid: the one it has, or a new one. Network and transactions take turns; dying between any
/// two of them costs nothing but another call.
pub async fn open_checkout(
    checkouts: Checkouts<'_>,
    actor: Actor,
    account: AccountId,
    email: &str,
    order: OrderId,
) -> Result<String, CheckoutError> {
    let Checkouts { db, clock, stripe, catalogue: _, urls: _ } = checkouts;
    let mut tx = db.begin_account(account).await?;
    let order = store::find_owned_order(tx.conn(), account, order).await?.ok_or(CheckoutError::Missing)?;
    match order.state {
        OrderState::Paid => return Err(CheckoutError::Paid),
        // What costs nothing is not paid: it begins by itself.
        OrderState::Placed | OrderState::Open if order.free_id.is_some() => return Err(CheckoutError::Paid),
        OrderState::Expired => return Err(CheckoutError::Expired),
        OrderState::Placed | OrderState::Open if order.checkout_expires_at <= clock.now() => return Err(CheckoutError::Expired),
        // No session was made in time (Stripe was away) and none can be made any more: free the address for another try at once.
        OrderState::Placed if order.checkout_expires_at - clock.now() < SHORTEST => {
            queue::enqueue(tx.conn(), &SettleOrder { order: order.id, early: true }, None).await?;
            tx.commit().await?;
            return Err(CheckoutError::Expired);
        }
        OrderState::Open if order.checkout_url.is_some() => return Ok(order.checkout_url.unwrap_or_default()),
        OrderState::Placed | OrderState::Open => {}
    }
    let known = store::customer_of(tx.conn(), account).await?;
    let name = crate::account::account_name(tx.conn(), account).await?.unwrap_or_default();
    tx.commit().await?;

    let customer = if let Some(known) = known {
        known
    } else {
        let made = stripe.ensure_customer(&NewCustomer { account, email: email.to_owned(), name }).await?;
        crash::point("checkout.customer_made");
        let mut tx = db.begin_account(account).await?;
        let kept = keep_customer(tx.conn(), clock, actor, account, &made).await?;
        tx.commit().await?;
        kept
    };
    let wanted = match asked(&order, Some(&customer)) {
        Some(before) => before,
        None => ask(checkouts, &order, &customer).await?,
    };
    let checkout = stripe.open_checkout(&wanted).await?;
    crash::point("checkout.session_made");
    let mut tx = db.begin_account(account).await?;
    let kept = keep_checkout(tx.conn(), clock, actor, &order, &checkout.id, checkout.url.as_deref()).await?;
    tx.commit().await?;
    crash::point("checkout.session_kept");
    if !kept {
        // Paid or given up while we asked. Nobody may pay for what was given up: the page is closed before anybody gets its address.
        return match stripe.expire_checkout(&checkout.id).await?.status {
            CheckoutStatus::Complete => Err(CheckoutError::Paid),
            CheckoutStatus::Open | CheckoutStatus::Expired => Err(CheckoutError::Expired),
        };
    }
    checkout.url.ok_or(match checkout.status {
        CheckoutStatus::Complete => CheckoutError::Paid,
        CheckoutStatus::Open | CheckoutStatus::Expired => CheckoutError::Expired,
    })
}

/// What Stripe was asked for: a pure function of the rows of order and account, so that every repetition is the same request. `None`: it
/// was never asked, so there is no session.
pub(super) fn asked(order: &Order, customer: Option<&CustomerId>) -> Option<CheckoutWanted> {
    let (price, base) = (order.asked_price.as_ref()?, order.asked_base.as_ref()?);
    Some(wanted(order, customer?, price, base, order.asked_terms))
}

/// What Stripe is asked for from now on.
async fn ask(checkouts: Checkouts<'_>, order: &Order, customer: &CustomerId) -> Result<CheckoutWanted, CheckoutError> {
    let price = price_of(checkouts, order).await?;
    let base = checkouts.urls.base.as_str().trim_end_matches('/');
    let mut tx = checkouts.db.begin_account(order.account_id).await?;
    // `None`: paid or given up meanwhile.
    let asked = store::set_asked(tx.conn(), order.id, &price, base, checkouts.urls.terms).await?.ok_or(CheckoutError::Expired)?;
    tx.commit().await?;
    Ok(wanted(order, customer, &asked.price, &asked.base, asked.terms))
}

fn wanted(order: &Order, customer: &CustomerId, price: &PriceId, base: &str, terms: Terms) -> CheckoutWanted {
    // The order's page with a word on how the customer comes back.
    let back = |came: &str| format!("{base}/orders/{}?came={came}", order.id);
    CheckoutWanted {
        order: order.id,
        account: order.account_id,
        instance: order.instance_id,
        customer: customer.clone(),
        price: price.clone(),
        success_url: back("paid"),
        cancel_url: back("back"),
        expires_at: order.checkout_expires_at,
        terms,
    }
}

/// The price of an order at Stripe. The catalogue is only needed for one that is not there yet: it has the name that invoices show.
async fn price_of(checkouts: Checkouts<'_>, order: &Order) -> Result<PriceId, CheckoutError> {
    let Checkouts { db, clock: _, stripe, catalogue, urls: _ } = checkouts;
    let mut tx = db.begin_account(order.account_id).await?;
    let known = store::known_price(tx.conn(), &lookup_key(&order.plan_code, order.price(), order.billing_interval)).await?;
    drop(tx);
    if let Some(price) = known {
        return Ok(price);
    }
    let plan = catalogue.get(&order.plan_code).ok_or(CheckoutError::Missing)?;
    Ok(stripe.ensure_price(&price_wanted(&plan.code, &plan.name, order.price(), order.billing_interval)).await?)
}

/// Names a price for ever: everything that may not change under it.
fn lookup_key(plan_code: &str, amount: Money, interval: Interval) -> String {
    format!("paddock-{plan_code}-{}-{}-{}", interval.as_str(), amount.minor, amount.currency.code())
}

/// The price of one storage pack as Stripe should have it.
pub fn pack_wanted(name: &str, amount: Money, interval: Interval) -> PriceWanted {
    price_wanted(PACK, name, amount, interval)
}

/// The price of a plan as Stripe should have it.
pub fn price_wanted(plan_code: &str, plan_name: &str, amount: Money, interval: Interval) -> PriceWanted {
    PriceWanted {
        lookup_key: lookup_key(plan_code, amount, interval),
        plan_code: plan_code.to_owned(),
        plan_name: plan_name.to_owned(),
        amount,
        interval,
    }
}

/// Every price of the catalogue, as Stripe should have it.
pub fn prices_wanted(catalogue: &Catalogue) -> Vec<PriceWanted> {
    let mut all = Vec::new();
    for interval in [Interval::Month, Interval::Year] {
        all.extend(catalogue.plans().iter().map(|plan| price_wanted(&plan.code, &plan.name, plan.price(interval), interval)));
        all.extend(catalogue.pack().map(|pack| pack_wanted(&pack.name, pack.price(interval), interval)));
    }
    all
}
