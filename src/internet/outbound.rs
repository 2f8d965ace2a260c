//! HTTP to places that a customer has named: their site, their program that wants to be told. Such a request must never arrive at a machine
//! that is not on the public internet: names are resolved here, what is connected to is one of the addresses that were looked at, redirects
//! are not followed, and neither an endless answer nor a slow one is waited for.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::tls::TlsInfo;
use url::{Host, Url};

use super::dns::{RecordKind, Resolver};
use super::is_public;
use super::page::{LONGEST, Page, good_until};

/// For the whole of a request, the answer's body included.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the connection alone.
const CONNECT: Duration = Duration::from_secs(5);
/// The most that is read of an answer's body, in bytes; what is behind is left.
const MOST: usize = 16 * 1024;

/// How far requests may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The public internet alone, and HTTPS alone.
    Internet,
    /// Everything, and plain HTTP as well: for trials on one machine, where there is no internet.
    Anywhere,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Internet => is_public(address),
            Self::Anywhere => true,
        }
    }

    /// Whether an address may be called at all, by how it is written: a scheme that is spoken here, a host, the port of HTTPS (which is the one
    /// that our own walls let out), no user name or password, and not an address of somebody's own network.
    pub fn admits(self, url: &Url) -> bool {
        let spoken = url.scheme() == "https" || self == Self::Anywhere && url.scheme() == "http";
        let bare = url.username().is_empty() && url.password().is_none();
        let usual = self == Self::Anywhere || url.port_or_known_default() == Some(443);
        spoken && bare && usual && url.host().is_some() && literal(url).is_none_or(|address| self.allows(address))
    }
}

/// The address that a URL names without a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The first bytes of the body, at most 16 KiB.
    pub body: Vec<u8>,
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
    /// An answer that is not the file.
    #[error("the answer has the status {0}")]
    Status(u16),
    /// More than anybody here wants to read.
    #[error("the file is larger than it may be")]
    TooLarge,
}

impl AskFailed {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoAddress => "site-no-address",
            Self::NotPublic => "site-not-public",
            Self::Timeout => "site-timeout",
            Self::Unreachable(_) => "site-unreachable",
            Self::Status(_) => "site-status",
            Self::TooLarge => "site-too-large",
        }
    }
}

/// Speaks HTTP to places that customers have named.
pub struct Outbound {
    client: reqwest::Client,
    reach: Reach,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Names are looked up with `resolver`, for each request anew.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(resolver: Arc<dyn Resolver>, reach: Reach) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .https_only(reach == Reach::Internet)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would look names up itself.
            .no_proxy()
            // A connection that is kept was made for a name that may lead elsewhere by now.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .tls_info(true)
            .user_agent(concat!("Paddock/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guarded { resolver, reach }))
            .build()?;
        Ok(Self { client, reach })
    }

    /// How far its requests may reach.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The answer to a GET.
    pub async fn get(&self, url: &Url) -> Result<Reply, AskFailed> {
        self.send(url, self.client.get(url.clone())).await
    }

    /// The answer to a POST.
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, AskFailed> {
        self.send(url, self.client.post(url.clone()).headers(headers).body(body)).await
    }

    /// The head of the answer to a HEAD.
    pub async fn head(&self, url: &Url) -> Result<Reply, AskFailed> {
        self.send(url, self.client.head(url.clone())).await
    }

    /// What a file holds that has at most `most` bytes.
    ///
    /// # Errors
    /// Also when the answer is not the file, or is larger.
    pub async fn read(&self, url: &Url, most: usize) -> Result<Vec<u8>, AskFailed> {
        let mut answer = self.begin(url, self.client.get(url.clone())).await?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(AskFailed::Status(answer.status().as_u16()));
        }
        whole(&mut answer, most).await
    }

