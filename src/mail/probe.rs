//! Whether a mail server that a customer names would take their server's mails: found out by talking to it, step by step, so that what is
//! wrong is said of the field that is wrong.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::bounded::{Bounded, Secured};
use crate::internet::{Range, is_public};
use crate::resource::{MailMethod, MailSecurity};

/// Each step may take so long; slow servers greet after five seconds on purpose.
const STEP: Duration = Duration::from_secs(8);
/// All steps together: below what a browser's request may take.
const WHOLE: Duration = Duration::from_secs(20);
/// So many servers are talked to at a time.
const AT_ONCE: usize = 8;
/// The most of a server's own words that is passed on.
const QUOTED: usize = 200;

/// The mail server that is named.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Host name, or an address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way there is protected.
    pub security: MailSecurity,
    /// User name.
    pub login: String,
    /// Password.
    pub password: SecretString,
    /// The sender of mails.
    pub from: Address,
    /// A letter to somebody that is sent along, when that is wished.
    pub letter: Option<TestLetter>,
}

/// A letter that shows that letters arrive.
#[derive(Debug, Clone)]
pub struct TestLetter {
    /// To whom.
    pub to: Address,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

/// What is wrong, each about one field of the form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFault {
    /// The name leads into a private network.
    #[error("the name leads to a private address; only mail servers of the internet can be used")]
    Private,
    /// Too many are being talked to.
    #[error("too many mail servers are being tried at the moment; try again in a minute")]
    Busy,
    /// Nothing listens there.
    #[error("nothing listens on this port of the server")]
    PortClosed,
    /// No answer at all.
    #[error("the server does not answer on this port")]
    Silent,
    /// It listens but does not speak SMTP.
    #[error("what listens on this port is no mail server")]
    NotSmtp,
    /// It speaks SMTP and turns us away.
    #[error("the mail server turns us away: {0}")]
    TurnedAway(String),
    /// STARTTLS was chosen, and is not offered.
    #[error("the server offers no STARTTLS on this port; try TLS on port 465")]
    NoStartTls,
    /// TLS was chosen, and the port begins without.
    #[error("this port does not begin with TLS; try STARTTLS")]
    NoTls,
    /// The certificate is for another name.
    #[error("the server's certificate is for another name; use the name that its provider gives")]
    CertificateName,
    /// The certificate is too old, or not valid yet.
    #[error("the server's certificate is not valid at this time; its provider has to renew it")]
    CertificateTime,
    /// Nobody known has signed the certificate.
    #[error("the server's certificate is not signed by an authority that is known; Mastodon would not trust it either")]
    CertificateUnknown,
    /// TLS fails otherwise.
    #[error("no protected connection could be made: {0}")]
    TlsFailed(String),
    /// It asks for no login, or for a kind that Mastodon does not know.
    #[error("the server offers no login with a password (PLAIN or LOGIN) on this port")]
    NoLogin,
    /// Login or password are wrong.
    #[error("the server does not accept login and password: {0}")]
    BadLogin(String),
    /// The login can't be checked now.
    #[error("the server does not let us log in at the moment: {0}")]
    LoginLater(String),
    /// The sender may not be used.
    #[error("the server does not take mails from this sender: {0}")]
    BadSender(String),
    /// The recipient of the test mail is refused.
    #[error("the server does not take the test mail to its recipient: {0}")]
    BadRecipient(String),
    /// The connection broke.
    #[error("the connection broke off")]
    BrokeOff,
}

