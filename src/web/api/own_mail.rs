//! A customer's own mail server for the mails of their server.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::instance::OwnMailFacts;
use crate::resource::MailSecurity;
use crate::web::AppState;
use crate::web::error::{FieldError, WebError};
use crate::web::instance::own_mail::{MailForm, NotKept, forget, keep};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

/// Where a server's mails leave.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailView {
    /// The customer's own mail server; none where mails leave through the host's relay.
    own: Option<OwnView>,
    /// Mails that the host's relay takes in a day; unknown where the plan has left the catalogue.
    relay_mails_per_day: Option<u32>,
}

/// A customer's own mail server. The password is not told to anybody.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnView {
    /// Host name.
    #[schema(example = "smtp.example.org")]
    host: String,
    /// Port.
    #[schema(example = 587)]
    port: u16,
    /// How the way there is protected.
    security: MailSecurity,
    /// User name.
    login: String,
    /// The sender.
    from: String,
}

/// A mail server to use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOwnMail {
    /// Host name.
    #[schema(example = "smtp.example.org")]
    host: String,
    /// Port: 587 or 465.
    #[schema(example = 587)]
    port: u16,
    /// How the way there is protected.
    security: MailSecurity,
    /// User name.
    login: String,
    /// Password.
    #[schema(value_type = String)]
    password: SecretString,
    /// The sender.
    #[schema(example = "social@example.org")]
    from: String,
    /// Whether a test mail is sent to whoever calls.
    #[serde(default)]
    test: bool,
}

impl From<NewOwnMail> for MailForm {
    fn from(new: NewOwnMail) -> Self {
        let security = match new.security {
            MailSecurity::StartTls => "starttls",
            MailSecurity::Tls => "tls",
        };
        Self {
            mail_host: new.host,
            mail_port: new.port.to_string(),
            mail_security: security.to_owned(),
            mail_login: new.login,
            mail_password: new.password,
            mail_from: new.from,
            mail_test: if new.test { "yes" } else { "" }.to_owned(),
        }
    }
}

fn view(state: &AppState, plan: &str, own: Option<OwnMailFacts>) -> MailView {
    MailView {
        own: own.map(|OwnMailFacts { host, port, security, login, from }| OwnView { host, port, security, login, from }),
        relay_mails_per_day: state.catalogue.get(plan).map(|plan| plan.limits.mails_per_day),
    }
}

/// See where a server's mails leave
#[utoipa::path(get, path = "/api/v1/instances/{id}/mail", tag = "instance", operation_id = "get_mail",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "The way out for mails", body = MailView)))]
pub(super) async fn get(
    State(state): State<AppState>,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<MailView>, WebError> {
    Ok(Answer(StatusCode::OK, view(&state, &instance.plan_code, instance.own_mail.map(|own| own.0))))
}

/// Use a mail server of one's own
///
/// It is talked to before anything is kept: connected to, logged in at, and asked whether it takes the sender. 422 names the field that
/// has to be changed and what the mail server said. 409 has one of the codes `too_often` (20 tries an hour), `not_offered` and `not_running`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/mail", tag = "instance", operation_id = "set_mail", request_body = NewOwnMail,
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "It works and is used from now on", body = MailView)))]
pub(super) async fn set(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(new): JsonBody<NewOwnMail>,
) -> Result<Answer<MailView>, WebError> {
    let refused = |code, text: &str| WebError::Refused { code, text: text.to_owned(), errors: Vec::new() };
    let kept = keep(&state, &Words::english(), &customer, &instance, &new.into()).await;
    let facts = kept.map_err(|why| match why {
        NotKept::Fields(errors) => {
            let named = |error: FieldError| FieldError { field: error.field.trim_start_matches("mail_").to_owned(), ..error };
            WebError::Invalid(errors.list.into_iter().map(named).collect())
        }
        NotKept::TooOften => refused("too_often", "a mail server was tried too often; try again in an hour"),
        NotKept::NotOffered => refused("not_offered", "this host takes no settings for mail servers; write to it"),
        NotKept::NotNow => refused("not_running", "the server is not running yet; set this once it does"),
        NotKept::Other(error) => error,
    })?;
    Ok(Answer(StatusCode::OK, view(&state, &instance.plan_code, Some(facts))))
}

/// Go back to the host's relay
#[utoipa::path(delete, path = "/api/v1/instances/{id}/mail", tag = "instance", operation_id = "remove_mail",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 204, description = "Mails leave through the host's relay")))]
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<StatusCode, WebError> {
    forget(&state, &customer, &instance).await?;
    Ok(StatusCode::NO_CONTENT)
}
