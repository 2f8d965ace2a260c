//! Another major release of PostgreSQL: asked for by name, between two backups, with nobody writing; and what becomes of it when the data
//! can't be taken.

use kube::api::{ListParams, Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, DatabasePhase, InstanceStatus, condition, instant};
use serde_json::{Value, json};

use super::super::Host;
use super::{serves, told};

/// On a `Cluster` of the rig: the new release can't take its data.
const FAILS: &str = "paddock.rig/major-upgrade-fails";

fn image(tag: &str) -> String {
    format!("registry.example/postgres:{tag}@sha256:{}", "0".repeat(64))
}

fn with_18(host: &Host) -> Settings {
    let mut settings = host.settings();
    settings.stores.postgres_images = vec![image("18.1")];
    settings
}

fn phase(status: &InstanceStatus) -> Option<DatabasePhase> {
    status.database_upgrade.as_ref().map(|upgrade| upgrade.phase)
}

fn said(status: &InstanceStatus) -> (String, String, String) {
    let said = condition(&status.conditions, ConditionKind::DatabaseUpgrading).cloned();
    said.map(|said| (said.status, said.reason, said.message)).unwrap_or_default()
}

impl Host {
    async fn postgres(&self, id: InstanceId) -> Value {
        self.clusters(id).get("db-1").await.unwrap().data
    }

    /// The backups around another major release, in the order of their names: name and phase.
    async fn all_backups(&self, id: InstanceId) -> Vec<(String, Value)> {
        let all = self.backups(id).list(&ListParams::default()).await.unwrap().items;
        let all = all.into_iter().map(|backup| (backup.metadata.name.unwrap(), backup.data["status"].clone()));
        all.filter(|(name, _)| name.contains("-postgres-")).collect()
    }
}

#[tokio::test]
async fn another_major_release_comes_between_two_backups_while_nothing_can_write() {
    let host = Host::new().await;
    let operator = host.operator_with(with_18(&host)).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    assert_eq!(host.status(id).await.majors.postgres, Some(17));
    assert_eq!(host.postgres(id).await["spec"]["imageName"], image("17.6"), "that an image is there is no reason to take it");

    // A node has lost touch: its pod can't be known to have ended, so nothing touches the data.
    let lost = host.hold_a_pod(id, "sidekiq").await;
    host.want(id, &json!({"majors": {"postgres": 18}})).await;
    let waits = |status: &InstanceStatus| phase(status) == Some(DatabasePhase::Stop) && said(status).2.contains(&lost);
    let status = host.until_status(id, "the pod is waited for", waits).await;
    assert!(!serves(&status) && status.suspended.is_none(), "nobody has asked for the pause");
    let since = status.database_upgrade.clone().unwrap().since;
    let backups = host.all_backups(id).await;
    assert_eq!(
        backups.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
        [format!("before-postgres-18-{}", instant(&since).timestamp())]
    );
    assert_eq!(backups[0].1["phase"], "completed");
    // Visitors are told, and a new operator knows where it stands.
    operator.stop().await;
    let operator = host.operator_with(with_18(&host)).await;
    operator.settle().await;
    assert_eq!(host.postgres(id).await["spec"]["imageName"], image("17.6"));
    let web = host.deployments(id).get("web").await.unwrap();
    assert_eq!(web.spec.unwrap().replicas, Some(0));

    // The node is back: the rest follows by itself.
    host.let_go(id, &lost).await;
    let done =
        |status: &InstanceStatus| status.majors.postgres == Some(18) && status.database_upgrade.is_none() && serves(status);
    let status = host.until_status(id, "18 serves", done).await;
    let (truth, reason, message) = said(&status);
    assert_eq!((truth.as_str(), reason.as_str(), message.as_str()), ("False", "Done", "PostgreSQL 17 has become 18"));
    assert_eq!(told(&status, ConditionKind::Stalled), None);
    let data = host.postgres(id).await;
    assert_eq!(
        (&data["spec"]["imageName"], &data["status"]["phase"]),
        (&json!(image("18.1")), &json!("Cluster in healthy state"))
    );
    // What the new release writes does not run into what the old one has written.
    assert_eq!(data["spec"]["plugins"][0]["parameters"]["serverName"], "db-1-pg18");
    let files = host.backed_up_files(id);
    for server in ["db-1-pg17", "db-1-pg18"] {
        assert!(files.iter().any(|file| file.starts_with(&format!("{server}/base/"))), "{server}: {files:?}");
    }
    let backups = host.all_backups(id).await;
    assert_eq!(backups.len(), 2);
    assert!(backups[0].0.starts_with("after-postgres-18-") && backups[0].1["phase"] == "completed", "{backups:?}");
    assert!(backups[0].1["startedAt"].as_str() >= backups[1].1["stoppedAt"].as_str());
    operator.settle().await;
    let jobs = host.jobs(id).list(&ListParams::default()).await.unwrap().items;
    let jobs: Vec<_> = jobs.into_iter().filter_map(|job| job.metadata.name).collect();
    assert!(!jobs.iter().any(|job| job.starts_with("analyze") || job.ends_with("major-upgrade")), "{jobs:?}");

    // Never back.
    host.want(id, &json!({"majors": {"postgres": 17}})).await;
    let refused = |status: &InstanceStatus| {
        told(status, ConditionKind::Stalled)
            .is_some_and(|(reason, message)| reason == "MajorRefused" && message.contains("no way back"))
    };
    let status = host.until_status(id, "the way back is refused", refused).await;
    assert!(serves(&status));
    assert_eq!(host.postgres(id).await["spec"]["imageName"], image("18.1"));
    operator.stop().await;
}

