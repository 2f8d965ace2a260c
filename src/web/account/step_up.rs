//! Confirming again who one is, before what an open browser must not be enough for.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::discreet::{is_code_of, who};
use super::log_in::local_path;
use crate::account::{factor, session};
use crate::audit;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, session_cookie};

#[derive(Template)]
#[template(path = "pages/account/step_up.html")]
struct StepUpPage {
    page: PageContext,
    next: String,
    /// Whether a code of the second factor is asked for, in the place of the password.
    code: bool,
    /// Whether there are passkeys here.
    passkeys: bool,
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
    code: String,
    next: String,
}

async fn has_second_factor(state: &AppState, customer: &Customer) -> Result<bool, WebError> {
    Ok(factor::is_on(&mut *state.db.auth().acquire().await?, customer.person.id).await?)
}

/// GET `/step-up`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Query(query): Query<Next>,
) -> Result<Response, WebError> {
    let next = local_path(&query.next).unwrap_or_default().to_owned();
    let code = has_second_factor(&state, &customer).await?;
    Ok(html(&StepUpPage { page, next, code, passkeys: state.passkeys.is_some(), errors: FieldErrors::default() })?)
}

/// POST `/step-up`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<StepUpForm>,
) -> Result<Response, WebError> {
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    let secret = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    if prove(&state, &origin, &customer, &secret, form.password, &form.code).await? {
        return Ok(Redirect::to(if next.is_empty() { "/account/security" } else { &next }).into_response());
    }
    let code = has_second_factor(&state, &customer).await?;
    let (field, key) = if code { ("code", "code-wrong") } else { ("password", "step-up-wrong") };
    let mut errors = FieldErrors::default();
    errors.add(field, page.w.t(key));
    Ok(refused(&StepUpPage { page, next, code, passkeys: state.passkeys.is_some(), errors })?)
}

/// Whether it is them; then the session is as good as a new one. Who has a second factor shows that one: what an open browser has not got.
pub(in crate::web) async fn prove(
    state: &AppState,
    origin: &Origin,
    customer: &Customer,
    secret: &str,
    password: SecretString,
    code: &str,
) -> Result<bool, WebError> {
    let right = if has_second_factor(state, customer).await? {
        is_code_of(state, origin, &customer.person, code).await?
    } else {
        let found = who(state, origin, &customer.person.email, password).await?;
        found.is_some_and(|person| person.id == customer.person.id)
    };
    if !right {
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
