//! Backups of a server's database: where they go and with which key, what is told of them, and that CloudNativePG's own objects are left
//! to it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Node, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use paddock::demo::rig::REGION;
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, InstanceStatus, condition, instant, is_true, namespace_name, resource_name};
use serde_json::{Value, json};

use super::Host;
use super::lifecycle::serves;
use crate::harness::S3Client;

const PLUGIN: &str = "barman-cloud.cloudnative-pg.io";

/// Reason and message of the condition, whatever it says.
fn told(status: &InstanceStatus) -> (String, String) {
    condition(&status.conditions, ConditionKind::BackedUp)
        .map(|one| (one.reason.clone(), one.message.clone()))
        .unwrap_or_default()
}

impl Host {
    fn schedules(&self, id: InstanceId) -> Api<DynamicObject> {
        self.others(id, "postgresql.cnpg.io", "v1", "ScheduledBackup")
    }

    fn stores(&self, id: InstanceId) -> Api<DynamicObject> {
        self.others(id, "barmancloud.cnpg.io", "v1", "ObjectStore")
    }

    /// Marks a database for the stand-in of CloudNativePG.
    async fn mark_database(&self, id: InstanceId, label: &str, value: Value) {
        let patch = json!({"metadata": {"labels": {label: value}}});
        self.clusters(id).patch("db-1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Asks for a base backup, as somebody may by hand.
    async fn back_up(&self, id: InstanceId, name: &str) {
        let backup = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Backup", "metadata": {"name": name},
            "spec": {"cluster": {"name": "db-1"}, "method": "plugin", "pluginConfiguration": {"name": PLUGIN}},
        });
        self.backups(id).create(&PostParams::default(), &serde_json::from_value(backup).unwrap()).await.unwrap();
    }

    /// Whatever lies in a server's bucket of backups.
    pub fn backed_up_files(&self, id: InstanceId) -> Vec<String> {
        let root = self.rig.dir().join("s3").join(format!("{}-backup", namespace_name(id)));
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

#[tokio::test]
async fn a_database_is_backed_up_from_the_first_hour_with_a_key_of_its_own() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::BackedUp, "True").await.status.unwrap();
    let backups = status.backups.clone().unwrap();
    assert!(instant(&backups.since) <= instant(&backups.last));
    host.until_condition(id, ConditionKind::Ready, "True").await;

    // It is really in the bucket, written with the key that the Secret holds, which opens that bucket alone.
    let namespace = namespace_name(id);
    let files = host.backed_up_files(id);
    assert!(files.iter().any(|file| file.starts_with("db-1-pg17/wals/")), "{files:?}");
    assert!(files.iter().any(|file| file.starts_with("db-1-pg17/base/") && file.ends_with("/backup.info")), "{files:?}");
    let secret = host.secrets(id).get("mastodon-backup").await.unwrap().data.unwrap();
    let text = |name: &str| String::from_utf8(secret[name].0.clone()).unwrap();
    let client = S3Client::new(host.rig.s3().endpoint(), REGION, &text("AWS_ACCESS_KEY_ID"), &text("AWS_SECRET_ACCESS_KEY"));
    assert_eq!(client.status("GET", &format!("/{namespace}-backup/{}", files[0]), "").await, 200);
    assert_eq!(client.status("GET", &format!("/{namespace}?list-type=2"), "").await, 403, "media are not its");

    // One base backup, made by the schedule; the store is told for how long they are kept.
    let made = host.backups(id).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(made[0].owner_references()[0].kind, "ScheduledBackup");
    assert_eq!(made[0].data["status"]["phase"], "completed");
    assert_eq!(host.stores(id).get("backups").await.unwrap().data["spec"]["retentionPolicy"], "14d");

    // What somebody takes away or turns elsewhere comes back, and nobody is backed up twice for it.
    operator.settle().await;
    let before = host.schedules(id).get("db-1").await.unwrap().uid();
    host.schedules(id).delete("db-1", &DeleteParams::default()).await.unwrap();
    host.until("the schedule is back", async || {
        host.schedules(id).get_opt("db-1").await.unwrap().filter(|one| one.uid() != before)
    })
    .await;
    let elsewhere = json!({"spec": {"configuration": {"endpointURL": "http://192.0.2.66"}, "retentionPolicy": "1d"}});
    host.stores(id).patch("backups", &PatchParams::default(), &Patch::Merge(&elsewhere)).await.unwrap();
    host.until("backups go where they should", async || {
        let spec = host.stores(id).get("backups").await.unwrap().data["spec"].clone();
        (spec["configuration"]["endpointURL"] == host.rig.s3().endpoint() && spec["retentionPolicy"] == "14d").then_some(())
    })
    .await;
    operator.settle().await;
    let (writes, objects) = (operator.writes(), host.objects(id).await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((operator.writes(), host.objects(id).await), (writes, objects), "and then it costs nothing");
    operator.stop().await;
}

#[tokio::test]
async fn what_hinders_backups_is_told_and_stops_nothing() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let first = host.until_condition(id, ConditionKind::BackedUp, "True").await.status.unwrap().backups;
    assert!(first.is_some());