    /// The whole answer to a GET. What is longer than 64 KiB is no answer.
    pub async fn page(&self, url: &Url) -> Result<Page, AskFailed> {
        let mut answer = self.begin(url, self.client.get(url.clone())).await?;
        let certificate = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let (status, certificate_until) = (answer.status().as_u16(), certificate.and_then(good_until));
        Ok(Page { status, body: whole(&mut answer, LONGEST).await?, certificate_until })
    }

    async fn begin(&self, url: &Url, request: reqwest::RequestBuilder) -> Result<reqwest::Response, AskFailed> {
        // What is an address already is not looked up, so nothing else would stop it.
        if literal(url).is_some_and(|address| !self.reach.allows(address)) {
            return Err(AskFailed::NotPublic);
        }
        request.send().await.map_err(|error| failure(&error))
    }

    async fn send(&self, url: &Url, request: reqwest::RequestBuilder) -> Result<Reply, AskFailed> {
        let mut answer = self.begin(url, request).await?;
        let mut body = Vec::new();
        while body.len() < MOST
            && let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))?
        {
            body.extend_from_slice(&chunk[..chunk.len().min(MOST - body.len())]);
        }
        Ok(Reply { status: answer.status().as_u16(), headers: std::mem::take(answer.headers_mut()), body })
    }
}

