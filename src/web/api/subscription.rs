//! A server's subscription: where it stands, its end, and the way back.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::ChangeView;
use super::json::{Answer, JsonBody};
use super::order::{OrderView, find as find_order};
use crate::billing::{AgainError, Standing, Subscription, Wish, WishError};
use crate::instance::Instance;
use crate::money::Money;
use crate::plan::Interval;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::unreadable;
use crate::web::instance::subscription::{end_of, load, make, order_again};
use crate::web::order::open_checkout;
use crate::web::session::{Customer, OwnedInstance, Verified};

/// A server's subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionView {
    /// Where it stands: `good`; `grace` (a payment did not go through, the server runs); `suspended` (and is paused); `ending` (it has stopped,
    /// and its data is kept); `ended`.
    standing: Standing,
    /// Since when, unless it is good.
    since: Option<DateTime<Utc>>,
    /// When the next standing begins at the earliest, if nothing is paid until then.
    until: Option<DateTime<Utc>>,
    /// Code of the plan.
    plan: String,
    /// How often it is paid.
    period: Interval,
    /// What is paid each time, before tax.
    price: Money,
    /// Until when it is paid for.
    paid_until: DateTime<Utc>,
    /// When it is set to end.
    ends_at: Option<DateTime<Utc>>,
    /// When it was over.
    ended_at: Option<DateTime<Utc>>,
    /// What you asked for and the payment company does not know yet.
    wish: Option<Wish>,
    /// Storage packs on top of the plan.
    packs: i32,
    /// The newest change of plan, period or packs that was asked for.
    change: Option<ChangeView>,
    /// The order that waits for its payment and would take the server up again.
    #[schema(example = "ord_01kanyg7c3e8ht2w9c5m1r4q6z")]
    order: Option<String>,
    /// Why the server does not run: `unpaid` and `over` are lifted by a payment; the others are not.
    #[schema(example = json!(["unpaid"]))]
    held_for: Vec<&'static str>,
}

/// When a subscription should end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// `period`: when what is paid for is over; `date`: with the day `on`; `now`: at once. Nothing is paid back by it.
    when: When,
    /// The last day on which the server runs, at most two years ahead. What is paid for beyond it is not paid back. With `date` only.
    #[serde(default)]
    on: Option<NaiveDate>,
}

/// When.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum When {
    /// With what is paid for.
    Period,
    /// With a day.
    Date,
    /// At once.
    Now,
}

pub(super) async fn find(state: &AppState, customer: &Customer, instance: &Instance) -> Result<SubscriptionView, WebError> {
    let money = load(state, customer.account, instance).await?.ok_or(WebError::NotFound)?;
    let of: &Subscription = &money.subscription;
    Ok(SubscriptionView {
        standing: of.standing,
        since: of.standing_since,
        until: of.standing_until,
        plan: instance.plan_code.clone(),
        period: of.billing_interval,
        price: of.price(),
        paid_until: of.current_period_end,
        ends_at: of.cancel_at.filter(|_| !of.is_over()),
        ended_at: of.ended_at,
        wish: of.wish,
        packs: of.packs,
        change: money.change.as_ref().map(ChangeView::of),
        order: money.open.map(|order| order.to_string()),
        held_for: money.holds.iter().map(|row| row.reason.as_str()).collect(),
    })
}

pub(super) fn refused(code: &'static str, text: &str) -> WebError {
    WebError::Refused { code, text: text.to_owned(), errors: Vec::new() }
}

async fn wished(
    state: &AppState,
    customer: &Customer,
    instance: &Instance,
    wish: Wish,
    ends_at: Option<DateTime<Utc>>,
) -> Result<Answer<SubscriptionView>, WebError> {
    make(state, customer, instance, wish, ends_at).await.map_err(|error| match error {
        WishError::Date => unreadable("on", "must be a day from today on, at most two years ahead; it goes with `when`: `date`"),
        WishError::NotNow => refused("not_now", "the subscription is over, or is already as you want it; look at it first"),
        WishError::Busy => refused("busy", "something else that you asked for is on its way; try again in a moment"),
        WishError::Database(error) => error.into(),
    })?;
    Ok(Answer(StatusCode::ACCEPTED, find(state, customer, instance).await?))
}

/// Look at a server's subscription
///
/// 404 also as long as nothing was paid for the server.
#[utoipa::path(get, path = "/api/v1/instances/{id}/billing", tag = "instance", operation_id = "get_subscription",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "The subscription", body = SubscriptionView)))]
pub(super) async fn get(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<SubscriptionView>, WebError> {
    Ok(Answer(StatusCode::OK, find(&state, &customer, &instance).await?))
}

/// End a subscription
///
/// The payment company is told in a moment; `wish` says so until then. The server's data is kept for a while after the end, and it can be taken
/// up again until then. 409 has one of the codes `not_now` and `busy`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/billing/end", tag = "instance", operation_id = "end_subscription", request_body = End,
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It is noted", body = SubscriptionView)))]
pub(super) async fn end(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(end): JsonBody<End>,
) -> Result<Answer<SubscriptionView>, WebError> {
    let (wish, ends_at) = match (end.when, end.on) {
        (When::Period, None) => (Wish::EndWithPeriod, None),
        (When::Now, None) => (Wish::EndNow, None),
        (When::Date, on) => (Wish::EndOn, on.and_then(end_of)),
        (When::Period | When::Now, Some(_)) => return Err(unreadable("on", "goes with `when`: `date` only; leave it out")),
    };
    wished(&state, &customer, &instance, wish, ends_at).await
}

/// Keep a subscription that is set to end
///
/// 409 has one of the codes `not_now` and `busy`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/billing/go-on", tag = "instance", operation_id = "keep_subscription",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It is noted", body = SubscriptionView)))]
pub(super) async fn go_on(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<SubscriptionView>, WebError> {
    wished(&state, &customer, &instance, Wish::GoOn, None).await
}

/// Take a server up again
///
/// As long as it is kept, with everything on it and at the price that it had. Pay at `checkout_url` before `kept_until`. The same call again
/// gives the same order while it waits for its payment. 409 has one of the codes `not_now` (its subscription is not over), `held` (the host's
/// people have stopped it) and `too_many_unpaid`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/billing/again", tag = "instance", operation_id = "order_again",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "The order to pay", body = OrderView)))]
pub(super) async fn again(
    State(state): State<AppState>,
    Verified(customer): Verified,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<OrderView>, WebError> {
    let order = order_again(&state, &customer, &instance).await.map_err(|error| match error {
        AgainError::NotOver => refused("not_now", "the subscription of this server is not over; there is nothing to order"),
        AgainError::Held => refused("held", "the host's people have stopped this server; write to them before you pay for it"),
        AgainError::TooManyUnpaid => {
            refused("too_many_unpaid", "other orders of this account wait for their payment; pay or cancel one of them first")
        }
        AgainError::Database(error) => error.into(),
    })?;
    if let Err(error) = open_checkout(&state, &customer, order).await {
        // The order stands: its answer must not say otherwise.
        tracing::warn!(order = %order, error = telemetry::chain(&error), "an order was placed without a checkout");
    }
    Ok(Answer(StatusCode::OK, find_order(&state, &customer, order).await?))
}
