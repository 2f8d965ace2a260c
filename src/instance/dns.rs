//! The DNS records that a customer's own domain needs: which, and whether they are there.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::address::{Address, AddressKind, WebDomain, is_apex};
pub use crate::internet::dns::{DnsResolver, LookupFailed, NoResolver, RecordKind, Resolver, ScriptedResolver};

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
