//! Servers that are looked after although something about them was lost: their status, or their release in the catalogue.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt as _};
use paddock::demo::rig::REGION;
use paddock::resource::{
    CATALOGUE_NAME, ConditionKind, InstanceStatus, MastodonInstance, MastodonInstanceSpec, condition, is_true, namespace_name,
    resource_name,
};
use serde_json::json;

use super::Host;
use crate::harness::S3Client;

#[tokio::test]
async fn a_restored_resource_without_status_never_costs_the_data() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let name = resource_name(id);
    let first = host.until_condition(id, ConditionKind::Ready, "True").await;
    let before = host.objects(id).await;
    let suspended = json!({"spec": {"mode": {"running": null, "suspended": {"reason": "unpaid"}}}});
    let wanted = host.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&suspended)).await.unwrap();
    host.until_condition(id, ConditionKind::Ready, "False").await;
    operator.settle().await;
    operator.stop().await;

    // The status is lost, and the resource is deleted before any operator has looked.
    host.instances().patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await.unwrap();
    assert!(host.get(id).await.status.is_none());
    host.instances().delete(&name, &DeleteParams::default()).await.unwrap();
    let assert_kept = async || {
        let after = host.objects(id).await;
        for kept in ["Namespace/the one", "Secret/mastodon-identity", "Cluster/db-1", "PersistentVolumeClaim/cache"] {
            assert_eq!(after[kept].0, before[kept].0, "{kept}");
        }
    };
    let refused = |status: &InstanceStatus| {
        let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
        assert_eq!(stalled.reason, "DeletionNeedsProvenArchive");
        assert!(status.database_initialised);
    };
    let operator = host.operator().await;
    refused(&host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap());
    operator.settle().await;
    assert_kept().await;
    operator.stop().await;

    // The same with a new resource of that name.
    let unheld = json!({"metadata": {"finalizers": null}});
    host.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&unheld)).await.unwrap();
    host.until("the old one is gone", async || host.instances().get_opt(&name).await.unwrap().is_none().then_some(())).await;
    let restored = MastodonInstance::new(&name, MastodonInstanceSpec { mode: wanted.spec.mode, ..first.spec });
    host.instances().create(&PostParams::default(), &restored).await.unwrap();
    let operator = host.operator().await;
    host.until("it is taken for filled", async || host.get(id).await.status?.database_initialised.then_some(())).await;
    host.instances().delete(&name, &DeleteParams::default()).await.unwrap();
    refused(&host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap());
    operator.settle().await;
    assert_kept().await;
    operator.stop().await;
}

#[tokio::test]
async fn data_that_is_gone_is_never_made_again() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    // (What the vault has is no loss: see vault.rs.)
    host.clusters(id).delete("db-1", &DeleteParams::default()).await.unwrap();
    host.until("the loss of the database is told", async || {
        let status = host.get(id).await.status.unwrap();
        condition(&status.conditions, ConditionKind::Stalled)?.message.contains("db-1").then_some(())
    })
    .await;
    operator.settle().await;
    assert!(host.clusters(id).get_opt("db-1").await.unwrap().is_none());
    operator.stop().await;
}

#[tokio::test]
async fn a_cluster_that_was_lost_gets_no_empty_servers_for_those_that_were_in_it() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["holdsData"] = true.into()).await;
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
    assert_eq!(stalled.reason, "DataLost");
    assert!(stalled.message.contains("Cluster db-1"), "{}", stalled.message);
    operator.settle().await;
    let made = host.objects(id).await;
    assert!(!made.keys().any(|name| name.starts_with("Cluster/") || name.starts_with("PersistentVolumeClaim/")), "{made:?}");
    // And it can't be taken back.
    let patch = json!({"spec": {"holdsData": false}});
    let taken_back = host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await;
    assert!(taken_back.unwrap_err().to_string().contains("spec.holdsData"));
    operator.stop().await;
}

