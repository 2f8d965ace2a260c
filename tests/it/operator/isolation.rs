//! What is rendered for every plan with every option fits behind the walls, and what is hostile does not.

use std::collections::BTreeMap;

use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, discovery};
use paddock::fleet;
use paddock::ids::InstanceId;
use paddock::instance::StoredSize;
use paddock::operator::{self, Settings};
use paddock::plan::Catalogue;
use paddock::resource::{MastodonInstance, namespace_name, resource_name};
use serde_json::{Value, json};

use super::Host;
use super::rights::{Attack, SharedLog, hostile, policy, send, with_pods};

/// Every plan of the catalogue with every mode and every kind of address.
fn instances(name: &str) -> Vec<MastodonInstance> {
    let catalogue = Catalogue::load(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/plans.toml").as_ref()).unwrap();
    let mut all = Vec::new();
    for plan in catalogue.plans() {
        let size =
            fleet::resource_size(&StoredSize { size: plan.size.clone(), media_gib: plan.limits.media_gib, packs: 0 }).unwrap();
        for mode in [json!({"running": {}}), json!({"suspended": {"reason": "unpaid"}}), json!({"archived": {}})] {
            for address in ["hosted", "split", "own"] {
                let mut wanted = Host::wanted(name);
                wanted["spec"]["size"] = json!(size);
                wanted["spec"]["mode"] = mode.clone();
                let spec = &mut wanted["spec"];
                if address == "split" {
                    spec["webDomain"] = spec["domain"].clone();
                    spec["domain"] = "cats.example".into();
                }
                if address == "own" {
                    (spec["domain"], spec["webDomain"]) = ("cats.example".into(), "social.cats.example".into());
                    (spec["localDomain"], spec["addressConfirmed"]) = ("served".into(), true.into());
                }
                all.push(serde_json::from_value(wanted).unwrap());
            }
        }
    }
    all
}

/// Every option of the operator, on and off.
fn settings(host: &Host) -> Vec<Settings> {
    let mut first = host.settings();
    first.park = Some(Host::park_of_the_chart());
    let mut all = vec![first];
    let mut double = |change: fn(&mut Settings)| {
        let changed: Vec<Settings> = all
            .iter()
            .cloned()
            .map(|mut one| {
                change(&mut one);
                one
            })
            .collect();
        all.extend(changed);
    };
    double(|one| one.mail.login = Some(serde_json::from_value(json!({"username": "u", "password": "p"})).unwrap()));
    double(|one| one.mail.port = 465);
    double(|one| one.storage_class = Some("fast".into()));
    double(|one| one.user_namespaces = false);
    double(|one| {
        one.network = serde_json::from_value(json!({
            "reach": [{"cidr": "10.9.8.7/32", "port": 443}, {"cidr": "fd00:9::7/128", "port": 443}],
            "api_server": [{"cidr": "10.96.0.1/32", "port": 443}], "database_operator": "cnpg-system",
            "backup_store": [{"cidr": "10.9.8.7/32", "port": 7070}], "metrics": "monitoring",
            "cluster": ["198.41.0.0/16", "2a01:db9::/48"],
        }))
        .unwrap();
    });
    all
}

fn pod_of(object: &Value) -> Option<&Value> {
    object["spec"].get("template").filter(|template| template["spec"]["containers"].is_array())
}

/// What stands on every pod, besides what the profile asks.
fn assert_careful(object: &Value, user_namespaces: bool) {
    let Some(template) = pod_of(object) else { return };
    let (pod, name) = (&template["spec"], &object["metadata"]["name"]);
    assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
    assert_eq!(pod.get("hostUsers"), user_namespaces.then_some(&json!(false)), "{name}");
    for container in ["containers", "initContainers"].iter().flat_map(|which| pod[*which].as_array().into_iter().flatten()) {
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
    }
}

async fn let_in(client: &Client, object: &Value) -> Result<(), String> {
    let read: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let kind = GroupVersionKind::try_from(read.types.as_ref().unwrap()).unwrap();
    let resource = match kind.group.as_str() {
        "postgresql.cnpg.io" | "gateway.networking.k8s.io" => discovery::pinned_kind(client, &kind).await.unwrap().0,
        _ if kind.kind == "NetworkPolicy" => ApiResource::from_gvk_with_plural(&kind, "networkpolicies"),
        _ => ApiResource::from_gvk(&kind),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), read.metadata.namespace.as_deref().unwrap(), &resource);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&dry, &read).await.map(|_| ()).map_err(|error| format!("{} {}: {error}", kind.kind, read.metadata.name.unwrap()))
}

