//! Names of servers: the host's, and those that customers bring, with their listeners, certificates and routes.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, InstanceStatus, condition, is_true, namespace_name, resource_name};
use serde_json::{Value, json};

use super::{Host, names, whole};

/// What is there besides [`super::WHOLE`] for a domain of the customer's own; the names of its pages and media.
const OWN: [&str; 9] = [
    "Certificate/media",
    "Certificate/web",
    "EndpointSlice/media",
    "HTTPRoute/media",
    "HTTPRoute/redirect",
    "ListenerSet/mastodon",
    "NetworkPolicy/certificates",
    "Service/media",
    "HTTPRoute/mastodon",
];

fn kind(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

/// Asks for a server on `cats-<something>.example`, and tells that domain.
async fn order_own(host: &Host, change: impl FnOnce(&mut Value, &str)) -> (InstanceId, String) {
    let mut domain = String::new();
    let id = host
        .order(|wanted| {
            let name = wanted["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            domain = format!("cats-{}.example", &name[name.len() - 8..]);
            wanted["spec"]["domain"] = domain.clone().into();
            change(wanted, &domain);
        })
        .await;
    (id, domain)
}

async fn set(host: &Host, id: InstanceId, spec: Value) {
    let patch = json!({"spec": spec});
    host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

fn told(status: &InstanceStatus, kind: ConditionKind) -> (String, String) {
    let found = condition(&status.conditions, kind).unwrap();
    (found.reason.clone(), found.message.clone())
}

/// The issuer of a test's own, which refuses some names.
async fn issuer(host: &Host, name: &str, refuses: &str) {
    let issuers: Api<DynamicObject> = Api::all_with(host.client.clone(), &kind("cert-manager.io", "ClusterIssuer"));
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer",
        "metadata": {"name": name, "annotations": {"paddock.rig/refuses": refuses}},
        "spec": {"acme": {
            "server": "https://acme.invalid/directory", "privateKeySecretRef": {"name": name},
            "solvers": [{"http01": {"gatewayHTTPRoute": {"serviceType": "ClusterIP"}}}],
        }},
    });
    issuers.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&issuer)).await.unwrap();
}

fn with_issuer(mut settings: Settings, name: &str) -> Settings {
    name.clone_into(&mut settings.address.issuer.name);
    settings
}

#[tokio::test]
async fn a_name_under_the_wildcard_has_the_hosts_certificate() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    let (reason, message) = told(&status, ConditionKind::CertificateReady);
    assert_eq!((reason.as_str(), message.as_str()), ("Wildcard", "covered by the host's certificate for *.hosts.example"));
    assert_eq!(names(&host.objects(id).await), whole());
    operator.stop().await;
}

