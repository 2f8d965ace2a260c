//! Who may hand in mails, and over what kind of connection.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use secrecy::{ExposeSecret as _, SecretString};

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// Without TLS, which is never offered.
    Open,
    /// Without TLS, and STARTTLS is offered; logging in only after it.
    StartTls,
    /// With TLS.
    Tls,
}

/// A door: a kind of connection, and one login that is let in.
#[derive(Clone)]
pub struct Guard {
    /// How a connection begins.
    pub entrance: Entrance,
    /// Certificate and key.
    pub tls: Arc<ServerConfig>,
    /// Words of the mechanisms that are offered: `PLAIN`, `LOGIN`, or nothing at all.
    pub mechanisms: &'static str,
    /// The login that is let in.
    pub login: String,
    /// Its password.
    pub password: SecretString,
    /// The sender that it may use; any where there is none.
    pub sender: Option<String>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("entrance", &self.entrance).field("login", &self.login).finish_non_exhaustive()
    }
}

impl Guard {
    /// Whether these are the login and its password.
    pub(super) fn lets_in(&self, login: &str, password: &str) -> bool {
        login == self.login && password == self.password.expose_secret()
    }

    /// Login and password of an initial response to `AUTH PLAIN` (RFC 4616).
    pub(super) fn plain(response: &str) -> Option<(String, String)> {
        let text = decoded(response)?;
        let mut parts = text.split('\0');
        let (_, login, password) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then(|| (login.to_owned(), password.to_owned()))
    }
}

/// A response in base 64, as text.
pub(super) fn decoded(response: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(response.trim()).ok()?).ok()
}
