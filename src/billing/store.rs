//! SQL of orders, subscriptions, prices and Stripe's events.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{FromRow as _, PgConnection, Row as _};

use super::standing::Standing;
use super::stripe::{CheckoutId, CustomerId, PriceId, RemoteSubscription, RemoteSubscriptionId, Terms};
use super::wish::Wish;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, FreeId, InstanceId, OrderId, SubscriptionId};
use crate::money::{Currency, Money};
use crate::plan::Interval;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Address and place are reserved; there is no checkout yet, or we don't know of it.
    Placed,
    /// Stripe's page waits for the customer.
    Open,
    /// Paid.
    Paid,
    /// Nobody paid in time; address and place are free again.
    Expired,
}

/// A purchase.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Order {
    /// Which.
    pub id: OrderId,
    /// Whose.
    pub account_id: AccountId,
    /// What for.
    pub instance_id: InstanceId,
    /// What was bought.
    pub plan_code: String,
    /// How often it is paid.
    pub billing_interval: Interval,
    /// Cents per interval.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// Where it stands.
    pub state: OrderState,
    /// Stripe's session.
    pub checkout_id: Option<CheckoutId>,
    /// Its page.
    pub checkout_url: Option<String>,
    /// When it can't be paid any more.
    pub checkout_expires_at: DateTime<Utc>,
    /// The price that Stripe was asked for; none as long as it was never asked.
    pub asked_price: Option<PriceId>,
    /// Where the pages were then, without a slash at the end: the way back.
    pub asked_base: Option<String>,
    /// Why it costs nothing.
    pub free_id: Option<FreeId>,
    /// What its payment page was to ask.
    #[sqlx(flatten)]
    pub asked_terms: Terms,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When a card was last declined on its payment page.
    pub declined_at: Option<DateTime<Utc>>,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
}

impl Order {
    /// What is paid each interval.
    pub fn price(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }
}

macro_rules! order_columns {
    () => {
        "id, account_id, instance_id, plan_code, billing_interval, amount_minor, currency, state, checkout_id, checkout_url, \
         checkout_expires_at, asked_price, asked_base, asked_tax, asked_codes, free_id, paid_at, declined_at, created_at"
    };
}

/// The columns of an [`Order`], for other queries.
pub const ORDER_COLUMNS: &str = order_columns!();

#[expect(clippy::too_many_arguments, reason = "one for each column; called once")]
pub(super) async fn insert_order(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: OrderId,
    account: AccountId,
    instance: InstanceId,
    plan_code: &str,
    interval: Interval,
    price: Money,
    free: Option<FreeId>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into orders (id, account_id, instance_id, plan_code, billing_interval, amount_minor, currency, state,
                             checkout_expires_at, created_at, free_id)
         values ($1, $2, $3, $4, $5, $6, $7, 'placed', $8, $9, $10)",
    )
    .bind(id)
    .bind(account)
    .bind(instance)
    .bind(plan_code)
    .bind(interval)
    .bind(price.minor)
    .bind(price.currency)
    .bind(expires_at)
    .bind(clock.now())
    .bind(free)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn count_unpaid(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from orders where account_id = $1 and state in ('placed', 'open')")
        .bind(account)
        .fetch_one(conn)
        .await
}

/// The account's own order; `None` for foreign and missing alike.
pub async fn find_owned_order(conn: &mut PgConnection, account: AccountId, id: OrderId) -> sqlx::Result<Option<Order>> {
    sqlx::query_as(concat!("select ", order_columns!(), " from orders where id = $1 and account_id = $2"))
        .bind(id)
        .bind(account)
        .fetch_optional(conn)
        .await
}

/// The account's orders of every state with the domain that each is for, newest first, at most 200.
pub async fn list_owned_orders(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<(Order, String)>> {
    page_owned_orders(conn, account, None, 200).await
}

/// A part of them: at most `limit` of those that are older than `after`.
pub async fn page_owned_orders(
    conn: &mut PgConnection,
    account: AccountId,
    after: Option<OrderId>,
    limit: i64,
) -> sqlx::Result<Vec<(Order, String)>> {
    let query = concat!(
        "select ",
        order_columns!(),
        ", (select i.domain from instances i where i.id = orders.instance_id) as domain
         from orders where account_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"
    );
    let rows = sqlx::query(query).bind(account).bind(after).bind(limit).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((Order::from_row(row)?, row.try_get("domain")?))).collect()
}

