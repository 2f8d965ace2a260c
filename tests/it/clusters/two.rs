//! Two real control planes, each with an operator, and one fleet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use paddock::billing::Placement;
use paddock::capacity::{self, NewCluster};
use paddock::clock::SystemClock;
use paddock::demo::rig::{Fault, REGION, Rig};
use paddock::fleet::{self, Access};
use paddock::ids::{ClusterId, InstanceId};
use paddock::instance::Instance;
use paddock::operator;
use paddock::resource::{CATALOGUE_NAME, MastodonInstance, Version, crds_yaml, namespace_name, read_catalogue, resource_name};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Capacity, Start, TestApp, turn};
use crate::operator::vault::section;

const DOMAIN: &str = "meadow.social";
const PATIENCE: Duration = Duration::from_mins(2);

/// An operator of a control plane. It knows the release of the file and no other.
async fn operator(rig: &Rig, stop: &CancellationToken) -> JoinHandle<()> {
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "0".repeat(64));
    let (access, secret) = rig.s3().root_credentials();
    let settings: operator::Settings = serde_json::from_value(json!({
        "releases": {"4.7.4": {"web": image("mastodon:v4.7.4"), "streaming": image("streaming:v4.7.4"), "min_from": "4.3.0"}},
        "address": {
            "wildcard_domain": DOMAIN, "gateway": {"name": "hosts", "namespace": "paddock", "section": "https"},
            "issuer": {"name": "simulated"}, "media": {"addresses": ["192.0.2.10"], "port": 7070},
        },
        "storage": {
            "driver": "versitygw", "pod_endpoint": rig.s3().endpoint(), "endpoint": rig.s3().endpoint(),
            "region": REGION, "access_key": access, "secret_key": secret, "media_host": "files.meadow.social/{bucket}",
        },
        "vault": section(),
        "mail": {"server": "relay.example", "port": 587, "from": "mastodon@{domain}"},
        "postgres_image": image("postgres:17.6"),
        "valkey_image": image("valkey:8.1"),
    }))
    .unwrap();
    let client = rig.cluster().client().await.unwrap();
    let running = operator::run(settings, client, Arc::new(SystemClock), stop.clone());
    tokio::spawn(async move { running.await.unwrap() })
}

fn fleet(app: &TestApp, folder: &std::path::Path) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let running = fleet::run(app.db.clone(), app.clock.clone(), Access::new(Some(folder.to_owned())), stop.clone());
    (stop, tokio::spawn(async move { running.await.unwrap() }))
}

async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn add(app: &TestApp, name: &str) -> ClusterId {
    let plan = app.state.catalogue.offered().next().unwrap();
    let new = NewCluster {
        name: name.to_owned(),
        region: String::new(),
        kubeconfig: Some(format!("{name}.yaml")),
        namespace: "paddock".to_owned(),
        has: capacity::enough_for(&plan.size.footprint(), 5),
    };
    let mut conn = app.sql().acquire().await.unwrap();
    capacity::add_cluster(&mut conn, app.clock.as_ref(), paddock::audit::Actor::System("test"), &new).await.unwrap()
}

/// Whether the fleet's last question was answered.
async fn answers(app: &TestApp, name: &str) -> bool {
    let mut conn = app.sql().acquire().await.unwrap();
    let cluster = capacity::find_cluster(&mut conn, name).await.unwrap().unwrap();
    cluster.trouble.is_none() && cluster.seen_at.is_some()
}

async fn until_ready(app: &TestApp, id: InstanceId) -> Instance {
    until("it is ready", async || Some(app.find_instance(id).await).filter(|instance| instance.ready_at.is_some())).await
}

async fn catalogue(client: &Client) -> BTreeMap<String, paddock::resource::PublishedRelease> {
    let map: Option<ConfigMap> = Api::namespaced(client.clone(), "paddock").get_opt(CATALOGUE_NAME).await.unwrap();
    let (good, bad) = read_catalogue(&map.and_then(|map| map.data).unwrap_or_default());
    assert!(bad.is_empty(), "{bad:?}");
    good
}

