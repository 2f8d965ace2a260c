//! Proving an address with the link from a mail.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account::MailUnderWay;
use super::json::{Answer, JsonBody};
use crate::account::VISITOR;
use crate::account::email::EmailAddress;
use crate::web::AppState;
use crate::web::account::verify::prove;
use crate::web::account::{discreet, read_email};
use crate::web::error::WebError;
use crate::web::page::FieldErrors;
use crate::words::Words;

/// The token of a verification mail.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVerification {
    /// What stands behind the last slash of the mail's link.
    #[serde(default)]
    #[schema(required)]
    token: String,
}

/// Prove an address
///
/// A link works for 24 hours; once more is no error. One that is too old or not ours is 410.
#[utoipa::path(post, path = "/api/v1/verifications", tag = "account", operation_id = "verify", request_body = NewVerification,
    responses((status = 204, description = "The address is proven")))]
pub(super) async fn create(
    State(state): State<AppState>,
    JsonBody(body): JsonBody<NewVerification>,
) -> Result<StatusCode, WebError> {
    prove(&state, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An address and nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Addressee {
    /// Where the mail goes.
    #[serde(default)]
    #[schema(required, example = "ada@example.org")]
    email: String,
}

impl Addressee {
    pub fn email(&self) -> Result<EmailAddress, WebError> {
        let mut errors = FieldErrors::default();
        read_email(&Words::english(), &self.email, &mut errors).ok_or(WebError::Invalid(errors.list))
    }
}

/// Send the verification mail again
///
/// At most one mail a minute and a few a day to an address; the answer is the same for every address.
#[utoipa::path(post, path = "/api/v1/verifications/resend", tag = "account", operation_id = "resend_verification",
    request_body = Addressee, responses((status = 202, description = "A mail is under way, if one is due", body = MailUnderWay)))]
pub(super) async fn resend(
    State(state): State<AppState>,
    JsonBody(body): JsonBody<Addressee>,
) -> Result<Answer<MailUnderWay>, WebError> {
    let email = body.email()?;
    discreet::resend_verification(&state, VISITOR, &email).await?;
    Ok(MailUnderWay::answer())
}