#[tokio::test]
async fn a_server_whose_release_is_no_longer_offered_is_repaired_and_can_be_suspended() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    operator.stop().await;
    let deployments = host.deployments(id);
    let template = async |name: &str| deployments.get(name).await.unwrap().spec.unwrap().template;
    let before = (template("web").await, template("streaming").await);
    let mut settings = host.settings();
    let release = settings.releases.remove("4.5.20").unwrap();
    settings.releases.insert("4.5.21".into(), release);
    let operator = host.operator_with(settings).await;
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    assert_eq!(condition(&status.conditions, ConditionKind::Stalled).unwrap().reason, "UnknownRelease");
    assert!(is_true(&status.conditions, ConditionKind::Ready), "it goes on");
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || {
        deployments.get_opt("web").await.unwrap().filter(|web| web.metadata.deletion_timestamp.is_none())
    })
    .await;
    host.until_condition(id, ConditionKind::WebReady, "True").await;
    assert_eq!((template("web").await, template("streaming").await), before);
    let suspended = json!({"spec": {"mode": {"running": null, "suspended": {"reason": "unpaid"}}}});
    host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&suspended)).await.unwrap();
    host.until("no pod is left", async || {
        let all = deployments.list(&ListParams::default()).await.unwrap();
        all.iter().all(|one| one.status.as_ref().and_then(|status| status.replicas).unwrap_or(0) == 0).then_some(())
    })
    .await;
    host.until("the budget is gone", async || (!host.objects(id).await.contains_key("PodDisruptionBudget/web")).then_some(()))
        .await;
    operator.stop().await;
}

/// The same object for another namespace, as a program for backups restores it.
fn copied<K: Resource>(mut object: K) -> K {
    let metadata = object.meta_mut();
    (metadata.namespace, metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None, None);
    object
}

#[tokio::test]
async fn a_copy_of_a_server_beside_it_changes_nothing_and_hides_no_loss() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    let writes = operator.writes();

    // With the labels of the original, and other pods.
    let copy = "forensics-copy";
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let mut namespace = copied(namespaces.get(&namespace_name(id)).await.unwrap());
    namespace.metadata.name = Some(copy.into());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let original: Api<Deployment> = host.deployments(id);
    let copies: Api<Deployment> = Api::namespaced(host.client.clone(), copy);
    let mut web = copied(original.get("web").await.unwrap());
    web.spec.as_mut().unwrap().replicas = Some(0);
    copies.create(&PostParams::default(), &web).await.unwrap();
    let database = host.clusters(id);
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Cluster"));
    let of_copy: Api<DynamicObject> = Api::namespaced_with(host.client.clone(), copy, &kind);
    of_copy.create(&PostParams::default(), &copied(database.get("db-1").await.unwrap())).await.unwrap();
    operator.settle().await;
    assert_eq!(operator.writes(), writes, "neither the copy nor the original is written to");
    assert!(is_true(&host.get(id).await.status.unwrap().conditions, ConditionKind::Ready));

    // What the original loses is missed, whatever the copy has; also by an operator that lists both.
    original.delete("web", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || {
        original.get_opt("web").await.unwrap().filter(|web| web.metadata.deletion_timestamp.is_none())
    })
    .await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
    database.delete("db-1", &DeleteParams::default()).await.unwrap();
    let operator = host.operator().await;
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
    assert_eq!(stalled.reason, "DataLost");
    assert!(stalled.message.contains("Cluster db-1"), "{}", stalled.message);
    operator.settle().await;
    assert!(database.get_opt("db-1").await.unwrap().is_none());
    assert_eq!(copies.get("web").await.unwrap().spec.unwrap().replicas, Some(0), "the copy is nobody's");
    operator.stop().await;
}

#[tokio::test]
async fn another_database_of_the_same_name_is_not_taken_for_the_one_that_was_filled() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    let database = host.clusters(id);
    let first = database.get("db-1").await.unwrap();
    assert_eq!(status.data.map(|data| data.database), first.uid());
    operator.settle().await;
    operator.stop().await;
    database.delete("db-1", &DeleteParams::default()).await.unwrap();
    host.until("it is gone", async || database.get_opt("db-1").await.unwrap().is_none().then_some(())).await;
    let second = database.create(&PostParams::default(), &copied(first)).await.unwrap();

    let operator = host.operator().await;
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
    assert_eq!(stalled.reason, "DataLost");
    assert!(stalled.message.starts_with("Cluster db-1 was replaced by another"), "{}", stalled.message);
    assert!(!is_true(&status.conditions, ConditionKind::Ready));
    operator.settle().await;
    assert!(operator.written().iter().all(|path| !path.contains("/clusters/")), "it is not adopted");

    // Whoever has restored it by hand says so.
    let accepted = Patch::Merge(json!({"status": {"data": null}}));
    host.instances().patch_status(&resource_name(id), &PatchParams::default(), &accepted).await.unwrap();
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert!(!is_true(&status.conditions, ConditionKind::Stalled));
    assert_eq!(status.data.map(|data| data.database), second.uid());
    operator.stop().await;
}

