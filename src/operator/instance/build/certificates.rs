//! Certificates for names that the wildcard does not cover: one for each, so that a name that can't get one leaves the others theirs.

use serde_json::json;

use super::{Object, names};
use crate::operator::instance::address::Use;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::Issuer;

/// The certificates.
pub fn certificates(valid: &Valid<'_>) -> Vec<Object> {
    valid.addresses.own().into_iter().map(|(what, host)| certificate(valid, what, host)).collect()
}

fn certificate(valid: &Valid<'_>, what: Use, host: &str) -> Object {
    let Issuer { name, kind, group } = &valid.settings.address.issuer;
    let body = json!({
        "metadata": {"annotations": {
            // Questions about the name arrive at our own listener, not at one of the Gateway's (cert-manager's `types.go` of acme/v1).
            "acme.cert-manager.io/http01-parentrefkind": "ListenerSet",
            "acme.cert-manager.io/http01-parentrefname": names::MASTODON,
        }},
        "spec": {
            "secretName": what.tls_secret(),
            "dnsNames": [host],
            "issuerRef": {"name": name, "kind": kind, "group": group},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        },
    });
    Object::new(valid, Kind::Certificate, what.as_str(), "route", body)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{own_domain, with};
    use super::*;

    #[test]
    fn each_own_name_has_a_certificate_of_its_own() {
        with(|_, _| {}, |valid| assert!(certificates(valid).is_empty()));
        with(own_domain(None, false), |valid| assert!(certificates(valid).is_empty()));
        with(own_domain(None, true), |valid| {
            let [web, media] = <[Object; 2]>::try_from(certificates(valid)).unwrap();
            assert_eq!((web.name.as_str(), media.name.as_str()), ("web", "media"));
            assert_eq!(web.body["spec"]["dnsNames"], json!(["cats.example"]));
            assert_eq!(media.body["spec"]["dnsNames"], json!(["files.cats.example"]));
            assert_eq!(
                web.body["spec"]["issuerRef"],
                json!({"name": "signer", "kind": "ClusterIssuer", "group": "cert-manager.io"})
            );
            assert_eq!(web.body["metadata"]["annotations"]["acme.cert-manager.io/http01-parentrefname"], "mastodon");
        });
    }
}
