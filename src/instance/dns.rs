//! The DNS records that a customer's own domain needs: which, and whether they are there.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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

use super::address::{Address, AddressKind, WebDomain, is_apex};

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

/// Where the host's servers are reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsTarget {
    /// The name that customers' names point to: it follows when the addresses change.
    pub host: String,
    /// The gateway's IPv4 addresses.
    pub ipv4: Vec<Ipv4Addr>,
    /// The gateway's IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
}

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The server's pages.
    Web,
    /// Pictures and videos.
    Media,
    /// Handles on the bare domain, when the pages are elsewhere. Only needed when no site of the customer's own is there to redirect.
    Handles,
}

impl Purpose {
    /// The message in `address.ftl`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Web => "dns-purpose-web",
            Self::Media => "dns-purpose-media",
            Self::Handles => "dns-purpose-handles",
        }
    }

    /// Whether the server can't work without it.
    pub fn is_required(self) -> bool {
        !matches!(self, Self::Handles)
    }
}

/// One record for the customer to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The full name, in ASCII form, without the dot behind.
    pub name: String,
    /// Its kind.
    pub kind: RecordKind,
    /// Its value.
    pub value: String,
    /// What it is for.
    pub purpose: Purpose,
    /// For a bare domain, where no CNAME may stand: an ALIAS, ANAME or flattened CNAME to this name is as good, where the provider
    /// has such a thing.
    pub or_alias_to: Option<String>,
    /// The addresses behind it all. Providers that resolve a CNAME themselves show these in its place.
    #[serde(skip)]
    addresses: Vec<IpAddr>,
}

/// The exact records that an address needs. None for a name under the host's domain without a web domain.
pub fn wanted_records(address: &Address, web_domain: Option<&WebDomain>, target: &DnsTarget) -> Vec<Record> {
    let hosted = address.kind() == AddressKind::Hosted;
    records_for(address.domain(), hosted, web_domain.map(WebDomain::domain), target)
}

/// The same, by domains in ASCII form, as the database keeps them.
pub fn records_for(domain: &str, hosted: bool, web_domain: Option<&str>, target: &DnsTarget) -> Vec<Record> {
    let Some(web) = web_domain.or((!hosted).then_some(domain)) else { return Vec::new() };
    let mut records = pointing(web, Purpose::Web, target);
    records.extend(pointing(&format!("files.{web}"), Purpose::Media, target));
    if web_domain.is_some() && !hosted {
        records.extend(pointing(domain, Purpose::Handles, target));
    }
    records
}

fn pointing(name: &str, purpose: Purpose, target: &DnsTarget) -> Vec<Record> {
    let v4 = target.ipv4.iter().copied().map(IpAddr::V4);
    let addresses: Vec<IpAddr> = v4.chain(target.ipv6.iter().copied().map(IpAddr::V6)).collect();
    let record = |kind, value: String, or_alias_to| {
        let (name, addresses) = (name.to_owned(), addresses.clone());
        Record { name, kind, value, purpose, or_alias_to, addresses }
    };
    if !is_apex(name) {
        return vec![record(RecordKind::Cname, target.host.clone(), None)];
    }
    let kind = |address: &IpAddr| if address.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
    addresses.iter().map(|address| record(kind(address), address.to_string(), Some(target.host.clone()))).collect()
}

/// What a record is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordState {
    /// It is there.
    Found,
    /// Nothing is there, or the others of its group are and this one is not.
    Missing,
    /// Something else is there: what. Also when the right one is there beside it, for then only some visitors arrive.
    Different(Vec<String>),
    /// It could not be looked up. Says nothing about the record: ask again.
    Unknown(LookupFailed),
}

impl RecordState {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Found => "dns-state-found",
            Self::Missing => "dns-state-missing",
            Self::Different(_) => "dns-state-different",
            Self::Unknown(_) => "dns-state-unknown",
        }
    }
}

