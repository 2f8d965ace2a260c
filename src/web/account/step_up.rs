//! Confirming again who one is, before what an open browser must not be enough for.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::discreet::who;
use super::log_in::local_path;
use crate::account::session;
use crate::audit;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, session_cookie};

#[derive(Template)]
#[template(path = "pages/account/step_up.html")]
struct StepUpPage {
    page: PageContext,
    next: String,
    errors: FieldErrors,
}

pages!(StepUpPage);

/// `?next=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StepUpForm {
    password: SecretString,
    next: String,
}

/// GET `/step-up`
pub(super) async fn form(page: PageContext, _: Customer, Query(query): Query<Next>) -> Result<Response, WebError> {
    let next = local_path(&query.next).unwrap_or_default().to_owned();
    Ok(html(&StepUpPage { page, next, errors: FieldErrors::default() })?)
}

/// POST `/step-up`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<StepUpForm>,
) -> Result<Response, WebError> {
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    let secret = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    if prove(&state, &customer, &secret, form.password).await? {
        return Ok(Redirect::to(if next.is_empty() { "/account/members" } else { &next }).into_response());
    }
    let mut errors = FieldErrors::default();
    errors.add("password", page.w.t("step-up-wrong"));
    Ok(refused(&StepUpPage { page, next, errors })?)
}

/// Whether it is them; then the session is as good as a new one.
pub(in crate::web) async fn prove(
    state: &AppState,
    customer: &Customer,
    secret: &str,
    password: SecretString,
) -> Result<bool, WebError> {
    let found = who(state, &customer.person.email, password).await?;
    if found.is_none_or(|person| person.id != customer.person.id) {
        return Ok(false);
    }
    let mut tx = state.db.auth().begin().await?;
    session::prove(&mut tx, state.clock.as_ref(), secret).await?;
    let (clock, person) = (state.clock.as_ref(), customer.person.id.to_string());
    let account = Some(customer.account);
    audit::record(&mut tx, clock, customer.actor(), account, "person.proved", &person, serde_json::json!({})).await?;
    tx.commit().await?;
    Ok(true)
}
