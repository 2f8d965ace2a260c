//! Every manifest of the chart, as helm renders it, is one that the API server takes: strictly, so that a field that it does not know is a
//! fault. (`kubeconform` would need schemas from the network; the API server has them.)

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::core::discovery::Scope;
use kube::{Client, discovery};
use serde_json::{Value, json};

use crate::harness::{chart, turn};

/// The chart as it is, and with everything that can be said.
fn all_values() -> [Value; 2] {
    let digest = "1".repeat(64);
    let part = |ports: Value| json!({"configSecret": "own", "replicas": 3, "egressPorts": ports, "resources": {"limits": {"memory": "1Gi"}}});
    let mut operator = part(json!([443]));
    operator["images"] = json!([format!("registry.example/valkey:8.1@sha256:{digest}")]);
    operator["issuer"] = json!({"name": "authority", "kind": "ClusterIssuer", "group": "cert-manager.io"});
    operator["media"] = json!({"addresses": ["10.0.0.5", "2001:db8::5"], "port": 3902});
    operator["backups"] = json!({"endpoint": "https://s3.example:3900"});
    let full = json!({
        "image": {"repository": "registry.example/paddock", "digest": format!("sha256:{digest}"), "pullSecrets": ["registry"]},
        "catalogue": {
            "plans": "currency = \"eur\"",
            "releases": format!("[[release]]\nversion = \"4.7.4\"\nweb = \"r/w:1@sha256:{digest}\"\nstreaming = \"r/s:1@sha256:{digest}\"\n"),
        },
        "clusters": {"secret": "kubeconfigs"},
        "migrate": {"configSecret": "own"},
        "web": part(json!([443, 5432])), "worker": part(json!([465])), "fleet": part(json!([6443])), "operator": operator,
        "route": {
            "enabled": true, "hostnames": ["pages.example", "www.pages.example"],
            "gateway": {"name": "hosts", "namespace": "gateway", "section": "https"},
        },
        "networkPolicy": {"enabled": true, "gatewayNamespace": "gateway", "metricsNamespace": "monitoring"},
        "userNamespaces": false,
    });
    [json!({}), full]
}

async fn taken(client: &Client, object: &Value) -> Result<(), String> {
    let read: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let title = format!("{} {}", object["kind"], object["metadata"]["name"]);
    let kind = GroupVersionKind::try_from(read.types.as_ref().unwrap()).unwrap();
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await.map_err(|error| format!("{title}: {error}"))?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), chart::RELEASE, &resource),
    };
    let params = PatchParams { dry_run: true, ..PatchParams::apply("helm").force().validation_strict() };
    let name = read.metadata.name.as_deref().unwrap();
    api.patch(name, &params, &Patch::Apply(object)).await.map(|_| ()).map_err(|error| format!("{title}: {error}"))
}

#[tokio::test]
async fn every_manifest_is_taken_by_the_api_server() {
    let turn = turn().await;
    let client = turn.rig().cluster().client().await.unwrap();
    let (mut refused, mut count) = (Vec::new(), 0_u32);
    for values in all_values() {
        for object in chart::objects(&values) {
            count += 1;
            refused.extend(taken(&client, &object).await.err());
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    println!("{count} manifests taken");
    assert!(count > 60);
}

#[test]
fn what_the_catalogue_offers_may_run() {
    let [_, full] = all_values();
    let objects = chart::objects(&full);
    let list =
        objects.iter().find(|object| object["metadata"]["name"] == "paddock-images" && object["kind"] == "ConfigMap").unwrap();
    let images: Vec<&str> = list["data"]["images"].as_str().unwrap().lines().collect();
    assert_eq!(images.len(), 3);
    assert!(images.iter().all(|image| image.contains("@sha256:")), "{images:?}");
}
