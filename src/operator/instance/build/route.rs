//! The way in: a route on the listener that has the certificate of the host's domain.

use serde_json::json;

use super::{Object, names};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::{GatewayRef, Park};
use crate::resource::{Mode, PAUSE_REASON_HEADER};

/// The route: streaming to its own process and without a time limit, everything else to web.
pub fn route(valid: &Valid<'_>) -> Object {
    let backend = |name: &str, port: u16| json!([{"group": "", "kind": "Service", "name": name, "port": port, "weight": 1}]);
    let path = |prefix: &str| json!([{"path": {"type": "PathPrefix", "value": prefix}}]);
    let body = json!({"spec": {
        "parentRefs": parents(valid),
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

/// The route that takes the host name over while the server is paused: from its own namespace to who answers in its place, with the
/// reason as a header that visitors can't set.
pub fn park(valid: &Valid<'_>) -> Option<Object> {
    let Park { namespace, service, port } = valid.settings.park.as_ref()?;
    let reason = match &valid.spec.mode {
        Mode::Running {} => return None,
        Mode::Suspended { reason } => reason.as_str(),
        Mode::Archived {} => "ended",
    };
    let body = json!({"spec": {
        "parentRefs": parents(valid),
        "hostnames": [valid.spec.web_host()],
        "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "filters": [{
                "type": "RequestHeaderModifier",
                "requestHeaderModifier": {"set": [{"name": PAUSE_REASON_HEADER, "value": reason}]},
            }],
            "backendRefs": [{"group": "", "kind": "Service", "name": service, "port": port, "weight": 1}],
        }],
    }});
    Some(Object::within(valid, Some(namespace.clone()), Kind::HttpRoute, valid.name.clone(), "park", body))
}

fn parents(valid: &Valid<'_>) -> serde_json::Value {
    let GatewayRef { name, namespace, section } = &valid.settings.address.gateway;
    json!([{
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": namespace, "sectionName": section,
    }])
}
