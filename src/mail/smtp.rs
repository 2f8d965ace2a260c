//! Letters to a mail server by SMTP.

use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Letter, SendError, Transport};

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl SmtpSettings {
    /// Reads `smtps://user:password@host:465` (TLS), `smtp://user:password@host:587` (STARTTLS) or `smtp+plain://127.0.0.1:1025`. The port
    /// may be left out; user and password are percent-encoded.
    pub fn from_url(text: &str, timeout: Duration) -> Result<Self, BadSmtpSettings> {
        let url = Url::parse(text).map_err(BadSmtpSettings::NotAUrl)?;
        let (security, usual_port) = match url.scheme() {
            "smtps" => (Security::Tls, 465),
            "smtp" => (Security::StartTls, 587),
            "smtp+plain" => (Security::None, 25),
            other => return Err(BadSmtpSettings::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(BadSmtpSettings::NoHost)?;
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(BadSmtpSettings::HalfCredentials),
            (user, Some(password)) => Some((percent_decoded(user), SecretString::from(percent_decoded(password)))),
        };
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(usual_port),
            security,
            credentials,
            timeout,
        })
    }
}

fn percent_decoded(text: &str) -> String {
    // Form encoding, except that `+` stands for itself; what would end the value can't be in this part of a URL or is escaped here.
    let form = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What is wrong with [`SmtpSettings`]. Never quotes the URL: it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum BadSmtpSettings {
    /// Not a URL.
    #[error("the mail server's address is not a URL such as smtps://user:password@mail.example.org")]
    NotAUrl(#[source] url::ParseError),
    /// A URL of something else.
    #[error(
        "the mail server's URL begins with `{0}://`: use smtps:// (TLS), smtp:// (STARTTLS) or smtp+plain:// (this machine only)"
    )]
    Scheme(String),
    /// A URL without a host.
    #[error("the mail server's URL names no host: write it as smtps://user:password@mail.example.org")]
    NoHost,
    /// A user without a password or the reverse.
    #[error("the mail server's URL needs both user and password, or neither")]
    HalfCredentials,
    /// Mail would go over the network in the clear.
    #[error(
        "mail without encryption is for a mail server on this machine (a loopback address), and the host is `{0}`: use smtps:// or smtp://"
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

/// Sends by SMTP; keeps connections for the next letter. Its upkeep of them needs a tokio runtime from making it to dropping it.
#[derive(Debug)]
pub struct SmtpTransport {
    inner: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl SmtpTransport {
    /// Checks the settings; no connection is made yet. Call it within a tokio runtime.
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

    #[tokio::test]
    async fn mail_in_the_clear_stays_on_this_machine() {
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

    #[test]
    fn urls_say_it_all() {
        let read = |text| SmtpSettings::from_url(text, Duration::from_secs(1));
        let settings = read("smtps://mail%40host:p%26+a%3Ass@mail.example.org").unwrap();
        let (user, password) = settings.credentials.unwrap();
        assert_eq!((settings.host.as_str(), settings.port, settings.security), ("mail.example.org", 465, Security::Tls));
        assert_eq!((user.as_str(), password.expose_secret()), ("mail@host", "p&+a:ss"));
        let settings = read("smtp+plain://[::1]:1025").unwrap();
        assert_eq!((settings.host.as_str(), settings.port, settings.security), ("::1", 1025, Security::None));
        assert_eq!(read("smtp://mail.example.org").unwrap().port, 587);
        for bad in [
            "",
            "mail.example.org",
            "https://mail.example.org",
            "smtps://",
            "smtps://user@mail.example.org",
            "smtps://:x@mail.example.org",
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("smtps://") || error.contains("neither"), "{bad}: {error}");
        }
    }
}
