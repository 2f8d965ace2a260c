//! Signing in and out. A session is a bearer token; cookies count for nothing here, so no other site can use one.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::account::session::{self as sessions, Kind, Subject};
use crate::account::{self, device, factor};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::account::discreet::{is_code_of, who};
use crate::web::account::{acts, security, step_up};
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::origin::Origin;
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
    /// Six digits of the authenticator app, or a recovery code, for whoever has a second factor.
    #[serde(default)]
    #[schema(example = "287082")]
    code: String,
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
///
/// Whoever has a second factor is asked for `code` by the problem `code_required`, once the password is right.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "account", operation_id = "sign_in", request_body = Credentials,
    responses((status = 201, description = "Signed in", body = Session)))]
pub(super) async fn create(
    State(state): State<AppState>,
    origin: Origin,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Answer<Session>, WebError> {
    let person = who(&state, &origin, &body.email, body.password).await?.ok_or(WebError::WrongCredentials)?;
    let second = factor::is_on(&mut *state.db.auth().acquire().await?, person.id).await?;
    if second && body.code.trim().is_empty() {
        return Err(WebError::CodeRequired);
    }
    if second && !is_code_of(&state, &origin, &person, &body.code).await? {
        return Err(WebError::WrongCode);
    }
    let clock = state.clock.as_ref();
    let mut tx = state.db.auth().begin().await?;
    let (account, _) = account::membership(&mut tx, person.id).await?.ok_or(WebError::Forbidden)?;
    let subject = Subject::Person { person: person.id, account };
    let secret = sessions::begin(&mut tx, clock, subject, Kind::Api, origin.client()).await?;
    device::seen(&mut tx, clock, &person, &origin.program(), &origin.agent, origin.network).await?;
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
    /// The password, for whoever has no second factor.
    #[serde(default)]
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// A code of it, for whoever has one.
    #[serde(default)]
    #[schema(example = "287082")]
    code: String,
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
    origin: Origin,
    JsonBody(body): JsonBody<Proof>,
) -> Result<StatusCode, WebError> {
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    let proven = step_up::prove(&state, &origin, &customer, &token, body.password, &body.code).await?;
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

/// Where somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    /// In the order of their ids, which says nothing; `seen` says when each was last used.
    sessions: Vec<SessionView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// For ending it. Not the token.
    #[schema(example = "0d0a3c36-4b0e-4d5f-9c55-3d1f7a5f1b7e")]
    id: String,
    /// `browser` or `api`.
    #[schema(value_type = String, example = "browser")]
    kind: Kind,
    /// When it began.
    began: DateTime<Utc>,
    /// When it was last used, to within ten minutes.
    seen: DateTime<Utc>,
    /// What the browser or program called itself.
    agent: String,
    /// Address that it was begun from.
    network: String,
    /// Whether it is this one.
    current: bool,
}

/// List my sessions
#[utoipa::path(get, path = "/api/v1/sessions", tag = "account", operation_id = "list_sessions", params(PageQuery),
    responses((status = 200, description = "Where the caller is signed in", body = Sessions)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Sessions>, WebError> {
    let part = query.read::<uuid::Uuid>()?;
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    let mut conn = state.db.auth().acquire().await?;
    let all = sessions::list(&mut conn, state.clock.as_ref(), customer.person.id, &token).await?;
    let (all, next) = part.pick(all, |one| one.id);
    let view = |one: sessions::Listed| SessionView {
        id: one.id.to_string(),
        kind: one.kind,
        began: one.created_at,
        seen: one.last_seen_at,
        agent: one.user_agent,
        network: one.network,
        current: one.current,
    };
    Ok(Answer(StatusCode::OK, Sessions { sessions: all.into_iter().map(view).collect(), next }))
}

/// End one of my sessions
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", tag = "account", operation_id = "end_session",
    params(("session" = String, Path, description = "Id from the list")),
    responses((status = 204, description = "The session has ended")))]
pub(super) async fn end_one(
    State(state): State<AppState>,
    customer: Customer,
    Path(session): Path<String>,
) -> Result<StatusCode, WebError> {
    security::end_session(&state, &customer, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all my other sessions
///
/// In browsers and programs; the one whose token comes with this request goes on.
#[utoipa::path(post, path = "/api/v1/sessions/end-others", tag = "account", operation_id = "end_other_sessions",
    responses((status = 204, description = "This is the only one left")))]
pub(super) async fn end_others(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
) -> Result<StatusCode, WebError> {
    let token = bearer_token(&headers).ok_or(WebError::Unauthenticated)?;
    security::end_other_sessions(&state, &customer, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
