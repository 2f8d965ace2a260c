//! Passkeys: making and taking away one's own, logging in with one, and showing again who one is.
//!
//! What is asked stands in the page, for the script; what its answer is checked with is in a cookie that we have signed.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::log_in::{self, local_path};
use crate::account::passkey::{self, Listed, PasskeyError, Passkeys, Question};
use crate::account::{self, session};
use crate::audit;
use crate::ids::PasskeyId;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, html, pages};
use crate::web::session::{Caller, Customer, session_cookie};
use crate::web::{AppState, signed};
use crate::words::Words;

const HERE: &str = "/account/security/passkeys";
/// Carries what the answer of a new passkey is checked with.
const NEW: &str = "paddock_passkey_new";
/// The same for one that is known.
const KNOWN: &str = "paddock_passkey";
const LIFETIME: cookie::time::Duration = cookie::time::Duration::minutes(5);

#[derive(Template)]
#[template(path = "pages/account/passkeys.html")]
struct PasskeysPage {
    page: PageContext,
    passkeys: Vec<Row>,
    /// Whether the one who looks has shown a short while ago who they are.
    fresh: bool,
}

#[derive(Template)]
#[template(path = "pages/account/passkey_new.html")]
struct NewPage {
    page: PageContext,
    /// What the browser is asked.
    options: String,
    name: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/passkey_show.html")]
struct ShowPage {
    page: PageContext,
    /// What the browser is asked.
    options: String,
    /// Where the answer goes, and where somebody goes who has none.
    action: &'static str,
    instead: &'static str,
    next: String,
    errors: FieldErrors,
}

pages!(PasskeysPage, NewPage, ShowPage);

struct Row {
    id: String,
    name: String,
    made: String,
    /// Empty for one that was never used.
    used: String,
}

impl Row {
    fn new(words: &Words, listed: Listed) -> Self {
        let Listed { id, name, last_used_at, created_at } = listed;
        let day = |at| time::day(words, at);
        Self { id: id.to_string(), name, made: day(created_at), used: last_used_at.map(day).unwrap_or_default() }
    }
}

/// What asks; nothing is here where browsers make no passkeys.
fn asks(state: &AppState) -> Result<&Passkeys, WebError> {
    state.passkeys.as_ref().ok_or(WebError::NotFound)
}

/// A page that asks, with the cookie that goes with it. `wrong` for one that was answered wrongly before.
fn asking(
    state: &AppState,
    (cookie, question): (&'static str, &Question),
    page: &impl crate::web::page::Page,
    wrong: bool,
) -> Result<Response, WebError> {
    let mut answer = html(page)?;
    if wrong {
        *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    let carried = AppendHeaders([signed::write(state, cookie, question.state.as_bytes(), LIFETIME)]);
    Ok((carried, answer).into_response())
}

/// What the browser carries of the question.
fn carried(state: &AppState, headers: &HeaderMap, cookie: &'static str) -> String {
    signed::read(state, headers, cookie).and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

/// The words of a fault that is the person's, or an error.
fn explain(page: &PageContext, field: &str, error: PasskeyError, errors: &mut FieldErrors) -> Result<(), WebError> {
    let Some(key) = error.key() else { return Err(error.into()) };
    errors.add(field, page.w.t(key));
    Ok(())
}

/// GET `/account/security/passkeys`
pub(super) async fn list(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    asks(&state)?;
    let all = passkey::list(&mut *state.db.auth().acquire().await?, customer.person.id).await?;
    let fresh = customer.is_fresh(&state);
    let passkeys = all.into_iter().map(|listed| Row::new(&page.w, listed)).collect();
    Ok(html(&PasskeysPage { page, passkeys, fresh })?)
}

async fn ask_for_new(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    name: String,
    errors: FieldErrors,
) -> Result<Response, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    let question = asks(state)?.ask_for_new(&mut conn, state.clock.as_ref(), &customer.person).await?;
    let wrong = !errors.is_empty();
    asking(state, (NEW, &question), &NewPage { page, options: question.options.clone(), name, errors }, wrong)
}

/// GET `/account/security/passkeys/new`
pub(super) async fn new(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    ask_for_new(&state, page, &customer, String::new(), FieldErrors::default()).await
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct NewForm {
    name: String,
    credential: String,
}

/// POST `/account/security/passkeys`
pub(super) async fn keep(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<NewForm>,
) -> Result<Response, WebError> {
    let question = carried(&state, &headers, NEW);
    let mut tx = state.db.auth().begin().await?;
    let answer = (question.as_str(), form.credential.as_str());
    match asks(&state)?.keep(&mut tx, state.clock.as_ref(), &customer.person, &form.name, answer).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(with_message(&state, HERE, "done", "flash-passkey-made"))
        }
        Err(error) => {
            drop(tx);
            let mut errors = FieldErrors::default();
            explain(&page, "name", error, &mut errors)?;
            ask_for_new(&state, page, &customer, form.name, errors).await
        }
    }
}

/// POST `/account/security/passkeys/{passkey}/remove`
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: PasskeyId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.auth().begin().await?;
    if !passkey::remove(&mut tx, state.clock.as_ref(), customer.person.id, id).await? {
        return Err(WebError::NotFound);
    }
    tx.commit().await?;
    Ok(with_message(&state, HERE, "done", "flash-passkey-removed"))
}

/// `?next=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// The answer of a passkey.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AnswerForm {
    credential: String,
    next: String,
}

