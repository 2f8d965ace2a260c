//! The exchange between rows and custom resources, on a real database and a real API server, without an operator.

use std::time::Duration;

use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client as Kube, ResourceExt as _};
use paddock::audit::Actor;
use paddock::fleet;
use paddock::ids::InstanceId;
use paddock::instance::{self, Intent};
use paddock::resource::{MastodonInstance, Mode, StepName, crds_yaml, resource_name};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Start, TestApp, Turn, reach_the_rig, turn};

const PATIENCE: Duration = Duration::from_secs(30);

/// The cluster of a test, on which no operator works.
struct Sky {
    client: Kube,
    turn: Turn,
}

/// A running fleet.
struct Fleet {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sky {
    async fn new() -> Self {
        let turn = turn().await;
        let rig = turn.rig();
        for (_, yaml) in crds_yaml().unwrap() {
            rig.cluster().apply(&yaml).await.unwrap();
        }
        Self { client: rig.cluster().client().await.unwrap(), turn }
    }

    async fn fleet(&self, app: &TestApp) -> Fleet {
        let access = reach_the_rig(app, self.turn.rig()).await;
        let stop = CancellationToken::new();
        let run = fleet::run(app.db.clone(), app.clock.clone(), access, stop.clone());
        Fleet { stop, task: tokio::spawn(async { run.await.unwrap() }) }
    }

    fn api(&self) -> Api<MastodonInstance> {
        Api::all(self.client.clone())
    }

    async fn get(&self, id: InstanceId) -> Option<MastodonInstance> {
        self.api().get_opt(&resource_name(id)).await.unwrap()
    }