#[tokio::test]
async fn a_backup_bucket_that_was_there_is_not_made_anew_with_its_key() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    let (bucket, root) = (format!("/{}-backup", namespace_name(id)), host.root());
    assert_eq!(root.status("DELETE", &bucket, "").await, 204);
    host.secrets(id).delete("mastodon-backup", &DeleteParams::default()).await.unwrap();
    let lost = async || {
        let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
        let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap().clone();
        assert_eq!(stalled.reason, "DataLost");
        assert!(stalled.message.contains(&bucket[1..]), "{}", stalled.message);
    };
    lost().await;
    operator.settle().await;
    assert_eq!(root.status("HEAD", &bucket, "").await, 404);
    // Nor by an operator that has just been started.
    operator.stop().await;
    let operator = host.operator().await;
    operator.settle().await;
    lost().await;
    assert_eq!(root.status("HEAD", &bucket, "").await, 404);

    // One that somebody makes by hand is prepared for the key.
    assert_eq!(root.status("PUT", &bucket, "").await, 200);
    let nudge = Patch::Merge(json!({"metadata": {"annotations": {"paddock.test/nudge": "1"}}}));
    host.instances().patch(&resource_name(id), &PatchParams::default(), &nudge).await.unwrap();
    host.until_condition(id, ConditionKind::Stalled, "False").await;
    let data = host.secrets(id).get("mastodon-backup").await.unwrap().data.unwrap();
    let text = |name: &str| String::from_utf8(data[name].0.clone()).unwrap();
    let (access, secret) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
    let server = S3Client::new(host.rig.s3().endpoint(), REGION, &access, &secret);
    assert_eq!(server.status("PUT", &format!("{bucket}/one"), "1").await, 200);
    operator.stop().await;
}

#[tokio::test]
async fn a_release_that_only_the_fleet_has_published_is_known_without_a_status() {
    let host = Host::new().await;
    let mut settings = host.settings();
    let entry = |(version, release): (&String, &paddock::operator::settings::Release)| {
        let entry = json!({"web": release.web, "streaming": release.streaming, "minFrom": release.min_from.to_string()});
        (version.clone(), entry.to_string())
    };
    let mut map = ConfigMap { data: Some(settings.releases.iter().map(entry).collect()), ..ConfigMap::default() };
    map.metadata.name = Some(CATALOGUE_NAME.into());
    let maps: Api<ConfigMap> = Api::namespaced(host.client.clone(), "paddock");
    maps.create(&PostParams::default(), &map).await.unwrap();
    // What the operator was started with is older.
    settings.releases.retain(|version, _| version == "4.5.19");
    let operator = host.operator_with(settings.clone()).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    operator.stop().await;

    let lost = Patch::Merge(json!({"status": null}));
    host.instances().patch_status(&resource_name(id), &PatchParams::default(), &lost).await.unwrap();
    let operator = host.operator_with(settings).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(status.version.as_deref(), Some("4.5.20"));
    assert!(!is_true(&status.conditions, ConditionKind::Stalled));
    operator.stop().await;
    maps.delete(CATALOGUE_NAME, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn tables_of_which_nobody_knows_the_release_are_not_made_over() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let name = resource_name(id);
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    operator.stop().await;
    host.instances().patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await.unwrap();
    let jobs: Api<Job> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let every = ListParams::default();
    host.deployments(id).delete_collection(&DeleteParams::background(), &every).await.unwrap();
    jobs.delete_collection(&DeleteParams::background(), &every).await.unwrap();
    host.until("Jobs are gone", async || jobs.list(&every).await.unwrap().items.is_empty().then_some(())).await;
    host.until("so are Deployments", async || host.deployments(id).list(&every).await.unwrap().items.is_empty().then_some(()))
        .await;
    let newer = json!({"spec": {"version": "4.6.9"}});
    host.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&newer)).await.unwrap();

    // Neither the first operator nor the next one, which finds what the first has said.
    for _ in 0..2 {
        let operator = host.operator().await;
        let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
        let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
        assert_eq!(stalled.reason, "ReleaseUnknown", "{}", stalled.message);
        assert!(stalled.message.contains("--subresource=status"), "{}", stalled.message);
        operator.settle().await;
        assert!(jobs.list(&every).await.unwrap().items.is_empty(), "no db:prepare");
        operator.stop().await;
    }
    let operator = host.operator().await;
    let told = Patch::Merge(json!({"status": {"version": "4.5.20"}}));
    host.instances().patch_status(&name, &PatchParams::default(), &told).await.unwrap();
    // From there it is an upgrade like any other.
    host.until("it is at the new release", async || {
        (host.get(id).await.status?.version.as_deref() == Some("4.6.9")).then_some(())
    })
    .await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}
