//! Names inside the namespace. Services are what a cluster runs out of first, so there are only these (and one of the database).

use serde_json::json;

use super::{Object, names, selector};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::MediaBackend;

/// The Services of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Services {
    /// Web pods.
    pub web: Object,
    /// Streaming pods.
    pub streaming: Object,
    /// Valkey.
    pub cache: Object,
}

/// The Services of an instance.
pub fn services(valid: &Valid<'_>) -> Services {
    let service = |component: &str, port: u16| {
        let body = json!({"spec": {
            "type": "ClusterIP",
            "selector": selector(valid, component),
            "ports": [{"name": component, "protocol": "TCP", "port": port, "targetPort": component}],
        }});
        Object::new(valid, Kind::Service, component, component, body)
    };
    Services {
        web: service(names::WEB, names::WEB_PORT),
        streaming: service(names::STREAMING, names::STREAMING_PORT),
        cache: service(names::CACHE, names::CACHE_PORT),
    }
}

/// The object store under a name that routes in this namespace can use. Without a selector: its endpoints are written by us.
pub fn media(valid: &Valid<'_>) -> Object {
    let MediaBackend { addresses: _, port, host: _ } = &valid.settings.address.media;
    let body = json!({"spec": {
        "type": "ClusterIP",
        "ports": [{"name": names::MEDIA_STORE, "protocol": "TCP", "port": port, "targetPort": port}],
    }});
    Object::new(valid, Kind::Service, names::MEDIA_STORE, names::MEDIA_STORE, body)
}
