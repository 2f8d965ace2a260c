//! The waiting list: one entry for each account, nothing charged.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::order::{NewOrder, checked};
use crate::capacity::{self, Joined};
use crate::db::AccountTx;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::session::{Customer, Verified};

/// The account's entry on the waiting list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    /// 1 is next.
    position: i64,
    /// Code of the plan that is waited for.
    plan: String,
    /// Domain of the server.
    domain: String,
    /// Since when.
    since: DateTime<Utc>,
    /// A place is kept for the account until then: POST to /api/v1/orders.
    invited_until: Option<DateTime<Utc>>,
    /// When that will probably be, by how fast the list has moved lately. None when nobody can say.
    expected_at: Option<DateTime<Utc>>,
}

impl Waiting {
    async fn new(tx: &mut AccountTx, state: &AppState, entry: capacity::Waiting) -> Result<Self, WebError> {
        let expected_at = capacity::expected_at(tx.conn(), state.clock.as_ref(), &entry).await?;
        let capacity::Waiting { id: _, plan_code: plan, domain, created_at: since, position, invited_until } = entry;
        Ok(Self { position, plan, domain, since, invited_until, expected_at })
    }
}

/// Where do I stand?
///
/// 404 when the account does not wait.
#[utoipa::path(get, path = "/api/v1/waiting", tag = "order", operation_id = "get_waiting",
    responses((status = 200, description = "The account's entry", body = Waiting)))]
pub(super) async fn get(State(state): State<AppState>, customer: Customer) -> Result<Answer<Waiting>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let entry = capacity::waiting_entry(tx.conn(), customer.account).await?.ok_or(WebError::NotFound)?;
    Ok(Answer(StatusCode::OK, Waiting::new(&mut tx, &state, entry).await?))
}

/// Join the waiting list
///
/// With the body of the order that was refused as `full`. Nothing is charged. An account that waits already keeps its position and gets
/// the newer wish: 200 in place of 201. 409 `not_full`: there is room, order instead.
#[utoipa::path(post, path = "/api/v1/waiting", tag = "order", operation_id = "join_waiting", request_body = NewOrder,
    responses((status = 201, description = "The account waits", body = Waiting),
        (status = 200, description = "It waited already, and does so for this now", body = Waiting)))]
pub(super) async fn join(
    State(state): State<AppState>,
    Verified(customer): Verified,
    JsonBody(new): JsonBody<NewOrder>,
) -> Result<Answer<Waiting>, WebError> {
    let checked = checked(&state, new)?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let clusters = capacity::open_clusters(tx.conn(), state.clock.as_ref(), Some(customer.account)).await?;
    if capacity::room(&clusters, &checked.plan.size.footprint(), state.clock.now()) > 0 {
        let text = "there is room; POST the same body to /api/v1/orders".to_owned();
        return Err(WebError::Refused { code: "not_full", text, errors: Vec::new() });
    }
    let (plan, domain) = (checked.plan, checked.address.domain());
    let clock = state.clock.as_ref();
    let person = &customer.person;
    let (entry, joined) = capacity::wait(&mut tx, clock, customer.actor(), &person.email, &person.locale, plan, domain).await?;
    let entry = Waiting::new(&mut tx, &state, entry).await?;
    tx.commit().await?;
    let status = match joined {
        Joined::New => StatusCode::CREATED,
        Joined::Changed | Joined::Same => StatusCode::OK,
    };
    Ok(Answer(status, entry))
}

/// Leave the waiting list
///
/// No error when the account does not wait.
#[utoipa::path(delete, path = "/api/v1/waiting", tag = "order", operation_id = "leave_waiting",
    responses((status = 204, description = "The account does not wait any more")))]
pub(super) async fn leave(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    capacity::stop_waiting(&mut tx, state.clock.as_ref(), customer.actor()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
