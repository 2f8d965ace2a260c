//! A customer's own mail server: named, talked to, and only then kept. Pages and API go through the same check.

use std::net::IpAddr;

use lettre::Address;
use secrecy::SecretString;
use serde::Deserialize;

use crate::account::email::EmailAddress;
use crate::audit;
use crate::instance::dns::{LookupFailed, RecordKind};
use crate::instance::{self, Instance, OwnMailFacts};
use crate::mail::probe::{ProbeFault, TestLetter, Wanted};
use crate::resource::{Domain, MailSecurity, OwnMail, resource_name};
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::FieldErrors;
use crate::web::session::Customer;
use crate::words::Words;

/// How often an account may have a mail server tried out in an hour: enough for whoever is looking for a password, too little for whoever
/// is guessing one.
const TRIES_AN_HOUR: i64 = 20;
/// What is written for each try.
const TRIED: &str = "instance.own_mail_tried";
/// The longest login and password, in bytes.
const LONGEST: usize = 255;

/// What was typed, as it came.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "they are called as the form's fields are")]
pub(in crate::web) struct MailForm {
    /// Host name.
    pub mail_host: String,
    /// Port.
    pub mail_port: String,
    /// `starttls` or `tls`.
    pub mail_security: String,
    /// User name.
    pub mail_login: String,
    /// Password.
    pub mail_password: SecretString,
    /// Sender.
    pub mail_from: String,
    /// Whether a test mail is sent to the customer.
    pub mail_test: String,
}

/// Why nothing was kept.
#[derive(Debug)]
pub(in crate::web) enum NotKept {
    /// Fields that are wrong.
    Fields(FieldErrors),
    /// Tried too often.
    TooOften,
    /// This host has no key to seal to.
    NotOffered,
    /// The server is not there yet, or no more.
    NotNow,
    /// Something else.
    Other(WebError),
}

impl<E: Into<WebError>> From<E> for NotKept {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Checks what was typed by talking to the server that it names, and keeps it, sealed.
pub(in crate::web) async fn keep(
    state: &AppState,
    words: &Words,
    customer: &Customer,
    instance: &Instance,
    form: &MailForm,
) -> Result<OwnMailFacts, NotKept> {
    let Some(recipient) = &state.sealing else { return Err(NotKept::NotOffered) };
    if instance.ready_at.is_none() || instance.released_at.is_some() {
        return Err(NotKept::NotNow);
    }
    let wanted = read(state, words, customer, instance, form).map_err(NotKept::Fields)?;
    tried(state, customer, instance, &wanted).await?;
    let addresses = match addresses(state, &wanted.host).await {
        Ok(addresses) if addresses.is_empty() => return Err(one(words, "mail_host", "mail-fault-no-address")),
        Ok(addresses) => addresses,
        Err(error) => {
            tracing::info!(
                error = telemetry::chain(&error),
                host = wanted.host,
                "a customer's mail server could not be looked up"
            );
            return Err(one(words, "mail_host", "mail-fault-lookup"));
        }
    };
    // No transaction is open while we talk to somebody else's server.
    let method = state.prober.probe(&addresses, &wanted).await.map_err(|fault| NotKept::Fields(said(words, &fault)))?;
    let Wanted { host, port, security, login, password, from, letter: _ } = wanted;
    let facts = OwnMailFacts { host: host.clone(), port, security, login: login.clone(), from: from.to_string() };
    let own =
        OwnMail { instance: resource_name(instance.id), host, port, security, method, login, password, from: from.to_string() };
    let text: SecretString = serde_json::to_string(&own).map_err(|error| WebError::Internal(error.to_string()))?.into();
    let sealed = recipient.seal(&text).map_err(|error| WebError::Internal(error.to_string()))?;
    let mut tx = state.db.begin_account(customer.account).await?;
    instance::set_own_mail(tx.conn(), state.clock.as_ref(), customer.actor(), instance, &facts, &sealed).await?;
    tx.commit().await?;
    Ok(facts)
}

/// Back to the host's relay; whether anything changed.
pub(in crate::web) async fn forget(state: &AppState, customer: &Customer, instance: &Instance) -> Result<bool, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let changed = instance::remove_own_mail(tx.conn(), state.clock.as_ref(), customer.actor(), instance).await?;
    tx.commit().await?;
    Ok(changed)
}

