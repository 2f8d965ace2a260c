//! The second step of the staff's log-in, which nobody goes around. After the password the browser has a session that opens nothing but these
//! pages: the one that asks for a code or, for whoever has no second factor yet, the one that sets it up. Then the page on which they look
//! after it, and the one that asks for a code again.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use crate::account::factor::{self, FactorError, Standing};
use crate::account::session::{self, Kind, Subject};
use crate::account::{self, StaffMember};
use crate::audit::{self, Actor};
use crate::web::AppState;
use crate::web::account::authenticator::shown;
use crate::web::account::discreet::is_code_of;
use crate::web::account::log_in::local_path;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{begin_cookie, cookie_value, session_cookie, set_cookie};

#[derive(Template)]
#[template(path = "pages/staff/code.html")]
struct StaffCodePage {
    page: PageContext,
    /// Where the form goes: the log-in, or confirming again.
    action: &'static str,
    /// Whether somebody who is signed in confirms it.
    again: bool,
    /// A path of ours to go on to; empty for the overview.
    next: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/staff/set_up.html")]
struct StaffSetUpPage {
    page: PageContext,
    email: String,
    /// The secret in groups of four, to be typed.
    secret: String,
    /// The same as a picture: SVG of ours, with nothing in it that anybody else has written.
    picture: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/staff/codes.html")]
struct StaffCodesPage {
    page: PageContext,
    codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "pages/staff/security.html")]
struct StaffSecurityPage {
    page: PageContext,
    since: String,
    codes: String,
}

pages!(StaffCodePage, StaffSetUpPage, StaffCodesPage, StaffSecurityPage);

const LOG_IN: &str = "/staff/log-in";
const CODE: &str = "/staff/log-in/code";
const SET_UP: &str = "/staff/log-in/set-up";
const STEP_UP: &str = "/staff/step-up";

fn cookie_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_staff_half" } else { "__Host-paddock_staff_half" }
}

/// The password was right: on to the code, or to the app that will make codes.
pub(super) async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    origin: &Origin,
    member: &StaffMember,
) -> Result<Response, WebError> {
    let clock = state.clock.as_ref();
    let mut tx = state.db.auth().begin().await?;
    if let Some(before) = cookie_value(headers, cookie_name(state)) {
        session::end(&mut tx, clock, &before).await?;
    }
    let secret = session::begin(&mut tx, clock, Subject::Staff(member.id), Kind::Half, origin.client()).await?;
    let to = match factor::begin(&mut tx, clock, member.id).await {
        Ok(()) => SET_UP,
        Err(FactorError::Already) => CODE,
        Err(other) => return Err(other.into()),
    };
    tx.commit().await?;
    let cookie = set_cookie(state, cookie_name(state), secret.expose(), cookie::time::Duration::minutes(10));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(to)).into_response())
}

/// Who is between the steps in this browser, and whether they have a second factor.
async fn half_way(state: &AppState, headers: &HeaderMap) -> Result<Option<(StaffMember, bool)>, WebError> {
    let Some(secret) = cookie_value(headers, cookie_name(state)) else { return Ok(None) };
    let mut conn = state.db.auth().acquire().await?;
    let found = session::find(&mut conn, state.clock.as_ref(), &secret, Kind::Half).await?;
    let Some(Subject::Staff(id)) = found.map(|session| session.subject) else { return Ok(None) };
    let Some(member) = account::find_staff(&mut conn, id).await? else { return Ok(None) };
    let has = factor::is_on(&mut conn, id).await?;
    Ok(Some((member, has)))
}

/// Both steps are done: a session of its own. One that the browser had before ends, whoever's it was.
async fn admit(
    state: &AppState,
    headers: &HeaderMap,
    origin: &Origin,
    member: &StaffMember,
) -> Result<[(HeaderName, HeaderValue); 2], WebError> {
    let clock = state.clock.as_ref();
    let mut tx = state.db.auth().begin().await?;
    for before in [session_cookie(state, headers), cookie_value(headers, cookie_name(state))].into_iter().flatten() {
        session::end(&mut tx, clock, &before).await?;
    }
    let secret = session::begin(&mut tx, clock, Subject::Staff(member.id), Kind::Browser, origin.client()).await?;
    tx.commit().await?;
    let gone = set_cookie(state, cookie_name(state), "", cookie::time::Duration::ZERO);
    Ok([(header::SET_COOKIE, begin_cookie(state, &secret)), (header::SET_COOKIE, gone)])
}

fn wrong_code(page: &PageContext) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add("code", page.w.t("code-wrong"));
    errors
}

