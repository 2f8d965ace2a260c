//! What others must make room for: a quota that is used up, pods that fit nowhere, a volume that nobody provides.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, ResourceQuota};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, condition, namespace_name, resource_name};
use serde_json::json;

use super::Scene;

/// A namespace with a quota of somebody else's, before the operator comes.
async fn limit(scene: &Scene, id: InstanceId, hard: serde_json::Value) -> Api<ResourceQuota> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_name(id)}});
    let namespaces = scene.api(id, "Namespace");
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(scene.client(), &namespace_name(id));
    let quota = json!({"metadata": {"name": "house"}, "spec": {"hard": hard}});
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    scene.host.until("the quota counts", async || quotas.get("house").await.unwrap().status?.hard.map(|_| ())).await;
    quotas
}

async fn raise(quotas: &Api<ResourceQuota>, hard: serde_json::Value) {
    quotas.patch("house", &PatchParams::default(), &Patch::Merge(json!({"spec": {"hard": hard}}))).await.unwrap();
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told_and_it_goes_on_when_there_is_more() {
    let mut scene = Scene::new(3).await;
    let [of_objects, of_pods, free] = scene.ids[..] else { panic!("three") };
    let objects = limit(&scene, of_objects, json!({"count/deployments.apps": "2"})).await;
    let pods = limit(&scene, of_pods, json!({"pods": "2"})).await;
    scene.start();
    for id in scene.ids.clone() {
        scene.order(id, |_| {}).await;
    }
    let told = scene.until_reason(of_objects, ConditionKind::Stalled, "QuotaExceeded").await;
    assert!(told.contains("Deployment") && told.contains("exceeded quota: house"), "{told}");
    // Beside the cache there is room for one pod, whichever comes first.
    let told = scene.host.until("a lack of pods is told", async || {
        let status = scene.host.get(of_pods).await.status?;
        let processes = [ConditionKind::WebReady, ConditionKind::StreamingReady, ConditionKind::WorkersReady];
        let told = processes.into_iter().filter_map(|kind| condition(&status.conditions, kind));
        told.filter(|one| one.reason == "QuotaExceeded").map(|one| one.message.clone()).next()
    });
    let told = told.await;
    assert!(told.contains("exceeded quota: house") && told.contains("pods=2"), "{told}");
    scene.until_condition(free, ConditionKind::Ready, "True").await;

    raise(&objects, json!({"count/deployments.apps": "20"})).await;
    raise(&pods, json!({"pods": "40"})).await;
    scene.until_condition(of_objects, ConditionKind::Ready, "True").await;
    scene.until_condition(of_objects, ConditionKind::Stalled, "False").await;
    scene.until_condition(of_pods, ConditionKind::Ready, "True").await;
    scene.stop().await;
}

#[tokio::test]
async fn pods_that_fit_nowhere_and_a_volume_that_nobody_provides_are_told() {
    // The one node of the control plane takes nothing for a while.
    let mut scene = Scene::alone(2).await;
    let (large, other) = (scene.ids[0], scene.ids[1]);
    let nodes: Api<Node> = Api::all(scene.client());
    let taint = async |taints: serde_json::Value| {
        nodes.patch("fake-0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"taints": taints}}))).await.unwrap();
    };
    taint(json!([{"key": "paddock.test/full", "effect": "NoSchedule"}])).await;
    scene.start();
    scene.order(large, |_| {}).await;
    let told = scene.until_reason(large, ConditionKind::CacheReady, "Unschedulable").await;
    assert!(told.contains("0/1 nodes are available") && told.contains("taint"), "{told}");
    let status = scene.host.get(large).await.status.unwrap();
    let ready = condition(&status.conditions, ConditionKind::Ready).unwrap();
    assert_eq!((ready.reason.as_str(), &ready.message), ("CacheReady", &told), "the page says why, too");
    taint(serde_json::Value::Null).await;
    scene.until_condition(large, ConditionKind::Ready, "True").await;
    scene.stop().await;

    let class = format!("test-{}", resource_name(other));
    let mut settings = scene.settings();
    settings.storage_class = Some(class.clone());
    scene.start_with(settings, Arc::clone(&scene.buckets));
    scene.order(other, |_| {}).await;
    let told = scene.until_reason(other, ConditionKind::CacheReady, "VolumePending").await;
    assert!(told.contains("the volume cache") && told.contains(&class), "{told}");
    scene.until_condition(large, ConditionKind::Ready, "True").await;
    let classes: Api<StorageClass> = Api::all(scene.client());
    let provided = json!({"metadata": {"name": class}, "provisioner": "paddock.rig/volumes", "volumeBindingMode": "Immediate"});
    classes.create(&PostParams::default(), &serde_json::from_value(provided).unwrap()).await.unwrap();
    scene.until_condition(other, ConditionKind::Ready, "True").await;
    classes.delete(&class, &DeleteParams::default()).await.unwrap();
    scene.stop().await;
}
