//! The removal of an ended server with all its data.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, InstanceStatus, condition, namespace_name, resource_name};
use serde_json::{Value, json};

use super::super::{Host, Operator, names};
use super::told;

pub fn override_by_staff() -> Value {
    json!({"mode": {"running": null, "suspended": null, "archived": {}}, "removal": {"staffOverride": {
        "reason": "the customer wants it gone and has no use for an archive", "by": "stf_one", "second": "stf_two",
    }}})
}

/// Every test has a fuse of its own: what others remove does not count.
pub async fn operator_with_own_fuse(host: &Host, namespace: &str) -> Operator {
    operator_with(host, namespace, |_| {}).await
}

/// The same with other settings.
pub async fn operator_with(host: &Host, namespace: &str, change: impl FnOnce(&mut Settings)) -> Operator {
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    namespaces.patch(namespace, &PatchParams::apply("test"), &Patch::Apply(&own)).await.unwrap();
    let mut settings = host.settings();
    settings.namespace = namespace.to_owned();
    change(&mut settings);
    host.operator_with(settings).await
}

async fn has_database(host: &Host, id: InstanceId) -> bool {
    let pool = sqlx::PgPool::connect(&host.rig.postgres().url("postgres")).await.unwrap();
    let there = sqlx::query_scalar("select exists (select 1 from pg_database where datname like $1)")
        .bind(format!("{}%", namespace_name(id)))
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    there
}

#[tokio::test]
async fn a_removal_takes_everything_in_order_and_never_somebody_elses_finalizer() {
    let host = Host::new().await;
    let operator = operator_with_own_fuse(&host, "fuse-of-removal").await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let bucket = host.rig.dir().join("s3").join(namespace_name(id));
    std::fs::create_dir_all(bucket.join("media_attachments/files")).unwrap();
    for number in 0..7 {
        std::fs::write(bucket.join(format!("media_attachments/files/cat {number} & co.png")), "a cat").unwrap();
    }
    assert!(has_database(&host, id).await);

    // Only for a server that has ended: the API server refuses anything else.
    let only_removal = json!({"removal": override_by_staff()["removal"]});
    let patch = Patch::Merge(json!({"spec": only_removal}));
    let refused = host.instances().patch(&resource_name(id), &PatchParams::default(), &patch).await.unwrap_err();
    assert!(refused.to_string().contains("set spec.mode to archived"), "{refused}");
    // Ended and deleted, but nobody says why the data may go: it stays.
    host.want(id, &json!({"mode": {"running": null, "archived": {}}})).await;
    host.until_condition(id, ConditionKind::Ready, "False").await;
    operator.settle().await;
    assert!(host.objects(id).await.contains_key("Cluster/db-1") && has_database(&host, id).await);

    // Somebody else has a finalizer on something of it.
    let environment: Api<ConfigMap> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let finalizers = |all: Value| Patch::Merge(json!({"metadata": {"finalizers": all}}));
    environment.patch("mastodon-env", &PatchParams::default(), &finalizers(json!(["example.org/keep"]))).await.unwrap();
    host.want(id, &override_by_staff()).await;
    let held = "ConfigMap mastodon-env (held by the finalizer example.org/keep)";
    let waits = |status: &InstanceStatus| {
        told(status, ConditionKind::Removing).is_some_and(|(reason, message)| reason == "Namespace" && message.contains(held))
    };
    let status = host.until_status(id, "who holds it up is told by name", waits).await;
    assert!(status.removal.clone().unwrap().finished_at.is_none());
    assert_eq!(condition(&status.conditions, ConditionKind::Ready).unwrap().reason, "Removing");
    // What is stuck holds up nothing else: database and bucket are gone, and what only our own would miss.
    assert!(!bucket.exists(), "the bucket with all that was in it");
    host.until("the database is gone", async || (!has_database(&host, id).await).then_some(())).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let left = environment.get("mastodon-env").await.unwrap();
    assert_eq!(left.metadata.finalizers.as_deref(), Some(["example.org/keep".to_owned()].as_slice()), "it is never taken off");
    let park = resource_name(id);
    let objects = host.objects(id).await;
    let left = names(&objects);
    assert!(!left.contains(format!("HTTPRoute/{park}").as_str()), "{left:?}");

    // Once its owner has let go, nothing is left; the custom resource stays until the fleet takes it away.
    environment.patch("mastodon-env", &PatchParams::default(), &finalizers(json!([]))).await.unwrap();
    let finished = |status: &InstanceStatus| status.removal.as_ref().is_some_and(|removal| removal.finished_at.is_some());
    let status = host.until_status(id, "it is finished", finished).await;
    assert_eq!(condition(&status.conditions, ConditionKind::Removing).unwrap().reason, "Removed");
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    assert!(namespaces.get_opt(&namespace_name(id)).await.unwrap().is_none());
    assert!(host.objects(id).await.is_empty());
    operator.settle().await;
    assert!(namespaces.get_opt(&namespace_name(id)).await.unwrap().is_none(), "and nothing is made again");
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
    host.until("it is gone", async || host.instances().get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_proven_archive_is_a_reason_too_and_must_name_its_manifest() {
    let host = Host::new().await;
    let operator = operator_with_own_fuse(&host, "fuse-of-archive").await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::BucketReady, "True").await;
    let archived = |sha256: &str| json!({"mode": {"running": null, "archived": {}}, "removal": {"archive": {"id": "exp_01", "manifestSha256": sha256}}});
    let patch = Patch::Merge(json!({"spec": archived("none")}));
    let refused = host.instances().patch(&resource_name(id), &PatchParams::default(), &patch).await.unwrap_err();
    assert!(refused.to_string().contains("manifestSha256"), "{refused}");
    host.want(id, &archived(&"ab".repeat(32))).await;
    let finished = |status: &InstanceStatus| status.removal.as_ref().is_some_and(|removal| removal.finished_at.is_some());
    host.until_status(id, "it is removed", finished).await;
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
    host.until("it is gone", async || host.instances().get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;
    operator.stop().await;
}
