//! A gateway controller, as far as listener sets go: whether the Gateway takes them, whether each listener works, and the routes on them
//! (Gateway API 1.5, `listenerset_types.go`, and its rules for the attachment of routes). Routes on a Gateway itself are a stage of KWOK.
//!
//! As strict as a Gateway may be: it must allow listener sets, a listener whose Secret is not there does not work and is said to keep the
//! set from being programmed, and one name belongs to the oldest listener that has it.

use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::super::RigError;
use super::namespaces::{About, condition, judge_each, kind, report};

const GROUP: &str = "gateway.networking.k8s.io";
const CONTROLLER: &str = "paddock.rig/gateway";

fn set_kind() -> ApiResource {
    kind(GROUP, "ListenerSet")
}

fn route_kind() -> ApiResource {
    kind(GROUP, "HTTPRoute")
}

/// Judges listener sets and their routes until the task ends.
pub(super) async fn run(client: Client) {
    let kinds = vec![
        (About::Namespace, set_kind(), None),
        // The route of a paused server is in another namespace than its listeners.
        (About::All, route_kind(), None),
        (About::Part, kind("", "Secret"), Some("type=kubernetes.io/tls")),
        (About::Part, kind("", "Service"), None),
        (About::All, kind(GROUP, "Gateway"), None),
    ];
    judge_each(client.clone(), kinds, |namespace| judge(client.clone(), namespace)).await;
}

async fn judge(client: Client, namespace: String) -> Result<(), RigError> {
    let read = |what: &str| RigError::kube(format!("read the {what} of {namespace}"));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let Some(home) = namespaces.get_opt(&namespace).await.map_err(read("namespace"))? else { return Ok(()) };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let tls = ListParams::default().fields("type=kubernetes.io/tls");
    let secrets: Vec<String> = secrets
        .list(&tls)
        .await
        .map_err(read("Secrets"))?
        .iter()
        .filter(|one| has_pair(one))
        .map(ResourceExt::name_any)
        .collect();
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &set_kind());
    let others = all.list(&ListParams::default()).await.map_err(read("listener sets"))?.items;

    let mut sets = Vec::new();
    for set in others.iter().filter(|set| set.namespace().as_deref() == Some(&namespace)) {
        let parent = &set.data["spec"]["parentRef"];
        let gateways: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), parent["namespace"].as_str().unwrap_or(&namespace), &kind(GROUP, "Gateway"));
        // A Gateway that is not there has no controller that would say so.
        let gateway = gateways.get_opt(parent["name"].as_str().unwrap_or_default()).await.map_err(read("Gateway"))?;
        let Some(gateway) = gateway else { continue };
        let judged = judge_set(set, &gateway, &home, &others, &secrets);
        report(&client, &set_kind(), set, judged.clone()).await?;
        sets.push((set.clone(), judged));
    }
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &route_kind());
    let routes = all.list(&ListParams::default()).await.map_err(read("routes"))?.items;
    for route in routes.iter().filter(|route| route.metadata.deletion_timestamp.is_none()) {
        let from = route.namespace().unwrap_or_default();
        let is_here =
            |parent: &Value| parent["kind"] == "ListenerSet" && parent["namespace"].as_str().unwrap_or(&from) == namespace;
        let parents = array(&route.data["spec"]["parentRefs"]);
        if parents.is_empty() || !parents.iter().all(is_here) {
            continue;
        }
        let services: Api<Service> = Api::namespaced(client.clone(), &from);
        let services = services.list(&ListParams::default()).await.map_err(read("Services"))?.items;
        let parents: Vec<Value> = parents.iter().map(|parent| judge_parent(route, parent, &sets, &services)).collect();
        report(&client, &route_kind(), route, json!({"parents": parents})).await?;
    }
    Ok(())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn has_pair(secret: &Secret) -> bool {
    let data = secret.data.as_ref();
    ["tls.crt", "tls.key"].iter().all(|name| data.and_then(|data| data.get(*name)).is_some_and(|value| !value.0.is_empty()))
}

