//! Where the object store is, for the Service without a selector that routes name.

use std::net::IpAddr;

use serde_json::json;

use super::{Object, names};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::MediaBackend;

/// The endpoints of the Service for media.
pub fn media(valid: &Valid<'_>) -> Object {
    let MediaBackend { addresses, port, host: _ } = &valid.settings.address.media;
    let family = if addresses.first().is_some_and(IpAddr::is_ipv6) { "IPv6" } else { "IPv4" };
    let endpoints: Vec<_> =
        addresses.iter().map(|address| json!({"addresses": [address], "conditions": {"ready": true}})).collect();
    let body = json!({
        "metadata": {"labels": {
            "kubernetes.io/service-name": names::MEDIA_STORE,
            // Any name but those of Kubernetes' own controllers, which would otherwise look after it.
            "endpointslice.kubernetes.io/managed-by": "paddock.host",
        }},
        "addressType": family,
        "ports": [{"name": names::MEDIA_STORE, "protocol": "TCP", "port": port}],
        "endpoints": endpoints,
    });
    Object::new(valid, Kind::EndpointSlice, names::MEDIA_STORE, names::MEDIA_STORE, body)
}

#[cfg(test)]
mod tests {
    use super::super::services;
    use super::super::tests::{own_domain, with};
    use super::*;

    #[test]
    fn the_service_and_its_endpoints_fit_together() {
        with(own_domain(None, true), |valid| {
            let (service, slice) = (services::media(valid), media(valid));
            assert!(service.body["spec"].get("selector").is_none());
            assert_eq!(service.body["spec"]["ports"][0]["port"], 3902);
            assert_eq!(slice.body["metadata"]["labels"]["kubernetes.io/service-name"], service.name);
            assert_eq!(slice.body["ports"][0]["name"], service.body["spec"]["ports"][0]["name"]);
            assert_eq!(slice.body["endpoints"][0]["addresses"], json!(["10.9.8.7"]));
            assert_eq!(slice.body["endpoints"][1]["addresses"], json!(["10.9.8.6"]));
            assert_eq!(slice.body["addressType"], "IPv4");
        });
    }
}
