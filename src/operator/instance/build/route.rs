//! The way in: a route on the listener that has the certificate of the host's domain.

use serde_json::json;

use super::{Object, names};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::GatewayRef;

/// The route: streaming to its own process and without a time limit, everything else to web.
pub fn route(valid: &Valid<'_>) -> Object {
    let GatewayRef { name, namespace, section } = &valid.settings.address.gateway;
    let backend = |name: &str, port: u16| json!([{"group": "", "kind": "Service", "name": name, "port": port, "weight": 1}]);
    let path = |prefix: &str| json!([{"path": {"type": "PathPrefix", "value": prefix}}]);
    let body = json!({"spec": {
        "parentRefs": [{
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": namespace, "sectionName": section,
        }],
        "hostnames": [valid.spec.web_host()],
        "rules": [
            {
                "matches": path("/api/v1/streaming"),
                "timeouts": {"request": "0s"},
                "backendRefs": backend(names::STREAMING, names::STREAMING_PORT),
            },
            {"matches": path("/"), "backendRefs": backend(names::WEB, names::WEB_PORT)},
        ],
    }});
    Object::new(valid, Kind::HttpRoute, names::MASTODON, "route", body)
}