impl ProbeFault {
    /// The field that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Busy
            | Self::Private
            | Self::CertificateName
            | Self::CertificateTime
            | Self::CertificateUnknown
            | Self::TurnedAway(_) => "mail_host",
            Self::PortClosed | Self::Silent | Self::NotSmtp | Self::BrokeOff => "mail_port",
            Self::NoStartTls | Self::NoTls | Self::TlsFailed(_) => "mail_security",
            Self::NoLogin | Self::LoginLater(_) => "mail_login",
            Self::BadLogin(_) => "mail_password",
            Self::BadSender(_) => "mail_from",
            Self::BadRecipient(_) => "mail_test",
        }
    }

    /// The words for it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Private => "mail-fault-private",
            Self::Busy => "mail-fault-busy",
            Self::PortClosed => "mail-fault-port-closed",
            Self::Silent => "mail-fault-silent",
            Self::NotSmtp => "mail-fault-not-smtp",
            Self::TurnedAway(_) => "mail-fault-turned-away",
            Self::NoStartTls => "mail-fault-no-starttls",
            Self::NoTls => "mail-fault-no-tls",
            Self::CertificateName => "mail-fault-certificate-name",
            Self::CertificateTime => "mail-fault-certificate-time",
            Self::CertificateUnknown => "mail-fault-certificate-unknown",
            Self::TlsFailed(_) => "mail-fault-tls-failed",
            Self::NoLogin => "mail-fault-no-login",
            Self::BadLogin(_) => "mail-fault-bad-login",
            Self::LoginLater(_) => "mail-fault-login-later",
            Self::BadSender(_) => "mail-fault-bad-sender",
            Self::BadRecipient(_) => "mail-fault-bad-recipient",
            Self::BrokeOff => "mail-fault-broke-off",
        }
    }

    /// The server's own words, where it said any.
    pub fn quoted(&self) -> &str {
        match self {
            Self::TurnedAway(text)
            | Self::TlsFailed(text)
            | Self::BadLogin(text)
            | Self::LoginLater(text)
            | Self::BadSender(text)
            | Self::BadRecipient(text) => text,
            Self::Private
            | Self::Busy
            | Self::PortClosed
            | Self::Silent
            | Self::NotSmtp
            | Self::NoStartTls
            | Self::NoTls
            | Self::CertificateName
            | Self::CertificateTime
            | Self::CertificateUnknown
            | Self::NoLogin
            | Self::BrokeOff => "",
        }
    }
}

/// Talks to mail servers that customers name.
#[derive(Debug, Clone)]
pub struct Prober {
    /// Whether private addresses are refused: everywhere but in a trial.
    pub only_public: bool,
    /// The host's own public addresses, which are refused as well then: customers have no business with what listens there.
    pub own: Vec<Range>,
    /// The ports that servers can reach; any where there are none.
    pub ports: Vec<u16>,
    /// Authorities to trust beside the system's.
    pub authorities: Vec<Certificate>,
    /// Who we say we are.
    pub hello: String,
    /// The places for those that are talked to, which all copies share: see [`Prober::places`].
    pub places: Arc<Semaphore>,
}

impl Prober {
    /// Talks to the server at one of the addresses that its name has, and to no other: the name is not looked up again, so it can't lead
    /// elsewhere meanwhile. Returns how one signs in there.
    pub async fn probe(&self, addresses: &[IpAddr], wanted: &Wanted) -> Result<MailMethod, ProbeFault> {
        if self.only_public && !addresses.iter().all(|address| is_public(*address) && !self.is_own(*address)) {
            return Err(ProbeFault::Private);
        }
        let Ok(Ok(_place)) = timeout(STEP, self.places.acquire()).await else { return Err(ProbeFault::Busy) };
        timeout(WHOLE, self.talk(addresses, wanted)).await.unwrap_or(Err(ProbeFault::Silent))
    }

    /// As many places as there are.
    pub fn places() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AT_ONCE))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own.iter().any(|range| range.contains(address.to_canonical()))
    }

    async fn talk(&self, addresses: &[IpAddr], wanted: &Wanted) -> Result<MailMethod, ProbeFault> {
        let hello = ClientId::Domain(self.hello.clone());
        let (stream, peer) = reachable(addresses, wanted.port).await?;
        let tls = || self.tls(&wanted.host);
        let greeted = match wanted.security {
            MailSecurity::Tls => {
                let stream = step(Secured::over(stream, peer, tls()?)).await?.map_err(|error| at_greeting(&error, true))?;
                step(AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)).await?
            }
            MailSecurity::StartTls => step(AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)).await?,
        };
        let mut connection = greeted.map_err(|error| at_greeting(&error, wanted.security == MailSecurity::Tls))?;
        if wanted.security == MailSecurity::StartTls {
            if !connection.can_starttls() {
                return Err(ProbeFault::NoStartTls);
            }
            step(connection.starttls(tls()?, &hello)).await?.map_err(|error| of_tls(&error).unwrap_or(ProbeFault::BrokeOff))?;
        }
        let offered = connection.server_info();
        let known = [(Mechanism::Plain, MailMethod::Plain), (Mechanism::Login, MailMethod::Login)];
        let (mechanism, method) =
            known.into_iter().find(|(mechanism, _)| offered.supports_auth_mechanism(*mechanism)).ok_or(ProbeFault::NoLogin)?;
        let credentials = Credentials::new(wanted.login.clone(), wanted.password.expose_secret().to_owned());
        step(connection.auth(&[mechanism], &credentials)).await?.map_err(|error| {
            let text = quoted(&error);
            match (error.is_permanent(), error.is_transient()) {
                (true, _) => ProbeFault::BadLogin(text),
                (false, true) => ProbeFault::LoginLater(text),
                (false, false) => ProbeFault::BrokeOff,
            }
        })?;
        match &wanted.letter {
            Some(letter) => send(&mut connection, &wanted.from, letter).await?,
            None => ask_sender(&mut connection, &wanted.from).await?,
        }
        // It has let us in and knows all it needs; whether it says good-bye is nobody's concern.
        let _bye = timeout(Duration::from_secs(1), connection.quit()).await;
        Ok(method)
    }

    fn tls(&self, host: &str) -> Result<TlsParameters, ProbeFault> {
        let builder = TlsParameters::builder(host.to_owned());
        let builder = self.authorities.iter().fold(builder, |builder, authority| builder.add_root_certificate(authority.clone()));
        builder.build().map_err(|error| ProbeFault::TlsFailed(clean(&error.to_string())))
    }
}

