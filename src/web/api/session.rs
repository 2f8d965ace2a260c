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
use crate::web::AppState;
use crate::web::account::discreet::who;
use crate::web::error::WebError;
use crate::web::session::bearer_token;

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
