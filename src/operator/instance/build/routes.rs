//! The ways in: routes on the listener that has the certificate of the host's domain, or on the server's own listeners.
//!
//! A name without a route is answered 404 by the Gateway, and so is a path that no rule of its routes matches.

use serde_json::{Value, json};

use super::{Object, names};
use crate::operator::bucket::PUBLIC_FOLDERS;
use crate::operator::instance::address::{Addresses, Cover, Host, Use};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::{GatewayRef, MediaBackend, Park};
use crate::resource::{Mode, PAUSE_REASON_HEADER};

/// What other servers ask the end of a handle for: where an account is, and what kind of server it is on.
const WELL_KNOWN: [&str; 3] = ["/.well-known/webfinger", "/.well-known/host-meta", "/.well-known/nodeinfo"];

/// The pages.
const WEB: &str = names::MASTODON;
/// From plain HTTP to HTTPS. Names under the host's domain have one for all of them, which is the host's.
const REDIRECT: &str = "redirect";

/// The routes of a server, by name.
pub fn route_names(addresses: &Addresses) -> Vec<&'static str> {
    let Addresses { web: _, media: _, handles, served } = addresses;
    let own = addresses.own();
    let mut names: Vec<&str> = served.then_some(WEB).into_iter().collect();
    names.extend((!own.is_empty()).then_some(REDIRECT));
    names.extend(handles.as_ref().filter(|_| *served).map(|_| Use::Handles.as_str()));
    names.extend(own.iter().any(|(what, _)| *what == Use::Media).then_some(Use::Media.as_str()));
    names
}

/// The routes of a server.
pub fn routes(valid: &Valid<'_>) -> Vec<Object> {
    let Addresses { web, media: _, handles, served } = &valid.addresses;
    let own = valid.addresses.own();
    let mut routes = Vec::new();
    if *served {
        routes.push(route(valid, WEB, &[parent(valid, web, Use::Web)], &[&web.name], &web_rules()));
    }
    if !own.is_empty() {
        let parents: Vec<Value> = own.iter().map(|(what, _)| listener(&what.http())).collect();
        let hosts: Vec<&str> = own.iter().map(|(_, host)| *host).collect();
        routes.push(route(valid, REDIRECT, &parents, &hosts, &to_https()));
    }
    if let Some(host) = handles.as_ref().filter(|_| *served) {
        let parents = [parent(valid, host, Use::Handles)];
        routes.push(route(valid, Use::Handles.as_str(), &parents, &[&host.name], &to_pages(&web.name)));
    }
    if let Some((what, host)) = own.iter().find(|(what, _)| *what == Use::Media) {
        routes.push(route(valid, what.as_str(), &[listener(&what.https())], &[host], &media_rules(valid)));
    }
    routes
}

/// The route that takes the pages' name over while the server is paused: from its own namespace to who answers in its place, with the
/// reason as a header that visitors can't set. What else leads to the server stays: redirects, and media.
pub fn park(valid: &Valid<'_>) -> Option<Object> {
    let Park { namespace, service, port } = valid.settings.park.as_ref()?;
    let Addresses { web, media: _, handles: _, served } = &valid.addresses;
    let reason = match &valid.spec.mode {
        Mode::Running {} => return None,
        Mode::Suspended { reason } => reason.as_str(),
        Mode::Archived {} => "ended",
    };
    if !served {
        return None;
    }
    let mut parent = parent(valid, web, Use::Web);
    if web.cover == Cover::Own {
        // The listener is the server's, this route is not.
        parent["namespace"] = valid.namespace.clone().into();
    }
    let rules = json!([{
        "matches": below("/"),
        "filters": [{
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": PAUSE_REASON_HEADER, "value": reason}]},
        }],
        "backendRefs": backend(service, *port),
    }]);
    let body = json!({"spec": {"parentRefs": [parent], "hostnames": [web.name], "rules": rules}});
    Some(Object::within(valid, Some(namespace.clone()), Kind::HttpRoute, valid.name.clone(), "park", body))
}

fn route(valid: &Valid<'_>, name: &str, parents: &[Value], hosts: &[&str], rules: &Value) -> Object {
    let body = json!({"spec": {"parentRefs": parents, "hostnames": hosts, "rules": rules}});
    Object::new(valid, Kind::HttpRoute, name, "route", body)
}

