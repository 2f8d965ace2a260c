//! Letters to a mail server by SMTP.

use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Letter, SendError, Transport};

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Plain at first, then STARTTLS or nothing is sent. Usually port 587.
    StartTls,
    /// TLS from the first byte. Usually port 465.
    Tls,
    /// Not at all; only to this machine itself.
    None,
}

/// Where letters go.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Name or address of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// Who we are there, where that is asked.
    pub credentials: Option<(String, SecretString)>,
    /// How long one letter may take in all. RFC 5321 §4.5.3.2.6 asks senders for patience after the final dot: 30 seconds or more
    /// keep duplicates rare.
    pub timeout: Duration,
}

/// What is wrong with [`SmtpSettings`].
#[derive(Debug, thiserror::Error)]
pub enum BadSmtpSettings {
    /// Mail would go over the network in the clear.
    #[error(
        "`security = \"none\"` is for a mail server on this machine (a loopback address), and the host is `{0}`: use \"starttls\" or \"tls\""
    )]
    InTheClear(String),
    /// The host's name or this machine's root certificates don't do.
    #[error("TLS to the mail server `{host}` can't be set up")]
    Tls {
        /// The host in question.
        host: String,
        /// What failed.
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

/// Sends by SMTP; keeps connections for the next letter.
#[derive(Debug)]
pub struct SmtpTransport {
    inner: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl SmtpTransport {
    /// Checks the settings; no connection is made yet.
    pub fn new(settings: &SmtpSettings) -> Result<Self, BadSmtpSettings> {
        let parameters = || {
            TlsParameters::new(settings.host.clone())
                .map_err(|source| BadSmtpSettings::Tls { host: settings.host.clone(), source })
        };
        let tls = match settings.security {
            Security::StartTls => Tls::Required(parameters()?),
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::None if is_loopback(&settings.host) => Tls::None,
            Security::None => return Err(BadSmtpSettings::InTheClear(settings.host.clone())),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout));
        if let Some((user, password)) = &settings.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { inner: builder.build(), timeout: settings.timeout })
    }

    /// Whether the server lets us in; `Ok(false)` is a server that answers but not as it should.
    pub async fn greets(&self) -> Result<bool, SendError> {
        match tokio::time::timeout(self.timeout, self.inner.test_connection()).await {
            Ok(answer) => answer.map_err(|error| SendError::Later(error.into())),
            Err(elapsed) => Err(SendError::Later(elapsed.into())),
        }
    }
}

#[async_trait::async_trait]
impl Transport for SmtpTransport {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = letter.message().map_err(|error| SendError::Refused(error.into()))?;
        // lettre's own timeout ends with the connection being made.
        let error = match tokio::time::timeout(self.timeout, self.inner.send(message)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(elapsed) => return Err(SendError::Later(elapsed.into())),
        };
        // A 5xx may be about us (greeting, sign-in) instead of this letter, and lettre doesn't say which. A wrong password must not
        // bounce every mail: only who lets us in now has refused the letter.
        let about_the_letter = (error.is_permanent() || error.is_client()) && matches!(self.greets().await, Ok(true));
        Err(if about_the_letter { SendError::Refused(error.into()) } else { SendError::Later(error.into()) })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_in_the_clear_stays_on_this_machine() {
        let mut settings = SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: 25,
            security: Security::None,
            credentials: None,
            timeout: Duration::from_secs(1),
        };
        assert!(SmtpTransport::new(&settings).is_ok());
        settings.host = "mail.example.org".to_owned();
        assert!(matches!(SmtpTransport::new(&settings), Err(BadSmtpSettings::InTheClear(_))));
    }
}
