//! Mail: our own to customers, and the relay that servers use. Each is really asked: connection, STARTTLS, login.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::Surroundings;
use super::report::Check;
use crate::config::MailTransport;
use crate::mail::{Security, SmtpSettings, SmtpTransport};
use crate::operator::settings::MailRelay;
use crate::telemetry::chain;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let Surroundings { parts, operator, .. } = surroundings;
    let own = match &parts.config().mail.transport {
        MailTransport::Smtp(url) => match SmtpSettings::from_url(url.expose_secret(), PATIENCE) {
            Ok(settings) => ask("mail", "mail.smtp", &settings, false).await,
            Err(error) => Check::fault("mail", chain(&error), "correct mail.smtp"),
        },
        MailTransport::Folder(folder) => Check::warn(
            "mail",
            format!("goes into the folder {}", folder.display()),
            "name a mail server in mail.smtp before customers come",
        ),
    };
    let MailRelay { server, port, from: _, login, each } = &operator.mail;
    let loopback = server == "localhost" || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let security = match port {
        465 => Security::Tls,
        _ if loopback => Security::None,
        _ => Security::StartTls,
    };
    // Logins of single servers are in the relay's list only once there are servers (`paddock admin mail-map`).
    let credentials = login.as_ref().map(|login| (login.username.clone(), login.password.clone()));
    let relay = SmtpSettings { host: server.clone(), port: *port, security, credentials, timeout: PATIENCE };
    vec![own, ask("servers' mail relay", "operator.mail", &relay, each.is_some()).await]
}

/// With `each` every server has a login of its own, and none is tried.
async fn ask(name: &'static str, setting: &str, settings: &SmtpSettings, each: bool) -> Check {
    let SmtpSettings { host, port, security, credentials, timeout: _ } = settings;
    let place = format!("{host}:{port}");
    let transport = match SmtpTransport::new(settings) {
        Ok(transport) => transport,
        Err(error) => return Check::fault(name, chain(&error), format!("correct {setting}")),
    };
    let how = match security {
        Security::StartTls => "with STARTTLS",
        Security::Tls => "with TLS",
        Security::None => "in the clear, on this machine",
    };
    match transport.greets().await {
        Ok(true) => {
            let login = match (credentials, each) {
                (Some(_), _) => " and lets us log in",
                (None, true) => "; the login of each server was not tried",
                (None, false) => " and asks for no login",
            };
            Check::ok(name, format!("{place} answers {how}{login}"))
        }
        Ok(false) => Check::fault(name, format!("{place} answers, but not as a mail server"), format!("correct {setting}")),
        Err(error) => {
            let remedy = format!("correct {setting}; see that its port is open from here, that it takes TLS, and the login");
            Check::fault(name, format!("{place}: {}", chain(&error)), remedy)
        }
    }
}
