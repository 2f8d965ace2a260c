//! Where a server's mails leave: the host's relay, or the customer's own mail server.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::own_mail::{MailForm, NotKept, forget, keep};
use super::runs::Choice;
use super::view::readable;
use crate::account::Role;
use crate::instance::{Instance, OwnMailFacts};
use crate::resource::MailSecurity;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{Fact, FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/mail.html")]
struct MailPage {
    page: PageContext,
    id: String,
    address: String,
    /// Mails that the relay takes in a day; empty where that is not known.
    limit: String,
    /// The customer's own mail server, when there is one.
    own: Vec<Fact>,
    form: MailForm,
    securities: Vec<Choice>,
    /// Whether this host takes such settings.
    offered: bool,
    may: bool,
    email: String,
    errors: FieldErrors,
}

pages!(MailPage);

fn facts(words: &Words, own: &OwnMailFacts) -> Vec<Fact> {
    let OwnMailFacts { host, port, security, login, from } = own;
    let security = match security {
        MailSecurity::StartTls => "choice-mail-starttls",
        MailSecurity::Tls => "choice-mail-tls",
    };
    vec![
        Fact::new(words, "field-mail-host", format!("{host}:{port}")),
        Fact::new(words, "field-mail-security", words.t(security)),
        Fact::new(words, "field-mail-login", login),
        Fact::new(words, "field-mail-from", from),
    ]
}

fn mail_page(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    form: MailForm,
    errors: FieldErrors,
) -> MailPage {
    let w = &page.w;
    let plan = state.catalogue.get(&instance.plan_code);
    let securities = [("starttls", "choice-mail-starttls"), ("tls", "choice-mail-tls")];
    MailPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        limit: plan.map(|plan| plan.limits.mails_per_day.to_string()).unwrap_or_default(),
        own: instance.own_mail.as_ref().map(|own| facts(w, own)).unwrap_or_default(),
        securities: securities
            .map(|(value, key)| Choice { value, label: w.t(key), chosen: form.mail_security == value })
            .to_vec(),
        form,
        offered: state.sealing.is_some() && instance.ready_at.is_some(),
        may: customer.role >= Role::Admin,
        email: customer.person.email.clone(),
        errors,
        page,
    }
}

/// GET `/instances/{id}/mail`
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let form = match &instance.own_mail {
        Some(own) => MailForm {
            mail_host: own.host.clone(),
            mail_port: own.port.to_string(),
            mail_security: match own.security {
                MailSecurity::Tls => "tls",
                MailSecurity::StartTls => "starttls",
            }
            .to_owned(),
            mail_login: own.login.clone(),
            mail_from: own.from.clone(),
            ..MailForm::default()
        },
        None => MailForm { mail_port: "587".to_owned(), mail_security: "starttls".to_owned(), ..MailForm::default() },
    };
    Ok(html(&mail_page(&state, page, &customer, &instance, form, FieldErrors::default()))?)
}

/// POST `/instances/{id}/mail`: tried out, and kept when it works.
pub(super) async fn submit(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<MailForm>,
) -> Result<Response, WebError> {
    let to = format!("/instances/{}/mail", instance.id);
    let failed = |key| Ok(with_message(&state, &to, "failed", key));
    match keep(&state, &page.w, &customer, &instance, &form).await {
        Ok(_) => Ok(with_message(&state, &to, "done", "mail-kept")),
        Err(NotKept::Fields(errors)) => Ok(refused(&mail_page(&state, page, &customer, &instance, form, errors))?),
        Err(NotKept::TooOften) => failed("mail-too-often"),
        Err(NotKept::NotOffered) => failed("mail-not-offered"),
        Err(NotKept::NotNow) => failed("mail-not-now"),
        Err(NotKept::Other(error)) => Err(error),
    }
}

/// POST `/instances/{id}/mail/remove`: back to the host's relay.
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Response, WebError> {
    let changed = forget(&state, &customer, &instance).await?;
    let (kind, key) = if changed { ("done", "mail-removed") } else { ("failed", "mail-none") };
    Ok(with_message(&state, &format!("/instances/{}/mail", instance.id), kind, key))
}