/// GET `/staff/log-in/code`
pub(super) async fn ask(State(state): State<AppState>, page: PageContext, headers: HeaderMap) -> Result<Response, WebError> {
    match half_way(&state, &headers).await? {
        Some((_, true)) => {
            let (next, errors) = (String::new(), FieldErrors::default());
            Ok(html(&StaffCodePage { page, action: CODE, again: false, next, errors })?)
        }
        Some((_, false)) => Ok(Redirect::to(SET_UP).into_response()),
        None => Ok(Redirect::to(LOG_IN).into_response()),
    }
}

/// Fields of the forms.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CodeForm {
    code: String,
    next: String,
}

/// POST `/staff/log-in/code`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<CodeForm>,
) -> Result<Response, WebError> {
    let Some((member, _)) = half_way(&state, &headers).await? else { return Ok(Redirect::to(LOG_IN).into_response()) };
    if is_code_of(&state, &origin, &member, &form.code).await? {
        let cookies = admit(&state, &headers, &origin, &member).await?;
        return Ok((AppendHeaders(cookies), Redirect::to("/staff")).into_response());
    }
    let errors = wrong_code(&page);
    Ok(refused(&StaffCodePage { page, action: CODE, again: false, next: String::new(), errors })?)
}

async fn set_up_page(
    state: &AppState,
    page: PageContext,
    member: &StaffMember,
    errors: FieldErrors,
) -> Result<StaffSetUpPage, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    let (secret, picture) = shown(factor::offered(&mut conn, &state.key, member, &state.host.name).await?)?;
    Ok(StaffSetUpPage { page, email: member.email.clone(), secret, picture, errors })
}

/// GET `/staff/log-in/set-up`
pub(super) async fn set_up_form(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    match half_way(&state, &headers).await? {
        Some((member, false)) => Ok(html(&set_up_page(&state, page, &member, FieldErrors::default()).await?)?),
        Some((_, true)) => Ok(Redirect::to(CODE).into_response()),
        None => Ok(Redirect::to(LOG_IN).into_response()),
    }
}

/// POST `/staff/log-in/set-up`: the first code, then the recovery codes, this once; and they are let in.
pub(super) async fn set_up(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<CodeForm>,
) -> Result<Response, WebError> {
    let Some((member, false)) = half_way(&state, &headers).await? else { return Ok(Redirect::to(LOG_IN).into_response()) };
    let mut tx = state.db.auth().begin().await?;
    match factor::confirm(&mut tx, state.clock.as_ref(), &state.key, &member, &form.code).await {
        Ok(codes) => {
            tx.commit().await?;
            let cookies = admit(&state, &headers, &origin, &member).await?;
            Ok((AppendHeaders(cookies), html(&StaffCodesPage { page, codes })?).into_response())
        }
        Err(FactorError::Wrong) => {
            drop(tx);
            let errors = wrong_code(&page);
            Ok(refused(&set_up_page(&state, page, &member, errors).await?)?)
        }
        Err(other) => Err(other.into()),
    }
}

/// GET `/staff/security`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, member: StaffMember) -> Result<Response, WebError> {
    let Standing { since, codes_left } = factor::standing(&mut *state.db.auth().acquire().await?, member.id).await?;
    let codes = page.w.count("factor-codes-left", "n", codes_left);
    Ok(html(&StaffSecurityPage { since: since.map(|at| time::day(&page.w, at)).unwrap_or_default(), codes, page })?)
}

/// POST `/staff/security/codes`: new recovery codes, shown this once.
pub(super) async fn renew_codes(
    State(state): State<AppState>,
    page: PageContext,
    member: StaffMember,
) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    let codes = factor::renew_codes(&mut tx, state.clock.as_ref(), &member).await?;
    tx.commit().await?;
    Ok(html(&StaffCodesPage { page, codes })?)
}

/// `?next=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// GET `/staff/step-up`
pub(super) async fn step_up_form(page: PageContext, Query(query): Query<Next>) -> Result<Response, WebError> {
    let next = local_path(&query.next).unwrap_or_default().to_owned();
    Ok(html(&StaffCodePage { page, action: STEP_UP, again: true, next, errors: FieldErrors::default() })?)
}

/// POST `/staff/step-up`
pub(super) async fn step_up(
    State(state): State<AppState>,
    page: PageContext,
    member: StaffMember,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<CodeForm>,
) -> Result<Response, WebError> {
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    let secret = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    if !is_code_of(&state, &origin, &member, &form.code).await? {
        let errors = wrong_code(&page);
        return Ok(refused(&StaffCodePage { page, action: STEP_UP, again: true, next, errors })?);
    }
    let (clock, id) = (state.clock.as_ref(), member.id.to_string());
    let mut tx = state.db.auth().begin().await?;
    session::prove(&mut tx, clock, &secret).await?;
    audit::record(&mut tx, clock, Actor::Staff(member.id), None, "staff.proved", &id, json!({})).await?;
    tx.commit().await?;
    Ok(Redirect::to(if next.is_empty() { "/staff" } else { &next }).into_response())
}