#[tokio::test]
async fn an_own_domain_is_built_waits_and_then_is_served() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let (id, domain) = order_own(&host, |_, _| {}).await;
    let status = host.until_condition(id, ConditionKind::WorkersReady, "True").await.status.unwrap();
    let waits = ("Waiting".to_owned(), format!("waits until the DNS records of {domain} point here"));
    for kind in [ConditionKind::RouteReady, ConditionKind::CertificateReady] {
        assert_eq!(told(&status, kind), waits);
    }
    host.until_condition(id, ConditionKind::OwnerReady, "True").await;
    operator.settle().await;
    let status = host.get(id).await.status.unwrap();
    assert_eq!(told(&status, ConditionKind::Ready), ("CertificateReady".to_owned(), waits.1));
    let mut unserved = whole();
    unserved.remove("HTTPRoute/mastodon");
    assert_eq!(names(&host.objects(id).await), unserved, "nothing answers under the name");

    set(&host, id, json!({"addressConfirmed": true})).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(told(&status, ConditionKind::CertificateReady).1, format!("there is one for {domain} and files.{domain}"));
    let mut served = whole();
    served.extend(OWN);
    assert_eq!(names(&host.objects(id).await), served);
    let env: Api<ConfigMap> = Api::namespaced(host.client.clone(), &namespace_name(id));
    assert_eq!(env.get("mastodon-env").await.unwrap().data.unwrap()["S3_ALIAS_HOST"], format!("files.{domain}"));
    let secrets: Api<Secret> = Api::namespaced(host.client.clone(), &namespace_name(id));
    for name in ["web-tls", "media-tls"] {
        assert_eq!(secrets.get(name).await.unwrap().type_.as_deref(), Some("kubernetes.io/tls"));
    }

    // An idle server costs no write; what is taken away comes back, and the certificate is not asked for anew.
    operator.settle().await;
    let before = operator.writes();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(operator.writes(), before);
    let first = host.objects(id).await;
    let gateway = "gateway.networking.k8s.io";
    for (kind, name) in [
        (kind(gateway, "ListenerSet"), "mastodon"),
        (kind(gateway, "HTTPRoute"), "media"),
        (kind("cert-manager.io", "Certificate"), "web"),
        (kind("discovery.k8s.io", "EndpointSlice"), "media"),
    ] {
        let api: Api<DynamicObject> = Api::namespaced_with(host.client.clone(), &namespace_name(id), &kind);
        let old = api.get(name).await.unwrap().uid();
        api.delete(name, &DeleteParams::default()).await.unwrap();
        host.until(&format!("{} {name} is back", kind.kind), async || {
            api.get_opt(name).await.unwrap().filter(|object| object.uid() != old)
        })
        .await;
    }
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let later = host.objects(id).await;
    assert_eq!(names(&later), names(&first));
    assert_eq!(later["Secret/mastodon-identity"], first["Secret/mastodon-identity"]);

    // Should the confirmation be taken back, nothing answers any more.
    set(&host, id, json!({"addressConfirmed": false})).await;
    host.until("the ways in are gone", async || {
        let there = host.objects(id).await;
        let left = ["ListenerSet/mastodon", "Certificate/web", "Certificate/media", "HTTPRoute/mastodon", "HTTPRoute/media"];
        (!left.iter().any(|name| there.contains_key(*name))).then_some(())
    })
    .await;
    operator.stop().await;
}

#[tokio::test]
async fn a_certificate_that_fails_is_told_by_name_and_the_rest_goes_on() {
    let host = Host::new().await;
    let (id, domain) = order_own(&host, |wanted, _| wanted["spec"]["addressConfirmed"] = true.into()).await;
    issuer(&host, "strict", &format!("other.example, files.{domain}")).await;
    let operator = host.operator_with(with_issuer(host.settings(), "strict")).await;
    let healthy = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::OwnerReady, "True").await;
    let status = host
        .until("the failure is told", async || {
            let status = host.get(id).await.status?;
            (told(&status, ConditionKind::CertificateReady).0 == "IssuingFailed").then_some(status)
        })
        .await;
    let (_, message) = told(&status, ConditionKind::CertificateReady);
    assert!(message.starts_with(&format!("files.{domain}: ")) && message.contains("caa"), "{message}");
    for kind in [ConditionKind::WebReady, ConditionKind::DatabaseReady, ConditionKind::Migrated, ConditionKind::BucketReady] {
        host.until_condition(id, kind, "True").await;
    }
    let status = host.get(id).await.status.unwrap();
    assert!(!is_true(&status.conditions, ConditionKind::Stalled), "cert-manager tries again");
    assert_eq!(told(&status, ConditionKind::Ready), ("CertificateReady".to_owned(), message));
    let secrets: Api<Secret> = Api::namespaced(host.client.clone(), &namespace_name(id));
    assert!(secrets.get_opt("web-tls").await.unwrap().is_some(), "the other name has its own");
    host.until_condition(healthy, ConditionKind::Ready, "True").await;

    // The record that forbade it is gone.
    issuer(&host, "strict", "other.example").await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}

#[tokio::test]
async fn what_the_gateway_objects_to_is_told() {
    let host = Host::new().await;
    let gateways: Api<DynamicObject> =
        Api::namespaced_with(host.client.clone(), "paddock", &kind("gateway.networking.k8s.io", "Gateway"));
    let gateway = |from: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "closed", "namespace": "paddock"},
            "spec": {
                "gatewayClassName": "simulated",
                "allowedListeners": {"namespaces": {"from": from}},
                "listeners": [{"name": "https", "protocol": "HTTPS", "port": 443, "hostname": "*.hosts.example",
                               "tls": {"certificateRefs": [{"name": "hosts-wildcard"}]}}],
            },
        })
    };
    let params = PatchParams::apply("test").force();
    gateways.patch("closed", &params, &Patch::Apply(&gateway("None"))).await.unwrap();
    let mut settings = host.settings();
    settings.address.gateway.name = "closed".to_owned();
    let operator = host.operator_with(settings).await;
    let (id, _) = order_own(&host, |wanted, _| wanted["spec"]["addressConfirmed"] = true.into()).await;
    let (_, message) = host
        .until("the objection is told", async || {
            let status = host.get(id).await.status?;
            let found = condition(&status.conditions, ConditionKind::RouteReady)?;
            (found.reason == "ListenersNotAccepted" && found.message.contains("takes no"))
                .then(|| told(&status, ConditionKind::RouteReady))
        })
        .await;
    assert!(message.contains("takes no listener sets"), "{message}");
    gateways.patch("closed", &params, &Patch::Apply(&gateway("All"))).await.unwrap();
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}