/// Notes a try before it is made, and refuses it when there were too many.
async fn tried(state: &AppState, customer: &Customer, instance: &Instance, wanted: &Wanted) -> Result<(), NotKept> {
    let mut tx = state.db.begin_account(customer.account).await?;
    // Those that come at the same time wait for each other: each counts those before it.
    audit::one_by_one(tx.conn(), customer.account, TRIED).await?;
    let since = state.clock.now() - chrono::TimeDelta::hours(1);
    if audit::count(tx.conn(), customer.account, TRIED, since).await? >= TRIES_AN_HOUR {
        return Err(NotKept::TooOften);
    }
    let detail = serde_json::json!({ "host": wanted.host, "port": wanted.port, "login": wanted.login });
    let (clock, subject) = (state.clock.as_ref(), instance.id.to_string());
    audit::record(tx.conn(), clock, customer.actor(), Some(customer.account), TRIED, &subject, detail).await?;
    tx.commit().await?;
    Ok(())
}

async fn addresses(state: &AppState, host: &str) -> Result<Vec<IpAddr>, LookupFailed> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let (four, six) = futures::join!(state.resolver.records(host, RecordKind::A), state.resolver.records(host, RecordKind::Aaaa));
    // A resolver that knows one kind and stumbles over the other is no reason to give up.
    let found = match (four, six) {
        (Err(error), Err(_)) => return Err(error),
        (four, six) => four.into_iter().chain(six).flatten(),
    };
    Ok(found.filter_map(|text| text.parse().ok()).collect())
}

/// What was typed, or what is wrong with it.
fn read(
    state: &AppState,
    words: &Words,
    customer: &Customer,
    instance: &Instance,
    form: &MailForm,
) -> Result<Wanted, FieldErrors> {
    use secrecy::ExposeSecret as _;
    let mut errors = FieldErrors::default();
    let host = form.mail_host.trim();
    let host = match host.parse::<IpAddr>() {
        Ok(address) => Some(address.to_string()),
        Err(_) => idna::domain_to_ascii(host).ok().and_then(|ascii| Domain::new(&ascii)).map(|domain| domain.as_str().to_owned()),
    };
    if host.is_none() {
        errors.add("mail_host", words.t("mail-fault-host"));
    }
    let ports = &state.prober.ports;
    let port = form.mail_port.trim().parse::<u16>().ok().filter(|port| *port > 0 && (ports.is_empty() || ports.contains(port)));
    if port.is_none() {
        errors.add("mail_port", words.t("mail-fault-port"));
    }
    let security = match form.mail_security.as_str() {
        "starttls" => Some(MailSecurity::StartTls),
        "tls" => Some(MailSecurity::Tls),
        _ => {
            errors.add("mail_security", words.t("mail-fault-security"));
            None
        }
    };
    let usable = |text: &str| !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    let login = form.mail_login.trim();
    if !usable(login) {
        errors.add("mail_login", words.t("mail-fault-login"));
    }
    if !usable(form.mail_password.expose_secret()) {
        errors.add("mail_password", words.t("mail-fault-password"));
    }
    let address = |text: &str| EmailAddress::parse(text).ok().and_then(|address| address.smtp().parse::<Address>().ok());
    let from = address(&form.mail_from);
    if from.is_none() {
        errors.add("mail_from", words.t("mail-fault-from"));
    }
    let letter = match (form.mail_test.as_str(), address(&customer.person.email)) {
        ("", _) | (_, None) => None,
        (_, Some(to)) => Some(TestLetter {
            to,
            subject: words.t1("mail-test-subject", "address", &instance.domain),
            text: words.t1("mail-test-text", "address", &instance.domain),
        }),
    };
    match (host, port, security, from) {
        (Some(host), Some(port), Some(security), Some(from)) if errors.is_empty() => {
            Ok(Wanted { host, port, security, login: login.to_owned(), password: form.mail_password.clone(), from, letter })
        }
        _ => Err(errors),
    }
}

fn one(words: &Words, field: &str, key: &str) -> NotKept {
    let mut errors = FieldErrors::default();
    errors.add(field, words.t(key));
    NotKept::Fields(errors)
}

/// A fault in words, with the server's own behind.
fn said(words: &Words, fault: &ProbeFault) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let text = words.t(fault.key());
    let quoted = fault.quoted();
    errors.add(fault.field(), if quoted.is_empty() { text } else { words.t2("mail-fault-quoted", "text", text, "said", quoted) });
    errors
}
