//! What our walls let out, address by address: the policies as they are rendered, evaluated as Kubernetes describes it, against a
//! table that was written from the registries and not from the policies.
//!
//! That a cluster's network plug-in does the same is what `paddock preflight` looks at.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::policies;
use super::tests::{policies_of_a_server, with};
use crate::internet::Range;

/// What the policies let out of a pod.
struct WaysOut {
    /// Who is chosen by no policy may do anything.
    anything: bool,
    rules: Vec<Rule>,
}

/// One rule: whereto, and by which ports.
struct Rule {
    /// Ranges with their exceptions; nothing for everywhere.
    ranges: Option<Vec<(Range, Vec<Range>)>>,
    ports: Vec<Value>,
    /// Namespaces by name, and pods of the own namespace by component.
    inside: Vec<String>,
}

impl WaysOut {
    /// Of a pod with these labels.
    fn of(policies: &[Value], labels: &[(&str, &str)]) -> Self {
        let chosen: Vec<&Value> = policies
            .iter()
            .map(|policy| &policy["spec"])
            .filter(|spec| {
                list(&spec["policyTypes"]).iter().any(|kind| kind == "Egress") && selects(&spec["podSelector"], labels)
            })
            .collect();
        let rules = chosen.iter().flat_map(|spec| list(&spec["egress"])).map(Rule::of).collect();
        Self { anything: chosen.is_empty(), rules }
    }

    /// Whom it may reach inside of the cluster, with the port.
    fn inside(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for Rule { ranges: _, ports, inside } in &self.rules {
            for port in ports {
                all.extend(inside.iter().map(|to| format!("{to} {} {}", port["protocol"], port["port"]).replace('"', "")));
            }
        }
        all
    }

    /// Whether a connection may be opened to an address outside of the cluster.
    fn open(&self, address: IpAddr, protocol: &str, port: u16) -> bool {
        self.anything || self.rules.iter().any(|rule| rule.goes_to(address) && rule.by(protocol, port))
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let range = |text: &Value| text.as_str().unwrap().parse::<Range>().unwrap();
        let peers = list(&rule["to"]);
        // Selectors of pods and namespaces choose what is inside of the cluster.
        let blocks = peers.iter().filter_map(|peer| peer.get("ipBlock"));
        let ranges = blocks.map(|block| (range(&block["cidr"]), list(&block["except"]).iter().map(range).collect())).collect();
        let inside = peers.iter().filter(|peer| peer.get("ipBlock").is_none()).map(|peer| {
            let namespace = &peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
            let cluster = &peer["podSelector"]["matchLabels"]["cnpg.io/cluster"];
            let components = &peer["podSelector"]["matchExpressions"][0]["values"];
            [namespace, cluster, components].into_iter().find(|one| !one.is_null()).unwrap_or(&Value::Null).to_string()
        });
        Self { inside: inside.collect(), ranges: (!peers.is_empty()).then_some(ranges), ports: list(&rule["ports"]).to_vec() }
    }

    fn goes_to(&self, address: IpAddr) -> bool {
        let holds = |(range, except): &(Range, Vec<Range>)| {
            range.contains(address) && !except.iter().any(|except| except.contains(address))
        };
        self.ranges.as_ref().is_none_or(|ranges| ranges.iter().any(holds))
    }

    fn by(&self, protocol: &str, port: u16) -> bool {
        let is = |one: &Value| one["protocol"] == protocol && (one.get("port").is_none() || one["port"] == port);
        self.ports.is_empty() || self.ports.iter().any(is)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn selects(selector: &Value, labels: &[(&str, &str)]) -> bool {
    let value = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let known = |key: &String| ["matchLabels", "matchExpressions"].contains(&key.as_str());
    assert!(selector.as_object().unwrap().keys().all(known), "{selector}");
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, wanted)| value(key) == wanted.as_str());
    let meets = |one: &Value| {
        let has = value(one["key"].as_str().unwrap());
        match one["operator"].as_str().unwrap() {
            "Exists" => has.is_some(),
            "In" => list(&one["values"]).iter().any(|wanted| has == wanted.as_str()),
            other => panic!("{other} is not evaluated here"),
        }
    };
    equal && list(&selector["matchExpressions"]).iter().all(meets)
}