/// All of the answer's body.
async fn whole(answer: &mut reqwest::Response, most: usize) -> Result<Vec<u8>, AskFailed> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
        if bytes.len() + chunk.len() > most {
            return Err(AskFailed::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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
    reach: Reach,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, reach) = (Arc::clone(&self.resolver), self.reach);
        Box::pin(async move {
            let (v4, v6) =
                futures::join!(resolver.records(name.as_str(), RecordKind::A), resolver.records(name.as_str(), RecordKind::Aaaa));
            let found = v4.unwrap_or_default().into_iter().chain(v6.unwrap_or_default());
            let found: Vec<IpAddr> = found.filter_map(|address| address.parse().ok()).collect();
            if found.is_empty() {
                return Err(AskFailed::NoAddress.into());
            }
            // All of them: a name with one address inside and one outside is not what it claims to be.
            if !found.iter().all(|address| reach.allows(*address)) {
                return Err(AskFailed::NotPublic.into());
            }
            // The port is the URL's.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use http::header::LOCATION;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::dns::{LookupFailed, ScriptedResolver};
    use super::*;

    /// A site on the loopback that redirects, with a body of so many bytes, and how many came.
    async fn site(body: usize) -> (u16, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(0));
        let count = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await;
                let head = format!("HTTP/1.1 301 Moved\r\nlocation: https://inside.example/x\r\ncontent-length: {body}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&vec![b'x'; body]).await;
            }
        });
        (port, came)
    }

    fn outbound(resolver: impl Resolver + 'static, reach: Reach) -> Outbound {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Outbound::new(Arc::new(resolver), reach).unwrap()
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn nothing_inside_is_ever_connected_to() {
        let (port, came) = site(0).await;
        let resolver = ScriptedResolver::default();
        resolver.set("inside.example", RecordKind::A, &["127.0.0.1"]);
        resolver.set("both.example", RecordKind::A, &["127.0.0.1", "9.9.9.9"]);
        resolver.set("mapped.example", RecordKind::Aaaa, &["::ffff:127.0.0.1"]);
        let guarded = outbound(resolver.clone(), Reach::Internet);
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
            let inside = url(&format!("https://{host}:{port}/"));
            assert_eq!(guarded.get(&inside).await, Err(AskFailed::NotPublic), "{host}");
            assert_eq!(guarded.post(&inside, HeaderMap::new(), Vec::new()).await, Err(AskFailed::NotPublic), "{host}");
        }
        let nowhere = url(&format!("https://nowhere.example:{port}/"));
        assert_eq!(guarded.get(&nowhere).await, Err(AskFailed::NoAddress));
        // And plain HTTP is never spoken.
        resolver.set("outside.example", RecordKind::A, &["9.9.9.9"]);
        let plain = guarded.get(&url("http://outside.example/")).await;
        assert!(matches!(plain, Err(AskFailed::Unreachable(_))), "{plain:?}");
        assert_eq!(*came.lock().unwrap(), 0, "nobody came");

        // The reach alone was in the way; what leads elsewhere is told and not followed.
        let anywhere = outbound(resolver, Reach::Anywhere);
        let reply = anywhere.get(&url(&format!("http://inside.example:{port}/"))).await.unwrap();
        assert_eq!((reply.status, reply.headers[LOCATION].to_str().unwrap()), (301, "https://inside.example/x"));
        assert_eq!(*came.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn an_endless_answer_is_not_read_to_its_end() {
        let (port, _) = site(MOST * 8).await;
        let anywhere = outbound(ScriptedResolver::default(), Reach::Anywhere);
        let reply = anywhere.get(&url(&format!("http://127.0.0.1:{port}/"))).await.unwrap();
        assert_eq!(reply.body.len(), MOST);
        let file = url(&format!("http://127.0.0.1:{port}/"));
        assert_eq!(anywhere.read(&file, MOST * 8).await, Err(AskFailed::Status(301)), "what is not the file is not read");
        assert_eq!(anywhere.head(&file).await.unwrap().status, 301);
    }

    /// Says one address when it is asked first, and another from then on.
    #[derive(Debug)]
    struct Rebinding {
        asked: Arc<Mutex<usize>>,
        first: &'static str,
        then: &'static str,
    }

    #[async_trait]
    impl Resolver for Rebinding {
        async fn records(&self, _: &str, kind: RecordKind) -> Result<Vec<String>, LookupFailed> {
            if kind != RecordKind::A {
                return Ok(Vec::new());
            }
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            Ok(vec![if *asked == 1 { self.first } else { self.then }.to_owned()])
        }
    }

    #[tokio::test]
    async fn what_is_connected_to_is_what_was_looked_at() {
        let (port, came) = site(0).await;
        let asked = Arc::new(Mutex::new(0));
        let rebinding = |first, then| Rebinding { asked: Arc::clone(&asked), first, then };
        // One request asks once: there is no second answer that could lead elsewhere.
        let anywhere = outbound(rebinding("127.0.0.1", "127.99.99.99"), Reach::Anywhere);
        let reply = anywhere.get(&url(&format!("http://twice.example:{port}/"))).await.unwrap();
        assert_eq!((reply.status, *asked.lock().unwrap(), *came.lock().unwrap()), (301, 1, 1));
        // A name that was harmless when it was typed in is looked at again at each request.
        *asked.lock().unwrap() = 0;
        let rebinding = rebinding("9.9.9.9", "127.0.0.1");
        assert_eq!(rebinding.records("twice.example", RecordKind::A).await, Ok(vec!["9.9.9.9".to_owned()]));
        let guarded = outbound(rebinding, Reach::Internet);
        assert_eq!(guarded.get(&url(&format!("https://twice.example:{port}/"))).await, Err(AskFailed::NotPublic));
        assert_eq!(*came.lock().unwrap(), 1, "nobody came again");
    }

    #[test]
    fn what_may_be_called_is_seen_from_how_it_is_written() {
        for good in ["https://birds.example/hook", "https://birds.example:443/", "https://9.9.9.9/"] {
            assert!(Reach::Internet.admits(&url(good)), "{good}");
        }
        for bad in [
            "http://birds.example/",
            "https://birds.example:8443/",
            "https://birds.example:25/",
            "https://wren:secret@birds.example/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "ftp://birds.example/",
            "mailto:wren@birds.example",
        ] {
            assert!(!Reach::Internet.admits(&url(bad)), "{bad}");
        }
        assert!(Reach::Anywhere.admits(&url("http://127.0.0.1:8080/")) && !Reach::Anywhere.admits(&url("ftp://127.0.0.1/")));
    }
}
