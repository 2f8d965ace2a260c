//! Ordering: address and place are reserved in one transaction, before anybody pays.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::free::open_free;
use super::jobs::{SettleOrder, TakeFree};
use super::store;
use crate::audit::{self, Actor};
use crate::capacity;
use crate::clock::Clock;
use crate::db::{AccountTx, violates};
use crate::ids::{AccountId, InstanceId, OrderId};
use crate::instance::{self, NewInstance};
use crate::money::Money;
use crate::plan::{self, Interval, Plan};
use crate::queue;

/// Unpaid orders an account may have at a time: more would keep places from others for nothing.
pub const MOST_UNPAID: i64 = 3;

/// After Stripe's session has ended it may take a moment until it says so.
pub(super) const SETTLE_AFTER: TimeDelta = TimeDelta::seconds(30);

/// What somebody wants. All of it was checked by `instance::address` and `instance::owner`.
#[derive(Debug)]
pub struct NewOrder<'a> {
    /// What is bought.
    pub plan: &'a Plan,
    /// How often it is paid.
    pub interval: Interval,
    /// `LOCAL_DOMAIN`, ASCII.
    pub domain: &'a str,
    /// What the name looks like.
    pub skeleton: &'a str,
    /// Under the host's own domain.
    pub hosted: bool,
    /// `WEB_DOMAIN`.
    pub web_domain: Option<&'a str>,
    /// Mastodon account of the owner.
    pub owner_username: &'a str,
    /// Address of the owner.
    pub owner_email: &'a str,
    /// Language.
    pub locale: &'a str,
    /// How long Stripe's page stays open.
    pub checkout_minutes: i64,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Address and place are kept until the checkout ends.
    Placed(OrderId),
    /// Every place is taken; nothing was written.
    Full,
}

/// Why an order was not placed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Somebody has this address, or has it reserved.
    #[error("the address is taken")]
    DomainTaken,
    /// Somebody has this `WEB_DOMAIN`.
    #[error("the web address is taken")]
    WebDomainTaken,
    /// It looks like an address that somebody has.
    #[error("the address looks like one that is taken")]
    LooksTaken,
    /// Other orders of the account wait for their payment.
    #[error("too many orders wait for payment")]
    TooManyUnpaid,
    /// The host offers no release of Mastodon to start with.
    #[error("no release of Mastodon is offered to new servers")]
    NoRelease,
    /// The database.
    #[error("the order could not be written")]
    Database(#[from] sqlx::Error),
}

/// Ends an order that waits for its payment, because its customer gave up. Address and place are freed once Stripe has said that
/// nobody can pay any more; an order that is paid meanwhile stays paid.
pub async fn give_up(tx: &mut AccountTx, clock: &dyn Clock, actor: Actor, order: OrderId) -> sqlx::Result<()> {
    let account = tx.account();
    queue::enqueue(tx.conn(), &SettleOrder { order, early: true }, None).await?;
    audit::record(tx.conn(), clock, actor, Some(account), "order.given_up", &order.to_string(), json!({})).await
}

/// When an order's checkout ends. Stripe counts in whole seconds, and every retry must send the same.
pub(super) fn deadline(clock: &dyn Clock, checkout_minutes: i64) -> DateTime<Utc> {
    let whole_second = clock.now().timestamp() + checkout_minutes * 60;
    DateTime::from_timestamp(whole_second, 0).unwrap_or_else(|| clock.now())
}

/// What an order of this plan would cost the account: nothing, where staff have given it one.
pub async fn price_for(conn: &mut PgConnection, account: AccountId, plan: &Plan, interval: Interval) -> sqlx::Result<Money> {
    let free = open_free(conn, account, &plan.code).await?;
    Ok(if free.is_some() { Money::new(0, plan.monthly.currency) } else { plan.price(interval) })
}

/// Reserves address and place and writes the order, in the caller's transaction. The caller commits, then opens the checkout; what costs
/// nothing begins by itself.
pub async fn place(tx: &mut AccountTx, clock: &dyn Clock, actor: Actor, new: &NewOrder<'_>) -> Result<Placement, OrderError> {
    let account = tx.account();
    let conn = tx.conn();
    let needs = new.plan.size.footprint();
    let clusters = capacity::open_clusters_to_reserve(conn, clock, account).await?;
    let Some(cluster) = capacity::choose(&clusters, &needs, clock.now()) else { return Ok(Placement::Full) };
    // Only from here on other orders wait for this one: looked at earlier, many at once would all find room, and one order's domain
    // could be another's web domain (no index compares the two).
    if let Some(conflict) = instance::conflict(conn, new.domain, new.web_domain, new.skeleton, new.hosted).await? {
        return Err(match conflict.as_str() {
            "web_domain" => OrderError::WebDomainTaken,
            "look_alike" => OrderError::LooksTaken,
            _ => OrderError::DomainTaken,
        });
    }
    if store::count_unpaid(conn, account).await? >= MOST_UNPAID {
        return Err(OrderError::TooManyUnpaid);
    }

    let version = plan::newest_offered(conn).await?.ok_or(OrderError::NoRelease)?;
    let (order, instance) = (OrderId::new(), InstanceId::new());
    let expires_at = deadline(clock, new.checkout_minutes);
    let free = open_free(conn, account, &new.plan.code).await?;
    let price = if free.is_some() { Money::new(0, new.plan.monthly.currency) } else { new.plan.price(new.interval) };
    let row = NewInstance {
        id: instance,
        account,
        cluster,
        domain: new.domain,
        skeleton: new.skeleton,
        hosted: new.hosted,
        web_domain: new.web_domain,
        owner_username: new.owner_username,
        owner_email: new.owner_email,
        locale: new.locale,
        plan_code: &new.plan.code,
        size: &new.plan.size,
        media_gib: new.plan.limits.media_gib,
        version: &version.to_string(),
    };
    instance::insert(conn, clock, &row).await.map_err(|error| {
        if violates(&error, "instances_domain_key") {
            OrderError::DomainTaken
        } else if violates(&error, "instances_web_domain_key") {
            OrderError::WebDomainTaken
        } else if violates(&error, "instances_hosted_skeleton_key") {
            OrderError::LooksTaken
        } else {
            error.into()
        }
    })?;
    capacity::reserve(conn, clock, cluster, account, instance, &needs, expires_at).await?;
    store::insert_order(conn, clock, order, account, instance, &new.plan.code, new.interval, price, free, expires_at).await?;
    if free.is_some() {
        queue::enqueue(conn, &TakeFree { order }, None).await?;
    }
    queue::enqueue(conn, &SettleOrder { order, early: false }, Some(expires_at + SETTLE_AFTER)).await?;
    // Whoever waited has what they waited for; if they don't pay, they have it again until the invitation ends.
    let waited = capacity::ordered(conn, order).await?;
    let detail = json!({ "instance": instance, "domain": new.domain, "plan": new.plan.code, "price": price, "waited": waited, "free": free });
    audit::record(conn, clock, actor, Some(account), "order.placed", &order.to_string(), detail).await?;
    Ok(Placement::Placed(order))
}