/// Whether the Gateway takes sets of this namespace.
fn is_allowed(gateway: &DynamicObject, home: &Namespace) -> bool {
    let namespaces = &gateway.data["spec"]["allowedListeners"]["namespaces"];
    match namespaces["from"].as_str() {
        Some("All") => true,
        Some("Same") => gateway.namespace() == Some(home.name_any()),
        Some("Selector") => {
            let wanted = namespaces["selector"]["matchLabels"].as_object();
            wanted.is_some_and(|wanted| {
                wanted.iter().all(|(name, value)| home.labels().get(name).map(String::as_str) == value.as_str())
            })
        }
        Some(_) | None => false,
    }
}

/// Older sets go first; of the same age, those whose name is smaller.
fn age(set: &DynamicObject) -> (String, String, String) {
    let created = set.metadata.creation_timestamp.as_ref().map(|at| at.0.to_string()).unwrap_or_default();
    (created, set.namespace().unwrap_or_default(), set.name_any())
}

fn judge_set(
    set: &DynamicObject,
    gateway: &DynamicObject,
    home: &Namespace,
    others: &[DynamicObject],
    secrets: &[String],
) -> Value {
    let whole = |name: &str, holds, reason: &str, message: &str| condition(set, name, holds, reason, message);
    if !is_allowed(gateway, home) {
        let message = format!("the Gateway {} takes no listener sets of this namespace", gateway.name_any());
        let conditions = ["Accepted", "Programmed"].map(|name| whole(name, false, "NotAllowed", &message));
        return json!({"conditions": conditions, "listeners": []});
    }
    let older =
        others.iter().filter(|other| other.data["spec"]["parentRef"] == set.data["spec"]["parentRef"] && age(other) < age(set));
    let taken: Vec<&Value> =
        std::iter::once(gateway).chain(older).flat_map(|owner| array(&owner.data["spec"]["listeners"])).collect();
    let (mut listeners, mut wrong) = (Vec::new(), Vec::new());
    for listener in array(&set.data["spec"]["listeners"]) {
        let name = listener["name"].as_str().unwrap_or_default();
        let fault = fault_of(listener, &taken, secrets);
        let of = |name: &str, fails: bool| {
            let (reason, message) =
                fault.as_ref().filter(|_| fails).map_or((name, ""), |(_, reason, message)| (*reason, message.as_str()));
            condition(set, name, !fails, reason, message)
        };
        let broken = |name: &str| fault.as_ref().is_some_and(|(broken, _, _)| *broken == name);
        let conflict = match &fault {
            Some(("Conflicted", reason, message)) => condition(set, "Conflicted", true, reason, message),
            Some(_) | None => condition(set, "Conflicted", false, "NoConflicts", ""),
        };
        wrong.extend(fault.as_ref().map(|_| name));
        listeners.push(json!({
            "name": name,
            "attachedRoutes": 0,
            "supportedKinds": [{"group": GROUP, "kind": "HTTPRoute"}],
            "conditions": [
                of("Accepted", broken("Conflicted")), of("Programmed", fault.is_some()), of("ResolvedRefs", broken("ResolvedRefs")), conflict,
            ],
        }));
    }
    let conditions = if wrong.is_empty() {
        [whole("Accepted", true, "Accepted", ""), whole("Programmed", true, "Programmed", "")]
    } else {
        let message = format!("these listeners are not valid: {}", wrong.join(", "));
        let some = wrong.len() < listeners.len();
        [whole("Accepted", some, "ListenersNotValid", &message), whole("Programmed", false, "ListenersNotValid", &message)]
    };
    json!({"conditions": conditions, "listeners": listeners})
}

/// What is wrong with a listener: the condition that says so, the reason, the message.
fn fault_of(listener: &Value, taken: &[&Value], secrets: &[String]) -> Option<(&'static str, &'static str, String)> {
    let port = taken.iter().filter(|other| other["port"] == listener["port"]);
    for other in port {
        if other["protocol"] != listener["protocol"] {
            return Some(("Conflicted", "ProtocolConflict", format!("port {} speaks {}", listener["port"], other["protocol"])));
        }
        if other["hostname"] == listener["hostname"] {
            return Some(("Conflicted", "HostnameConflict", format!("{} belongs to another listener", listener["hostname"])));
        }
    }
    if listener["protocol"] != "HTTPS" {
        return None;
    }
    let missing = array(&listener["tls"]["certificateRefs"])
        .iter()
        .filter_map(|reference| reference["name"].as_str())
        .find(|name| !secrets.iter().any(|secret| secret == name))?;
    Some(("ResolvedRefs", "InvalidCertificateRef", format!("the Secret {missing} is not there or has no certificate")))
}