#[tokio::test]
async fn handles_are_answered_where_their_domain_points_here_and_left_alone_elsewhere() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let (id, domain) = order_own(&host, |wanted, domain| {
        let spec = &mut wanted["spec"];
        (spec["webDomain"], spec["localDomain"]) = (format!("social.{domain}").into(), "elsewhere".into());
        spec["addressConfirmed"] = true.into();
    })
    .await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let mut elsewhere = whole();
    elsewhere.extend(OWN);
    assert_eq!(names(&host.objects(id).await), elsewhere);

    set(&host, id, json!({"localDomain": "served"})).await;
    let mut served = elsewhere.clone();
    served.extend(["Certificate/handles", "HTTPRoute/handles"]);
    host.until("the handles' certificate is there", async || {
        let status = host.get(id).await.status?;
        let there = told(&status, ConditionKind::CertificateReady).1.contains(&format!(" and {domain}"));
        (there && is_true(&status.conditions, ConditionKind::Ready)).then_some(())
    })
    .await;
    assert_eq!(names(&host.objects(id).await), served);
    let routes: Api<DynamicObject> =
        Api::namespaced_with(host.client.clone(), &namespace_name(id), &kind("gateway.networking.k8s.io", "HTTPRoute"));
    let route = routes.get("handles").await.unwrap().data;
    assert_eq!(route["spec"]["hostnames"], json!([domain]));
    let filters = &route["spec"]["rules"][0]["filters"];
    assert_eq!(filters[0]["requestRedirect"]["hostname"], format!("social.{domain}"));
    assert_eq!(filters[0]["requestRedirect"]["statusCode"], 301);
    assert_eq!(filters[1]["responseHeaderModifier"]["set"], json!([{"name": "Access-Control-Allow-Origin", "value": "*"}]));

    set(&host, id, json!({"localDomain": "elsewhere"})).await;
    host.until("they are left alone again", async || (names(&host.objects(id).await) == elsewhere).then_some(())).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;

    // What says nothing is refused at admission.
    let refused = json!({"spec": {"localDomain": "nobody"}});
    let name = resource_name(id);
    let error = host.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&refused)).await.unwrap_err();
    assert!(error.to_string().contains("localDomain"), "{error}");
    let plain = host.order(|_| {}).await;
    let refused = json!({"spec": {"localDomain": "served"}});
    let name = resource_name(plain);
    let error = host.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&refused)).await.unwrap_err();
    assert!(error.to_string().contains("it goes with spec.webDomain"), "{error}");
    host.instances().delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_suspended_server_keeps_its_certificates() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let (id, _) = order_own(&host, |wanted, _| wanted["spec"]["addressConfirmed"] = true.into()).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let before = host.objects(id).await;
    set(&host, id, json!({"mode": {"running": null, "suspended": {"reason": "unpaid"}}})).await;
    host.until_condition(id, ConditionKind::Ready, "False").await;
    operator.settle().await;
    let during = host.objects(id).await;
    for kept in ["ListenerSet/mastodon", "Certificate/web", "Certificate/media"] {
        assert_eq!(during[kept].0, before[kept].0, "{kept}");
    }
    let status = host.get(id).await.status.unwrap();
    assert!(is_true(&status.conditions, ConditionKind::CertificateReady));
    set(&host, id, json!({"mode": {"suspended": null, "running": {}}})).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let after = host.objects(id).await;
    for kept in ["ListenerSet/mastodon", "Certificate/web", "Certificate/media"] {
        assert_eq!(after[kept].0, before[kept].0, "{kept}");
    }
    operator.stop().await;
}
