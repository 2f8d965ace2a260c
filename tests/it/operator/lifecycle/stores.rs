//! Newer images of Postgres and Valkey: in turns, and never another major release by itself.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, InstanceStatus};
use serde_json::{Value, json};

use super::super::Host;
use super::{serves, told};

/// On a `Cluster` of the rig: its pods do not come back from an exchange.
const HOLDS: &str = "paddock.rig/holds-exchange";

fn image(name: &str) -> String {
    format!("registry.example/{name}@sha256:{}", "0".repeat(64))
}

fn newer(host: &Host, postgres: &str, valkey: &str) -> Settings {
    let mut settings = host.settings();
    (settings.postgres_image, settings.valkey_image) = (image(postgres), image(valkey));
    // A hundredth of three servers is less than one, and one may always.
    (settings.stores.percent_at_once, settings.stores.settle_seconds) = (1, 3);
    settings
}

impl Host {
    async fn cluster_data(&self, id: InstanceId) -> Value {
        self.clusters(id).get("db-1").await.unwrap().data
    }

    async fn cache_image(&self, id: InstanceId) -> Option<String> {
        let cache = self.others(id, "apps", "v1", "StatefulSet").get("cache").await.unwrap().data;
        cache["spec"]["template"]["spec"]["containers"][0]["image"].as_str().map(str::to_owned)
    }

    async fn hold(&self, ids: &[InstanceId], holds: Value) {
        for id in ids {
            let label = Patch::Merge(json!({"metadata": {"labels": {HOLDS: holds}}}));
            self.clusters(*id).patch("db-1", &PatchParams::default(), &label).await.unwrap();
        }
    }

    /// Those whose Postgres is to be of this image, and those whose Postgres does not answer.
    async fn exchanged(&self, ids: &[InstanceId], wanted: &str) -> (Vec<InstanceId>, Vec<InstanceId>) {
        let (mut new, mut silent) = (Vec::new(), Vec::new());
        for id in ids {
            let data = self.cluster_data(*id).await;
            if data["spec"]["imageName"] == wanted {
                new.push(*id);
            }
            if data["status"]["readyInstances"] == 0 {
                silent.push(*id);
            }
        }
        (new, silent)
    }
}

#[tokio::test]
async fn newer_stores_come_in_turns_and_stop_where_one_does_not_come_back() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(host.order(|_| {}).await);
    }
    for id in &ids {
        host.until_condition(*id, ConditionKind::Ready, "True").await;
    }
    operator.stop().await;
    host.hold(&ids, "yes".into()).await;

    // The first one that has its turn does not come back: no other begins, and all others serve.
    let (postgres, valkey) = (image("postgres:17.7"), image("valkey:8.2"));
    let operator = host.operator_with(newer(&host, "postgres:17.7", "valkey:8.2")).await;
    host.until("one has its turn", async || {
        let (_, silent) = host.exchanged(&ids, &postgres).await;
        (!silent.is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let (new, silent) = host.exchanged(&ids, &postgres).await;
    assert_eq!((new.len(), &new), (1, &silent), "one at a time");
    assert_eq!(host.cache_image(new[0]).await.as_ref(), Some(&valkey), "both in one turn");
    for id in ids.iter().filter(|id| !new.contains(id)) {
        let status = host.status(*id).await;
        assert!(serves(&status));
        assert_eq!(host.cluster_data(*id).await["spec"]["imageName"], image("postgres:17.6"), "what runs stays");
        assert_eq!(host.cache_image(*id).await, Some(image("valkey:8.1")));
        let database = paddock::resource::condition(&status.conditions, ConditionKind::DatabaseReady).unwrap();
        assert!(database.message.contains("waits for its turn"), "{}", database.message);
    }

    // A new operator counts it too.
    operator.stop().await;
    let operator = host.operator_with(newer(&host, "postgres:17.7", "valkey:8.2")).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(host.exchanged(&ids, &postgres).await, (new.clone(), new));

    // It comes back, and the others follow, one after the other.
    host.hold(&ids, Value::Null).await;
    host.until("all have it", async || {
        let (new, silent) = host.exchanged(&ids, &postgres).await;
        assert!(silent.len() <= 1, "{silent:?}");
        (new.len() == 3 && silent.is_empty()).then_some(())
    })
    .await;
    for id in &ids {
        host.until_condition(*id, ConditionKind::Ready, "True").await;
        assert_eq!(host.cache_image(*id).await.as_ref(), Some(&valkey));
    }
    operator.settle().await;
    operator.stop().await;
}

#[tokio::test]
async fn another_major_release_in_the_settings_is_for_new_servers_alone() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;

    let operator = host.operator_with(newer(&host, "postgres:18.1", "valkey:9.0")).await;
    let refused = |status: &InstanceStatus| {
        told(status, ConditionKind::Stalled).is_some_and(|(reason, message)| {
            reason == "MajorRefused" && message.contains("stores.postgres_images") && message.contains("stores.valkey_images")
        })
    };
    let status = host.until_status(id, "the other major releases are refused", refused).await;
    assert!(serves(&status));
    tokio::time::sleep(Duration::from_secs(8)).await;
    let data = host.cluster_data(id).await;
    assert_eq!(data["spec"]["imageName"], image("postgres:17.6"));
    assert_eq!(data["status"]["readyInstances"], 1);
    assert_eq!(host.cache_image(id).await, Some(image("valkey:8.1")));
    let new = host.order(|_| {}).await;
    host.until_condition(new, ConditionKind::Ready, "True").await;
    assert_eq!(host.cluster_data(new).await["spec"]["imageName"], image("postgres:18.1"));
    operator.stop().await;

    // With an image of its own major release beside it is looked after again.
    let mut settings = newer(&host, "postgres:18.1", "valkey:9.0");
    settings.stores.postgres_images = vec![image("postgres:17.7")];
    settings.stores.valkey_images = vec![image("valkey:8.1")];
    let operator = host.operator_with(settings).await;
    let taken = |status: &InstanceStatus| serves(status) && told(status, ConditionKind::Stalled).is_none();
    host.until("it gets the newer minor release", async || {
        (host.cluster_data(id).await["status"]["pgDataImageInfo"]["image"] == image("postgres:17.7")).then_some(())
    })
    .await;
    host.until_status(id, "nothing is refused", taken).await;
    assert_eq!(host.cluster_data(new).await["spec"]["imageName"], image("postgres:18.1"));
    operator.stop().await;
}