/// What a route's parent says of it.
fn judge_parent(route: &DynamicObject, parent: &Value, sets: &[(DynamicObject, Value)], services: &[Service]) -> Value {
    let refused = attaches(route, parent, sets).err();
    let (reason, message) = refused.unwrap_or(("Accepted", String::new()));
    let accepted = condition(route, "Accepted", reason == "Accepted", reason, &message);
    let lost = lost_backend(route, services);
    let resolved = match &lost {
        None => condition(route, "ResolvedRefs", true, "ResolvedRefs", ""),
        Some(message) => condition(route, "ResolvedRefs", false, "BackendNotFound", message),
    };
    json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted, resolved]})
}

fn attaches(route: &DynamicObject, parent: &Value, sets: &[(DynamicObject, Value)]) -> Result<(), (&'static str, String)> {
    let home = parent["namespace"].as_str().map(str::to_owned).or(route.namespace());
    let named = |set: &DynamicObject| parent["name"] == *set.name_any() && set.namespace() == home;
    let Some((set, status)) = sets.iter().find(|(set, _)| named(set)) else {
        return Err(("NoMatchingParent", format!("there is no listener set {}", parent["name"])));
    };
    if array(&status["conditions"]).iter().any(|condition| condition["type"] == "Accepted" && condition["status"] != "True") {
        return Err(("NoMatchingParent", "the listener set is not accepted".to_owned()));
    }
    let section = &parent["sectionName"];
    let chosen: Vec<&Value> = array(&set.data["spec"]["listeners"])
        .iter()
        .filter(|listener| section.is_null() || listener["name"] == *section)
        .collect();
    if chosen.is_empty() {
        return Err(("NoMatchingParent", format!("the listener set has no listener {section}")));
    }
    let hosts = array(&route.data["spec"]["hostnames"]);
    if !chosen.iter().any(|listener| hosts.is_empty() || hosts.contains(&listener["hostname"])) {
        return Err(("NoMatchingListenerHostname", "no listener has a name of the route".to_owned()));
    }
    if !chosen.iter().any(|listener| takes(listener, route, set)) {
        return Err(("NotAllowedByListeners", "the listeners take no routes of this namespace".to_owned()));
    }
    Ok(())
}

/// Whether a listener of this set takes routes of the route's namespace. Of selectors those are known that name namespaces.
fn takes(listener: &Value, route: &DynamicObject, set: &DynamicObject) -> bool {
    let namespaces = &listener["allowedRoutes"]["namespaces"];
    match namespaces["from"].as_str() {
        Some("All") => true,
        Some("Selector") => array(&namespaces["selector"]["matchExpressions"]).iter().all(|one| {
            let named = |name: &Value| name.as_str() == route.namespace().as_deref();
            one["key"] == "kubernetes.io/metadata.name" && one["operator"] == "In" && array(&one["values"]).iter().any(named)
        }),
        Some(_) | None => route.namespace() == set.namespace(),
    }
}

/// A backend that is not there.
fn lost_backend(route: &DynamicObject, services: &[Service]) -> Option<String> {
    let wanted = array(&route.data["spec"]["rules"]).iter().flat_map(|rule| array(&rule["backendRefs"]));
    wanted.into_iter().find_map(|backend| {
        let (name, port) = (backend["name"].as_str().unwrap_or_default(), backend["port"].as_i64());
        let found = services.iter().find(|service| service.name_any() == name);
        let ports = found.and_then(|service| service.spec.as_ref()?.ports.as_ref());
        let there = ports.is_some_and(|ports| ports.iter().any(|one| Some(i64::from(one.port)) == port));
        (!there).then(|| format!("there is no Service {name} with port {}", backend["port"]))
    })
}
