//! An API server that is busy, fails, forgets where a watch was, or goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use paddock::demo::rig::Fault;
use paddock::resource::ConditionKind;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::wire::{Act, Call, Frozen};
use super::super::{names, whole};
use super::{Scene, pass};

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let mut scene = Scene::new(1).await;
    let id = scene.ids[0];
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    scene.wire.begin(move |call: &Call| {
        if call.name != "apply deployments/web" {
            return Act::Pass;
        }
        noted.lock().unwrap().push(Instant::now());
        if call.nth <= 2 { Act::Answer { code: 429, retry_after: Some(1) } } else { Act::Pass }
    });
    scene.start();
    scene.order(id, |_| {}).await;
    scene.until_condition(id, ConditionKind::Ready, "True").await;
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3, "twice in vain, then well");
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(1), "not before it said: {:?}", pair[1] - pair[0]);
    }
    scene.stop().await;
}

/// Each scaled second of the fault stands for ten.
#[tokio::test]
async fn a_brown_out_is_survived_without_a_storm() {
    let mut scene = Scene::new(2).await;
    let (id, other) = (scene.ids[0], scene.ids[1]);
    let (dark, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_dark, counted) = (Arc::clone(&dark), Arc::clone(&asked));
    let mut dice = StdRng::seed_from_u64(6);
    // A fifth of all requests fails all the time; in the dark, every one.
    scene.wire.begin(move |_: &Call| {
        if is_dark.load(Ordering::Relaxed) {
            counted.fetch_add(1, Ordering::Relaxed);
            return Act::Answer { code: 503, retry_after: None };
        }
        if dice.random_bool(0.2) { Act::Answer { code: 500, retry_after: None } } else { Act::Pass }
    });
    scene.start();
    scene.order(id, |_| {}).await;
    scene.until_condition(id, ConditionKind::NamespaceReady, "True").await;
    dark.store(true, Ordering::Relaxed);
    scene.wire.cut_watches();
    scene.order(other, |_| {}).await;
    sleep(Duration::from_secs(3)).await;
    dark.store(false, Ordering::Relaxed);
    let over = Instant::now();
    let asked = asked.load(Ordering::Relaxed);
    for id in [id, other] {
        scene.until_condition(id, ConditionKind::Ready, "True").await;
    }
    println!("{asked} requests in 3 s of darkness; all ready {:?} after it", over.elapsed());
    // Two dozen watches and one pass with its objects, each of which doubles its pauses from 5 ms.
    assert!(asked < 900, "{asked} requests in vain");
    scene.settle().await;
    for id in [id, other] {
        assert_eq!(names(&scene.host.objects(id).await), whole(), "no twins, nothing missing");
    }
    scene.stop().await;
}

#[tokio::test]
async fn watches_that_are_cut_and_expire_cost_nothing_and_miss_nothing() {
    let mut scene = Scene::ready(1).await;
    let id = scene.ids[0];
    let before = scene.host.objects(id).await;
    // All watches end, and their places have expired (the API server says so within the watch): everything is listed anew.
    let expire = |call: &Call| {
        let gone = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"});
        if call.name.starts_with("watch ") && call.nth == 1 {
            Act::Show(json!({"type": "ERROR", "object": gone}))
        } else {
            Act::Pass
        }
    };
    scene.wire.begin(expire);
    scene.wire.cut_watches();
    scene.host.until("all is listed anew", async || (scene.count("list deployments") > 0).then_some(())).await;
    scene.settle().await;
    let lists = scene.wire.carried().iter().filter(|carried| carried.name.starts_with("list ")).count();
    assert!(lists >= 15, "{lists} lists");
    assert_eq!(scene.wire.writes(), 0, "{:?}", scene.wire.carried().iter().filter(|one| one.writes).collect::<Vec<_>>());
    assert_eq!(scene.host.objects(id).await, before);

    // What happens while nothing is seen is put right afterwards.
    scene.wire.freeze(Frozen::All);
    let web = scene.host.deployments(id);
    web.patch("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 9}}))).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(web.get("web").await.unwrap().spec.unwrap().replicas, Some(9));
    scene.wire.begin(expire);
    scene.wire.cut_watches();
    scene.wire.freeze(Frozen::None);
    scene.host.until("it is put right", async || (web.get("web").await.unwrap().spec?.replicas == Some(2)).then_some(())).await;
    scene.stop().await;
}

#[tokio::test]
async fn an_api_server_that_dies_and_comes_back_finds_all_as_it_was() {
    let mut scene = Scene::alone(2).await;
    let (id, later) = (scene.ids[0], scene.ids[1]);
    scene.start();
    scene.order(id, |_| {}).await;
    scene.until_condition(id, ConditionKind::Ready, "True").await;
    scene.settle().await;
    let before = names_and_uids(&scene, id).await;
    scene.wire.begin(pass);
    scene.host.rig.cluster().restart_apiserver(Fault::Killed).await.unwrap();
    let back = Instant::now();
    scene.host.until("watches are taken up again", async || (scene.count("watch deployments") > 0).then_some(())).await;
    println!("watches {:?} after the API server was back", back.elapsed());
    assert_eq!(scene.wire.writes(), 0, "nothing was to be done");
    assert_eq!(names_and_uids(&scene, id).await, before);
    // And everything goes on.
    scene.delete_and_wait(id, "Deployment", "web").await;
    scene.order(later, |_| {}).await;
    scene.until_condition(later, ConditionKind::Ready, "True").await;
    scene.stop().await;
}

async fn names_and_uids(scene: &Scene, id: paddock::ids::InstanceId) -> Vec<(String, String)> {
    scene.host.objects(id).await.into_iter().map(|(name, (uid, _))| (name, uid)).collect()
}