async fn step<T>(work: impl Future<Output = T>) -> Result<T, ProbeFault> {
    timeout(STEP, work).await.map_err(|_| ProbeFault::Silent)
}

/// A connection to the first address on which something listens.
async fn reachable(addresses: &[IpAddr], port: u16) -> Result<(Bounded, SocketAddr), ProbeFault> {
    let mut fault = ProbeFault::PortClosed;
    for address in addresses {
        let address = SocketAddr::new(*address, port);
        match timeout(Duration::from_secs(4), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((Bounded::new(stream), address)),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Ok(Err(_)) | Err(_) => fault = ProbeFault::Silent,
        }
    }
    Err(fault)
}

/// Whether the sender may be used; nothing is sent.
async fn ask_sender(connection: &mut AsyncSmtpConnection, from: &Address) -> Result<(), ProbeFault> {
    step(connection.command(format!("MAIL FROM:<{from}>\r\n"))).await?.map_err(|error| of_mail(&error, ProbeFault::BadSender))?;
    step(connection.command("RSET\r\n")).await?.map_err(|_| ProbeFault::BrokeOff)?;
    Ok(())
}

async fn send(connection: &mut AsyncSmtpConnection, from: &Address, letter: &TestLetter) -> Result<(), ProbeFault> {
    let unfit = |error: &dyn StdError| ProbeFault::BadSender(clean(&error.to_string()));
    let message = Message::builder()
        .from(Mailbox::new(None, from.clone()))
        .to(Mailbox::new(None, letter.to.clone()))
        .subject(letter.subject.clone())
        .body(letter.text.clone())
        .map_err(|error| unfit(&error))?;
    // One after the other, to tell whom the server refuses.
    ask_sender(connection, from).await?;
    let envelope = Envelope::new(Some(from.clone()), vec![letter.to.clone()]).map_err(|error| unfit(&error))?;
    let sent = step(connection.send(&envelope, &message.formatted())).await?;
    sent.map(drop).map_err(|error| of_mail(&error, ProbeFault::BadRecipient))
}

fn of_mail(error: &lettre::transport::smtp::Error, fault: fn(String) -> ProbeFault) -> ProbeFault {
    if error.is_permanent() || error.is_transient() { fault(quoted(error)) } else { ProbeFault::BrokeOff }
}

/// What went wrong before the server had said who it is.
fn at_greeting(error: &lettre::transport::smtp::Error, tls: bool) -> ProbeFault {
    if let Some(fault) = of_tls(error) {
        return fault;
    }
    if error.is_permanent() || error.is_transient() {
        return ProbeFault::TurnedAway(quoted(error));
    }
    // A server that waits for TLS says nothing, or hangs up at our first word.
    if error.is_response() || !tls { ProbeFault::NotSmtp } else { ProbeFault::BrokeOff }
}

/// What is wrong with TLS, if it is that.
fn of_tls(error: &lettre::transport::smtp::Error) -> Option<ProbeFault> {
    use rustls::CertificateError as Bad;
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).or_else(|| cause.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls {
            return Some(match tls {
                rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
                    ProbeFault::CertificateName
                }
                rustls::Error::InvalidCertificate(
                    Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. },
                ) => ProbeFault::CertificateTime,
                rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => ProbeFault::CertificateUnknown,
                rustls::Error::InvalidMessage(_) => ProbeFault::NoTls,
                other => ProbeFault::TlsFailed(clean(&other.to_string())),
            });
        }
        next = cause.source();
    }
    None
}

/// The server's words in an error.
fn quoted(error: &lettre::transport::smtp::Error) -> String {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    clean(&format!("{code} {text}"))
}

/// A text of somebody else's, in one line and not too long.
fn clean(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(QUOTED).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
