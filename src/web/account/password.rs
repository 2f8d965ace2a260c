//! Choosing a new password by mail.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{discreet, read_email, read_new_password, read_sent, remember_sent};
use crate::account::link::{self, Purpose};
use crate::account::{self, Person, device};
use crate::mail::ASKED_A_DAY;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, flash, html, pages, refused};

#[derive(Template)]
#[template(path = "pages/account/forgot.html")]
struct ForgotPage {
    page: PageContext,
    email: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/forgot_sent.html")]
struct ForgotSentPage {
    page: PageContext,
    email: String,
    /// Mails that an address gets in a day.
    most: usize,
}

#[derive(Template)]
#[template(path = "pages/account/reset.html")]
struct ResetPage {
    page: PageContext,
    token: String,
    email: String,
    errors: FieldErrors,
}

pages!(ForgotPage, ForgotSentPage, ResetPage);

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ForgotForm {
    email: String,
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResetForm {
    password: String,
}

/// GET `/forgot`
pub(super) async fn forgot(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&ForgotPage { page, email: String::new(), errors: FieldErrors::default() })?)
}

/// POST `/forgot`
pub(super) async fn request(
    State(state): State<AppState>,
    page: PageContext,
    Form(form): Form<ForgotForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let Some(email) = read_email(&page.w, &form.email, &mut errors) else {
        return Ok(refused(&ForgotPage { page, email: form.email, errors })?);
    };
    discreet::request_reset(&state, &email, &page.lang).await?;
    Ok((AppendHeaders([remember_sent(&state, &email)]), Redirect::to("/forgot/sent")).into_response())
}

/// GET `/forgot/sent`
pub(super) async fn sent(State(state): State<AppState>, page: PageContext, headers: HeaderMap) -> Result<Response, WebError> {
    let Some(email) = read_sent(&state, &headers) else { return Ok(Redirect::to("/forgot").into_response()) };
    Ok(html(&ForgotSentPage { page, email, most: ASKED_A_DAY })?)
}

/// GET `/reset/{token}`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let (_, person) = usable(&state, &token).await?;
    Ok(html(&ResetPage { page, token, email: person.email, errors: FieldErrors::default() })?)
}

/// POST `/reset/{token}`. Ends all sessions; the new password has to be used at once, at the log-in.
pub(super) async fn set(
    State(state): State<AppState>,
    page: PageContext,
    origin: Origin,
    Path(token): Path<String>,
    Form(form): Form<ResetForm>,
) -> Result<Response, WebError> {
    let (id, person) = usable(&state, &token).await?;
    let mut errors = FieldErrors::default();
    let Some(password) = read_new_password(&page.w, form.password, &mut errors) else {
        return Ok(refused(&ResetPage { page, token, email: person.email, errors })?);
    };
    let hash = state.passwords.hash(password).await?;
    let mut tx = state.db.auth().begin().await?;
    let (device, cookie) = origin.keep_device(&state);
    account::reset_password(&mut tx, state.clock.as_ref(), id, &hash).await?;
    // Whoever has read the mail may log in here, however often strangers have tried meanwhile.
    device::trust(&mut tx, state.clock.as_ref(), person.id, &device).await?;
    tx.commit().await?;
    Ok((AppendHeaders([cookie, flash(&state, "done", "flash-password-set")]), Redirect::to("/log-in")).into_response())
}

/// The row and the owner of a link that can still be used.
async fn usable(state: &AppState, token: &str) -> Result<(uuid::Uuid, Person), WebError> {
    let id = link::read(&state.key, token, Purpose::Reset).ok_or(WebError::LinkUsedUp)?;
    let mut conn = state.db.auth().acquire().await?;
    match account::look_at_link(&mut conn, state.clock.as_ref(), id, Purpose::Reset).await? {
        Some((person, true)) => Ok((id, person)),
        Some(_) | None => Err(WebError::LinkUsedUp),
    }
}
