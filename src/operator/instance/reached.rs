//! Whether a server can be reached under its names: what Gateway and cert-manager say of routes, listeners and certificates. Pure.

use std::collections::BTreeMap;

use super::address::{Addresses, Use};
use super::build::{names, route_names};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, State};
use crate::resource::{ConditionKind, Finding};

fn state<'a>(seen: &'a BTreeMap<Key, Seen>, kind: Kind, name: &str) -> Option<&'a State> {
    seen.get(&(kind, name.to_owned())).map(|seen| &seen.state)
}

fn waits_for_records(kind: ConditionKind, addresses: &Addresses) -> Finding {
    Finding::waits(kind, format!("waits until the DNS records of {} point here", addresses.web.name))
}

/// Whether the Gateway answers under every name. `parked`: the name of the route that leads to who answers in the server's place.
pub fn route(addresses: &Addresses, parked: Option<&str>, seen: &BTreeMap<Key, Seen>) -> Finding {
    let kind = ConditionKind::RouteReady;
    if !addresses.served {
        return waits_for_records(kind, addresses);
    }
    if !addresses.own().is_empty() {
        match state(seen, Kind::ListenerSet, names::MASTODON) {
            Some(State::Listeners { accepted: true, objection: _ }) => {}
            Some(State::Listeners { accepted: false, objection }) => {
                return Finding::fails(kind, "ListenersNotAccepted", objection.clone());
            }
            Some(_) | None => return Finding::waits(kind, "the listeners are not there yet"),
        }
    }
    for name in route_names(addresses) {
        let is_pages = name == names::MASTODON;
        let name = parked.filter(|_| is_pages).unwrap_or(name);
        match state(seen, Kind::HttpRoute, name) {
            Some(State::Route { accepted: true, objection: _ }) => {}
            Some(State::Route { accepted: false, objection }) if is_pages => {
                return Finding::fails(kind, "NotAccepted", objection.clone());
            }
            Some(State::Route { accepted: false, objection }) => {
                return Finding::fails(kind, "NotAccepted", format!("route {name}: {objection}"));
            }
            Some(_) | None => return Finding::waits(kind, "the route is not there yet"),
        }
    }
    match parked {
        Some(_) => Finding::holds(kind, "Parked", "visitors are told that the server is paused"),
        None => Finding::holds(kind, "Accepted", "the gateway has accepted the route"),
    }
}