    // The log does not get there.
    host.mark_database(id, "paddock.rig/archiving-fails", "yes".into()).await;
    let fails = |status: &InstanceStatus| told(status).0 == "ArchivingFails";
    let status = host.until_status(id, "that archiving fails is told", fails).await;
    assert!(told(&status).1.ends_with("the label paddock.rig/archiving-fails says so"), "{:?}", told(&status));
    assert!(serves(&status) && !is_true(&status.conditions, ConditionKind::Stalled));
    assert_eq!(status.backups, first, "what is there is there");
    host.mark_database(id, "paddock.rig/archiving-fails", Value::Null).await;
    host.until_condition(id, ConditionKind::BackedUp, "True").await;

    // A base backup fails; the next one does not.
    host.mark_database(id, "paddock.rig/backup-fails", "yes".into()).await;
    host.back_up(id, "by-hand").await;
    let status = host.until_status(id, "the failed backup is told", |status| told(status).0 == "BackupFailed").await;
    assert!(told(&status).1.contains("earlier base backups are there"), "{:?}", told(&status));
    assert!(serves(&status));
    host.mark_database(id, "paddock.rig/backup-fails", Value::Null).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    host.back_up(id, "by-hand-again").await;
    let status = host.until_condition(id, ConditionKind::BackedUp, "True").await.status.unwrap();
    let (first, last) = (first.unwrap(), status.backups.unwrap());
    assert_eq!(last.since, first.since);
    assert!(instant(&last.last) > instant(&first.last));

    // The key opens nothing any more: that is seen by whoever uses it, the next time something is written.
    let secrets = host.secrets(id);
    secrets.delete("mastodon-backup", &DeleteParams::default()).await.unwrap();
    host.until("there is a new key", async || secrets.get_opt("mastodon-backup").await.unwrap()).await;
    operator.settle().await;
    host.back_up(id, "with-the-new-key").await;
    host.until("it is made with the new key", async || {
        let backup = host.backups(id).get("with-the-new-key").await.unwrap();
        (backup.data["status"]["phase"] == "completed").then_some(())
    })
    .await;
    operator.stop().await;
}

#[tokio::test]
async fn a_first_backup_that_fails_is_tried_again_and_not_tomorrow() {
    let host = Host::new().await;
    let mut settings = host.settings();
    // Nothing of the cluster changes meanwhile.
    settings.look_seconds = 5;
    let operator = host.operator_with(settings).await;
    let id = host.order(|_| {}).await;
    host.until("the database is there", async || host.clusters(id).get_opt("db-1").await.unwrap()).await;
    host.mark_database(id, "paddock.rig/backup-fails", "yes".into()).await;
    let fails = |status: &InstanceStatus| told(status).0 == "BackupFailed";
    let status = host.until_status(id, "that there is no backup is told", fails).await;
    assert!(told(&status).1.contains("there is no base backup yet") && status.backups.is_none(), "{:?}", told(&status));
    host.until("it was tried again", async || host.backups(id).get_opt("first").await.unwrap()).await;
    host.mark_database(id, "paddock.rig/backup-fails", Value::Null).await;
    let backed_up = |status: &InstanceStatus| is_true(&status.conditions, ConditionKind::BackedUp) && status.backups.is_some();
    host.until_status(id, "it is backed up", backed_up).await;
    assert!(host.backups(id).list(&ListParams::default()).await.unwrap().items.len() <= 4);
    operator.stop().await;
}

#[tokio::test]
async fn a_server_that_was_never_filled_goes_with_the_log_that_its_database_has_sent() {
    let host = Host::new().await;
    let nodes: Api<Node> = Api::all(host.client.clone());
    let taint = |taints: Value| Patch::Merge(json!({"spec": {"taints": taints}}));
    // No pod comes up, so the server is never said to be filled. (The database here needs none.)
    let full = json!([{"key": "rig.example/full", "effect": "NoSchedule"}]);
    nodes.patch("fake-0", &PatchParams::default(), &taint(full)).await.unwrap();
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until("the database has sent its log", async || {
        host.backed_up_files(id).iter().any(|file| file.starts_with("db-1-pg17/wals/")).then_some(())
    })
    .await;
    host.until_condition(id, ConditionKind::DatabaseReady, "True").await;
    operator.settle().await;
    assert!(host.schedules(id).get_opt("db-1").await.unwrap().is_none(), "no base backup of nothing");
    assert!(!host.status(id).await.database_initialised);
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
    host.until("it is gone", async || host.instances().get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;
    assert!(!host.rig.dir().join("s3").join(format!("{}-backup", namespace_name(id))).exists());
    nodes.patch("fake-0", &PatchParams::default(), &taint(Value::Null)).await.unwrap();
    operator.stop().await;
}

#[tokio::test]
async fn what_cloudnativepg_makes_stays() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["size"]["database"]["instances"] = 2.into()).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let made = host.until("its budget is there", async || budgets.get_opt("db-1-primary").await.unwrap()).await;
    assert_eq!(made.labels()["paddock.host/instance"], resource_name(id), "it has the labels that it inherits");
    assert_eq!(made.owner_references()[0].kind, "Cluster");

    // Passes come and go: a repair, a pause, which takes our own budgets away, and the way back.
    let deployments = host.deployments(id);
    deployments.delete("streaming", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || deployments.get_opt("streaming").await.unwrap()).await;
    host.want(id, &json!({"mode": {"running": null, "suspended": {"reason": "unpaid"}}})).await;
    host.until("our own budget is gone", async || budgets.get_opt("web").await.unwrap().is_none().then_some(())).await;
    host.want(id, &json!({"mode": {"suspended": null, "running": {}}})).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    let after = budgets.get("db-1-primary").await.unwrap();
    assert_eq!((after.uid(), after.metadata.deletion_timestamp), (made.uid(), None));
    operator.stop().await;
}

