//! Tokens for programs: what there is, a new one, and the end of one.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::account::token::{self, NewToken, Token, TokenError, TokenScope};
use crate::ids::{InstanceId, TokenId};
use crate::instance::{self, Instance};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::Customer;

#[derive(Template)]
#[template(path = "pages/account/tokens.html")]
struct TokensPage {
    page: PageContext,
    tokens: Vec<TokenRow>,
    /// Whether the one who looks has shown a short while ago who they are.
    fresh: bool,
    name: String,
    scopes: Vec<Choice>,
    servers: Vec<Choice>,
    days: Vec<Choice>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/token_made.html")]
struct TokenMadePage {
    page: PageContext,
    token: String,
}

pages!(TokensPage, TokenMadePage);

struct TokenRow {
    id: String,
    name: String,
    scope: String,
    server: String,
    until: String,
    used: String,
}

/// For the macro `select`.
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenForm {
    name: String,
    scope: String,
    server: String,
    days: String,
}

/// How long a token may be good for, on the page.
const DAYS: [i64; 3] = [30, 90, 365];

/// The scope that a form or body names.
pub(in crate::web) fn read_scope(text: &str) -> Option<TokenScope> {
    match text {
        "read" => Some(TokenScope::Read),
        "manage" => Some(TokenScope::Manage),
        _ => None,
    }
}

async fn load(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    form: TokenForm,
    errors: FieldErrors,
) -> Result<TokensPage, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    let tokens = token::list(&mut conn, state.clock.as_ref(), customer.person.id, customer.account).await?;
    drop(conn);
    let mut tx = state.db.begin_account(customer.account).await?;
    let servers = instance::list_owned(tx.conn(), customer.account).await?;
    let words = page.w.clone();
    let name_of =
        |id: InstanceId| servers.iter().find(|server| server.id == id).map_or_else(String::new, |server| server.domain.clone());
    let row = |token: Token| TokenRow {
        id: token.id.to_string(),
        name: token.name,
        scope: words.t(match token.scope {
            TokenScope::Read => "tokens-read",
            TokenScope::Manage => "tokens-manage",
        }),
        server: token.instance.map(name_of).unwrap_or_default(),
        until: time::day(&words, token.expires_at),
        used: token.last_used_at.map(|at| time::day(&words, at)).unwrap_or_default(),
    };
    let rows = tokens.into_iter().map(row).collect();
    let choice = |value: &str, label: String, chosen: &str| Choice { value: value.to_owned(), label, chosen: value == chosen };
    let all = choice("", words.t("tokens-all"), &form.server);
    let server = |server: &Instance| choice(&server.id.to_string(), server.domain.clone(), &form.server);
    Ok(TokensPage {
        tokens: rows,
        fresh: customer.is_fresh(state),
        scopes: vec![
            choice("read", words.t("tokens-read"), &form.scope),
            choice("manage", words.t("tokens-manage"), &form.scope),
        ],
        servers: std::iter::once(all).chain(servers.iter().map(server)).collect(),
        days: DAYS.iter().map(|days| choice(&days.to_string(), words.count("tokens-days", "n", *days), &form.days)).collect(),
        name: form.name,
        errors,
        page,
    })
}

/// GET `/account/tokens`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    let form = TokenForm { scope: "read".to_owned(), days: "90".to_owned(), ..TokenForm::default() };
    Ok(html(&load(&state, page, &customer, form, FieldErrors::default()).await?)?)
}

/// POST `/account/tokens`: the token, shown this once.
pub(super) async fn make(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Form(form): Form<TokenForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let scope = read_scope(&form.scope);
    if scope.is_none() {
        errors.add("scope", page.w.t("tokens-scope-wrong"));
    }
    let server: Option<Result<InstanceId, _>> = Some(form.server.trim()).filter(|text| !text.is_empty()).map(str::parse);
    let instance = server.transpose().map_err(|_| errors.add("server", page.w.t("tokens-instance-wrong"))).ok();
    if let (Some(scope), Some(instance)) = (scope, instance) {
        let new = NewToken { name: &form.name, scope, instance, days: form.days.parse().unwrap_or_default() };
        let mut tx = state.db.auth().begin().await?;
        match token::create(&mut tx, state.clock.as_ref(), customer.person.id, customer.account, new).await {
            Ok((_, text)) => {
                tx.commit().await?;
                return Ok(html(&TokenMadePage { page, token: text.expose_secret().to_owned() })?);
            }
            Err(TokenError::Name) => errors.add("name", page.w.t("tokens-name-wrong")),
            Err(TokenError::Days) => errors.add("days", page.w.t("tokens-days-wrong")),
            Err(TokenError::Instance) => errors.add("server", page.w.t("tokens-instance-wrong")),
            Err(TokenError::TooMany) => errors.add("name", page.w.t("tokens-too-many")),
            Err(error @ TokenError::Database(_)) => return Err(error.into()),
        }
    }
    Ok(refused(&load(&state, page, &customer, form, errors).await?)?)
}

/// Ends one of the caller's tokens. Foreign and missing are the same 404.
pub(in crate::web) async fn end(state: &AppState, customer: &Customer, id: &str) -> Result<(), WebError> {
    let id: TokenId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.auth().begin().await?;
    if !token::revoke(&mut tx, state.clock.as_ref(), customer.person.id, customer.account, id).await? {
        return Err(WebError::NotFound);
    }
    Ok(tx.commit().await?)
}

/// POST `/account/tokens/{token}/end`
pub(super) async fn revoke(
    State(state): State<AppState>,
    customer: Customer,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    end(&state, &customer, &id).await?;
    Ok(with_message(&state, "/account/tokens", "done", "flash-token-ended"))
}