#[tokio::test]
async fn data_that_the_new_release_can_not_take_are_served_by_the_old_one() {
    let host = Host::new().await;
    let operator = host.operator_with(with_18(&host)).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let label = async |value: Value| {
        let patch = Patch::Merge(json!({"metadata": {"labels": {FAILS: value}}}));
        host.clusters(id).patch("db-1", &PatchParams::default(), &patch).await.unwrap();
    };
    label("yes".into()).await;
    host.want(id, &json!({"majors": {"postgres": 18}})).await;
    let failed = |status: &InstanceStatus| phase(status) == Some(DatabasePhase::Failed) && serves(status);
    let status = host.until_status(id, "the old release serves again", failed).await;
    let (truth, reason, message) = said(&status);
    assert_eq!((truth.as_str(), reason.as_str()), ("False", "Failed"));
    assert!(message.contains("the Job db-1-1-major-upgrade failed"), "{message}");
    let (reason, message) = told(&status, ConditionKind::Stalled).unwrap();
    assert_eq!(reason, "DatabaseUpgradeFailed");
    assert!(message.contains("take the wish for 18 back"), "{message}");
    let data = host.postgres(id).await;
    assert_eq!(
        (&data["spec"]["imageName"], &data["status"]["pgDataImageInfo"]["majorVersion"]),
        (&json!(image("17.6")), &json!(17))
    );
    let database = host.database(id).await;
    let owners: i64 =
        sqlx::query_scalar("select count(*) from accounts where username = 'ada'").fetch_one(&database).await.unwrap();
    assert_eq!(owners, 1);
    database.close().await;

    // It is not tried again by itself, not even by another operator.
    operator.stop().await;
    let operator = host.operator_with(with_18(&host)).await;
    operator.settle().await;
    assert!(failed(&host.status(id).await));
    assert_eq!(host.all_backups(id).await.len(), 1);

    // Taken back and asked for again once the cause is mended.
    host.want(id, &json!({"majors": {"postgres": null}})).await;
    let over =
        |status: &InstanceStatus| phase(status).is_none() && told(status, ConditionKind::Stalled).is_none() && serves(status);
    host.until_status(id, "nothing is wished", over).await;
    label(Value::Null).await;
    host.want(id, &json!({"majors": {"postgres": 18}})).await;
    let done = |status: &InstanceStatus| status.majors.postgres == Some(18) && over(status);
    host.until_status(id, "18 serves", done).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_wish_that_is_taken_back_before_the_data_are_touched_leaves_nothing_behind() {
    let host = Host::new().await;
    let operator = host.operator_with(with_18(&host)).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let lost = host.hold_a_pod(id, "web").await;
    host.want(id, &json!({"majors": {"postgres": 18}})).await;
    host.until_status(id, "it is paused", |status| phase(status) == Some(DatabasePhase::Stop)).await;
    host.want(id, &json!({"majors": {"postgres": null}})).await;
    let over = |status: &InstanceStatus| phase(status).is_none() && serves(status) && said(status).1 == "GivenUp";
    let status = host.until_status(id, "it runs on", over).await;
    assert_eq!(status.majors.postgres, Some(17));
    assert_eq!(host.postgres(id).await["spec"]["imageName"], image("17.6"));
    host.let_go(id, &lost).await;
    // What nobody has an image of is refused.
    host.want(id, &json!({"majors": {"postgres": 19}})).await;
    let refused = |status: &InstanceStatus| {
        told(status, ConditionKind::Stalled)
            .is_some_and(|(reason, message)| reason == "MajorRefused" && message.contains("stores.postgres_images"))
    };
    assert!(serves(&host.until_status(id, "there is no such image", refused).await));
    operator.stop().await;
}
