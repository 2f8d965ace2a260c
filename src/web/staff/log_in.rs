//! Staff sign in apart from customers, with accounts of their own: the password is the first of two steps.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::second_factor;
use crate::account::email::EmailAddress;
use crate::account::password::PasswordHash;
use crate::account::{self, StaffMember};
use crate::web::AppState;
use crate::web::account::discreet::bounded;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};

#[derive(Template)]
#[template(path = "pages/staff/log_in.html")]
struct StaffLogInPage {
    page: PageContext,
    email: String,
    errors: FieldErrors,
}

pages!(StaffLogInPage);

/// GET `/staff/log-in`
pub(super) async fn show(page: PageContext) -> Result<Response, WebError> {
    if page.staff {
        return Ok(Redirect::to("/staff").into_response());
    }
    Ok(html(&StaffLogInPage { page, email: String::new(), errors: FieldErrors::default() })?)
}

/// Who and with what.
#[derive(Deserialize)]
pub(super) struct LogInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
}

/// POST `/staff/log-in`
pub(super) async fn submit(
    State(state): State<AppState>,
    headers: HeaderMap,
    page: PageContext,
    origin: Origin,
    Form(form): Form<LogInForm>,
) -> Result<Response, WebError> {
    let Some(member) = check(&state, &origin, &form.email, form.password).await? else {
        let mut errors = FieldErrors::default();
        errors.add("email", page.w.t("form-log-in-wrong"));
        return Ok(refused(&StaffLogInPage { page, email: form.email, errors })?);
    };
    second_factor::begin(&state, &headers, &origin, &member).await
}

/// Who this is; `None` for unknown addresses and wrong passwords alike, after the same time.
async fn check(state: &AppState, origin: &Origin, email: &str, password: SecretString) -> Result<Option<StaffMember>, WebError> {
    let parsed = EmailAddress::parse(email).ok();
    // Staff and customers have doors of their own, and bounds of their own.
    let nobodys = || format!("from {}", origin.network);
    let address = format!("staff {}", parsed.as_ref().map_or_else(nobodys, EmailAddress::canonical));
    bounded(state, origin, &address, async {
        let found = match &parsed {
            Some(email) => account::staff_credentials(&mut *state.db.auth().acquire().await?, email).await?,
            None => None,
        };
        let (member, hash) = found.map_or((None, PasswordHash::nobody()), |(member, hash)| (Some(member), hash));
        let right = state.passwords.matches(password, hash).await?;
        Ok(member.filter(|_| right))
    })
    .await
}