/// What the DNS said, question by question.
pub type Seen = HashMap<(String, RecordKind), Result<Vec<String>, LookupFailed>>;

/// Asks all that [`compare`] needs to know, all at once.
pub async fn look(resolver: &dyn Resolver, wanted: &[Record]) -> Seen {
    let names: BTreeSet<(&str, bool)> =
        wanted.iter().map(|record| (record.name.as_str(), record.kind == RecordKind::Cname)).collect();
    let questions = names.into_iter().flat_map(|(name, cname)| {
        let kinds: &[RecordKind] =
            if cname { &[RecordKind::Cname, RecordKind::A, RecordKind::Aaaa] } else { &[RecordKind::A, RecordKind::Aaaa] };
        kinds.iter().map(move |kind| (name, *kind))
    });
    let answers = questions.map(|(name, kind)| async move { ((name.to_owned(), kind), resolver.records(name, kind).await) });
    futures::future::join_all(answers).await.into_iter().collect()
}

/// The state of each wanted record, in the order of `wanted`.
pub fn compare(wanted: &[Record], seen: &Seen) -> Vec<RecordState> {
    wanted
        .iter()
        .map(|record| if record.kind == RecordKind::Cname { compare_name(record, seen) } else { compare_address(record, seen) })
        .collect()
}

fn values(seen: &Seen, name: &str, kind: RecordKind) -> Result<Vec<String>, LookupFailed> {
    seen.get(&(name.to_owned(), kind)).cloned().unwrap_or_else(|| Err(LookupFailed::Other("it was not asked for".to_owned())))
}

fn all_addresses(seen: &Seen, name: &str) -> Result<Vec<String>, LookupFailed> {
    let (v4, v6) = (values(seen, name, RecordKind::A), values(seen, name, RecordKind::Aaaa));
    Ok(v4?.into_iter().chain(v6?).collect())
}

fn is_one_of(value: &str, addresses: &[IpAddr]) -> bool {
    value.parse::<IpAddr>().is_ok_and(|address| addresses.contains(&address))
}

fn compare_name(record: &Record, seen: &Seen) -> RecordState {
    match values(seen, &record.name, RecordKind::Cname) {
        Err(why) => return RecordState::Unknown(why),
        Ok(names) if names.len() == 1 && names[0].eq_ignore_ascii_case(&record.value) => return RecordState::Found,
        Ok(names) if !names.is_empty() => return RecordState::Different(names),
        Ok(_) => {}
    }
    // No CNAME, but addresses: the provider resolved the name itself, or the customer typed the addresses in.
    match all_addresses(seen, &record.name) {
        Err(why) => RecordState::Unknown(why),
        Ok(addresses) if addresses.is_empty() => RecordState::Missing,
        Ok(addresses) if addresses.iter().all(|address| is_one_of(address, &record.addresses)) => RecordState::Found,
        Ok(addresses) => RecordState::Different(addresses),
    }
}

fn compare_address(record: &Record, seen: &Seen) -> RecordState {
    let there = match values(seen, &record.name, record.kind) {
        Err(why) => return RecordState::Unknown(why),
        Ok(there) => there,
    };
    let foreign = there.iter().any(|address| !is_one_of(address, &record.addresses));
    if foreign {
        return RecordState::Different(there);
    }
    // An IPv6 address left over from an earlier host: browsers and certificate authorities would go there first.
    if record.kind == RecordKind::A && !record.addresses.iter().any(IpAddr::is_ipv6) {
        match values(seen, &record.name, RecordKind::Aaaa) {
            Err(why) => return RecordState::Unknown(why),
            Ok(left_over) if !left_over.is_empty() => return RecordState::Different(left_over),
            Ok(_) => {}
        }
    }
    let same = |address: &String| address.parse::<IpAddr>().is_ok_and(|address| address.to_string() == record.value);
    if there.iter().any(same) { RecordState::Found } else { RecordState::Missing }
}