/// The listener that has the certificate for a name.
fn parent(valid: &Valid<'_>, host: &Host, what: Use) -> Value {
    let GatewayRef { name, namespace, section, ports: _ } = &valid.settings.address.gateway;
    match host.cover {
        Cover::Wildcard => json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": namespace, "sectionName": section,
        }),
        Cover::Own => listener(&what.https()),
    }
}

/// One of the server's own listeners.
fn listener(section: &str) -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": names::MASTODON, "sectionName": section})
}

fn below(prefix: &str) -> Value {
    json!([{"path": {"type": "PathPrefix", "value": prefix}}])
}

fn backend(name: &str, port: u16) -> Value {
    json!([{"group": "", "kind": "Service", "name": name, "port": port, "weight": 1}])
}

/// Streaming to its own process and without a time limit, everything else to web.
fn web_rules() -> Value {
    json!([
        {
            "matches": below("/api/v1/streaming"),
            "timeouts": {"request": "0s"},
            "backendRefs": backend(names::STREAMING, names::STREAMING_PORT),
        },
        {"matches": below("/"), "backendRefs": backend(names::WEB, names::WEB_PORT)},
    ])
}

/// The path of a question about a certificate is longer, so that it goes before this.
fn to_https() -> Value {
    let redirect = json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}});
    json!([{"matches": below("/"), "filters": [redirect]}])
}

/// Just what other servers ask, with its question; pages of other servers may ask as well.
fn to_pages(web: &str) -> Value {
    let matches = WELL_KNOWN.map(|path| json!({"path": {"type": "Exact", "value": path}}));
    let redirect = json!({"scheme": "https", "hostname": web, "statusCode": 301});
    json!([{
        "matches": matches,
        "filters": [
            {"type": "RequestRedirect", "requestRedirect": redirect},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [any_origin()]}},
        ],
    }])
}

fn any_origin() -> Value {
    json!({"name": "Access-Control-Allow-Origin", "value": "*"})
}

