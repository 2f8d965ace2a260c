//! Asking web sites whose address a customer has named. Every such request goes through here, for it must never arrive at a machine that is
//! not on the public internet: names are resolved here, and what is connected to is one of the addresses that were looked at.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, LOCATION};
use reqwest::tls::TlsInfo;
use url::{Host, Url};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::dns::{RecordKind, Resolver};
use crate::internet::is_public;

/// For the whole of a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a site answered, as far as anybody here looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where it leads.
    pub location: Option<String>,
    /// Whose pages may read the answer.
    pub allow_origin: Option<String>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskFailed {
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// Its addresses are not on the public internet.
    #[error("the name leads to an address that is not on the public internet")]
    NotPublic,
    /// It took too long.
    #[error("there was no answer in time")]
    Timeout,
    /// There was no connection, or one that could not be trusted.
    #[error("there was no connection: {0}")]
    Unreachable(String),
}

impl AskFailed {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoAddress => "site-no-address",
            Self::NotPublic => "site-not-public",
            Self::Timeout => "site-timeout",
            Self::Unreachable(_) => "site-unreachable",
        }
    }
}

/// A page of a site, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// What is on it.
    pub body: Vec<u8>,
    /// The last moment at which the certificate is good that it came with.
    pub certificate_until: Option<DateTime<Utc>>,
}

/// The longest page that is read.
const LONGEST: usize = 64 * 1024;

/// Asks sites.
#[async_trait]
pub trait Sites: std::fmt::Debug + Send + Sync {
    /// The head of the answer to a GET, redirects not followed.
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed>;

    /// The whole answer to a GET, redirects not followed. What is longer than 64 KiB is no answer.
    async fn read(&self, url: &Url) -> Result<Page, AskFailed>;
}

/// Which addresses may be connected to.
type Rule = fn(IpAddr) -> bool;

/// Asks sites over HTTPS, on the public internet alone.
#[derive(Debug)]
pub struct PublicSites {
    client: reqwest::Client,
    rule: Rule,
}

impl PublicSites {
    /// Names are looked up with `resolver`.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(resolver: Arc<dyn Resolver>) -> Result<Self, reqwest::Error> {
        Self::with(resolver, is_public, true)
    }

    fn with(resolver: Arc<dyn Resolver>, rule: Rule, https_only: bool) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .https_only(https_only)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would look names up itself.
            .no_proxy()
            // A connection that is kept was made for a name that may lead elsewhere by now.
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .tls_info(true)
            .user_agent(concat!("Paddock/", env!("CARGO_PKG_VERSION"), " (address check)"))
            .dns_resolver(Arc::new(Guarded { resolver, rule }))
            .build()?;
        Ok(Self { client, rule })
    }

    async fn get(&self, url: &Url) -> Result<reqwest::Response, AskFailed> {
        // What is an address already is not looked up, so nothing else would stop it.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(AskFailed::NoAddress),
        };
        if literal.is_some_and(|address| !(self.rule)(address)) {
            return Err(AskFailed::NotPublic);
        }
        self.client.get(url.clone()).send().await.map_err(|error| failure(&error))
    }
}

/// Until when a certificate in DER is good; `None` for what is none.
fn good_until(der: &[u8]) -> Option<DateTime<Utc>> {
    let certificate = Certificate::from_der(der).ok()?;
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    DateTime::from_timestamp(i64::try_from(until.as_secs()).ok()?, 0)
}

