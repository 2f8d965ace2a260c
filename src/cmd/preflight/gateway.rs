//! The way in: the shared Gateway, its listener with the wildcard certificate, who signs certificates, and the names that lead there.

use std::collections::BTreeSet;

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use super::Surroundings;
use super::report::Check;
use crate::crypto;
use crate::instance::dns::{RecordKind, Resolver};
use crate::operator::error_chain as chain;
use crate::operator::settings::{Address, GatewayRef, Issuer};

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let Surroundings { parts, client, operator, .. } = surroundings;
    // Whether the chart lets media lead to the store is seen with a server's objects (`walls`).
    let Address { wildcard_domain, gateway, issuer, media: _ } = &operator.address;
    let mut checks = Vec::new();
    let found = find(client, gateway).await;
    let addresses = match &found {
        Ok(gateway_object) => {
            checks.extend(programmed(gateway_object));
            checks.extend(listener(gateway_object, gateway, wildcard_domain));
            addresses(gateway_object)
        }
        Err(check) => {
            checks.push(check.clone());
            BTreeSet::new()
        }
    };
    checks.push(signs(client, issuer).await);
    checks.push(names(parts.resolver(), wildcard_domain, &addresses).await);
    checks
}

async fn find(client: &Client, gateway: &GatewayRef) -> Result<DynamicObject, Check> {
    let name = "Gateway";
    let GatewayRef { name: title, namespace, section: _, ports: _ } = gateway;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match api.get_opt(title).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            let remedy = "make it, or correct operator.address.gateway";
            Err(Check::fault(name, format!("there is none called {title} in {namespace}"), remedy))
        }
        Err(error) => Err(Check::fault(name, chain(&error), "install Gateway API and a controller for it")),
    }
}

fn is_true(conditions: &Value, kind: &str) -> bool {
    conditions.as_array().into_iter().flatten().any(|one| one["type"] == kind && one["status"] == "True")
}

fn programmed(gateway: &DynamicObject) -> Vec<Check> {
    let name = "Gateway";
    let status = &gateway.data["status"];
    let mut checks = vec![if is_true(&status["conditions"], "Programmed") {
        Check::ok(name, "its proxies are set up")
    } else {
        let why = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Programmed");
        let why = why.and_then(|one| one["message"].as_str()).unwrap_or("no controller has reported on it").to_owned();
        Check::fault(name, why, "install the controller of its class, and see what it reports: kubectl describe gateway")
    }];
    let from = &gateway.data["spec"]["allowedListeners"]["namespaces"]["from"];
    checks.push(if let Some("All" | "Selector") = from.as_str() {
        Check::ok("listener sets", "namespaces of servers may bring certificates of their own")
    } else {
        let remedy =
            "set spec.allowedListeners.namespaces.from: All on the Gateway, or a Selector on the label paddock.host/instance";
        Check::fault("listener sets", "the Gateway takes none, so customers' own domains can't be served", remedy)
    });
    checks
}

