//! Orders: address and place are reserved, then paid on Stripe's page.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::account::Role;
use crate::billing::{self, CheckoutError, Order, OrderError, OrderState};
use crate::ids::OrderId;
use crate::instance::{self, address::AddressKind};
use crate::money::Money;
use crate::plan::Interval;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::new::address::{fault, taken};
use crate::web::new::draft::{Checked, Draft, check_draft};
use crate::web::order::open_checkout;
use crate::web::order::place::{Placed, place_once};
use crate::web::session::{Customer, OwnedOrder, Verified};
use crate::words::Words;

/// A server that somebody wants: the questions of the order path, under the names of its forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// `hosted` for a name under the host's domain, `own` for a domain that the customer brings.
    #[serde(default)]
    #[schema(required, example = "hosted")]
    kind: String,
    /// The name, when hosted.
    #[schema(example = "harbour")]
    name: Option<String>,
    /// The domain, when own.
    domain: Option<String>,
    /// Where Mastodon itself is, when that is not the domain; only for own domains.
    web_domain: Option<String>,
    /// User name of the owner's Mastodon account.
    #[serde(default)]
    #[schema(required, example = "ada")]
    owner_name: String,
    /// Where the owner gets the link to set a password.
    #[serde(default)]
    #[schema(required, example = "ada@example.org")]
    owner_email: String,
    /// Code of a plan.
    #[serde(default)]
    #[schema(required)]
    plan: String,
    /// How often it is paid: `month` or `year`.
    #[serde(default)]
    #[schema(required, example = "month")]
    period: String,
}

impl From<NewOrder> for Draft {
    fn from(new: NewOrder) -> Self {
        Self {
            kind: new.kind,
            name: new.name.unwrap_or_default(),
            domain: new.domain.unwrap_or_default(),
            web_domain: new.web_domain.unwrap_or_default(),
            owner_username: new.owner_name,
            owner_email: new.owner_email,
            plan: new.plan,
            interval: new.period,
        }
    }
}

/// A purchase.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderView {
    /// Which.
    #[schema(example = "ord_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Where it stands.
    state: OrderState,
    /// The page on which it can be paid, for members who may pay. None when there is no such page (any more);
    /// `POST /api/v1/orders/{id}/checkout` opens one.
    checkout_url: Option<String>,
    /// Until then address and place are kept for the payment.
    kept_until: DateTime<Utc>,
    /// The server that it is for.
    #[schema(example = "ins_01kanyg7c3e8ht2w9c5m1r4q6z")]
    instance: String,
    /// The server's domain.
    domain: String,
    /// Code of the plan.
    plan: String,
    /// How often it is paid.
    period: Interval,
    /// What is paid each time, before tax.
    price: Money,
    /// When it was placed.
    ordered_at: DateTime<Utc>,
    /// When it was paid.
    paid_at: Option<DateTime<Utc>>,
    /// When a card was last declined on the payment page. Nothing was charged then; the page takes another try.
    declined_at: Option<DateTime<Utc>>,
}

impl OrderView {
    /// As a member with this role may see it.
    fn new(order: Order, domain: String, role: Role) -> Self {
        let payable = order.state == OrderState::Open && role >= Role::Billing;
        Self {
            id: order.id.to_string(),
            state: order.state,
            kept_until: order.checkout_expires_at,
            instance: order.instance_id.to_string(),
            domain,
            period: order.billing_interval,
            price: order.price(),
            plan: order.plan_code,
            ordered_at: order.created_at,
            paid_at: order.paid_at,
            declined_at: order.declined_at,
            checkout_url: order.checkout_url.filter(|_| payable),
        }
    }
}

/// The account's orders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Orders {
    /// Newest first.
    orders: Vec<OrderView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// Order a server
///
/// Address and place are reserved first, so nobody is charged without a place; pay at `checkout_url` before `kept_until`. If the
/// payment company can't be reached the order stands without a `checkout_url`: ask for one with
/// `POST /api/v1/orders/{id}/checkout`. The same order sent again is the same order, so an answer that was lost does no harm.
///
/// A server on a domain of one's own is built as soon as it is paid, and served once its DNS records point here: see
/// `GET /api/v1/addresses/dns` for them.
///
/// 409 has one of the codes `taken` (choose another address), `full` (join the waiting list: `POST /api/v1/waiting`), `closed` (no new orders for now) and
/// `too_many_unpaid`; nothing is written then. 403 `unverified`: prove your address first.
#[utoipa::path(post, path = "/api/v1/orders", tag = "order", operation_id = "place_order", request_body = NewOrder,
    responses((status = 201, description = "Address and place are kept", body = OrderView),
        (status = 200, description = "They were kept already: the same order was placed before and waits for its payment", body = OrderView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    Verified(customer): Verified,
    JsonBody(new): JsonBody<NewOrder>,
) -> Result<Answer<OrderView>, WebError> {
    let checked = checked(&state, new)?;
    let (status, order) = place(&state, &customer, &checked).await?;
    if let Err(error) = open_checkout(&state, &customer, order).await {
        // The order stands: its answer must not say otherwise.
        tracing::warn!(order = %order, error = telemetry::chain(&error), "an order was placed without a checkout");
    }
    Ok(Answer(status, find(&state, &customer, order).await?))
}

/// What an order needs, by the rules of the pages.
pub(super) fn checked(state: &AppState, new: NewOrder) -> Result<Checked<'_>, WebError> {
    check_draft(&Words::english(), state, &new.into()).map_err(|errors| WebError::Invalid(errors.list))
}