/// Where a passkey is asked for.
#[derive(Clone, Copy)]
enum Place {
    LogIn,
    StepUp,
}

fn ask(state: &AppState, page: PageContext, place: Place, next: &str, errors: FieldErrors) -> Result<Response, WebError> {
    let question = asks(state)?.ask(state.clock.as_ref())?;
    let (action, instead) = match place {
        Place::LogIn => ("/log-in/passkey", "/log-in"),
        Place::StepUp => ("/step-up/passkey", "/step-up"),
    };
    let wrong = !errors.is_empty();
    let next = local_path(next).unwrap_or_default().to_owned();
    let page = ShowPage { page, options: question.options.clone(), action, instead, next, errors };
    asking(state, (KNOWN, &question), &page, wrong)
}

/// GET `/log-in/passkey`
pub(super) async fn log_in(
    State(state): State<AppState>,
    page: PageContext,
    caller: Caller,
    Query(query): Query<Next>,
) -> Result<Response, WebError> {
    if matches!(caller, Caller::Customer(_)) {
        return Ok(Redirect::to(local_path(&query.next).unwrap_or("/instances")).into_response());
    }
    ask(&state, page, Place::LogIn, &query.next, FieldErrors::default())
}

/// POST `/log-in/passkey`: neither password nor code are asked for besides.
pub(super) async fn answer_log_in(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<AnswerForm>,
) -> Result<Response, WebError> {
    let question = carried(&state, &headers, KNOWN);
    let mut tx = state.db.auth().begin().await?;
    let found = asks(&state)?.who(&mut tx, state.clock.as_ref(), (&question, &form.credential)).await;
    let person = match found {
        Ok(id) => account::find_person(&mut tx, id).await?.ok_or(WebError::NotFound)?,
        Err(error) => {
            drop(tx);
            let mut errors = FieldErrors::default();
            explain(&page, "credential", error, &mut errors)?;
            return ask(&state, page, Place::LogIn, &form.next, errors);
        }
    };
    tx.commit().await?;
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    log_in::begin(&state, &headers, &origin, &person, &next).await
}

/// GET `/step-up/passkey`
pub(super) async fn step_up(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<Next>,
) -> Result<Response, WebError> {
    ask(&state, page, Place::StepUp, &query.next, FieldErrors::default())
}

/// POST `/step-up/passkey`: the passkey has to be one of whoever is logged in.
pub(super) async fn answer_step_up(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<AnswerForm>,
) -> Result<Response, WebError> {
    let secret = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    let (question, clock) = (carried(&state, &headers, KNOWN), state.clock.as_ref());
    let mut tx = state.db.auth().begin().await?;
    let found = asks(&state)?.who(&mut tx, clock, (&question, &form.credential)).await;
    let theirs = found.and_then(|id| if id == customer.person.id { Ok(()) } else { Err(PasskeyError::Wrong) });
    if let Err(error) = theirs {
        drop(tx);
        let mut errors = FieldErrors::default();
        explain(&page, "credential", error, &mut errors)?;
        return ask(&state, page, Place::StepUp, &form.next, errors);
    }
    session::prove(&mut tx, clock, &secret).await?;
    let (account, id) = (Some(customer.account), customer.person.id.to_string());
    audit::record(&mut tx, clock, customer.actor(), account, "person.proved", &id, serde_json::json!({ "by": "passkey" }))
        .await?;
    tx.commit().await?;
    Ok(Redirect::to(local_path(&form.next).unwrap_or("/account/security")).into_response())
}