    /// The custom resource once it is as it should be.
    async fn until(&self, id: InstanceId, right: impl Fn(&MastodonInstance) -> bool) -> MastodonInstance {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = self.get(id).await;
            if let Some(found) = found.filter(&right) {
                return found;
            }
            assert!(tokio::time::Instant::now() < end, "not within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes the custom resource away as somebody would who should not.
    async fn remove(&self, id: InstanceId) {
        self.api().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
        while self.get(id).await.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Fleet {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_row_becomes_a_custom_resource_and_its_status_comes_back() {
    let sky = Sky::new().await;
    let Start { app, customer, .. } = TestApp::start().await;
    let id = app.paid(&customer, "birds").await.id;
    let fleet = sky.fleet(&app).await;
    let mut resource = sky.until(id, |_| true).await;
    let row = app.find_instance(id).await;
    assert_eq!((resource.spec.domain.as_str(), &resource.spec.mode), (row.domain.as_str(), &Mode::Running {}));
    assert_eq!(resource.annotations()["paddock.host/row-generation"], row.generation.to_string());

    // What an operator would say.
    let mut status = app.status(&StepName::ALL);
    status.observed_generation = resource.metadata.generation;
    resource.status = Some(status);
    resource.metadata.managed_fields = None;
    sky.api().replace_status(&resource.name_any(), &PostParams::default(), &resource).await.unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    while app.find_instance(id).await.ready_at.is_none() {
        assert!(tokio::time::Instant::now() < end, "the status did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let row = app.find_instance(id).await;
    assert_eq!(row.observed_generation, row.generation);
    app.run_jobs().await;
    assert!(!app.link_to("customer@mail.example").is_empty(), "the owner is told");
    let mut conn = app.db.owner().acquire().await.unwrap();
    let times: i64 = sqlx::query_scalar("select count(*) from step_times").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(usize::try_from(times).unwrap(), StepName::ALL.len(), "what the steps took is remembered");
    drop(conn);
    assert!(!resource.spec.holds_data, "when it was made, there was nothing yet");

    // Lost together with all that its cluster knew of it: what is written again says that there was data.
    sky.remove(id).await;
    assert!(sky.until(id, |_| true).await.spec.holds_data);
    fleet.stop().await;
    sky.remove(id).await;
}

#[tokio::test]
async fn another_major_release_that_staff_ask_for_reaches_the_custom_resource() {
    let sky = Sky::new().await;
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let id = app.running(&customer, "birds").await.id;
    let fleet = sky.fleet(&app).await;
    assert!(sky.until(id, |_| true).await.spec.majors.is_empty());
    let page = format!("/staff/instances/{id}");
    let ask = [("postgres", "18"), ("valkey", ""), ("reason", "its customer asked for it")];
    staff.post(&format!("{page}/majors"), &ask).await.redirects_to(&page);
    let asked = sky.until(id, |resource| resource.spec.majors.postgres == Some(18)).await;
    assert_eq!(asked.spec.majors.valkey, None);
    fleet.stop().await;
    sky.remove(id).await;
}

#[tokio::test]
async fn what_is_deleted_or_put_back_while_nobody_looks_is_written_again() {
    let sky = Sky::new().await;
    let Start { app, customer, .. } = TestApp::start().await;
    let id = app.paid(&customer, "birds").await.id;
    let fleet = sky.fleet(&app).await;
    let first = sky.until(id, |_| true).await;

    // While it runs: the watch tells.
    sky.remove(id).await;
    let second = sky.until(id, |found| found.metadata.uid != first.metadata.uid).await;

    // While it does not: only the next listing shows it.
    fleet.stop().await;
    sky.remove(id).await;
    let fleet = sky.fleet(&app).await;
    sky.until(id, |found| found.metadata.uid != second.metadata.uid).await;

    // The row goes on, and then the cluster is put back to an older state.
    let mut tx = app.db.worker().begin().await.unwrap();
    let actor = Actor::System("test");
    instance::set_intent(&mut tx, app.clock.as_ref(), actor, id, Intent::Suspended, "unpaid").await.unwrap();
    tx.commit().await.unwrap();
    let suspended = |found: &MastodonInstance| matches!(found.spec.mode, Mode::Suspended { .. });
    sky.until(id, suspended).await;
    fleet.stop().await;
    let mut older = MastodonInstance::new(&resource_name(id), second.spec.clone());
    older
        .annotations_mut()
        .insert("paddock.host/row-generation".to_owned(), second.annotations()["paddock.host/row-generation"].clone());
    let params = PatchParams::apply("paddock-fleet").force();
    sky.api().patch(&resource_name(id), &params, &Patch::Apply(&older)).await.unwrap();
    assert_eq!(sky.get(id).await.unwrap().spec.mode, Mode::Running {});
    let fleet = sky.fleet(&app).await;
    sky.until(id, suspended).await;
    fleet.stop().await;
    sky.remove(id).await;
}

/// The cluster is told of something that the row does not know: as if the database had been put back to a time before.
async fn outrun(sky: &Sky, id: InstanceId) {
    let later = json!({"metadata": {"annotations": {"paddock.host/row-generation": "99"}}, "spec": {"locale": "de"}});
    sky.api().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&later)).await.unwrap();
}

#[tokio::test]
async fn a_newer_generation_is_never_written_over_by_an_older_one() {
    let sky = Sky::new().await;
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let id = app.paid(&customer, "birds").await.id;
    let fleet = sky.fleet(&app).await;
    sky.until(id, |_| true).await;
    fleet.stop().await;
    outrun(&sky, id).await;
    let before = app.find_instance(id).await;
    let mut conn = app.db.fleet().acquire().await.unwrap();
    instance::push_again(&mut conn, before.cluster_id, id).await.unwrap();
    drop(conn);
    let fleet = sky.fleet(&app).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sky.get(id).await.unwrap().spec.locale, "de");

    // Staff see it, and say when the row is right.
    let row = app.find_instance(id).await;
    assert_eq!((row.generation, row.observed_generation), (before.generation, before.observed_generation));
    staff.get("/staff/instances?show=look").await.is(200).see("birds");
    staff.get(&format!("/staff/instances/{id}")).await.is(200).see("put back to an earlier time").see("instance.outrun");
    staff.post(&format!("/staff/instances/{id}/outrun"), &[]).await.is(303);
    staff
        .get(&format!("/staff/instances/{id}"))
        .await
        .is(200)
        .see("instance.outrun_settled")
        .not_see("put back to an earlier time");
    let told = sky.until(id, |found| found.spec.locale == "en").await;
    assert_eq!(told.annotations()["paddock.host/row-generation"], "100");
    fleet.stop().await;
    sky.remove(id).await;
}

#[tokio::test]
async fn what_is_asked_for_after_a_database_was_put_back_reaches_the_cluster() {
    let sky = Sky::new().await;
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let id = app.paid(&customer, "birds").await.id;
    let fleet = sky.fleet(&app).await;
    sky.until(id, |_| true).await;
    let delivered = async || {
        let found: i64 = sqlx::query_scalar("select generation - pushed_generation from instances where id = $1")
            .bind(id)
            .fetch_one(app.sql())
            .await
            .unwrap();
        found == 0
    };
    while !delivered().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.stop().await;
    outrun(&sky, id).await;

    // Whatever the operator says of that is no answer to the row.
    let mut resource = sky.get(id).await.unwrap();
    let mut status = app.status(&StepName::ALL);
    status.observed_generation = resource.metadata.generation;
    resource.status = Some(status);
    resource.metadata.managed_fields = None;
    sky.api().replace_status(&resource.name_any(), &PostParams::default(), &resource).await.unwrap();
    let fleet = sky.fleet(&app).await;
    let end = tokio::time::Instant::now() + PATIENCE;
    while app.find_instance(id).await.ready_at.is_none() {
        assert!(tokio::time::Instant::now() < end, "the status did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let row = app.find_instance(id).await;
    assert!(row.observed_generation <= row.generation, "{} of {}", row.observed_generation, row.generation);
    staff.get(&format!("/staff/instances/{id}")).await.is(200).see("put back to an earlier time");

    let mut tx = app.db.worker().begin().await.unwrap();
    let actor = Actor::System("test");
    instance::set_intent(&mut tx, app.clock.as_ref(), actor, id, Intent::Suspended, "unpaid").await.unwrap();
    tx.commit().await.unwrap();
    let suspended = sky.until(id, |found| matches!(found.spec.mode, Mode::Suspended { .. })).await;
    assert_eq!(suspended.annotations()["paddock.host/row-generation"], "100");
    staff.get(&format!("/staff/instances/{id}")).await.is(200).see("put back to an earlier time");
    app.run_jobs().await;
    fleet.stop().await;
    sky.remove(id).await;
}
