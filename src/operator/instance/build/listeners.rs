//! Listeners of the server's own on the Gateway, for names that the wildcard's certificate does not cover.

use serde_json::json;

use super::{Object, names};
use crate::operator::instance::address::Use;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::GatewayRef;

/// Two for each name: plain HTTP, where whoever signs the certificate asks, and HTTPS with it. Nothing when there is no such name.
pub fn listeners(valid: &Valid<'_>) -> Option<Object> {
    let own = valid.addresses.own();
    if own.is_empty() {
        return None;
    }
    // The routes of this namespace alone: cert-manager's for its questions is made here as well.
    let routes = json!({"namespaces": {"from": "Same"}});
    // And for the pages that of who answers while the server is paused, which is elsewhere.
    let secure_routes = |what: Use| match &valid.settings.park {
        Some(park) if what == Use::Web => json!({"namespaces": {"from": "Selector", "selector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [valid.namespace, park.namespace]},
        ]}}}),
        Some(_) | None => routes.clone(),
    };
    let pair = |(what, host): (Use, &str)| {
        let certificate = json!([{"group": "", "kind": "Secret", "name": what.tls_secret()}]);
        [
            json!({"name": what.http(), "hostname": host, "port": 80, "protocol": "HTTP", "allowedRoutes": routes}),
            json!({
                "name": what.https(),
                "hostname": host,
                "port": 443,
                "protocol": "HTTPS",
                "tls": {"mode": "Terminate", "certificateRefs": certificate},
                "allowedRoutes": secure_routes(what),
            }),
        ]
    };
    let listeners: Vec<_> = own.into_iter().flat_map(pair).collect();
    let GatewayRef { name, namespace, section: _, ports: _ } = &valid.settings.address.gateway;
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": namespace});
    let body = json!({"spec": {"parentRef": parent, "listeners": listeners}});
    Some(Object::new(valid, Kind::ListenerSet, names::MASTODON, "route", body))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{own_domain, with};
    use super::*;
    use crate::resource::LocalDomain;

    #[test]
    fn each_own_name_has_a_plain_listener_and_one_with_its_certificate() {
        with(|_, _| {}, |valid| assert_eq!(listeners(valid), None));
        with(own_domain(None, false), |valid| assert_eq!(listeners(valid), None));
        with(own_domain(Some(LocalDomain::Served), true), |valid| {
            let set = listeners(valid).unwrap();
            assert_eq!(set.body["spec"]["parentRef"]["name"], "front");
            assert_eq!(set.body["spec"]["parentRef"]["namespace"], "edge");
            let all = set.body["spec"]["listeners"].as_array().unwrap();
            let lines: Vec<String> = all
                .iter()
                .map(|one| {
                    let secret = one["tls"]["certificateRefs"][0]["name"].as_str().unwrap_or("-");
                    format!("{} {} {} {secret}", one["name"].as_str().unwrap(), one["hostname"].as_str().unwrap(), one["port"])
                })
                .collect();
            let expected = [
                "web-http social.cats.example 80 -",
                "web-https social.cats.example 443 web-tls",
                "media-http files.social.cats.example 80 -",
                "media-https files.social.cats.example 443 media-tls",
                "handles-http cats.example 80 -",
                "handles-https cats.example 443 handles-tls",
            ];
            assert_eq!(lines, expected);
        });
    }
}
