//! Writes down what Stripe made for us: a customer, a checkout, a price. Each is kept once; the same again is no change.

use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, Order};
use super::stripe::{CheckoutId, CustomerId, PriceId, PriceWanted};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::AccountId;

/// Keeps the first customer that was made for an account; returns the one that is kept.
pub(super) async fn keep_customer(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    made: &CustomerId,
) -> sqlx::Result<CustomerId> {
    let (kept, first) = store::keep_customer(conn, account, made).await?;
    if first {
        let detail = json!({ "customer": kept.as_str() });
        audit::record(conn, clock, actor, Some(account), "account.stripe_customer", &account.to_string(), detail).await?;
    }
    Ok(kept)
}

/// Notes the checkout of an order that waits for its payment. `false`: the order has been paid or given up meanwhile.
pub(super) async fn keep_checkout(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    order: &Order,
    checkout: &CheckoutId,
    url: Option<&str>,
) -> sqlx::Result<bool> {
    let Some(another) = store::set_checkout(conn, order.id, checkout, url).await? else { return Ok(false) };
    if another {
        let (id, detail) = (order.id.to_string(), json!({ "checkout": checkout.as_str() }));
        audit::record(conn, clock, actor, Some(order.account_id), "order.checkout", &id, detail).await?;
    }
    Ok(true)
}

/// Keeps Stripe's id of a price of the catalogue.
pub async fn keep_price(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    wanted: &PriceWanted,
    price: &PriceId,
) -> sqlx::Result<()> {
    let PriceWanted { lookup_key, plan_code, plan_name: _, amount: _, interval: _ } = wanted;
    store::put_price(conn, clock, lookup_key, plan_code, price).await?;
    audit::record(conn, clock, actor, None, "price.made", lookup_key, json!({ "price": price.as_str() })).await
}
