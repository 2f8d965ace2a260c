//! Room for the database: it is given before there is none left, up to the most, and stays.

use kube::api::ListParams;
use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, InstanceStatus, condition};
use serde_json::json;

use super::super::Host;
use super::serves;

/// What is measured is mostly the write-ahead log's part of 1.5 GiB: 7 % of 20 GiB, 6 % of 25, and 5 % of 30.
fn often(host: &Host, grow_at_percent: u8) -> Settings {
    let mut settings = host.settings();
    settings.look_seconds = 2;
    (settings.stores.measure_seconds, settings.stores.grow_at_percent) = (2, grow_at_percent);
    settings
}

impl Host {
    async fn disk(&self, id: InstanceId) -> String {
        let cluster = self.clusters(id).get("db-1").await.unwrap().data;
        cluster["spec"]["storage"]["size"].as_str().unwrap().to_owned()
    }
}

fn room(status: &InstanceStatus) -> (String, String) {
    let room = condition(&status.conditions, ConditionKind::DatabaseRoom);
    room.map(|room| (room.reason.clone(), room.message.clone())).unwrap_or_default()
}

#[tokio::test]
async fn a_database_gets_room_before_it_is_full_and_its_most_is_told() {
    let host = Host::new().await;
    let operator = host.operator_with(often(&host, 5)).await;
    let id = host.order(|wanted| wanted["spec"]["size"]["database"]["storageMostGib"] = json!(30)).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let full = |status: &InstanceStatus| room(status).0 == "Most";
    let status = host.until_status(id, "it has grown to its most", full).await;
    assert!(room(&status).1.contains("2 of 30 GiB") && room(&status).1.contains("larger plan"), "{}", room(&status).1);
    assert_eq!(host.disk(id).await, "30Gi");
    assert!(serves(&status), "it is told, and nothing else comes of it");
    let measured = status.database_room.unwrap();
    assert!(measured.used_mib.is_some_and(|used| (1536..3000).contains(&used)), "{measured:?}");
    assert!(condition(&status.conditions, ConditionKind::Stalled).is_some_and(|stalled| stalled.status == "False"));

    // Where there is room enough it stays as large as it is, and each time leaves nothing behind.
    operator.stop().await;
    let operator = host.operator_with(often(&host, 80)).await;
    let enough = |status: &InstanceStatus| room(status).0 == "Enough";
    host.until_status(id, "there is room", enough).await;
    assert_eq!(host.disk(id).await, "30Gi");
    operator.stop().await;
    let operator = host.operator().await;
    host.until("no Job is left", async || {
        let jobs = host.jobs(id).list(&ListParams::default()).await.unwrap().items;
        jobs.iter().all(|job| job.metadata.name.as_deref() != Some("measure")).then_some(())
    })
    .await;
    // A larger plan begins where it is.
    host.want(id, &json!({"size": {"database": {"storageGib": 40, "storageMostGib": 80}}})).await;
    host.until("the plan's disk is there", async || (host.disk(id).await == "40Gi").then_some(())).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_volume_that_may_not_grow_is_not_measured() {
    let host = Host::new().await;
    let operator = host.operator_with(often(&host, 5)).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    let status = host.status(id).await;
    assert_eq!((status.database_room, room(&host.status(id).await).0), (None, String::new()));
    assert_eq!(host.disk(id).await, "20Gi");
    operator.stop().await;
}
