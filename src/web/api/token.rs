//! Tokens for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::account::token::{self, NewToken, Token, TokenScope};
use crate::ids::{InstanceId, TokenId};
use crate::web::AppState;
use crate::web::account::tokens::{self, read_scope};
use crate::web::error::{FieldError, WebError};
use crate::web::form::Query;
use crate::web::session::Customer;
use crate::words::Words;

/// The caller's tokens for the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    /// The newest first.
    tokens: Vec<TokenView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// One of them. Its text is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Which. Not its text.
    #[schema(example = "tok_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// What it is called.
    name: String,
    /// `read` or `manage`.
    scope: TokenScope,
    /// The only server that it is good for; null: all of the account.
    instance: Option<String>,
    /// Until when it is good.
    until: DateTime<Utc>,
    /// When it was last used, to within ten minutes.
    used: Option<DateTime<Utc>>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token { id, name, scope, instance, expires_at: until, last_used_at: used, created_at: _ } = token;
        Self { id: id.to_string(), name, scope, instance: instance.map(|id| id.to_string()), until, used }
    }
}

/// List my tokens
#[utoipa::path(get, path = "/api/v1/tokens", tag = "account", operation_id = "list_tokens", params(PageQuery),
    responses((status = 200, description = "The caller's tokens for the account", body = Tokens)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Tokens>, WebError> {
    let part = query.read::<TokenId>()?;
    let mut conn = state.db.auth().acquire().await?;
    let all = token::list(&mut conn, state.clock.as_ref(), customer.person.id, customer.account).await?;
    let (all, next) = part.pick(all, |token| token.id);
    Ok(Answer(StatusCode::OK, Tokens { tokens: all.into_iter().map(TokenView::from).collect(), next }))
}

/// A token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What it is called, at most 60 characters.
    #[serde(default)]
    #[schema(required, example = "backup script on heron")]
    name: String,
    /// `read` looks; `manage` does what an admin does. Neither may more than the caller.
    #[serde(default)]
    #[schema(required, example = "read")]
    scope: String,
    /// The only server that it is good for: it then opens what is below `/api/v1/instances/{id}` and nothing else.
    instance: Option<String>,
    /// For how many days, at most 365.
    #[serde(default)]
    #[schema(required, example = 90)]
    days: i64,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    /// Which.
    #[schema(example = "tok_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// For the header `authorization: Bearer …`. It is not shown again.
    #[schema(example = "pdk_…")]
    token: String,
}

/// Make a token
#[utoipa::path(post, path = "/api/v1/tokens", tag = "account", operation_id = "make_token", request_body = Wanted,
    responses((status = 201, description = "The token, this once", body = Made)))]
pub(super) async fn create(
    State(state): State<AppState>,
    customer: Customer,
    JsonBody(body): JsonBody<Wanted>,
) -> Result<Answer<Made>, WebError> {
    let wrong =
        |field: &str, key: &str| WebError::Invalid(vec![FieldError { field: field.to_owned(), text: Words::english().t(key) }]);
    let scope = read_scope(&body.scope).ok_or_else(|| wrong("scope", "tokens-scope-wrong"))?;
    let instance: Option<InstanceId> =
        body.instance.as_deref().map(str::parse).transpose().map_err(|_| wrong("instance", "tokens-instance-wrong"))?;
    let new = NewToken { name: &body.name, scope, instance, days: body.days };
    let mut tx = state.db.auth().begin().await?;
    let (id, text) = token::create(&mut tx, state.clock.as_ref(), customer.person.id, customer.account, new).await?;
    tx.commit().await?;
    Ok(Answer(StatusCode::CREATED, Made { id: id.to_string(), token: text.expose_secret().to_owned() }))
}

/// End a token
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", tag = "account", operation_id = "end_token",
    params(("token" = String, Path, description = "Id of the token")),
    responses((status = 204, description = "It is good for nothing any more")))]
pub(super) async fn end(
    State(state): State<AppState>,
    customer: Customer,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    tokens::end(&state, &customer, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
