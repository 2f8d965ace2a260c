//! Another release: in two phases, with the gate between them; what fails, what goes back, what is refused.

use kube::api::ListParams;
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, InstanceStatus, UpgradePhase, instant};
use serde_json::json;
use sqlx::PgPool;

use super::super::Host;
use super::{serves, told};

/// Migrations of 4.7 that take away what pods of 4.6 need.
const POST: [&str; 2] = ["20260702144128", "20260804081821"];
const NEWEST_OF_4_7: &str = "20260805130216";

fn phase(status: &InstanceStatus) -> Option<UpgradePhase> {
    status.upgrade.as_ref().map(|upgrade| upgrade.phase)
}

async fn migrated(database: &PgPool, version: &str) -> bool {
    sqlx::query_scalar("select exists (select 1 from schema_migrations where version = $1)")
        .bind(version)
        .fetch_one(database)
        .await
        .unwrap()
}

async fn names(host: &Host, id: InstanceId, kind: &str) -> Vec<String> {
    let names = host.objects(id).await.into_keys().collect::<Vec<_>>();
    names.into_iter().filter_map(|name| name.strip_prefix(kind)?.strip_prefix('/').map(str::to_owned)).collect()
}

#[tokio::test]
async fn an_upgrade_migrates_in_two_phases_and_an_old_pod_keeps_the_second_away() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["version"] = "4.6.9".into()).await;
    let ready_since = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap().ready_since;
    let database = host.database(id).await;
    let with_key = "update accounts set private_key = 'secret', public_key = 'public' where username = 'ada'";
    assert_eq!(sqlx::query(with_key).execute(&database).await.unwrap().rows_affected(), 1);

    // A node has lost touch: its pod of the old release can't be known to have ended.
    let lost = host.hold_a_pod(id, "web").await;
    host.want(id, &json!({"version": "4.7.4"})).await;
    let closed = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading).is_some_and(|(reason, message)| reason == "Roll" && message.contains(&lost))
    };
    let status = host.until_status(id, "the gate names the old pod", closed).await;
    assert_eq!((phase(&status), status.version.as_deref()), (Some(UpgradePhase::Roll), Some("4.6.9")));
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.7.4@")), "every Deployment is rolled");
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;

    // One backup, one Job of migrations that the old pods can live with, and not the other.
    let mut backups = host.backups(id).list(&ListParams::default()).await.unwrap().items;
    // Those of every day are made by a schedule.
    backups.retain(|backup| backup.metadata.owner_references.is_none());
    assert_eq!(backups.len(), 1);
    let began = instant(&status.upgrade.clone().unwrap().since).timestamp();
    assert_eq!(backups[0].metadata.name.as_deref(), Some(format!("before-4-7-4-{began}").as_str()));
    assert_eq!(backups[0].data["status"]["phase"], "completed");
    assert_eq!(backups[0].data["spec"]["pluginConfiguration"]["name"], "barman-cloud.cloudnative-pg.io");
    let jobs = names(&host, id, "Job").await;
    assert!(
        jobs.contains(&"migrate-pre-4-7-4".to_owned()) && !jobs.iter().any(|job| job.starts_with("migrate-post")),
        "{jobs:?}"
    );
    let pre = host.jobs(id).get("migrate-pre-4-7-4").await.unwrap();
    let container = &pre.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0];
    let skips = container.env.iter().flatten().find(|variable| variable.name == "SKIP_POST_DEPLOYMENT_MIGRATIONS");
    assert_eq!(skips.unwrap().value.as_deref(), Some("true"));
    assert!(container.image.as_ref().unwrap().contains(":v4.7.4@"), "the new release migrates");
    let completed = pre.status.unwrap().completion_time.unwrap();
    let backed_up = backups[0].data["status"]["stoppedAt"].as_str().unwrap().parse().unwrap();
    assert!(completed.0 >= backed_up, "the backup came first");
    assert!(migrated(&database, NEWEST_OF_4_7).await);
    for version in POST {
        assert!(!migrated(&database, version).await, "{version}");
    }
    let key = "select private_key from accounts where username = 'ada'";
    assert_eq!(sqlx::query_scalar::<_, Option<String>>(key).fetch_one(&database).await.unwrap().as_deref(), Some("secret"));
    // All the while it serves, and a new operator knows where it stands.
    assert_eq!(host.status(id).await.ready_since, ready_since);
    operator.stop().await;
    let operator = host.operator().await;
    operator.settle().await;
    assert!(!names(&host, id, "Job").await.iter().any(|job| job.starts_with("migrate-post")));

    // The node is back: the rest follows by itself.
    host.let_go(id, &lost).await;
    let status = host.until_version(id, "4.7.4").await;
    for version in POST {
        assert!(migrated(&database, version).await, "{version}");
    }
    assert_eq!(sqlx::query_scalar::<_, Option<String>>(key).fetch_one(&database).await.unwrap(), None, "keys have moved");
    let moved: String = sqlx::query_scalar("select private_key from keypairs").fetch_one(&database).await.unwrap();
    assert_eq!(moved, "secret");
    assert_eq!(status.ready_since, ready_since, "it has never ceased to serve");
    assert_eq!(told(&status, ConditionKind::Stalled), None);
    operator.settle().await;
    let jobs = names(&host, id, "Job").await;
    assert!(!jobs.iter().any(|job| job.starts_with("migrate")), "the next change begins afresh: {jobs:?}");

    // There is no way back but the backup, and it says so.
    host.want(id, &json!({"version": "4.6.9"})).await;
    let refused = |status: &InstanceStatus| told(status, ConditionKind::Stalled).is_some();
    let status = host.until_status(id, "it is refused", refused).await;
    let (reason, message) = told(&status, ConditionKind::Stalled).unwrap();
    assert_eq!(reason, "VersionChangeRefused");
    assert!(message.contains("set spec.version back to 4.7.4, or restore the backup"), "{message}");
    assert!(serves(&status) && status.upgrade.is_none());
    database.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn what_fails_before_the_pods_are_touched_leaves_the_old_release_serving() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let ready_since = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap().ready_since;
    let database = host.database(id).await;

    // A jump over a minor, the release that loses keys, one that nobody has: refused with what to do, and nothing else happens.
    for (version, reason, remedy) in [
        ("4.7.4", "VersionChangeRefused", "go to 4.6.9 first"),
        ("4.7.0", "VersionChangeRefused", "take 4.7.1 or newer"),
        ("4.5.21", "UnknownRelease", "it offers 4.5.19, 4.5.20, 4.6.9"),
    ] {
        host.want(id, &json!({"version": version})).await;
        let fits = |status: &InstanceStatus| {
            told(status, ConditionKind::Stalled).is_some_and(|(is, message)| is == reason && message.contains(remedy))
        };
        let status = host.until_status(id, remedy, fits).await;
        assert!(serves(&status) && status.upgrade.is_none(), "{version}");
    }
    assert!(names(&host, id, "Backup").await.is_empty());

    // The backup fails: nothing goes on without one.
    let fails = |value: serde_json::Value| json!({"metadata": {"labels": {"paddock.rig/backup-fails": value}}});
    let params = kube::api::PatchParams::default();
    let clusters = host.clusters(id);
    clusters.patch("db-1", &params, &kube::api::Patch::Merge(&fails("yes".into()))).await.unwrap();
    host.want(id, &json!({"version": "4.6.9"})).await;
    let failed = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading).is_some_and(|(reason, message)| reason == "Backup" && message.contains("failed"))
    };
    let status = host.until_status(id, "the failed backup is told", failed).await;
    assert!(serves(&status));
    assert!(!names(&host, id, "Job").await.iter().any(|job| job.starts_with("migrate")));
    clusters.patch("db-1", &params, &kube::api::Patch::Merge(&fails(serde_json::Value::Null))).await.unwrap();

    // Then the migrations fail.
    sqlx::query("alter table schema_migrations rename to hidden").execute(&database).await.unwrap();
    let failed = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading)
            .is_some_and(|(reason, message)| reason == "PreMigration" && message.contains("failed"))
    };
    let status = host.until_status(id, "the failed Job is told", failed).await;
    assert_eq!((status.version.as_deref(), phase(&status)), (Some("4.5.20"), Some(UpgradePhase::PreMigration)));
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.5.20@")), "no pod was touched");
    assert_eq!(status.ready_since, ready_since, "the old release goes on serving");

    // Given up: as if it had never begun.
    host.want(id, &json!({"version": "4.5.20"})).await;
    let status = host.until_status(id, "it is given up", |status| status.upgrade.is_none()).await;
    assert_eq!((status.version.as_deref(), told(&status, ConditionKind::Stalled)), (Some("4.5.20"), None));

    // Mended, and asked for again: it goes through.
    sqlx::query("alter table hidden rename to schema_migrations").execute(&database).await.unwrap();
    operator.settle().await;
    host.want(id, &json!({"version": "4.6.9"})).await;
    let status = host.until_version(id, "4.6.9").await;
    assert_eq!(status.ready_since, ready_since);
    assert!(migrated(&database, "20260611150940").await);
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.6.9@")));
    database.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn a_patch_that_is_stuck_is_rolled_back_and_so_is_one_that_runs() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["version"] = "4.5.19".into()).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let before = host.objects(id).await;

    // Stuck in the middle of the exchange.
    let lost = host.hold_a_pod(id, "sidekiq").await;
    host.want(id, &json!({"version": "4.5.20"})).await;
    let stuck = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading).is_some_and(|(reason, message)| reason == "Roll" && message.contains(&lost))
    };
    host.until_status(id, "it is stuck", stuck).await;
    host.want(id, &json!({"version": "4.5.19"})).await;
    let status = host.until_version(id, "4.5.19").await;
    assert!(serves(&status));
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.5.19@")));
    host.let_go(id, &lost).await;
    operator.settle().await;
    assert!(!names(&host, id, "Job").await.iter().any(|job| job.starts_with("migrate")));

    // All the way, and back: only the pods change.
    host.want(id, &json!({"version": "4.5.20"})).await;
    host.until_version(id, "4.5.20").await;
    operator.settle().await;
    let (backups, jobs) = (names(&host, id, "Backup").await, names(&host, id, "Job").await);
    assert_eq!(backups.len(), 2, "each upgrade has a backup of its own");
    host.want(id, &json!({"version": "4.5.19"})).await;
    let status = host.until_version(id, "4.5.19").await;
    assert!(serves(&status));
    operator.settle().await;
    assert_eq!((names(&host, id, "Backup").await, names(&host, id, "Job").await), (backups, jobs), "no backup, no migration");
    let after = host.objects(id).await;
    for kept in ["Secret/mastodon-identity", "Cluster/db-1", "PersistentVolumeClaim/cache", "Namespace/the one"] {
        assert_eq!(after[kept].0, before[kept].0, "{kept}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_server_whose_status_is_lost_in_the_middle_of_an_upgrade_goes_on_from_there() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["version"] = "4.6.9".into()).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let database = host.database(id).await;
    let lost = host.hold_a_pod(id, "streaming").await;
    host.want(id, &json!({"version": "4.7.4"})).await;
    let closed = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading).is_some_and(|(reason, message)| reason == "Roll" && message.contains(&lost))
    };
    host.until_status(id, "the gate is closed", closed).await;
    operator.stop().await;
    let none = kube::api::Patch::Merge(json!({"status": null}));
    host.instances()
        .patch_status(&paddock::resource::resource_name(id), &kube::api::PatchParams::default(), &none)
        .await
        .unwrap();

    let operator = host.operator().await;
    host.until_status(id, "the gate is closed again", closed).await;
    operator.settle().await;
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.7.4@")), "no pod goes back over a minor");
    assert!(!migrated(&database, POST[0]).await);
    host.let_go(id, &lost).await;
    host.until_version(id, "4.7.4").await;
    assert!(migrated(&database, POST[0]).await);
    database.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn a_release_that_is_withdrawn_in_the_middle_of_a_roll_stops_the_change_alone() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["version"] = "4.6.9".into()).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let lost = host.hold_a_pod(id, "streaming").await;
    host.want(id, &json!({"version": "4.7.4"})).await;
    let closed = |status: &InstanceStatus| {
        told(status, ConditionKind::Upgrading).is_some_and(|(reason, message)| reason == "Roll" && message.contains(&lost))
    };
    host.until_status(id, "the gate is closed", closed).await;
    operator.stop().await;

    // What is missing comes back, as it was; the change goes neither forward nor back.
    let mut settings = host.settings();
    settings.releases.remove("4.7.4");
    let operator = host.operator_with(settings).await;
    let withdrawn =
        |status: &InstanceStatus| told(status, ConditionKind::Stalled).is_some_and(|(reason, _)| reason == "UnknownRelease");
    host.until_status(id, "it is told", withdrawn).await;
    host.deployments(id).delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || {
        host.deployments(id).get_opt("web").await.unwrap().filter(|web| web.metadata.deletion_timestamp.is_none())
    })
    .await;
    host.let_go(id, &lost).await;
    host.until_condition(id, ConditionKind::WebReady, "True").await;
    operator.settle().await;
    let status = host.status(id).await;
    assert_eq!((phase(&status), status.version.as_deref()), (Some(UpgradePhase::Roll), Some("4.6.9")));
    assert!(host.images(id).await.iter().all(|image| image.contains(":v4.7.4@")));
    assert!(!names(&host, id, "Job").await.iter().any(|job| job.starts_with("migrate-post")));
    operator.stop().await;

    let operator = host.operator().await;
    host.until_version(id, "4.7.4").await;
    operator.stop().await;
}