/// What is to be had at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// Reached from everywhere.
    Internet,
    /// Anything else.
    Not,
    /// IANA says reachable, and we do not go there all the same.
    Declined,
}

/// IANA's registries of special-purpose addresses (IPv4 as of 2025-10, IPv6 likewise; RFC 6890 and what has been added to it), with
/// multicast (RFC 5771, 4291), what IPv4-compatible and site-local once were (RFC 4291, 3879) and everything beyond `2000::/3`, which
/// has not been given out. The longest range decides.
const REGISTRY: &[(&str, Is)] = &[
    ("0.0.0.0/0", Is::Internet),
    ("0.0.0.0/8", Is::Not),
    ("0.0.0.0/32", Is::Not),
    ("10.0.0.0/8", Is::Not),
    ("100.64.0.0/10", Is::Not),
    ("127.0.0.0/8", Is::Not),
    ("169.254.0.0/16", Is::Not),
    ("169.254.169.254/32", Is::Not),
    ("172.16.0.0/12", Is::Not),
    ("192.0.0.0/24", Is::Not),
    ("192.0.0.0/29", Is::Not),
    ("192.0.0.8/32", Is::Not),
    // Anycast for a network's own port control and relays: nobody's server.
    ("192.0.0.9/32", Is::Declined),
    ("192.0.0.10/32", Is::Declined),
    ("192.0.0.170/31", Is::Not),
    ("192.0.2.0/24", Is::Not),
    ("192.31.196.0/24", Is::Internet),
    ("192.52.193.0/24", Is::Internet),
    ("192.88.99.0/24", Is::Not),
    ("192.168.0.0/16", Is::Not),
    ("192.175.48.0/24", Is::Internet),
    ("198.18.0.0/15", Is::Not),
    ("198.51.100.0/24", Is::Not),
    ("203.0.113.0/24", Is::Not),
    ("224.0.0.0/4", Is::Not),
    ("240.0.0.0/4", Is::Not),
    ("255.255.255.255/32", Is::Not),
    ("::/0", Is::Not),
    ("2000::/3", Is::Internet),
    ("::/128", Is::Not),
    ("::1/128", Is::Not),
    ("::/96", Is::Not),
    ("::ffff:0:0/96", Is::Not),
    // An IPv4 address hides in it, private ones too.
    ("64:ff9b::/96", Is::Declined),
    ("64:ff9b:1::/48", Is::Not),
    ("100::/64", Is::Not),
    ("100:0:0:1::/64", Is::Not),
    ("2001::/23", Is::Not),
    ("2001::/32", Is::Not),
    ("2001:1::1/128", Is::Declined),
    ("2001:1::2/128", Is::Declined),
    ("2001:1::3/128", Is::Declined),
    ("2001:2::/48", Is::Not),
    ("2001:3::/32", Is::Declined),
    ("2001:4:112::/48", Is::Declined),
    ("2001:10::/28", Is::Not),
    ("2001:20::/28", Is::Declined),
    ("2001:30::/28", Is::Declined),
    ("2001:db8::/32", Is::Not),
    ("2002::/16", Is::Not),
    ("2620:4f:8000::/48", Is::Internet),
    ("3fff::/20", Is::Not),
    ("5f00::/16", Is::Not),
    ("fc00::/7", Is::Not),
    ("fd00:ec2::254/128", Is::Not),
    ("fe80::/10", Is::Not),
    ("fec0::/10", Is::Not),
    ("ff00::/8", Is::Not),
    // The cluster's own public ranges, see the settings of these tests.
    ("198.41.7.0/24", Is::Not),
    ("2a01:db9::/48", Is::Not),
];