/// The listener that servers' routes are put on.
fn listener(gateway: &DynamicObject, wanted: &GatewayRef, domain: &str) -> Vec<Check> {
    let name = "listener";
    let GatewayRef { name: _, namespace: _, section, ports: _ } = wanted;
    let all = gateway.data["spec"]["listeners"].as_array().cloned().unwrap_or_default();
    let Some(listener) = all.iter().find(|one| one["name"] == section.as_str()) else {
        let there: Vec<_> = all.iter().filter_map(|one| one["name"].as_str()).collect();
        let remedy = format!("correct operator.address.gateway; the Gateway has {}", there.join(", "));
        return vec![Check::fault(name, format!("there is none called {section}"), remedy)];
    };
    let mut checks = Vec::new();
    if listener["protocol"] != "HTTPS" || listener["tls"]["mode"].as_str().is_some_and(|mode| mode != "Terminate") {
        let remedy = "servers speak plain HTTP behind it: protocol: HTTPS with tls.mode: Terminate";
        checks.push(Check::fault(name, format!("{section} does not end TLS"), remedy));
    }
    let hostname = listener["hostname"].as_str().unwrap_or("*");
    if hostname != format!("*.{domain}") && hostname != "*" {
        let remedy = format!("set its hostname to *.{domain}, or correct operator.address.wildcard_domain");
        checks.push(Check::fault(name, format!("{section} is for {hostname}"), remedy));
    }
    if !matches!(listener["allowedRoutes"]["namespaces"]["from"].as_str(), Some("All" | "Selector")) {
        let remedy = "set allowedRoutes.namespaces.from: All, or a Selector on the label paddock.host/instance";
        checks.push(Check::fault(name, format!("{section} takes routes of its own namespace alone"), remedy));
    }
    let status = gateway.data["status"]["listeners"].as_array().into_iter().flatten().find(|one| one["name"] == section.as_str());
    match status {
        Some(status) if !is_true(&status["conditions"], "Programmed") || !is_true(&status["conditions"], "ResolvedRefs") => {
            let bad = status["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|one| one["status"] == "False" && one["type"] != "Conflicted");
            let why = bad.and_then(|one| one["message"].as_str()).unwrap_or("it is not set up").to_owned();
            checks.push(Check::fault(
                name,
                format!("{section}: {why}"),
                "most often the Secret with the wildcard certificate is missing",
            ));
        }
        Some(_) => {}
        None => checks.push(Check::warn(
            name,
            format!("nothing is reported about {section}"),
            "see that its controller is of Gateway API 1.0 or newer",
        )),
    }
    if checks.is_empty() {
        checks.push(Check::ok(name, format!("{section} for {hostname}")));
    }
    checks
}

fn addresses(gateway: &DynamicObject) -> BTreeSet<String> {
    let all = gateway.data["status"]["addresses"].as_array().into_iter().flatten();
    all.filter_map(|one| Some(one["value"].as_str()?.trim_end_matches('.').to_ascii_lowercase())).collect()
}

/// Who signs certificates for customers' own domains: there, ready, and able to ask inside of a server's walls.
async fn signs(client: &Client, wanted: &Issuer) -> Check {
    let name = "certificate issuer";
    let Issuer { name: title, kind, group } = wanted;
    if (kind.as_str(), group.as_str()) != ("ClusterIssuer", "cert-manager.io") {
        let remedy = "see that it signs for every name and that its controller runs";
        return Check::warn(name, format!("{title} is a {kind} of {group}, which is not looked at"), remedy);
    }
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let issuer = match api.get_opt(title).await {
        Ok(Some(issuer)) => issuer,
        Ok(None) => {
            let remedy = "make it, with an ACME account and the Gateway solver (http01.gatewayHTTPRoute), or correct operator.address.issuer";
            return Check::fault(name, format!("there is no ClusterIssuer called {title}"), remedy);
        }
        Err(error) => return Check::fault(name, chain(&error), "install cert-manager"),
    };
    if !is_true(&issuer.data["status"]["conditions"], "Ready") {
        let remedy = format!("see why: kubectl describe clusterissuer {title}");
        return Check::fault(name, format!("{title} is not ready"), remedy);
    }
    let solvers = issuer.data["spec"]["acme"]["solvers"].as_array().into_iter().flatten();
    let mut by_routes = solvers.map(|solver| &solver["http01"]["gatewayHTTPRoute"]).filter(|route| route.is_object());
    // Without a word cert-manager takes NodePort, and a server's quota allows none.
    if by_routes.any(|route| route["serviceType"] != "ClusterIP") {
        let remedy = format!("set serviceType: ClusterIP at http01.gatewayHTTPRoute of the ClusterIssuer {title}");
        return Check::fault(name, format!("{title} asks through Services with node ports, which servers may not have"), remedy);
    }
    Check::ok(name, title.clone())
}

/// Whether a name under the wildcard leads to the Gateway: one that nobody can have written by itself.
async fn names(resolver: &dyn Resolver, domain: &str, gateway: &BTreeSet<String>) -> Check {
    let name = "wildcard name";
    let host = format!("preflight-{}.{domain}", hex::encode(crypto::random::<4>()));
    let mut found = BTreeSet::new();
    for kind in [RecordKind::A, RecordKind::Aaaa, RecordKind::Cname] {
        match resolver.records(&host, kind).await {
            Ok(records) => found.extend(records),
            Err(error) => {
                let remedy = "see that dns.resolvers (or the system's) answer, and that the domain's name servers do";
                return Check::fault(name, format!("{host}: {error}"), remedy);
            }
        }
    }
    let there = found.iter().cloned().collect::<Vec<_>>().join(", ");
    let wanted = gateway.iter().cloned().collect::<Vec<_>>().join(", ");
    if found.is_empty() {
        return Check::fault(
            name,
            format!("*.{domain} leads nowhere"),
            format!("add a record *.{domain} that leads to {wanted}"),
        );
    }
    if gateway.is_empty() {
        return Check::warn(
            name,
            format!("*.{domain} leads to {there}; the Gateway names no address"),
            "see that this is the Gateway's",
        );
    }
    if found.is_disjoint(gateway) {
        let remedy =
            format!("let *.{domain} lead to {wanted}; where a load balancer stands in front of it, this is as it should be");
        return Check::warn(name, format!("*.{domain} leads to {there}, the Gateway is at {wanted}"), remedy);
    }
    Check::ok(name, format!("*.{domain} leads to {there}"))
}
