//! The second step of a log-in: a code of the authenticator app, or a recovery code. Between the two steps the browser has a session that
//! opens nothing but this page.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::discreet::is_code_of;
use super::log_in::{self, local_path};
use crate::account::session::{self, Kind, Subject};
use crate::account::{self, Person};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{cookie_value, set_cookie};

#[derive(Template)]
#[template(path = "pages/account/code.html")]
struct CodePage {
    page: PageContext,
    next: String,
    errors: FieldErrors,
}

pages!(CodePage);

fn cookie_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_half" } else { "__Host-paddock_half" }
}

/// The secret of the session between the steps.
pub(super) fn half_cookie(state: &AppState, headers: &HeaderMap) -> Option<String> {
    cookie_value(headers, cookie_name(state))
}

/// The password was right: on to the code.
pub(super) async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    origin: &Origin,
    person: &Person,
    next: &str,
) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    if let Some(before) = half_cookie(state, headers) {
        session::end(&mut tx, state.clock.as_ref(), &before).await?;
    }
    let Some((account, _)) = account::membership(&mut tx, person.id).await? else { return Err(WebError::Forbidden) };
    let subject = Subject::Person { person: person.id, account };
    let secret = session::begin(&mut tx, state.clock.as_ref(), subject, Kind::Half, origin.client()).await?;
    tx.commit().await?;
    let cookie = set_cookie(state, cookie_name(state), secret.expose(), cookie::time::Duration::minutes(10));
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(&format!("/log-in/code?{query}"))).into_response())
}

/// Who is between the steps in this browser.
async fn half_way(state: &AppState, headers: &HeaderMap) -> Result<Option<Person>, WebError> {
    let Some(secret) = half_cookie(state, headers) else { return Ok(None) };
    let mut conn = state.db.auth().acquire().await?;
    let found = session::find(&mut conn, state.clock.as_ref(), &secret, Kind::Half).await?;
    match found.map(|session| session.subject) {
        Some(Subject::Person { person, account: _ }) => Ok(account::find_person(&mut conn, person).await?),
        Some(Subject::Staff(_)) | None => Ok(None),
    }
}

/// `?next=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// GET `/log-in/code`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    Query(query): Query<Next>,
) -> Result<Response, WebError> {
    if half_way(&state, &headers).await?.is_none() {
        return Ok(Redirect::to("/log-in").into_response());
    }
    let next = local_path(&query.next).unwrap_or_default().to_owned();
    Ok(html(&CodePage { page, next, errors: FieldErrors::default() })?)
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CodeForm {
    code: String,
    next: String,
}

/// POST `/log-in/code`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<CodeForm>,
) -> Result<Response, WebError> {
    let Some(person) = half_way(&state, &headers).await? else { return Ok(Redirect::to("/log-in").into_response()) };
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    if is_code_of(&state, &origin, &person, &form.code).await? {
        return log_in::begin(&state, &headers, &origin, &person, &next).await;
    }
    let mut errors = FieldErrors::default();
    errors.add("code", page.w.t("code-wrong"));
    Ok(refused(&CodePage { page, next, errors })?)
}
