//! Setting up and turning off the second factor.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use serde::Deserialize;

use super::security::HERE;
use crate::account::factor::{self, FactorError, Secret};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::Customer;

#[derive(Template)]
#[template(path = "pages/account/authenticator.html")]
struct AuthenticatorPage {
    page: PageContext,
    /// The secret in groups of four, to be typed.
    secret: String,
    /// The same as a picture: SVG of ours, with nothing in it that anybody else has written.
    picture: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/codes.html")]
struct CodesPage {
    page: PageContext,
    codes: Vec<String>,
}

pages!(AuthenticatorPage, CodesPage);

/// POST `/account/security/authenticator`: a secret, shown on the page that follows.
pub(super) async fn begin(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    factor::begin(&mut tx, state.clock.as_ref(), customer.person.id).await?;
    tx.commit().await?;
    Ok(Redirect::to("/account/security/authenticator").into_response())
}

async fn load(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    errors: FieldErrors,
) -> Result<Option<AuthenticatorPage>, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    let offered = match factor::offered(&mut conn, &state.key, &customer.person, &state.host.name).await {
        Ok(secret) => secret,
        Err(FactorError::None | FactorError::Already) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    let (secret, picture) = shown(offered)?;
    Ok(Some(AuthenticatorPage { page, secret, picture, errors }))
}

/// A secret in groups of four, to be typed, and as a picture.
pub(in crate::web) fn shown(secret: Secret) -> Result<(String, String), WebError> {
    let Secret { text, url } = secret;
    let letters: Vec<char> = text.chars().collect();
    let text = letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ");
    let picture = QRBuilder::new(url).build().map_err(|error| WebError::Internal(error.to_string()))?;
    Ok((text, SvgBuilder::default().to_str(&picture)))
}

/// GET `/account/security/authenticator`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    let Some(page) = load(&state, page, &customer, FieldErrors::default()).await? else {
        return Ok(Redirect::to(HERE).into_response());
    };
    Ok(html(&page)?)
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmForm {
    code: String,
}

/// POST `/account/security/authenticator/confirm`: the first code, and then the recovery codes, this once.
pub(super) async fn confirm(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    match factor::confirm(&mut tx, state.clock.as_ref(), &state.key, &customer.person, &form.code).await {
        Ok(codes) => {
            tx.commit().await?;
            Ok(html(&CodesPage { page, codes })?)
        }
        Err(FactorError::Wrong) => {
            let mut errors = FieldErrors::default();
            errors.add("code", page.w.t("code-wrong"));
            let Some(page) = load(&state, page, &customer, errors).await? else {
                return Ok(Redirect::to(HERE).into_response());
            };
            Ok(refused(&page)?)
        }
        Err(other) => Err(other.into()),
    }
}

/// POST `/account/security/codes`: new recovery codes, shown this once.
pub(super) async fn renew_codes(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    let codes = factor::renew_codes(&mut tx, state.clock.as_ref(), &customer.person).await?;
    tx.commit().await?;
    Ok(html(&CodesPage { page, codes })?)
}

/// POST `/account/security/authenticator/off`
pub(super) async fn turn_off(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.auth().begin().await?;
    factor::turn_off(&mut tx, state.clock.as_ref(), &customer.person).await?;
    tx.commit().await?;
    Ok(with_message(&state, HERE, "done", "flash-second-factor-off"))
}