async fn place(state: &AppState, customer: &Customer, checked: &Checked<'_>) -> Result<(StatusCode, OrderId), WebError> {
    match place_once(state, customer, &checked.new_order(state.checkout_minutes)).await? {
        Placed::New(order) => Ok((StatusCode::CREATED, order)),
        Placed::Before(order) => Ok((StatusCode::OK, order)),
        Placed::Full => Err(WebError::Refused {
            code: "full",
            text: "every place is taken and nothing was charged; POST the same body to /api/v1/waiting to join the waiting list"
                .to_owned(),
            errors: Vec::new(),
        }),
        Placed::Closed => Err(WebError::Refused {
            code: "closed",
            text: "this host takes no new orders at the moment and nothing was charged; try again later".to_owned(),
            errors: Vec::new(),
        }),
        Placed::Refused(error) => Err(refused(checked, &error)),
    }
}

fn refused(checked: &Checked<'_>, error: &OrderError) -> WebError {
    let taken = |what| {
        let kind = if checked.address.kind() == AddressKind::Hosted { "hosted" } else { "own" };
        let problem = taken(&checked.address, checked.web_domain.as_ref(), what);
        let text = "somebody was faster, or has it for longer; choose another address".to_owned();
        WebError::Refused { code: "taken", text, errors: fault(&Words::english(), kind, &problem).list }
    };
    match error {
        OrderError::DomainTaken => taken("domain"),
        OrderError::WebDomainTaken => taken("web_domain"),
        OrderError::LooksTaken => taken("look_alike"),
        OrderError::TooManyUnpaid => WebError::Refused {
            code: "too_many_unpaid",
            text: "other orders of this account wait for their payment; pay or cancel one of them first".to_owned(),
            errors: Vec::new(),
        },
        OrderError::NoRelease | OrderError::Database(_) => WebError::Internal(telemetry::chain(error)),
    }
}

pub(super) async fn find(state: &AppState, customer: &Customer, id: OrderId) -> Result<OrderView, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let order = billing::find_owned_order(tx.conn(), customer.account, id).await?.ok_or(WebError::NotFound)?;
    let instance = instance::find_owned(tx.conn(), customer.account, order.instance_id).await?.ok_or(WebError::NotFound)?;
    Ok(OrderView::new(order, instance.domain, customer.role))
}

/// List my orders
#[utoipa::path(get, path = "/api/v1/orders", tag = "order", operation_id = "list_orders", params(PageQuery),
    responses((status = 200, description = "The account's orders", body = Orders)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Orders>, WebError> {
    let part = query.read::<OrderId>()?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let orders = billing::page_owned_orders(tx.conn(), customer.account, part.after, part.rows()).await?;
    let (orders, next) = part.cut(orders, |(order, _)| order.id);
    let orders = orders.into_iter().map(|(order, domain)| OrderView::new(order, domain, customer.role)).collect();
    Ok(Answer(StatusCode::OK, Orders { orders, next }))
}

/// Look at an order
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "order", operation_id = "get_order",
    params(("id" = String, Path, description = "Id of the order")),
    responses((status = 200, description = "The order", body = OrderView)))]
pub(super) async fn get(
    State(state): State<AppState>,
    customer: Customer,
    OwnedOrder(order): OwnedOrder,
) -> Result<Answer<OrderView>, WebError> {
    Ok(Answer(StatusCode::OK, find(&state, &customer, order.id).await?))
}

/// Open the payment page
///
/// After a declined payment, or when the first page could not be opened; as often as needed until `kept_until`. 409 has one of the
/// codes `paid` and `expired`.
#[utoipa::path(post, path = "/api/v1/orders/{id}/checkout", tag = "order", operation_id = "open_checkout",
    params(("id" = String, Path, description = "Id of the order")),
    responses((status = 200, description = "The order with its checkout_url", body = OrderView)))]
pub(super) async fn checkout(
    State(state): State<AppState>,
    Verified(customer): Verified,
    OwnedOrder(order): OwnedOrder,
) -> Result<Answer<OrderView>, WebError> {
    open_checkout(&state, &customer, order.id).await.map_err(|error| match error {
        CheckoutError::Paid => over("paid", "the order is paid; there is nothing left to pay"),
        CheckoutError::Expired => over("expired", "the order's time is over and nothing was charged; place a new one"),
        CheckoutError::Missing => WebError::NotFound,
        CheckoutError::Stripe(_) => WebError::Unavailable(telemetry::chain(&error)),
        CheckoutError::Database(error) => error.into(),
    })?;
    Ok(Answer(StatusCode::OK, find(&state, &customer, order.id).await?))
}

/// Give up an order
///
/// Address and place are freed once the payment company has said that nobody can pay any more, which takes a moment; the state is
/// `expired` then. 409 `paid`: it was paid meanwhile, and stays so.
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel", tag = "order", operation_id = "cancel_order",
    params(("id" = String, Path, description = "Id of the order")),
    responses((status = 202, description = "The order is being ended", body = OrderView)))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    customer: Customer,
    OwnedOrder(order): OwnedOrder,
) -> Result<Answer<OrderView>, WebError> {
    match order.state {
        OrderState::Paid => return Err(over("paid", "the order is paid; a running subscription is not ended this way")),
        OrderState::Expired => {}
        OrderState::Placed | OrderState::Open => {
            let mut tx = state.db.begin_account(customer.account).await?;
            billing::give_up(&mut tx, state.clock.as_ref(), customer.actor(), order.id).await?;
            tx.commit().await?;
        }
    }
    Ok(Answer(StatusCode::ACCEPTED, find(&state, &customer, order.id).await?))
}

fn over(code: &'static str, text: &str) -> WebError {
    WebError::Refused { code, text: text.to_owned(), errors: Vec::new() }
}
