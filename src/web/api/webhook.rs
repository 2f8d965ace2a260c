//! Webhooks: programs that are told what happens to the account's servers.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::account::hook::{self, DeliveryRow, DeliveryState, Endpoint, EndpointState, TryRow};
use crate::ids::{HookDeliveryId, HookEndpointId};
use crate::web::AppState;
use crate::web::account::webhooks::{Act, perform, reach};
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::session::{Customer, OwnedDelivery, OwnedEndpoint};

/// The account's webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// Newest first.
    webhooks: Vec<WebhookView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookView {
    /// Which.
    #[schema(example = "hook_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Where the program listens.
    #[schema(example = "https://program.example/paddock")]
    url: String,
    /// The kinds of events that it is told of; none: all of them.
    #[schema(example = json!(["server.ready"]))]
    events: Vec<String>,
    /// `on`, `off` (you have switched it off) or `failing` (it has taken nothing for three days, or said 410, so we have).
    state: EndpointState,
    /// Since when it has taken nothing; `null` while it takes what it is told.
    failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before signs as well, after a new one was made.
    old_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    made_at: DateTime<Utc>,
}

impl From<Endpoint> for WebhookView {
    fn from(endpoint: Endpoint) -> Self {
        let Endpoint { id, account_id: _, url, kinds, seed: _, old_until, state, failing_since, created_at } = endpoint;
        Self { id: id.to_string(), url, events: kinds, state, failing_since, old_secret_until: old_until, made_at: created_at }
    }
}

/// List the webhooks
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "account", operation_id = "list_webhooks", params(PageQuery),
    responses((status = 200, description = "The account's webhooks", body = Webhooks)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Webhooks>, WebError> {
    let part = query.read::<HookEndpointId>()?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let all = hook::list_endpoints(tx.conn(), customer.account).await?;
    let (all, next) = part.pick(all, |endpoint| endpoint.id);
    Ok(Answer(StatusCode::OK, Webhooks { webhooks: all.into_iter().map(WebhookView::from).collect(), next }))
}

/// What a webhook is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Where the program listens: `https`, on the public internet.
    #[serde(default)]
    #[schema(required, example = "https://program.example/paddock")]
    url: String,
    /// `server.ready`, `server.paused`, `server.resumed`, `server.upgraded`, `payment.failed`; none: all of them, those that are to come as well.
    #[serde(default)]
    events: Vec<String>,
}

impl Wanted {
    fn as_hook(&self) -> hook::Wanted<'_> {
        hook::Wanted { url: &self.url, kinds: &self.events }
    }
}

/// Make a webhook
///
/// Its secret is at `GET /api/v1/webhooks/{endpoint}/secret`.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "account", operation_id = "make_webhook", request_body = Wanted,
    responses((status = 201, description = "It is told from now on", body = WebhookView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    customer: Customer,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<Answer<WebhookView>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let (clock, person, account) = (state.clock.as_ref(), customer.person.id, customer.account);
    let id = hook::create(tx.conn(), clock, person, account, reach(&state), body.as_hook()).await?;
    let made = hook::find_endpoint(tx.conn(), account, id).await?.ok_or(WebError::NotFound)?;
    tx.commit().await?;
    Ok(Answer(StatusCode::CREATED, made.into()))
}

/// Look at a webhook
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint}", tag = "account", operation_id = "get_webhook",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 200, description = "The webhook", body = WebhookView)))]
pub(super) async fn get(OwnedEndpoint(endpoint): OwnedEndpoint) -> Answer<WebhookView> {
    Answer(StatusCode::OK, endpoint.into())
}

/// Change a webhook
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}", tag = "account", operation_id = "change_webhook", request_body = Wanted,
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "It is as asked")))]
pub(super) async fn change(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<StatusCode, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let (clock, person) = (state.clock.as_ref(), customer.person.id);
    hook::change(tx.conn(), clock, person, &endpoint, reach(&state), body.as_hook()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a webhook
#[utoipa::path(delete, path = "/api/v1/webhooks/{endpoint}", tag = "account", operation_id = "remove_webhook",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "Nothing is sent to it any more")))]
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &endpoint, Act::Remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a webhook's requests are signed with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SecretView {
    /// As Standard Webhooks has it.
    #[schema(example = "whsec_…")]
    secret: String,
}

/// Look at a webhook's secret
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint}/secret", tag = "account", operation_id = "get_webhook_secret",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 200, description = "Its secret", body = SecretView)))]
pub(super) async fn secret(State(state): State<AppState>, OwnedEndpoint(endpoint): OwnedEndpoint) -> Answer<SecretView> {
    let secret = endpoint.secret(&state.key).text();
    Answer(StatusCode::OK, SecretView { secret: secret.expose_secret().to_owned() })
}