/// The folders that anybody may read, each by itself: everything else, the archives of users in `backups/` before all, has no rule
/// and no way to be spelt so that it had one.
///
/// Nothing is said about caching, for it would be said of a picture that is not there yet as well, for a year: Mastodon stores each
/// file with `Cache-Control: public, max-age=315576000, immutable` (its paperclip initializer), and the store says so.
fn media_rules(valid: &Valid<'_>) -> Value {
    let MediaBackend { addresses: _, port, host } = &valid.settings.address.media;
    let headers = json!([
        any_origin(),
        {"name": "X-Content-Type-Options", "value": "nosniff"},
        // Below the domain of the pages: what somebody uploads must not act as one of them.
        {"name": "Content-Security-Policy", "value": "default-src 'none'; form-action 'none'"},
    ]);
    let rules = PUBLIC_FOLDERS.map(|folder| {
        let rewrite = match host {
            Some(host) => json!({"hostname": host.replace("{bucket}", &valid.bucket)}),
            None => json!({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": format!("/{}/{folder}", valid.bucket)}}),
        };
        json!({
            "matches": below(&format!("/{folder}")),
            "filters": [
                {"type": "URLRewrite", "urlRewrite": rewrite},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": headers}},
            ],
            "backendRefs": backend(names::MEDIA_STORE, *port),
        })
    });
    json!(rules)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{own_domain, with};
    use super::*;

    fn rules(object: &Object) -> &[Value] {
        object.body["spec"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    #[test]
    fn a_name_under_the_wildcard_has_one_route_on_the_gateway() {
        with(
            |_, _| {},
            |valid| {
                let routes = routes(valid);
                assert_eq!(routes.len(), 1);
                assert_eq!(routes[0].body["spec"]["parentRefs"][0]["kind"], "Gateway");
                assert_eq!(routes[0].body["spec"]["parentRefs"][0]["sectionName"], "tls");
                assert_eq!(routes[0].body["spec"]["hostnames"], json!(["cats.herd.example"]));
            },
        );
    }

    #[test]
    fn an_own_domain_has_its_routes_on_its_own_listeners_once_it_is_confirmed() {
        with(own_domain(None, false), |valid| assert!(routes(valid).is_empty() && route_names(&valid.addresses).is_empty()));
        with(own_domain(None, true), |valid| {
            let [web, redirect, media] = <[Object; 3]>::try_from(routes(valid)).unwrap();
            assert_eq!(web.body["spec"]["parentRefs"], json!([listener("web-https")]));
            assert_eq!(redirect.body["spec"]["parentRefs"], json!([listener("web-http"), listener("media-http")]));
            assert_eq!(redirect.body["spec"]["hostnames"], json!(["cats.example", "files.cats.example"]));
            assert!(rules(&redirect)[0].get("backendRefs").is_none());
            assert_eq!(media.body["spec"]["hostnames"], json!(["files.cats.example"]));
        });
    }

    #[test]
    fn a_paused_server_has_another_way_in_under_the_same_name() {
        let paused = |own: bool| {
            move |settings: &mut crate::operator::Settings, spec: &mut crate::resource::MastodonInstanceSpec| {
                if own {
                    own_domain(None, true)(settings, spec);
                }
                spec.mode = Mode::Suspended { reason: "unpaid".into() };
                settings.park = Some(Park { namespace: "paddock".into(), service: "park".into(), port: 80 });
            }
        };
        with(own_domain(None, true), |valid| assert_eq!(park(valid), None));
        with(paused(false), |valid| {
            let park = park(valid).unwrap();
            assert_eq!((park.namespace.as_deref(), park.name.as_str()), (Some("paddock"), "ins-01jd0000000000000000000000"));
            assert_eq!(park.body["spec"]["parentRefs"][0]["kind"], "Gateway");
            assert_eq!(rules(&park)[0]["filters"][0]["requestHeaderModifier"]["set"][0]["value"], "unpaid");
        });
        with(paused(true), |valid| {
            let parent = &park(valid).unwrap().body["spec"]["parentRefs"][0];
            assert_eq!((&parent["kind"], &parent["namespace"]), (&json!("ListenerSet"), &json!(valid.namespace)));
            assert_eq!(parent["sectionName"], "web-https");
        });
        let unserved = |settings: &mut crate::operator::Settings, spec: &mut crate::resource::MastodonInstanceSpec| {
            paused(true)(settings, spec);
            spec.address_confirmed = false;
        };
        with(unserved, |valid| assert_eq!(park(valid), None));
    }

    #[test]
    fn of_a_bucket_only_the_public_folders_have_a_way_in() {
        with(own_domain(None, true), |valid| {
            let media = routes(valid).pop().unwrap();
            assert_eq!(rules(&media).len(), PUBLIC_FOLDERS.len());
            for (rule, folder) in rules(&media).iter().zip(PUBLIC_FOLDERS) {
                assert_eq!(rule["matches"], below(&format!("/{folder}")));
                let to = &rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"];
                assert_eq!(*to, format!("/mastodon-01jd0000000000000000000000/{folder}"));
                assert_eq!(rule["filters"][1]["responseHeaderModifier"]["set"][0], any_origin());
            }
            assert!(!media.body["spec"].to_string().contains("backups"));
        });
        let by_host = |settings: &mut crate::operator::Settings, spec: &mut crate::resource::MastodonInstanceSpec| {
            own_domain(None, true)(settings, spec);
            settings.address.media.host = Some("{bucket}.web.store.example".into());
        };
        with(by_host, |valid| {
            let media = routes(valid).pop().unwrap();
            let rewrite = json!({"hostname": "mastodon-01jd0000000000000000000000.web.store.example"});
            assert!(rules(&media).iter().all(|rule| rule["filters"][0]["urlRewrite"] == rewrite));
        });
    }

    #[test]
    fn handles_are_redirected_with_their_question_and_nothing_else_is() {
        use crate::resource::LocalDomain::{Elsewhere, Served};
        with(own_domain(Some(Elsewhere), true), |valid| {
            assert_eq!(route_names(&valid.addresses), ["mastodon", "redirect", "media"]);
        });
        with(own_domain(Some(Served), true), |valid| {
            let routes = routes(valid);
            assert_eq!(routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(), route_names(&valid.addresses));
            assert_eq!(route_names(&valid.addresses), ["mastodon", "redirect", "handles", "media"]);
            let handles = &routes[2];
            assert_eq!(handles.body["spec"]["hostnames"], json!(["cats.example"]));
            assert_eq!(handles.body["spec"]["parentRefs"], json!([listener("handles-https")]));
            let [rule] = rules(handles) else { panic!("{handles:?}") };
            let paths: Vec<&Value> = rule["matches"].as_array().unwrap().iter().map(|one| &one["path"]["value"]).collect();
            assert_eq!(paths, WELL_KNOWN);
            assert_eq!(
                rule["filters"][0]["requestRedirect"],
                json!({"scheme": "https", "hostname": "social.cats.example", "statusCode": 301})
            );
            assert_eq!(rule["filters"][1]["responseHeaderModifier"]["set"], json!([any_origin()]));
        });
    }
}
