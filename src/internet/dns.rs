//! Asking the DNS. Answers come as they are now: nothing is kept.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use serde::Serialize;

/// The kinds of records that we ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// Text.
    Txt,
    /// A mail server.
    Mx,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
            Self::Mx => "MX",
        })
    }
}

/// A question that got no answer. That a name has no such record is an answer: no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailed {
    /// No server answered in time.
    #[error("no DNS server answered in time")]
    Timeout,
    /// A server said that it could not find out (SERVFAIL): often broken DNSSEC or name servers that don't answer.
    #[error("the DNS server could not find out (SERVFAIL)")]
    ServerFailed,
    /// A server would not say.
    #[error("the DNS server refused to answer")]
    Refused,
    /// The name can't be asked for.
    #[error("the name can't be looked up")]
    BadName,
    /// Anything else: a network error, an answer that can't be read.
    #[error("the DNS lookup failed: {0}")]
    Other(String),
}

impl LookupFailed {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Timeout => "dns-failed-timeout",
            Self::ServerFailed => "dns-failed-servfail",
            Self::Refused => "dns-failed-refused",
            Self::BadName => "dns-failed-bad-name",
            Self::Other(_) => "dns-failed-other",
        }
    }
}

/// Asks the DNS.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The values of the records of one kind at `name`, sorted: addresses as written by the standard library, names in small
    /// letters without the dot behind, texts joined, mail servers as `10 mail.example.org`. None when there are none, also when
    /// the name does not exist.
    async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<String>, LookupFailed>;
}

/// Asks recursive resolvers over UDP, over TCP for long answers.
pub struct DnsResolver {
    resolver: TokioResolver,
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsResolver").finish_non_exhaustive()
    }
}

impl DnsResolver {
    /// A resolver that asks `servers`, or those that the system asks when the list is empty. Each question is tried twice and each try takes at most `timeout`. Nothing is
    /// cached: people press "check again" right after they changed something.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, NoResolver> {
        let server = |address: &SocketAddr| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (address.port(), address.port());
            NameServerConfig::new(address.ip(), true, vec![udp, tcp])
        };
        let config = if servers.is_empty() {
            hickory_resolver::system_conf::read_system_conf().map_err(|error| NoResolver::NoServers(Box::new(error)))?.0
        } else {
            ResolverConfig::from_name_servers(servers.iter().map(server).collect())
        };
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = timeout;
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|error| NoResolver::Build(Box::new(error)))?;
        Ok(Self { resolver })
    }
}

/// The resolver could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NoResolver {
    /// The list of servers is empty, and the system has none either.
    #[error("the system names no DNS servers; name at least one recursive resolver as address:port")]
    NoServers(#[source] Box<NetError>),
    /// The client could not be built.
    #[error("could not build the DNS client")]
    Build(#[source] Box<NetError>),
}

#[async_trait]
impl Resolver for DnsResolver {
    async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<String>, LookupFailed> {
        // With the dot behind, or the machine's search domains would be tried as well.
        let absolute = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).map_err(|_| LookupFailed::BadName)?;
        let wanted = match kind {
            RecordKind::A => RecordType::A,
            RecordKind::Aaaa => RecordType::AAAA,
            RecordKind::Cname => RecordType::CNAME,
            RecordKind::Txt => RecordType::TXT,
            RecordKind::Mx => RecordType::MX,
        };
        let answer = match self.resolver.lookup(absolute, wanted).await {
            Ok(answer) => answer,
            Err(error) => return unless_empty(&error),
        };
        let values =
            answer.answers().iter().filter(|record| record.record_type() == wanted).filter_map(|record| value(&record.data));
        Ok(values.collect::<BTreeSet<_>>().into_iter().collect())
    }
}

fn unless_empty(error: &NetError) -> Result<Vec<String>, LookupFailed> {
    let code = match error {
        NetError::Timeout => return Err(LookupFailed::Timeout),
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        other => return Err(LookupFailed::Other(other.to_string())),
    };
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(Vec::new()),
        ResponseCode::ServFail => Err(LookupFailed::ServerFailed),
        ResponseCode::Refused => Err(LookupFailed::Refused),
        other => Err(LookupFailed::Other(other.to_string())),
    }
}

fn value(data: &RData) -> Option<String> {
    let host = |name: &Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    match data {
        RData::A(address) => Some(address.0.to_string()),
        RData::AAAA(address) => Some(address.0.to_string()),
        RData::CNAME(name) => Some(host(name)),
        RData::TXT(text) => Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
        RData::MX(mail) => Some(format!("{} {}", mail.preference, host(&mail.exchange))),
        _ => None,
    }
}

/// Answers from a list, for tests and for the demo, which has no internet. What was not set has no records.
#[derive(Debug, Default, Clone)]
pub struct ScriptedResolver {
    answers: Arc<Mutex<HashMap<(String, RecordKind), Answer>>>,
}

type Answer = Result<Vec<String>, LookupFailed>;

impl ScriptedResolver {
    /// From now on `name` has these values.
    pub fn set(&self, name: &str, kind: RecordKind, values: &[&str]) {
        self.answer(name, kind, Ok(values.iter().map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect()));
    }

    /// From now on the question fails.
    pub fn fail(&self, name: &str, kind: RecordKind, why: LookupFailed) {
        self.answer(name, kind, Err(why));
    }

    fn answer(&self, name: &str, kind: RecordKind, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert((name.to_ascii_lowercase(), kind), answer);
    }
}

#[async_trait]
impl Resolver for ScriptedResolver {
    async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<String>, LookupFailed> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(name.to_ascii_lowercase(), kind)).cloned().unwrap_or_else(|| Ok(Vec::new()))
    }
}