/// The stand-in itself: as strict as CloudNativePG, or else nothing above means anything.
#[tokio::test]
async fn a_plugin_that_is_not_used_makes_no_backup_and_a_store_that_is_not_there_no_database() {
    let host = Host::new().await;
    let api = |group: &str, kind: &str| -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        Api::namespaced_with(host.client.clone(), "strict", &resource)
    };
    let (clusters, backups) = (api("postgresql.cnpg.io", "Cluster"), api("postgresql.cnpg.io", "Backup"));
    host.rig.cluster().apply("{apiVersion: v1, kind: Namespace, metadata: {name: strict}}").await.unwrap();
    let make = async |name: &str, plugins: Value| {
        let cluster = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": name},
            "spec": {"instances": 1, "storage": {"size": "1Gi"}, "enablePDB": false, "plugins": plugins},
        });
        clusters.create(&PostParams::default(), &serde_json::from_value(cluster).unwrap()).await.unwrap();
    };
    let phase = async |name: &str| clusters.get(name).await.unwrap().data["status"]["phase"].as_str().map(str::to_owned);
    let healthy = "Cluster in healthy state";

    make("plain", json!([])).await;
    host.until("it is well", async || phase("plain").await.filter(|phase| phase == healthy)).await;
    let backup = json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Backup", "metadata": {"name": "of-plain"},
        "spec": {"cluster": {"name": "plain"}, "method": "plugin", "pluginConfiguration": {"name": PLUGIN}},
    });
    backups.create(&PostParams::default(), &serde_json::from_value(backup).unwrap()).await.unwrap();
    let why = host.until("the backup has failed", async || {
        let status = backups.get("of-plain").await.unwrap().data["status"].clone();
        (status["phase"] == "failed").then(|| status["error"].as_str().unwrap().to_owned())
    });
    assert_eq!(why.await, "cannot proceed with the backup as the cluster has no plugin configured");

    make("strange", json!([{"name": "strange.example"}])).await;
    host.until("the plugin is not known", async || phase("strange").await.filter(|phase| phase.contains("unknown plugin"))).await;

    let parameters = json!({"barmanObjectName": "store", "serverName": "early"});
    make("early", json!([{"name": PLUGIN, "isWALArchiver": true, "parameters": parameters}])).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(phase("early").await, None, "it is not begun before there is a place for its backups");
    let secrets: Api<Secret> = Api::namespaced(host.client.clone(), "strict");
    let key = json!({"metadata": {"name": "key"}, "stringData": {"id": "nobody", "secret": "wrong"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(key).unwrap()).await.unwrap();
    let store = json!({
        "apiVersion": "barmancloud.cnpg.io/v1", "kind": "ObjectStore", "metadata": {"name": "store"},
        "spec": {"configuration": {
            "destinationPath": "s3://nowhere/", "endpointURL": host.rig.s3().endpoint(),
            "s3Credentials": {"accessKeyId": {"name": "key", "key": "id"}, "secretAccessKey": {"name": "key", "key": "secret"}},
        }},
    });
    let stores = api("barmancloud.cnpg.io", "ObjectStore");
    stores.create(&PostParams::default(), &serde_json::from_value(store).unwrap()).await.unwrap();
    host.until("it is well", async || phase("early").await.filter(|phase| phase == healthy)).await;
    // With a key that opens nothing it does not archive.
    host.until("that archiving fails is told", async || {
        let conditions = clusters.get("early").await.unwrap().data["status"]["conditions"].clone();
        let mut all = conditions.as_array().into_iter().flatten();
        all.any(|one| one["type"] == "ContinuousArchiving" && one["status"] == "False").then_some(())
    })
    .await;
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    namespaces.delete("strict", &DeleteParams::default()).await.unwrap();
}
