//! The walls: nothing goes in or out but what is named here.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Object, names};
use crate::internet::{INTERNET_V6, NOT_THE_INTERNET_V4, NOT_THE_INTERNET_V6, Range, contains};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::seen::INSTANCE_LABEL;
use crate::operator::settings::{GatewayRef, Network, Reach};

/// Processes of Mastodon: they may speak to the world.
const MASTODON: [&str; 5] = [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER, "job"];

/// All policies of an instance.
pub fn policies(valid: &Valid<'_>) -> Vec<Object> {
    let policy = |name: &str, spec: Value| Object::new(valid, Kind::NetworkPolicy, name, "walls", json!({"spec": spec}));
    let mastodon = one_of(&MASTODON);
    let database = json!({"matchLabels": {"cnpg.io/cluster": names::DATABASE}});
    let cache = one_of(&[names::CACHE]);
    let Network { reach, api_server, backup_store, cluster, database_operator, metrics } = &valid.settings.network;
    let GatewayRef { name: _, namespace: gateway, section: _, ports: gateway_ports } = &valid.settings.address.gateway;
    let (not_v4, not_v6) = not_the_internet(cluster);

    let mut out = vec![
        json!({"to": [{"podSelector": database}], "ports": [tcp(names::DATABASE_PORT)]}),
        json!({"to": [{"podSelector": cache}], "ports": [tcp(names::CACHE_PORT)]}),
        // Federation, object store and mail, wherever they are on the internet. Relays listen on these ports.
        json!({
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": not_v4}},
                {"ipBlock": {"cidr": INTERNET_V6, "except": not_v6}},
            ],
            "ports": [tcp(80), tcp(443), tcp(465), tcp(587)],
        }),
        // The other servers of this cluster: its Gateway's public address leads to one of these pods, whose addresses nobody knows.
        json!({"to": [namespace_called(gateway)], "ports": gateway_ports.iter().copied().map(tcp).collect::<Vec<_>>()}),
    ];
    out.extend(reach.iter().map(to));

    // Whoever makes an archive needs the database and the object store, wherever that is; not the cache.
    let archive = one_of(&[names::ARCHIVE]);
    let out_of_archive: Vec<Value> = [out[0].clone()].into_iter().chain(out.iter().skip(2).cloned()).collect();

    let mut into_database = vec![
        json!({"from": [{"podSelector": mastodon}, {"podSelector": archive}], "ports": [tcp(names::DATABASE_PORT)]}),
        json!({"from": [{"podSelector": database}], "ports": [tcp(names::DATABASE_PORT), tcp(8000)]}),
    ];
    into_database.extend(
        database_operator
            .iter()
            .map(|namespace| json!({"from": [namespace_called(namespace)], "ports": [tcp(8000), tcp(names::DATABASE_PORT)]})),
    );
    into_database.extend(
        metrics
            .iter()
            .map(|namespace| json!({"from": [namespace_called(namespace)], "ports": [tcp(names::DATABASE_FIGURES_PORT)]})),
    );
    let mut out_of_database = vec![json!({"to": [{"podSelector": database}], "ports": [tcp(names::DATABASE_PORT), tcp(8000)]})];
    out_of_database.extend(api_server.iter().chain(backup_store).map(to));

    let from_gateway = json!([namespace_called(gateway)]);
    // Streaming tells its figures where it serves.
    let to_streaming: Vec<Value> = std::iter::once(gateway).chain(metrics).map(|name| namespace_called(name)).collect();
    let from_mastodon = json!([{"podSelector": mastodon}]);
    let mut all = vec![
        policy("default-deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
        policy("names", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": names_service()})),
        policy("mastodon", json!({"podSelector": mastodon, "policyTypes": ["Egress"], "egress": out})),
        policy("archive", json!({"podSelector": archive, "policyTypes": ["Egress"], "egress": out_of_archive})),
        policy("web", listens(names::WEB, &from_gateway, names::WEB_PORT)),
        policy("streaming", listens(names::STREAMING, &to_streaming.into(), names::STREAMING_PORT)),
        policy("cache", listens(names::CACHE, &from_mastodon, names::CACHE_PORT)),
        policy(
            "database",
            json!({
                "podSelector": {"matchExpressions": [{"key": "cnpg.io/cluster", "operator": "Exists"}]},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": into_database,
                "egress": out_of_database,
            }),
        ),
    ];
    if !valid.addresses.own().is_empty() {
        // Whoever signs a certificate asks a pod of cert-manager that runs here for as long as that takes.
        let solver = json!({
            "podSelector": {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": from_gateway, "ports": [tcp(names::SOLVER_PORT)]}],
        });
        all.push(policy("certificates", solver));
    }
    all
}

/// Where no server has business, v4 and v6: the lists above, and the cluster's own ranges where these are public addresses. (The API
/// server takes only exceptions that lie in what they are excepted from.)
fn not_the_internet(cluster: &[String]) -> (Vec<&str>, Vec<&str>) {
    let (mut v4, mut v6) = (NOT_THE_INTERNET_V4.to_vec(), NOT_THE_INTERNET_V6.to_vec());
    for range in cluster {
        match range.parse().map(Range::first) {
            Ok(IpAddr::V4(_)) => v4.push(range),
            Ok(first) if contains(INTERNET_V6, first) => v6.push(range),
            // Outside of the internet anyway; what can't be read was refused with the settings.
            Ok(IpAddr::V6(_)) | Err(_) => {}
        }
    }
    (v4, v6)
}

fn namespace_called(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

fn one_of(components: &[&str]) -> Value {
    json!({"matchExpressions": [
        {"key": "app.kubernetes.io/component", "operator": "In", "values": components},
        {"key": INSTANCE_LABEL, "operator": "Exists"},
    ]})
}

fn listens(component: &str, from: &Value, port: u16) -> Value {
    json!({"podSelector": one_of(&[component]), "policyTypes": ["Ingress"], "ingress": [{"from": from, "ports": [tcp(port)]}]})
}

/// The cluster's name service, with the usual address of its cache on the node.
fn names_service() -> Value {
    let ports = json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]);
    json!([{
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ],
        "ports": ports,
    }])
}

fn to(reach: &Reach) -> Value {
    let Reach { cidr, port } = reach;
    json!({"to": [{"ipBlock": {"cidr": cidr}}], "ports": [tcp(*port)]})
}

fn tcp(port: u16) -> Value {
    json!({"protocol": "TCP", "port": port})
}