/// First and last address of a range, by arithmetic of its own.
fn ends(range: &str) -> (IpAddr, IpAddr) {
    let (address, bits) = range.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    match address.parse().unwrap() {
        IpAddr::V4(first) => {
            let size = 1_u64 << (32 - bits);
            let last = u64::from(u32::from(first)) + size - 1;
            (first.into(), Ipv4Addr::from(u32::try_from(last).unwrap()).into())
        }
        IpAddr::V6(first) => {
            let rest = if bits == 0 { u128::MAX } else { (1_u128 << (128 - bits)) - 1 };
            (first.into(), Ipv6Addr::from(u128::from(first) + rest).into())
        }
    }
}

fn is(address: IpAddr) -> Is {
    let within = |range: &str| {
        let (first, last) = ends(range);
        first.is_ipv4() == address.is_ipv4() && first <= address && address <= last
    };
    let bits = |range: &str| range.split_once('/').unwrap().1.parse::<u8>().unwrap();
    let longest = REGISTRY.iter().filter(|(range, _)| within(range)).max_by_key(|(range, _)| bits(range));
    longest.unwrap().1
}

/// The ends of every range with their neighbours, some from inside of each, and the rest from everywhere: ten thousand, the same each
/// time.
fn addresses() -> Vec<IpAddr> {
    let mut chance = StdRng::seed_from_u64(4550);
    let mut all = Vec::new();
    for (range, _) in REGISTRY {
        match ends(range) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (u32::from(first), u32::from(last));
                let near = [first, last, first.saturating_sub(1), last.saturating_add(1)].into_iter();
                let inside: Vec<u32> = (0..40).map(|_| chance.random_range(first..=last)).collect();
                all.extend(near.chain(inside).map(|number| IpAddr::V4(number.into())));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let (first, last) = (u128::from(first), u128::from(last));
                let near = [first, last, first.saturating_sub(1), last.saturating_add(1)].into_iter();
                let inside: Vec<u128> = (0..40).map(|_| chance.random_range(first..=last)).collect();
                all.extend(near.chain(inside).map(|number| IpAddr::V6(number.into())));
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => unreachable!("a range is of one kind"),
        }
    }
    while all.len() < 10_000 {
        all.push(match all.len() % 3 {
            0 => IpAddr::V4(chance.random::<u32>().into()),
            1 => IpAddr::V6(chance.random::<u128>().into()),
            _ => IpAddr::V6((chance.random::<u128>() >> 3 | 1 << 125).into()),
        });
    }
    all
}

#[test]
fn servers_reach_the_internet_and_nothing_else() {
    let policies = policies_of_a_server();
    let component =
        |name: &'static str| WaysOut::of(&policies, &[("app.kubernetes.io/component", name), ("paddock.host/instance", "ins-x")]);
    let mastodon = ["web", "streaming", "sidekiq", "scheduler", "job", "archive"].map(|name| (name, component(name)));
    let database = WaysOut::of(&policies, &[("cnpg.io/cluster", "db-1"), ("app.kubernetes.io/component", "database")]);
    let others = [("cache", component("cache")), ("another", component("another")), ("unknown", WaysOut::of(&policies, &[]))];
    // What the settings of these tests let through beside: the object store for Mastodon, the API server and another object store for the
    // database, and for all the name service's cache on the node.
    let there = |address: IpAddr, text: &str| address == text.parse::<IpAddr>().unwrap();
    let mut addresses = addresses();
    assert!(addresses.len() >= 10_000);
    addresses.extend(["169.254.20.10", "10.9.8.7", "10.9.8.5", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap()));
    let asked = [80, 443, 465, 587, 22, 25, 53, 5432, 6443, 7070, 7071, 8080, 9443].map(|port| ("TCP", port));
    let asked: Vec<_> = asked.into_iter().chain([("UDP", 53), ("UDP", 443)]).collect();
    let mut reached = 0_u32;
    for address in &addresses {
        let is = is(*address);
        for (protocol, port) in &asked {
            let tcp = *protocol == "TCP";
            let names = *port == 53 && there(*address, "169.254.20.10");
            let public = tcp && [80, 443, 465, 587].contains(port) && is == Is::Internet;
            for (name, ways) in &mastodon {
                let expected = public || names || tcp && *port == 7070 && there(*address, "10.9.8.7");
                let found = ways.open(*address, protocol, *port);
                assert_eq!(found, expected, "{name} to {address} {protocol} {port}, which is {is:?}");
                reached += u32::from(found);
            }
            let to_store = *port == 7071 && there(*address, "10.9.8.5");
            let expected = names || tcp && (to_store || *port == 443 && there(*address, "10.0.0.1"));
            assert_eq!(database.open(*address, protocol, *port), expected, "the database to {address} {protocol} {port}");
            for (name, ways) in &others {
                assert_eq!(ways.open(*address, protocol, *port), names, "{name} to {address} {protocol} {port}");
            }
        }
    }
    let special = REGISTRY.iter().filter(|(_, is)| *is != Is::Internet).count();
    println!("{} addresses, {special} special ranges, {reached} ways out", addresses.len());
    assert!(reached > 10_000, "{reached}");
}