/// Any order, for staff and jobs.
pub async fn find_order(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<Option<Order>> {
    sqlx::query_as(concat!("select ", order_columns!(), " from orders where id = $1")).bind(id).fetch_optional(conn).await
}

/// The order that an instance came from: the first that was paid (others are by which it came back), else the newest.
pub async fn find_order_of(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Order>> {
    sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders where instance_id = $1 order by (state = 'paid') desc, case when state = 'paid' then id end, id desc limit 1"
    ))
    .bind(instance)
    .fetch_optional(conn)
    .await
}

/// The account's orders that wait for their payment, oldest first.
pub async fn waiting_orders(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Order>> {
    sqlx::query_as(concat!(
        "select ",
        order_columns!(),
        " from orders where account_id = $1 and state in ('placed', 'open') order by id"
    ))
    .bind(account)
    .fetch_all(conn)
    .await
}

/// Orders that may have been paid or have run out without our hearing of it.
pub async fn orders_to_sweep(conn: &mut PgConnection) -> sqlx::Result<Vec<Order>> {
    sqlx::query_as(concat!("select ", order_columns!(), " from orders where state in ('placed', 'open') order by id"))
        .fetch_all(conn)
        .await
}

/// The earliest deadline of the orders that wait for their payment.
pub async fn earliest_deadline(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select min(checkout_expires_at) from orders where state in ('placed', 'open')").fetch_one(conn).await
}

/// The order with its row locked until the transaction ends.
pub(super) async fn lock_order(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<Option<Order>> {
    sqlx::query_as(concat!("select ", order_columns!(), " from orders where id = $1 for update"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// Writes down what Stripe is about to be asked for, for good: whoever comes second asks for the same. `None` when the order has been paid
/// or given up meanwhile.
pub(super) async fn set_asked(
    conn: &mut PgConnection,
    id: OrderId,
    price: &PriceId,
    base: &str,
    terms: Terms,
) -> sqlx::Result<Option<Asked>> {
    sqlx::query_as(
        "update orders set asked_price = coalesce(asked_price, $2), asked_base = coalesce(asked_base, $3),
           asked_tax = case when asked_price is null then $4 else asked_tax end,
           asked_codes = case when asked_price is null then $5 else asked_codes end
         where id = $1 and state in ('placed', 'open')
         returning asked_price as price, asked_base as base, asked_tax, asked_codes",
    )
    .bind(id)
    .bind(price)
    .bind(base)
    .bind(terms.tax)
    .bind(terms.codes)
    .fetch_optional(conn)
    .await
}

/// What Stripe is asked for, as the row has it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Asked {
    pub price: PriceId,
    pub base: String,
    #[sqlx(flatten)]
    pub terms: Terms,
}

/// Notes the checkout of an order that waits for payment. Whether it is another one than before; `None` when the order has been paid
/// or given up meanwhile.
pub(super) async fn set_checkout(
    conn: &mut PgConnection,
    id: OrderId,
    checkout: &CheckoutId,
    url: Option<&str>,
) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar(
        "with before as (select id, checkout_id from orders where id = $1 and state in ('placed', 'open') for update)
         update orders set state = 'open', checkout_id = $2, checkout_url = coalesce($3, checkout_url)
         from before where orders.id = before.id returning before.checkout_id is distinct from $2",
    )
    .bind(id)
    .bind(checkout)
    .bind(url)
    .fetch_optional(conn)
    .await
}

/// Whether the order waits for its payment, this is news, and no other order of the account could be paid with the same amount at that
/// time (which Stripe gives in whole seconds). One that has expired counts to the end of its time, though it may have been given up
/// earlier.
pub(super) async fn set_declined(conn: &mut PgConnection, id: OrderId, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update orders set declined_at = $2
         where id = $1 and state in ('placed', 'open') and (declined_at is null or declined_at < $2)
           and date_trunc('second', created_at) <= $2
           and not exists (
             select from orders other
             where other.account_id = orders.account_id and other.id <> orders.id
               and other.amount_minor = orders.amount_minor and other.currency = orders.currency
               and date_trunc('second', other.created_at) <= $2 and other.checkout_expires_at >= $2
               and (other.paid_at is null or other.paid_at >= $2))",
    )
    .bind(id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_paid(conn: &mut PgConnection, clock: &dyn Clock, id: OrderId) -> sqlx::Result<()> {
    let done = sqlx::query("update orders set state = 'paid', paid_at = $2 where id = $1 and state in ('placed', 'open')")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

pub(super) async fn set_expired(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<()> {
    let done = sqlx::query("update orders set state = 'expired' where id = $1 and state in ('placed', 'open')")
        .bind(id)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Stripe's customer of an account, once there is one.
pub async fn customer_of(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<CustomerId>> {
    sqlx::query_scalar("select stripe_customer_id from accounts where id = $1").bind(account).fetch_one(conn).await
}

/// Keeps the first customer that was made for an account; returns the one that is kept, and whether it was none before.
pub(super) async fn keep_customer(
    conn: &mut PgConnection,
    account: AccountId,
    customer: &CustomerId,
) -> sqlx::Result<(CustomerId, bool)> {
    sqlx::query_as(
        "with before as (select id, stripe_customer_id from accounts where id = $1 for update)
         update accounts set stripe_customer_id = coalesce(before.stripe_customer_id, $2)
         from before where accounts.id = before.id
         returning accounts.stripe_customer_id, before.stripe_customer_id is null",
    )
    .bind(account)
    .bind(customer)
    .fetch_one(conn)
    .await
}

/// Stripe's id of a price, if it was made known.
pub async fn known_price(conn: &mut PgConnection, lookup_key: &str) -> sqlx::Result<Option<PriceId>> {
    sqlx::query_scalar("select stripe_price_id from prices where lookup_key = $1").bind(lookup_key).fetch_optional(conn).await
}

/// Keeps Stripe's id of a price.
pub(super) async fn put_price(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    lookup_key: &str,
    plan_code: &str,
    price: &PriceId,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into prices (lookup_key, stripe_price_id, plan_code, created_at) values ($1, $2, $3, $4)
         on conflict (lookup_key) do update set stripe_price_id = excluded.stripe_price_id",
    )
    .bind(lookup_key)
    .bind(price)
    .bind(plan_code)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Our mirror of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Subscription {
    /// Ours.
    pub id: SubscriptionId,
    /// Whose.
    pub account_id: AccountId,
    /// What for.
    pub instance_id: InstanceId,
    /// Stripe's.
    pub stripe_subscription_id: RemoteSubscriptionId,
    /// Stripe's word for where it stands.
    pub status: super::stripe::RemoteStatus,
    /// Cents per interval.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// How often it is paid.
    pub billing_interval: Interval,
    /// Until when it is paid for.
    pub current_period_end: DateTime<Utc>,
    /// When it is set to end.
    pub cancel_at: Option<DateTime<Utc>>,
    /// Since when money is owed.
    pub open_invoice_since: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was last compared with Stripe.
    pub synced_at: DateTime<Utc>,
    /// When the debt began that is being asked for.
    pub owed_since: Option<DateTime<Utc>>,
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub standing_since: Option<DateTime<Utc>>,
    /// When the next standing begins at the earliest.
    pub standing_until: Option<DateTime<Utc>>,
    /// Until when staff give time.
    pub extended_until: Option<DateTime<Utc>>,
    /// What its customer wants and Stripe does not know yet.
    pub wish: Option<Wish>,
    /// When they said so.
    pub wish_at: Option<DateTime<Utc>>,
    /// The date that they want it to end on.
    pub wish_ends_at: Option<DateTime<Utc>>,
    /// Storage packs that are paid for as such.
    pub packs: i32,
}

impl Subscription {
    /// What is paid each interval.
    pub fn price(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }

    /// Whether Stripe will never take money for it again.
    pub fn is_over(&self) -> bool {
        self.status.is_over()
    }
}

macro_rules! subscription_columns {
    () => {
        "id, account_id, instance_id, stripe_subscription_id, status, amount_minor, currency, billing_interval, current_period_end, \
         cancel_at, open_invoice_since, ended_at, synced_at, owed_since, standing, standing_since, standing_until, extended_until, \
         wish, wish_at, wish_ends_at, packs"
    };
}

/// The subscription of an instance.
pub async fn find_subscription(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Subscription>> {
    sqlx::query_as(concat!("select ", subscription_columns!(), " from subscriptions where instance_id = $1"))
        .bind(instance)
        .fetch_optional(conn)
        .await
}

/// The same by our id of it.
pub async fn find_subscription_by_id(conn: &mut PgConnection, id: SubscriptionId) -> sqlx::Result<Option<Subscription>> {
    sqlx::query_as(concat!("select ", subscription_columns!(), " from subscriptions where id = $1"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The subscription of an instance with its row locked until the transaction ends.
pub(super) async fn lock_subscription(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Subscription>> {
    sqlx::query_as(concat!("select ", subscription_columns!(), " from subscriptions where instance_id = $1 for update"))
        .bind(instance)
        .fetch_optional(conn)
        .await
}

/// Writes our mirror. A server has one subscription: whoever calls has made sure that another one in the row is over.
pub(super) async fn put_subscription(
    conn: &mut PgConnection,
    fetched_at: DateTime<Utc>,
    order: &Order,
    remote: &RemoteSubscription,
    open_invoice_since: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into subscriptions (id, account_id, instance_id, order_id, stripe_subscription_id, status, amount_minor, currency,
                                    billing_interval, current_period_end, cancel_at, open_invoice_since, synced_at, created_at, ended_at,
                                    packs)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)
         on conflict (instance_id) do update set
           stripe_subscription_id = excluded.stripe_subscription_id, order_id = excluded.order_id,
           status = excluded.status, amount_minor = excluded.amount_minor, currency = excluded.currency,
           billing_interval = excluded.billing_interval, current_period_end = excluded.current_period_end,
           cancel_at = excluded.cancel_at, open_invoice_since = excluded.open_invoice_since, ended_at = excluded.ended_at,
           synced_at = excluded.synced_at, packs = excluded.packs
         where subscriptions.synced_at <= excluded.synced_at",
    )
    .bind(SubscriptionId::new())
    .bind(order.account_id)
    .bind(order.instance_id)
    .bind(order.id)
    .bind(&remote.id)
    .bind(remote.status)
    .bind(remote.amount.minor)
    .bind(remote.amount.currency)
    .bind(remote.interval)
    .bind(remote.current_period_end)
    .bind(remote.cancel_at)
    .bind(open_invoice_since)
    .bind(fetched_at)
    .bind(remote.ended_at)
    .bind(remote.packs.as_ref().map_or(0, |packs| i32::try_from(packs.quantity).unwrap_or(i32::MAX)))
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what a customer wants; `false` when there is a wish already.
pub(super) async fn set_wish(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: SubscriptionId,
    wish: Wish,
    ends_at: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    let done = sqlx::query("update subscriptions set wish = $2, wish_at = $3, wish_ends_at = $4 where id = $1 and wish is null")
        .bind(id)
        .bind(wish)
        .bind(clock.now())
        .bind(ends_at)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The wish of that time is over; `false` when it was before.
pub(super) async fn clear_wish(conn: &mut PgConnection, id: SubscriptionId, wish_at: DateTime<Utc>) -> sqlx::Result<bool> {
    let done =
        sqlx::query("update subscriptions set wish = null, wish_at = null, wish_ends_at = null where id = $1 and wish_at = $2")
            .bind(id)
            .bind(wish_at)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets webhooks of more than 90 days ago: Stripe itself shows events for 30. Returns how many.
pub async fn forget_old_events(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let oldest = clock.now() - TimeDelta::days(90);
    Ok(sqlx::query("delete from stripe_events where received_at < $1").bind(oldest).execute(conn).await?.rows_affected())
}