#[tokio::test]
async fn every_plan_with_every_option_is_let_in_and_every_hostile_pod_is_not() {
    let host = Host::new().await;
    host.install_chart().await;
    let operator = host.client_of("operator", &SharedLog::default()).await;
    let id = InstanceId::new();
    let (name, namespace) = (resource_name(id), namespace_name(id));

    let (mut renderings, mut all) = (0_u32, BTreeMap::new());
    for instance in instances(&name) {
        for settings in settings(&host) {
            renderings += 1;
            let objects = operator::render(&settings, &instance).unwrap();
            let there = |kind: &str, name: &str| objects.iter().any(|one| one["kind"] == kind && one["metadata"]["name"] == name);
            assert!(
                there("NetworkPolicy", "default-deny") && there("ResourceQuota", "mastodon") && there("LimitRange", "mastodon")
            );
            for object in objects {
                assert_careful(&object, settings.user_namespaces);
                // Those that were rendered before are let in as they were. (Keys are made up anew each time.)
                let what = if object["kind"] == "Secret" { object["metadata"]["name"].to_string() } else { object.to_string() };
                all.insert(what, object);
            }
        }
    }
    let wall = all.values().find(|object| object["kind"] == "Namespace").unwrap().clone();
    assert_eq!(wall["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let namespaces: Api<DynamicObject> =
        Api::all_with(operator.clone(), &ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&()));
    namespaces.create(&PostParams::default(), &serde_json::from_value(wall).unwrap()).await.unwrap();

    let (mut refused, mut pods) = (Vec::new(), 0_u32);
    for object in all.values().filter(|object| object["kind"] != "Namespace") {
        refused.extend(let_in(&operator, object).await.err());
        if let Some(template) = pod_of(object) {
            // The profile is enforced on pods: what a controller would make of the template.
            pods += 1;
            let (path, body) = with_pods("Pod", &namespace, template);
            let (status, message) = send(&host.client, &policy("", "POST", path, body)).await;
            if status != 201 {
                refused.push(format!("a pod of {}: {message}", object["metadata"]["name"]));
            }
        }
    }
    assert!(refused.is_empty(), "{} of {}: {refused:#?}", refused.len(), all.len());
    println!("{renderings} renderings of {} different objects and {pods} pods, all let in", all.len());

    // The same pod with one thing changed.
    let web = all.values().find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "web").unwrap();
    let template = pod_of(web).unwrap();
    let mut got_in = Vec::new();
    let hostile: Vec<_> = hostile().into_iter().filter(|one| one.by_profile).collect();
    for one in &hostile {
        let (path, body) = with_pods("Pod", &namespace, &one.of(template));
        let attack: Attack = policy(one.what, "POST", path, body);
        let (status, message) = send(&host.client, &attack).await;
        if status != 403 || !message.contains("violates PodSecurity \"restricted:latest\"") {
            got_in.push(format!("{}: {status} {message}", one.what));
        }
    }
    namespaces_of(&host).delete(&namespace, &DeleteParams::default()).await.unwrap();
    assert!(got_in.is_empty(), "{} of {}: {got_in:#?}", got_in.len(), hostile.len());
    assert!(hostile.len() >= 30);
    println!("{} hostile pods refused by the restricted profile", hostile.len());
}

fn namespaces_of(host: &Host) -> Api<k8s_openapi::api::core::v1::Namespace> {
    Api::all(host.client.clone())
}