#[async_trait]
impl Sites for PublicSites {
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed> {
        let answer = self.get(url).await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer {
            status: answer.status().as_u16(),
            location: header(LOCATION),
            allow_origin: header(ACCESS_CONTROL_ALLOW_ORIGIN),
        })
    }

    async fn read(&self, url: &Url) -> Result<Page, AskFailed> {
        let mut answer = self.get(url).await?;
        let certificate = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let (status, certificate_until) = (answer.status().as_u16(), certificate.and_then(good_until));
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + part.len() > LONGEST {
                return Err(AskFailed::Unreachable(format!("the answer is longer than {LONGEST} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(Page { status, body, certificate_until })
    }
}

fn failure(error: &reqwest::Error) -> AskFailed {
    let mut cause = error.source();
    let mut last = String::new();
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<AskFailed>() {
            return ours.clone();
        }
        last = error.to_string();
        cause = error.source();
    }
    if error.is_timeout() { AskFailed::Timeout } else { AskFailed::Unreachable(last) }
}

/// Gives out only addresses that may be connected to.
struct Guarded {
    resolver: Arc<dyn Resolver>,
    rule: Rule,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, rule) = (Arc::clone(&self.resolver), self.rule);
        Box::pin(async move {
            let (v4, v6) =
                futures::join!(resolver.records(name.as_str(), RecordKind::A), resolver.records(name.as_str(), RecordKind::Aaaa));
            let found = v4.unwrap_or_default().into_iter().chain(v6.unwrap_or_default());
            let found: Vec<IpAddr> = found.filter_map(|address| address.parse().ok()).collect();
            if found.is_empty() {
                return Err(AskFailed::NoAddress.into());
            }
            // All of them: a name with one address inside and one outside is not what it claims to be.
            if !found.iter().copied().all(rule) {
                return Err(AskFailed::NotPublic.into());
            }
            // The port is the URL's.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Answers from a list, for tests. What was not set can't be reached.
#[derive(Debug, Default, Clone)]
pub struct ScriptedSites {
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
    pages: Arc<Mutex<Vec<(String, Page)>>>,
}

impl ScriptedSites {
    /// From now on every page of `host` answers like this; `{query}` in the location stands for the question.
    pub fn set(&self, host: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(known, _)| known != host);
        answers.push((host.to_owned(), answer));
    }

    /// From now on every page of `host` that is read whole is this one.
    pub fn set_page(&self, host: &str, page: Page) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|(known, _)| known != host);
        pages.push((host.to_owned(), page));
    }
}

#[async_trait]
impl Sites for ScriptedSites {
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = answers.iter().find(|(host, _)| Some(host.as_str()) == url.host_str());
        let (_, answer) = found.ok_or(AskFailed::NoAddress)?;
        let location = answer.location.as_ref().map(|location| location.replace("{query}", url.query().unwrap_or_default()));
        Ok(Answer { location, ..answer.clone() })
    }

    async fn read(&self, url: &Url) -> Result<Page, AskFailed> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let found = pages.iter().find(|(host, _)| Some(host.as_str()) == url.host_str());
        found.map(|(_, page)| page.clone()).ok_or(AskFailed::NoAddress)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::instance::dns::ScriptedResolver;

    /// A site on the loopback that redirects, and how many came.
    async fn site() -> (u16, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(0));
        let count = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await;
                let answer = "HTTP/1.1 301 Moved\r\nlocation: https://social.birds.org/x\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, came)
    }

    #[test]
    fn a_certificate_says_until_when_it_is_good() {
        let pem = include_str!("../../tests/it/certificates/expired.pem");
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
        assert!(good_until(&der).unwrap() < DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        assert_eq!([good_until(b""), good_until(&der[..40])], [None, None]);
    }

    #[tokio::test]
    async fn nothing_inside_is_ever_connected_to() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (port, came) = site().await;
        let resolver = ScriptedResolver::default();
        resolver.set("inside.example", RecordKind::A, &["127.0.0.1"]);
        resolver.set("both.example", RecordKind::A, &["127.0.0.1", "9.9.9.9"]);
        resolver.set("mapped.example", RecordKind::Aaaa, &["::ffff:127.0.0.1"]);
        let sites = PublicSites::with(Arc::new(resolver.clone()), is_public, false).unwrap();
        for host in [
            "inside.example",
            "both.example",
            "mapped.example",
            "127.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0x7f.1",
        ] {
            let url = format!("http://{host}:{port}/").parse().unwrap();
            assert_eq!(sites.ask(&url).await, Err(AskFailed::NotPublic), "{host}");
        }
        let nowhere = format!("http://nowhere.example:{port}/").parse().unwrap();
        assert_eq!(sites.ask(&nowhere).await, Err(AskFailed::NoAddress));
        assert_eq!(*came.lock().unwrap(), 0, "nobody came");

        // The rule alone was in the way; what leads elsewhere is told and not followed.
        let sites = PublicSites::with(Arc::new(resolver.clone()), |_| true, false).unwrap();
        let answer = sites.ask(&format!("http://inside.example:{port}/").parse().unwrap()).await.unwrap();
        let location = Some("https://social.birds.org/x".to_owned());
        assert_eq!(answer, Answer { status: 301, location, allow_origin: Some("*".to_owned()) });
        assert_eq!(*came.lock().unwrap(), 1);
        // And plain HTTP is never spoken.
        let sites = PublicSites::with(Arc::new(resolver), |_| true, true).unwrap();
        assert!(matches!(
            sites.ask(&format!("http://inside.example:{port}/").parse().unwrap()).await,
            Err(AskFailed::Unreachable(_))
        ));
        assert_eq!(*came.lock().unwrap(), 1);
    }
}