/// Switch a webhook on
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}/on", tag = "account", operation_id = "switch_webhook_on",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "It is told from now on")))]
pub(super) async fn switch_on(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &endpoint, Act::On).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a webhook off
///
/// What was owed to it is given up, and can be replayed.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}/off", tag = "account", operation_id = "switch_webhook_off",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "Nothing is sent to it")))]
pub(super) async fn switch_off(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &endpoint, Act::Off).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook another secret
///
/// For a day both sign, so that the program can be changed in between.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}/rotate", tag = "account", operation_id = "rotate_webhook_secret",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "It has another secret")))]
pub(super) async fn rotate(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &endpoint, Act::Rotate).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a webhook
///
/// Sends it an event `webhook.test`. 409 `webhook_off`: switch it on first.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}/test", tag = "account", operation_id = "test_webhook",
    params(("endpoint" = String, Path, description = "Id of the webhook")),
    responses((status = 204, description = "The event is on its way")))]
pub(super) async fn test(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &endpoint, Act::Test).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a webhook was told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deliveries {
    /// Newest first; kept for 30 days.
    deliveries: Vec<DeliveryView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// Which.
    #[schema(example = "dlv_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// The event's id: the header `webhook-id`.
    event: String,
    /// What happened.
    #[schema(example = "server.ready")]
    kind: String,
    /// `due`, `delivered` or `given_up`.
    state: DeliveryState,
    /// When it happened.
    at: DateTime<Utc>,
    /// When it is tried next, while it is due.
    next_try_at: Option<DateTime<Utc>>,
    /// The body, byte for byte.
    payload: String,
    /// Every try, the oldest first.
    tries: Vec<TryView>,
}

/// A try.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TryView {
    /// When.
    at: DateTime<Utc>,
    /// Status of the answer; `null`: there was none.
    status: Option<i32>,
    /// Why there was none.
    error: Option<String>,
    /// How long it took, in milliseconds.
    millis: i32,
}

fn delivery_view(row: DeliveryRow, tries: &[TryRow]) -> DeliveryView {
    let tries = tries.iter().filter(|one| one.delivery_id == row.id);
    let one = |one: &TryRow| TryView { at: one.at, status: one.status, error: one.error.clone(), millis: one.millis };
    DeliveryView {
        tries: tries.map(one).collect(),
        id: row.id.to_string(),
        event: row.event_id.to_string(),
        kind: row.kind,
        state: row.state,
        at: row.at,
        next_try_at: Some(row.due_at).filter(|_| row.state == DeliveryState::Due),
        payload: row.payload,
    }
}

/// List what a webhook was told
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint}/deliveries", tag = "account", operation_id = "list_deliveries",
    params(("endpoint" = String, Path, description = "Id of the webhook"), PageQuery),
    responses((status = 200, description = "What it was told", body = Deliveries)))]
pub(super) async fn deliveries(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Deliveries>, WebError> {
    let part = query.read::<HookDeliveryId>()?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let rows = hook::deliveries(tx.conn(), endpoint.id, part.after, part.rows()).await?;
    let (rows, next) = part.cut(rows, |row| row.id);
    let ids: Vec<HookDeliveryId> = rows.iter().map(|row| row.id).collect();
    let tries = hook::tries(tx.conn(), &ids).await?;
    let deliveries = rows.into_iter().map(|row| delivery_view(row, &tries)).collect();
    Ok(Answer(StatusCode::OK, Deliveries { deliveries, next }))
}

/// Look at a delivery
#[utoipa::path(get, path = "/api/v1/webhooks/{endpoint}/deliveries/{delivery}", tag = "account", operation_id = "get_delivery",
    params(("endpoint" = String, Path, description = "Id of the webhook"), ("delivery" = String, Path, description = "Id of the delivery")),
    responses((status = 200, description = "The delivery", body = DeliveryView)))]
pub(super) async fn delivery(
    State(state): State<AppState>,
    customer: Customer,
    owned: OwnedDelivery,
) -> Result<Answer<DeliveryView>, WebError> {
    let delivery = owned.delivery;
    let mut tx = state.db.begin_account(customer.account).await?;
    let tries = hook::tries(tx.conn(), &[delivery.id]).await?;
    Ok(Answer(StatusCode::OK, delivery_view(delivery, &tries)))
}

/// Replay a delivery
///
/// It is tried at once, and again with the usual pauses; the `webhook-id` is the same. 409 `webhook_off`: switch it on first.
#[utoipa::path(post, path = "/api/v1/webhooks/{endpoint}/deliveries/{delivery}/replay", tag = "account", operation_id = "replay_delivery",
    params(("endpoint" = String, Path, description = "Id of the webhook"), ("delivery" = String, Path, description = "Id of the delivery")),
    responses((status = 202, description = "It is on its way")))]
pub(super) async fn replay(
    State(state): State<AppState>,
    customer: Customer,
    owned: OwnedDelivery,
) -> Result<StatusCode, WebError> {
    perform(&state, &customer, &owned.endpoint, Act::Replay(owned.delivery.id)).await?;
    Ok(StatusCode::ACCEPTED)
}
