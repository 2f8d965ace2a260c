//! Another size, other settings: in place, and never less disk.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::api::{Api, Patch, PatchParams};
use paddock::resource::{ConditionKind, InstanceStatus, namespace_name, resource_name};
use serde_json::json;

use super::super::Host;
use super::{PROCESSES, serves, told};

#[tokio::test]
async fn another_size_is_taken_on_in_place_and_disks_only_grow() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let before = host.objects(id).await;
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let disk = async || volumes.get("cache").await.unwrap().status.unwrap().capacity.unwrap()["storage"].0.clone();
    assert_eq!(disk().await, "2Gi");
    let larger = json!({"size": {
        "web": {"replicas": 3, "memoryMib": 1300},
        "sidekiq": {"concurrency": 20},
        "database": {"storageGib": 30, "memoryMib": 2048},
        "cache": {"memoryMib": 512, "storageGib": 4},
    }});
    host.want(id, &larger).await;
    host.until("the pods are larger and more", async || {
        let web = host.deployments(id).get("web").await.unwrap();
        let memory =
            web.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0].resources.clone()?.limits?["memory"]
                .0
                .clone();
        (memory == "1300Mi" && web.status?.ready_replicas == Some(3)).then_some(())
    })
    .await;
    let sidekiq = host.deployments(id).get("sidekiq").await.unwrap();
    let command = sidekiq.spec.unwrap().template.spec.unwrap().containers[0].command.clone().unwrap();
    assert!(command.windows(2).any(|pair| pair == ["-c", "20"]), "{command:?}");
    host.until("the disk of the cache has grown", async || (disk().await == "4Gi").then_some(())).await;
    let cluster = host.clusters(id).get("db-1").await.unwrap().data;
    assert_eq!(cluster["spec"]["storage"]["size"], "30Gi");
    assert_eq!(cluster["spec"]["resources"]["limits"]["memory"], "2048Mi");
    assert_eq!(cluster["spec"]["postgresql"]["parameters"]["shared_buffers"], "512MB");
    let connections: u32 = cluster["spec"]["postgresql"]["parameters"]["max_connections"].as_str().unwrap().parse().unwrap();
    assert!(connections >= 4 * 5 + 2 * 4 + 2 * 20 + 3, "{connections} for more processes");
    host.until_condition(id, ConditionKind::Ready, "True").await;

    // Less disk is refused by the API server.
    let smaller = Patch::Merge(json!({"spec": {"size": {"database": {"storageGib": 10}}}}));
    let refused = host.instances().patch(&resource_name(id), &PatchParams::default(), &smaller).await.unwrap_err();
    assert!(refused.to_string().contains("volumes grow and never shrink"), "{refused}");
    // A disk that somebody has enlarged by hand stays as large, and that is said; everything else of a wish is done.
    let by_hand = Patch::Merge(json!({"spec": {"storage": {"size": "40Gi"}}}));
    host.clusters(id).patch("db-1", &PatchParams::default(), &by_hand).await.unwrap();
    let by_hand = Patch::Merge(json!({"spec": {"resources": {"requests": {"storage": "6Gi"}}}}));
    volumes.patch("cache", &PatchParams::default(), &by_hand).await.unwrap();
    host.want(id, &json!({"size": {"web": {"replicas": 1}}})).await;
    let refused = |status: &InstanceStatus| {
        told(status, ConditionKind::Stalled).is_some_and(|(reason, message)| {
            let both = ["the database has a disk of 40 GiB", "the cache has a disk of 6 GiB"];
            reason == "ShrinkRefused" && both.iter().all(|words| message.contains(words))
        })
    };
    let status = host.until_status(id, "the shrink is refused", refused).await;
    assert!(serves(&status));
    host.until("there is one web pod", async || {
        let web = host.deployments(id).get("web").await.unwrap();
        (web.spec?.replicas == Some(1)).then_some(())
    })
    .await;
    operator.settle().await;
    assert_eq!(host.clusters(id).get("db-1").await.unwrap().data["spec"]["storage"]["size"], "40Gi");
    host.until("the disk of the cache has grown by hand", async || (disk().await == "6Gi").then_some(())).await;
    host.want(id, &json!({"size": {"database": {"storageGib": 40}, "cache": {"storageGib": 6}}})).await;
    host.until_condition(id, ConditionKind::Stalled, "False").await;
    let after = host.objects(id).await;
    for kept in ["Secret/mastodon-identity", "Cluster/db-1", "PersistentVolumeClaim/cache", "StatefulSet/cache", "Deployment/web"]
    {
        assert_eq!(after[kept].0, before[kept].0, "{kept}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn another_language_replaces_every_pod_that_reads_it() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let environment: Api<ConfigMap> = Api::namespaced(host.client.clone(), &namespace_name(id));
    assert_eq!(environment.get("mastodon-env").await.unwrap().data.unwrap()["DEFAULT_LOCALE"], "en");
    let templates = async || {
        let mut all = Vec::new();
        for name in PROCESSES {
            let template = host.deployments(id).get(name).await.unwrap().spec.unwrap().template;
            all.push(template.metadata.unwrap().annotations.unwrap()["paddock.host/env"].clone());
        }
        all
    };
    let before = templates().await;
    host.want(id, &json!({"locale": "de"})).await;
    host.until("every process has other pods", async || {
        let after = templates().await;
        for name in PROCESSES {
            let deployment = host.deployments(id).get(name).await.unwrap();
            let (status, wanted) = (deployment.status.clone()?, deployment.spec.as_ref()?.replicas);
            if status.observed_generation < deployment.metadata.generation
                || status.updated_replicas != wanted
                || status.ready_replicas != wanted
            {
                return None;
            }
        }
        after.iter().zip(&before).all(|(after, before)| after != before).then_some(())
    })
    .await;
    assert_eq!(environment.get("mastodon-env").await.unwrap().data.unwrap()["DEFAULT_LOCALE"], "de");
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}

#[tokio::test]
async fn another_storage_class_is_for_servers_to_come() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    operator.stop().await;
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let class = async || volumes.get("cache").await.unwrap().spec.unwrap().storage_class_name;
    let before = class().await;

    let mut settings = host.settings();
    settings.storage_class = Some("there-is-none".to_owned());
    let operator = host.operator_with(settings).await;
    host.want(id, &json!({"size": {"cache": {"storageGib": 3}}})).await;
    host.until("the volume grows as ever", async || {
        let asked = volumes.get("cache").await.unwrap().spec.unwrap().resources.unwrap().requests.unwrap();
        (asked["storage"].0 == "3Gi").then_some(())
    })
    .await;
    operator.settle().await;
    assert_eq!(class().await, before);
    let status = host.status(id).await;
    assert!(serves(&status));
    assert_eq!(told(&status, ConditionKind::Stalled), None);
    operator.stop().await;
}
