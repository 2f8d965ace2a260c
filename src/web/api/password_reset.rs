//! A forgotten password.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account::MailUnderWay;
use super::json::{Answer, JsonBody};
use super::verification::Addressee;
use crate::account::{self, link};
use crate::web::AppState;
use crate::web::account::LOCALE;
use crate::web::account::{discreet, read_new_password};
use crate::web::error::WebError;
use crate::web::page::FieldErrors;
use crate::words::Words;

/// Ask for a link to set a new password
///
/// At most one mail a minute and a few a day to an address; the answer is the same for every address.
#[utoipa::path(post, path = "/api/v1/password-resets", tag = "account", operation_id = "request_password_reset",
    request_body = Addressee, responses((status = 202, description = "A mail is under way, if one is due", body = MailUnderWay)))]
pub(super) async fn create(
    State(state): State<AppState>,
    JsonBody(body): JsonBody<Addressee>,
) -> Result<Answer<MailUnderWay>, WebError> {
    let email = body.email()?;
    discreet::request_reset(&state, &email, LOCALE).await?;
    Ok(MailUnderWay::answer())
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// 8 to 128 characters of any kind.
    #[serde(default)]
    #[schema(required, format = Password)]
    password: String,
}

/// Set a new password
///
/// Every session of the person ends, this API's too. A link works once, and for an hour.
#[utoipa::path(post, path = "/api/v1/password-resets/{token}", tag = "account", operation_id = "reset_password",
    params(("token" = String, Path, description = "What stands behind the last slash of the mail's link")),
    request_body = NewPassword, responses((status = 204, description = "The password is set")))]
pub(super) async fn finish(
    State(state): State<AppState>,
    Path(token): Path<String>,
    JsonBody(body): JsonBody<NewPassword>,
) -> Result<StatusCode, WebError> {
    let token = link::read(&state.key, &token, link::Purpose::Reset).ok_or(WebError::LinkUsedUp)?;
    let mut errors = FieldErrors::default();
    let password = read_new_password(&Words::english(), body.password, &mut errors).ok_or(WebError::Invalid(errors.list))?;
    let hash = state.passwords.hash(password).await?;
    let mut tx = state.db.auth().begin().await?;
    account::reset_password(&mut tx, state.clock.as_ref(), token, &hash).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
