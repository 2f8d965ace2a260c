//! Signing up, and "look into your mail".

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{discreet, read_email, read_new_password, read_sent, remember_sent};
use crate::mail::ASKED_A_DAY;
use crate::switch::{self, Switch};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Caller, Customer};

#[derive(Template)]
#[template(path = "pages/account/sign_up.html")]
struct SignUpPage {
    page: PageContext,
    email: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/check_mail.html")]
struct CheckMailPage {
    page: PageContext,
    email: String,
    resent: bool,
    /// Mails that an address gets in a day.
    most: usize,
}

pages!(SignUpPage, CheckMailPage);

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SignUpForm {
    email: String,
    password: String,
}

/// `?resent=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Resent {
    resent: String,
}

/// GET `/sign-up`
pub(super) async fn form(page: PageContext, caller: Caller) -> Result<Response, WebError> {
    if matches!(caller, Caller::Customer(_)) {
        return Ok(Redirect::to("/instances").into_response());
    }
    Ok(html(&SignUpPage { page, email: String::new(), errors: FieldErrors::default() })?)
}

/// POST `/sign-up`. Nobody is signed in by it.
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    Form(form): Form<SignUpForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    if !switch::is_on(&mut *state.db.auth().acquire().await?, Switch::SignUps).await? {
        errors.add("email", page.w.t("switch-sign-ups-off"));
        return Ok(refused(&SignUpPage { page, email: form.email, errors })?);
    }
    let email = read_email(&page.w, &form.email, &mut errors);
    let password = read_new_password(&page.w, form.password, &mut errors);
    let (Some(email), Some(password)) = (email, password) else {
        return Ok(refused(&SignUpPage { page, email: form.email, errors })?);
    };
    discreet::sign_up(&state, &email, password, &page.lang).await?;
    Ok((AppendHeaders([remember_sent(&state, &email)]), Redirect::to("/sign-up/sent")).into_response())
}

/// GET `/sign-up/sent`
pub(super) async fn sent(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    Query(query): Query<Resent>,
) -> Result<Response, WebError> {
    let Some(email) = read_sent(&state, &headers) else { return Ok(Redirect::to("/sign-up").into_response()) };
    Ok(html(&CheckMailPage { page, email, resent: !query.resent.is_empty(), most: ASKED_A_DAY })?)
}

/// GET `/check-mail`: for somebody who is signed in and has not proven their address.
pub(super) async fn check_mail(page: PageContext, customer: Customer, Query(query): Query<Resent>) -> Result<Response, WebError> {
    if customer.person.verified_at.is_some() {
        return Ok(Redirect::to("/new/address").into_response());
    }
    let (email, resent) = (customer.person.email, !query.resent.is_empty());
    Ok(html(&CheckMailPage { page, email, resent, most: ASKED_A_DAY })?)
}
