//! The fuse on mass destruction.

use std::path::{Path, PathBuf};

use kube::api::{DeleteParams, ListParams};
use paddock::ids::InstanceId;
use paddock::operator::fuse::{self, Fuse};
use paddock::resource::{ConditionKind, InstanceStatus, resource_name};
use serde_json::json;

use super::super::Host;
use super::removal::{operator_with_own_fuse, override_by_staff};
use super::told;
use crate::harness::{Database, database_of};

const NAMESPACE: &str = "fuse-of-mass";

fn waits(status: &InstanceStatus) -> bool {
    told(status, ConditionKind::FuseBlown).is_some()
        && told(status, ConditionKind::Stalled).is_some_and(|(reason, _)| reason == "FuseBlown")
}

fn is_removed(status: &InstanceStatus) -> bool {
    status.removal.as_ref().is_some_and(|removal| removal.finished_at.is_some())
}

/// `paddock admin fuse`, as whoever looks after the host calls it.
struct Admin {
    config: PathBuf,
}

impl Admin {
    fn new(host: &Host, database: &Database, kubeconfigs: &Path) -> Self {
        let text = paddock::config::REFERENCE
            .replacen("postgres://paddock@127.0.0.1/paddock", &database.url(), 1)
            .replacen("kubeconfigs = \"kubeconfigs\"", &format!("kubeconfigs = \"{}\"", kubeconfigs.display()), 1)
            .replacen("namespace = \"paddock\"", &format!("namespace = \"{NAMESPACE}\""), 1);
        let config = host.rig.dir().join("fuse.toml");
        std::fs::write(&config, text).unwrap();
        Self { config }
    }

    async fn run(&self, words: &[&str]) -> String {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_paddock"))
            .args(["admin", "fuse"])
            .args(words)
            .arg("--config")
            .arg(&self.config)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn after_a_few_removals_nothing_is_destroyed_until_somebody_has_looked() {
    let host = Host::new().await;
    let operator = operator_with_own_fuse(&host, NAMESPACE).await;
    // One that holds data, and three in which nothing has been put yet.
    let full = host.order(|_| {}).await;
    host.until_condition(full, ConditionKind::Ready, "True").await;
    let before = host.objects(full).await;
    let mut removed = Vec::new();
    for _ in 0..3 {
        let ended = |wanted: &mut serde_json::Value| {
            wanted["spec"]["mode"] = json!({"archived": {}});
            wanted["spec"]["removal"] = override_by_staff()["removal"].clone();
        };
        removed.push(host.order(ended).await);
    }
    for id in &removed {
        host.until_status(*id, "one of the three is removed", is_removed).await;
    }
    assert_eq!(fuse::look(&host.client, NAMESPACE).await.unwrap(), Fuse::Whole);

    // The fourth within ten minutes is one too many.
    host.want(full, &override_by_staff()).await;
    let status = host.until_status(full, "it waits", waits).await;
    let (_, message) = told(&status, ConditionKind::FuseBlown).unwrap();
    assert!(message.contains("paddock admin fuse reset"), "{message}");
    assert!(status.removal.is_none());
    operator.stop().await;
    // Neither a new operator nor time mends it, and nothing of the server is touched; that it has ended is seen to.
    let operator = operator_with_own_fuse(&host, NAMESPACE).await;
    host.until("its pods stop, as one that has ended", async || {
        let web = host.deployments(full).get("web").await.unwrap();
        (web.spec?.replicas == Some(0)).then_some(())
    })
    .await;
    operator.settle().await;
    assert!(waits(&host.status(full).await));
    let after = host.objects(full).await;
    for kept in
        ["Namespace/the one", "Cluster/db-1", "PersistentVolumeClaim/cache", "Secret/mastodon-identity", "StatefulSet/cache"]
    {
        assert_eq!(after[kept].0, before[kept].0, "{kept}");
    }

    // Somebody has looked, and says so.
    let (database, kubeconfigs) = database_of(host.rig, NAMESPACE).await;
    let admin = Admin::new(&host, &database, &kubeconfigs);
    assert!(admin.run(&["show"]).await.contains("first: blown since"));
    assert!(admin.run(&["reset", "--reason", "three trials and one customer, all on purpose"]).await.contains("whole again"));
    assert!(admin.run(&["show"]).await.contains("first: whole"));
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let audited: serde_json::Value =
        sqlx::query_scalar("select detail from audit_events where action = 'fuse.reset'").fetch_one(&pool).await.unwrap();
    assert_eq!(audited["reason"], "three trials and one customer, all on purpose");
    pool.close().await;
    host.until_status(full, "it is removed after all", is_removed).await;
    removed.push(full);
    for id in &removed {
        host.instances().delete(&resource_name(*id), &DeleteParams::default()).await.unwrap();
    }
    host.until("all are gone", async || {
        let left = host.instances().list(&ListParams::default()).await.unwrap();
        let names: Vec<String> = removed.iter().map(|id: &InstanceId| resource_name(*id)).collect();
        (!left.iter().any(|one| names.contains(one.metadata.name.as_ref().unwrap()))).then_some(())
    })
    .await;
    operator.stop().await;
}