/// Whether every name has a certificate; of several that lack one, those that failed are told first.
pub fn certificate(addresses: &Addresses, wildcard: &str, seen: &BTreeMap<Key, Seen>) -> Finding {
    let kind = ConditionKind::CertificateReady;
    if !addresses.served {
        return waits_for_records(kind, addresses);
    }
    let own = addresses.own();
    if own.is_empty() {
        return Finding::holds(kind, "Wildcard", format!("covered by the host's certificate for *.{wildcard}"));
    }
    let (mut missing, mut failed, mut awaited, mut renewals) = (false, Vec::new(), Vec::new(), Vec::new());
    for (what, host) in &own {
        match state(seen, Kind::Certificate, what.as_str()) {
            Some(State::Certificate { ready, failed: fails, message }) => match (ready, fails) {
                (true, false) => {}
                (true, true) => renewals.push(format!("{host}: {message}")),
                (false, true) => failed.push(format!("{host}: {message}")),
                (false, false) => awaited.push(format!("{host}: {message}")),
            },
            Some(_) | None => missing = true,
        }
    }
    if !failed.is_empty() {
        return Finding::fails(kind, "IssuingFailed", failed.join("; "));
    }
    if !awaited.is_empty() {
        return Finding::fails(kind, "Issuing", awaited.join("; "));
    }
    if missing {
        return Finding::waits(kind, "the certificate is not asked for yet");
    }
    if !renewals.is_empty() {
        return Finding::holds(kind, "RenewalFails", format!("there is one, but its renewal fails: {}", renewals.join("; ")));
    }
    let hosts: Vec<&str> = own.iter().map(|(_, host): &(Use, &str)| *host).collect();
    Finding::holds(kind, "Issued", format!("there is one for {}", hosts.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::{own_domain, with};
    use super::*;
    use crate::resource::Truth;

    fn seen(kind: Kind, name: &str, state: State) -> (Key, Seen) {
        let seen = Seen {
            uid: name.to_owned(),
            resource_version: 1,
            ours: 0,
            accepted: None,
            applied: None,
            deleting: false,
            holds_data: false,
            image: None,
            state,
        };
        ((kind, name.to_owned()), seen)
    }

    fn signed(name: &str, ready: bool, failed: bool, message: &str) -> (Key, Seen) {
        seen(Kind::Certificate, name, State::Certificate { ready, failed, message: message.to_owned() })
    }

    fn accepted(name: &str) -> (Key, Seen) {
        seen(Kind::HttpRoute, name, State::Route { accepted: true, objection: String::new() })
    }

    fn told(finding: &Finding) -> (Truth, &str, &str) {
        (finding.truth, finding.reason, &finding.message)
    }

    #[test]
    fn what_is_not_confirmed_waits_for_its_records() {
        with(own_domain(None, false), |valid| {
            let nothing = BTreeMap::new();
            let message = "waits until the DNS records of cats.example point here";
            assert_eq!(told(&route(&valid.addresses, None, &nothing)), (Truth::False, Finding::WAITING, message));
            assert_eq!(told(&certificate(&valid.addresses, "herd.example", &nothing)), (Truth::False, Finding::WAITING, message));
        });
    }

    #[test]
    fn a_name_under_the_wildcard_has_the_hosts_certificate() {
        with(
            |_, _| {},
            |valid| {
                let seen = BTreeMap::from([accepted("mastodon")]);
                assert_eq!(certificate(&valid.addresses, "herd.example", &BTreeMap::new()).reason, "Wildcard");
                assert_eq!(route(&valid.addresses, None, &seen).truth, Truth::True);
                assert_eq!(route(&valid.addresses, None, &BTreeMap::new()).reason, Finding::WAITING);
                assert_eq!(route(&valid.addresses, Some("ins-1"), &seen).reason, Finding::WAITING);
                let seen = BTreeMap::from([accepted("ins-1")]);
                assert_eq!(told(&route(&valid.addresses, Some("ins-1"), &seen)).1, "Parked");
            },
        );
    }

    #[test]
    fn a_certificate_that_fails_is_told_by_name() {
        with(own_domain(None, true), |valid| {
            let of = |all: Vec<(Key, Seen)>| certificate(&valid.addresses, "herd.example", &BTreeMap::from_iter(all));
            assert_eq!(of(vec![]).reason, Finding::WAITING);
            let web = signed("web", true, false, "");
            let under_way = of(vec![web.clone(), signed("media", false, false, "no Secret")]);
            assert_eq!(told(&under_way), (Truth::False, "Issuing", "files.cats.example: no Secret"));
            let failed = of(vec![signed("web", false, false, "no Secret"), signed("media", false, true, "CAA forbids")]);
            assert_eq!(told(&failed), (Truth::False, "IssuingFailed", "files.cats.example: CAA forbids"));
            let renewal = of(vec![web.clone(), signed("media", true, true, "no answer")]);
            assert_eq!((renewal.truth, renewal.reason), (Truth::True, "RenewalFails"));
            assert!(renewal.message.ends_with("files.cats.example: no answer"), "{}", renewal.message);
            let both = of(vec![web, signed("media", true, false, "")]);
            assert_eq!(told(&both), (Truth::True, "Issued", "there is one for cats.example and files.cats.example"));
        });
    }

    #[test]
    fn listeners_and_every_route_must_be_accepted() {
        with(own_domain(None, true), |valid| {
            let of = |all: Vec<(Key, Seen)>| route(&valid.addresses, None, &BTreeMap::from_iter(all));
            let listeners = |accepted: bool, objection: &str| {
                seen(Kind::ListenerSet, "mastodon", State::Listeners { accepted, objection: objection.to_owned() })
            };
            let routes = || ["mastodon", "redirect"].map(accepted).to_vec();
            assert_eq!(of(routes()).reason, Finding::WAITING);
            let refused = of([routes(), vec![listeners(false, "not allowed")]].concat());
            assert_eq!(told(&refused), (Truth::False, "ListenersNotAccepted", "not allowed"));
            assert_eq!(of([routes(), vec![listeners(true, "")]].concat()).reason, Finding::WAITING);
            let state = State::Route { accepted: false, objection: "ResolvedRefs: no Service".to_owned() };
            let media = of([routes(), vec![listeners(true, ""), seen(Kind::HttpRoute, "media", state)]].concat());
            assert_eq!(told(&media), (Truth::False, "NotAccepted", "route media: ResolvedRefs: no Service"));
            assert_eq!(of([routes(), vec![listeners(true, ""), accepted("media")]].concat()).truth, Truth::True);
        });
    }
}