#[test]
fn inside_of_the_cluster_servers_reach_what_is_theirs_and_the_gateway() {
    let policies = policies_of_a_server();
    let of = |labels: &[(&str, &str)]| WaysOut::of(&policies, labels).inside();
    let component = |name: &str| of(&[("app.kubernetes.io/component", name), ("paddock.host/instance", "ins-x")]);
    let ways = |all: &[&str]| -> BTreeSet<String> {
        all.iter().chain(&["kube-system UDP 53", "kube-system TCP 53"]).map(|way| (*way).to_owned()).collect()
    };
    for name in ["web", "streaming", "sidekiq", "scheduler", "job"] {
        // The Gateway's pods take what comes for 443 on a port of their own.
        let expected = ways(&["db-1 TCP 5432", "[cache] TCP 6379", "edge TCP 443", "edge TCP 9443"]);
        assert_eq!(component(name), expected, "{name}");
    }
    let database = of(&[("cnpg.io/cluster", "db-1"), ("app.kubernetes.io/component", "database")]);
    assert_eq!(database, ways(&["db-1 TCP 5432", "db-1 TCP 8000"]));
    assert_eq!(component("cache"), ways(&[]));
    assert_eq!(component("another"), ways(&[]));
}

#[test]
fn figures_are_told_to_who_collects_them_and_nobody_else() {
    let policies = policies_of_a_server();
    let into = |name: &str, port: u16| -> BTreeSet<String> {
        let policy = policies.iter().find(|policy| policy["metadata"]["name"] == name).unwrap();
        let rules =
            list(&policy["spec"]["ingress"]).iter().filter(|rule| list(&rule["ports"]).iter().any(|by| by["port"] == port));
        let from = rules.flat_map(|rule| list(&rule["from"])).map(|peer| &peer["namespaceSelector"]["matchLabels"]);
        from.map(|labels| labels["kubernetes.io/metadata.name"].as_str().unwrap_or("its own").to_owned()).collect()
    };
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(into("database", 9187), names(&["figures"]));
    assert_eq!(into("database", 5432), names(&["cnpg-system", "its own"]));
    assert_eq!(into("streaming", 4000), names(&["edge", "figures"]));
    assert_eq!(into("web", 3000), names(&["edge"]));
    let mut unnamed = None;
    with(|settings, _| settings.network.metrics = None, |valid| unnamed = Some(policies::policies(valid)));
    assert!(
        !unnamed.unwrap().iter().any(|policy| policy.body.to_string().contains("9187")),
        "where nobody is named there is no way"
    );
}

#[test]
fn the_table_agrees_with_what_the_standard_library_knows() {
    for address in addresses() {
        let special = match address {
            IpAddr::V4(v4) => {
                v4.is_private()
                    || v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_multicast()
                    || v4.is_documentation()
                    || v4.is_broadcast()
                    || v4.is_unspecified()
            }
            IpAddr::V6(v6) => {
                v6.is_loopback()
                    || v6.is_multicast()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || v6.to_ipv4_mapped().is_some()
            }
        };
        assert!(!special || is(address) != Is::Internet, "{address}");
    }
}