/// What a server has in its cluster is no more than its place was reserved for.
async fn assert_within_its_place(client: &Client, app: &TestApp, id: InstanceId) {
    let (namespace, all) = (namespace_name(id), ListParams::default());
    let plan = app.state.catalogue.offered().next().unwrap();
    let place = plan.size.footprint();
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let volumes: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let count = |items: usize| i64::try_from(items).unwrap();
    let has = [
        count(services.list(&all).await.unwrap().items.len()),
        count(pods.list(&all).await.unwrap().items.len()),
        count(volumes.list(&all).await.unwrap().items.len()),
    ];
    assert!(has[0] >= 3 && has[0] <= place.services, "Services: {has:?}, {place:?}");
    assert!(has[1] >= 4 && has[1] <= place.pods, "pods: {has:?}, {place:?}");
    assert!(has[2] >= 1 && has[2] <= place.volumes, "volumes: {has:?}, {place:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cluster_away_stops_nothing_elsewhere_and_is_caught_up_when_it_is_back() {
    let turn = turn().await;
    let _already = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).try_init();
    let north = turn.rig();
    let south = Rig::apart("south", |settings| settings).await.unwrap();
    for rig in [north, &south] {
        for (_, yaml) in crds_yaml().unwrap() {
            rig.cluster().apply(&yaml).await.unwrap();
        }
    }
    let (in_north, in_south) = (north.cluster().client().await.unwrap(), south.cluster().client().await.unwrap());
    let Start { app, customer, staff, .. } = TestApp::start_with(Capacity(0)).await;
    let folder: PathBuf = south.dir().join("kubeconfigs");
    std::fs::create_dir_all(&folder).unwrap();

    // The fleet runs before it knows of any cluster that it could reach, and takes each up when it is added.
    let (stop, running) = fleet(&app, &folder);
    std::fs::copy(north.cluster().kubeconfig(), folder.join("north.yaml")).unwrap();
    let (north_id, south_id) = (add(&app, "north").await, add(&app, "south").await);
    until("north answers", async || answers(&app, "north").await.then_some(())).await;
    assert!(!answers(&app, "south").await, "its kubeconfig is not there yet");
    std::fs::copy(south.cluster().kubeconfig(), folder.join("south.yaml")).unwrap();
    until("south answers", async || answers(&app, "south").await.then_some(())).await;

    // Both have the releases, and their operators learn of a new one without a restart.
    let operators = CancellationToken::new();
    let working = [operator(north, &operators).await, operator(&south, &operators).await];
    let image = |name: &str, digit: &str| format!("registry.example/{name}:v4.7.5@sha256:{}", digit.repeat(64));
    let release = [
        ("version", "4.7.5".to_owned()),
        ("web", image("mastodon", "a")),
        ("streaming", image("streaming", "b")),
        ("min_from", "4.3.0".to_owned()),
        ("notes", "a patch".to_owned()),
        ("offered", "yes".to_owned()),
    ];
    let release: Vec<(&str, &str)> = release.iter().map(|(field, text)| (*field, text.as_str())).collect();
    staff.post("/staff/releases", &release).await.is(303);
    for client in [&in_north, &in_south] {
        let published = until("the release is published", async || catalogue(client).await.remove("4.7.5")).await;
        assert_eq!((published.web, published.min_from), (image("mastodon", "a"), Version::new(4, 3, 0)));
    }

    // One server in each; the south goes away before its server is paid.
    staff.post(&format!("/staff/clusters/{south_id}/drain"), &[]).await.is(303);
    let birds = app.order(&customer, "birds").await.instance_id;
    staff.post(&format!("/staff/clusters/{south_id}/undrain"), &[]).await.is(303);
    staff.post(&format!("/staff/clusters/{north_id}/drain"), &[]).await.is(303);
    let foxes = app.order(&customer, "foxes").await.instance_id;
    let places = [app.find_instance(birds).await.cluster_id, app.find_instance(foxes).await.cluster_id];
    assert_eq!(places, [north_id, south_id]);
    south.cluster().stop_apiserver(Fault::Killed).await;
    pay(&app, birds).await;
    pay(&app, foxes).await;

    // The north builds all the same: the release is one that its operator has from the fleet alone.
    let ready = until_ready(&app, birds).await;
    assert_eq!((ready.mastodon_version.as_str(), ready.status().unwrap().version.as_deref()), ("4.7.5", Some("4.7.5")));
    assert_within_its_place(&in_north, &app, birds).await;
    app.run_jobs().await;
    let [path_north, path_south] = [birds, foxes].map(|id| format!("/instances/{id}"));
    customer.get(&path_north).await.see("Running");

    // Minutes later pages say what nobody sees, and since when; of the north they do not.
    until("the south is missed", async || (!answers(&app, "south").await).then_some(())).await;
    app.advance(TimeDelta::minutes(4));
    customer.get(&path_south).await.see("is being built").see("We have not seen it since");
    staff.get("/staff/clusters").await.see("Does not answer").see("south");
    let seen = async || {
        let unseen = app.find_instance(birds).await.unseen_since(paddock::clock::Clock::now(app.clock.as_ref()));
        unseen.is_none().then_some(())
    };
    until("the north is seen again", seen).await;
    customer.get(&path_north).await.not_see("We have not seen it since");
    app.advance(TimeDelta::minutes(8));
    assert_eq!(app.try_order(&customer, "wrens").await.unwrap(), Placement::Full, "the north is drained and the south away");
    staff.post(&format!("/staff/clusters/{north_id}/undrain"), &[]).await.is(303);

    // It is back, and what was wanted of it is made.
    south.cluster().restart_apiserver(Fault::Killed).await.unwrap();
    until_ready(&app, foxes).await;
    until("the south answers", async || answers(&app, "south").await.then_some(())).await;
    app.run_jobs().await;
    customer.get(&path_south).await.see("Running").not_see("We have not seen it since");
    assert_eq!(
        Api::<MastodonInstance>::all(in_north.clone()).get_opt(&resource_name(foxes)).await.unwrap(),
        None,
        "it stayed where it was"
    );

    // A custom resource is lost while nobody watches: what is missing is found by the list, and the server by its operator.
    operators.cancel();
    for working in working {
        working.await.unwrap();
    }
    stop.cancel();
    running.await.unwrap();
    let resources: Api<MastodonInstance> = Api::all(in_south.clone());
    let name = resource_name(foxes);
    let unheld = json!({"metadata": {"finalizers": null}});
    resources.patch(&name, &PatchParams::default(), &Patch::Merge(&unheld)).await.unwrap();
    resources.delete(&name, &DeleteParams::default()).await.unwrap();
    let (stop, running) = fleet(&app, &folder);
    until("it is there again", async || resources.get_opt(&name).await.unwrap()).await;
    stop.cancel();
    running.await.unwrap();
    app.leave_jobs();
    south.stop().await;
}

/// The order of an instance is paid, as far as we know.
async fn pay(app: &TestApp, id: InstanceId) {
    let mut tx = app.db.worker().begin().await.unwrap();
    capacity::confirm(&mut tx, id).await.unwrap();
    let actor = paddock::audit::Actor::System("test");
    paddock::instance::set_intent(&mut tx, app.clock.as_ref(), actor, id, paddock::instance::Intent::Running, "paid")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    sqlx::query("update orders set state = 'paid', paid_at = $2 where instance_id = $1")
        .bind(id)
        .bind(paddock::clock::Clock::now(app.clock.as_ref()))
        .execute(app.sql())
        .await
        .unwrap();
}
