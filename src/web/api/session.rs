//! Signing in and out. A session is a bearer token; cookies count for nothing here, so no other site can use one.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::account;
use crate::account::session::{self as sessions, Kind, Subject};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::account::discreet::who;
use crate::web::account::{acts, step_up};
use crate::web::error::WebError;
use crate::web::session::{Customer, bearer_token};

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// The address that was signed up with.
    #[serde(default)]
    #[schema(required, example = "ada@example.org")]
    email: String,
    /// The password.
    #[serde(default)]
    #[schema(required, value_type = String, format = Password)]
    password: SecretString,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// For the header `authorization: Bearer …`. Whoever has it is signed in.
    token: String,
    /// When it ends unless it is used before; each use prolongs it.
    expires: DateTime<Utc>,
}

/// Sign in
#[utoipa::path(post, path = "/api/v1/sessions", tag = "account", operation_id = "sign_in", request_body = Credentials,
    responses((status = 201, description = "Signed in", body = Session)))]
pub(super) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Answer<Session>, WebError> {
    let person = who(&state, &body.email, body.password).await?.ok_or(WebError::WrongCredentials)?;
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut tx = state.db.auth().begin().await?;
    let (account, _) = account::membership(&mut tx, person.id).await?.ok_or(WebError::Forbidden)?;
    let subject = Subject::Person { person: person.id, account };
    let secret = sessions::begin(&mut tx, state.clock.as_ref(), subject, Kind::Api, agent).await?;
    tx.commit().await?;
    Ok(Answer(StatusCode::CREATED, Session { token: secret.expose().to_owned(), expires: secret.expires_at() }))
}

/// Sign out
///
/// Ends the session whose token comes with this request.
#[utoipa::path(delete, path = "/api/v1/sessions/current", tag = "account", operation_id = "sign_out",
    responses((status = 204, description = "The session has ended")))]
pub(super) async fn end(State(state): State<AppState>, headers: HeaderMap) -> Result<StatusCode, WebError> {
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    let mut tx = state.db.auth().begin().await?;
    sessions::end(&mut tx, state.clock.as_ref(), &token).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who one is, once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    /// The password.
    #[serde(default)]
    #[schema(required, value_type = String, format = Password)]
    password: SecretString,
}

/// Confirm who I am
///
/// For ten minutes this session may then call what otherwise answers 403 with `proof_required`.
#[utoipa::path(post, path = "/api/v1/sessions/current/proof", tag = "account", operation_id = "prove", request_body = Proof,
    responses((status = 204, description = "It is you")))]
pub(super) async fn prove(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Proof>,
) -> Result<StatusCode, WebError> {
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    let proven = step_up::prove(&state, &customer, &token, body.password).await?;
    if proven { Ok(StatusCode::NO_CONTENT) } else { Err(WebError::WrongCredentials) }
}

/// An account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The account's id.
    #[serde(default)]
    #[schema(required, example = "acc_01kanyg7c3e8ht2w9c5m1r4q6z")]
    account: String,
}

impl Which {
    /// The id; what is none is not there.
    pub fn id(&self) -> Result<AccountId, WebError> {
        self.account.parse().map_err(|_| WebError::NotFound)
    }
}

/// Act for another account
///
/// One of those of `GET /api/v1/accounts`.
#[utoipa::path(post, path = "/api/v1/sessions/current/account", tag = "account", operation_id = "act_for", request_body = Which,
    responses((status = 204, description = "This session acts for it")))]
pub(super) async fn act_for(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Which>,
) -> Result<StatusCode, WebError> {
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    acts::act_for(&state, &customer, &token, body.id()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
