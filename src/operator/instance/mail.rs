//! A server's way out for mail: the host's relay, or the customer's own mail server. Pure.

use secrecy::SecretString;

use crate::operator::relay::Login;
use crate::operator::settings::{MailRelay, Settings};
use crate::resource::{MailMethod, MailSecurity, MastodonInstanceSpec, OwnMail};
use crate::sealing::Key;

/// A server's way out for mail.
#[derive(Debug, Clone)]
pub struct MailWay {
    /// Host name.
    pub server: String,
    /// Port.
    pub port: u16,
    /// The sender.
    pub from: String,
    /// How the way there is protected; as the relay offers it where nothing is said.
    pub security: Option<MailSecurity>,
    /// How one signs in.
    pub method: MailMethod,
    /// Who the server is there.
    pub login: Option<Login>,
}

/// The way out of the server with this name, and why it is not the customer's own although they named one.
pub fn way(settings: &Settings, name: &str, spec: &MastodonInstanceSpec) -> (MailWay, Option<String>) {
    let Some(sealed) = spec.sealed.as_ref().and_then(|sealed| sealed.mail.as_deref()) else {
        return (relay(settings, name, spec), None);
    };
    match own(settings.operator_key(), name, sealed) {
        Ok(way) => (way, None),
        // Mails for new passwords have to leave somehow.
        Err(why) => (relay(settings, name, spec), Some(why)),
    }
}

fn relay(settings: &Settings, name: &str, spec: &MastodonInstanceSpec) -> MailWay {
    let MailRelay { server, port, from, login, each } = &settings.mail;
    let shared = login.as_ref().map(|login| Login { username: login.username.clone(), password: login.password.clone() });
    MailWay {
        server: server.clone(),
        port: *port,
        from: from.replace("{domain}", &spec.domain),
        security: (*port == 465).then_some(MailSecurity::Tls),
        method: MailMethod::Plain,
        login: each.as_ref().and_then(|each| each.of(name)).or(shared),
    }
}

fn own(key: Option<&SecretString>, name: &str, sealed: &str) -> Result<MailWay, String> {
    let key = key.ok_or("this operator has no key to open it with")?;
    let key = Key::new(key).map_err(|error| format!("the operator's key {error}"))?;
    let text = key.open(sealed).map_err(|error| error.to_string())?;
    let OwnMail { instance, host, port, security, method, login, password, from } =
        serde_json::from_str(&text).map_err(|_| "what is sealed is no mail server")?;
    if instance != name {
        return Err("it was sealed for another server".to_owned());
    }
    Ok(MailWay { server: host, port, from, security: Some(security), method, login: Some(Login { username: login, password }) })
}
