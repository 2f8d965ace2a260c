//! Others who want it otherwise: a rival that never gives up, an instance that can't be brought about, an operator that sees the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::operator::bucket::{Bucket, BucketError, BucketKey, Buckets, MemoryBuckets, Removal, Size};
use paddock::resource::{ConditionKind, condition, is_true, namespace_name, resource_name};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::wire::{Act, Call, Frozen};
use super::{Scene, pass};

#[tokio::test]
async fn a_rival_is_named_and_met_three_times_a_minute() {
    let scene = Scene::ready(2).await;
    let (id, other) = (scene.ids[0], scene.ids[1]);
    scene.wire.begin(pass);
    let fights = Arc::new(AtomicBool::new(true));
    let (web, fighting) = (scene.host.deployments(id), Arc::clone(&fights));
    let rival = tokio::spawn(async move {
        let as_rival = PatchParams { field_manager: Some("scaler".into()), ..PatchParams::default() };
        while fighting.load(Ordering::Relaxed) {
            if web.get("web").await.unwrap().spec.unwrap().replicas == Some(2) {
                web.patch("web", &as_rival, &Patch::Merge(json!({"spec": {"replicas": 7}}))).await.unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    let told = scene.until_reason(id, ConditionKind::Stalled, "Conflict").await;
    assert!(told.contains("Deployment web") && told.contains("scaler"), "{told}");
    let begun = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let of_rival = scene.wire.carried().iter().filter(|carried| carried.name == "apply deployments/web").count();
    assert_eq!(of_rival, 3, "three times a minute and no more");
    // The other server is looked after as ever, and so is the rest of this one.
    assert!(scene.delete_and_wait(other, "Deployment", "web").await < Duration::from_secs(5));
    assert!(scene.delete_and_wait(id, "Deployment", "sidekiq").await < Duration::from_secs(5));

    // When the rival gives up, all is well again without anybody's help.
    fights.store(false, Ordering::Relaxed);
    rival.await.unwrap();
    while !is_peaceful(&scene, id).await {
        assert!(begun.elapsed() < Duration::from_secs(150), "the contest is not over");
        sleep(Duration::from_millis(500)).await;
    }
    println!("peace after {:?}", begun.elapsed());
}

async fn is_peaceful(scene: &Scene, id: InstanceId) -> bool {
    let status = scene.host.get(id).await.status.unwrap();
    let replicas = scene.host.deployments(id).get("web").await.unwrap().spec.unwrap().replicas;
    replicas == Some(2) && !is_true(&status.conditions, ConditionKind::Stalled)
}

/// An object store whose client crashes over one bucket.
#[derive(Debug)]
struct Crashing {
    inner: MemoryBuckets,
    bucket: String,
    crashes: Arc<AtomicBool>,
}

#[async_trait]
impl Buckets for Crashing {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        assert!(bucket.name != self.bucket || !self.crashes.load(Ordering::Relaxed), "poison");
        self.inner.ensure(bucket, key).await
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        self.inner.exists(bucket).await
    }

    async fn size(&self, bucket: &str) -> Result<Size, BucketError> {
        self.inner.size(bucket).await
    }

    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        self.inner.has(bucket, prefix).await
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        self.inner.remove_empty(bucket).await
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        self.inner.remove(bucket).await
    }
}

#[tokio::test]
async fn poisoned_servers_slow_no_other() {
    let mut scene = Scene::new(6).await;
    let [well, also_well, still_well, invalid, failing, crashing] = scene.ids[..] else { panic!("six") };
    let crashes = Arc::new(AtomicBool::new(true));
    let buckets = Crashing { inner: MemoryBuckets::default(), bucket: namespace_name(crashing), crashes: Arc::clone(&crashes) };
    let poisoned = Arc::new(AtomicBool::new(true));
    let (poison, of_invalid, of_failing) = (Arc::clone(&poisoned), namespace_name(invalid), namespace_name(failing));
    scene.wire.begin(move |call: &Call| {
        let concerns = |namespace: &str| call.writes && call.path.contains(&format!("/{namespace}/services/"));
        match poison.load(Ordering::Relaxed) {
            true if concerns(&of_invalid) => Act::Answer { code: 422, retry_after: None },
            true if concerns(&of_failing) => Act::Answer { code: 500, retry_after: None },
            _ => Act::Pass,
        }
    });
    let settings = scene.settings();
    scene.start_with(settings, Arc::new(buckets));
    for id in scene.ids.clone() {
        scene.order(id, |_| {}).await;
    }
    for id in [well, also_well, still_well] {
        scene.until_condition(id, ConditionKind::Ready, "True").await;
    }
    // Each says what ails it.
    assert!(scene.until_reason(invalid, ConditionKind::Stalled, "Refused").await.contains("Service"));
    let crash = scene.until_reason(crashing, ConditionKind::Stalled, "Crashed").await;
    assert!(crash.contains("poison"), "{crash}");

    // The others are repaired at once, and the poisoned ones are tried less and less often.
    let mut slowest = Duration::ZERO;
    for id in [well, also_well, still_well] {
        for name in ["web", "streaming"] {
            slowest = slowest.max(scene.delete_and_wait(id, "Deployment", name).await);
        }
    }
    println!("the slowest repair beside three poisoned servers took {} ms", slowest.as_millis());
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    scene.wire.begin(|_: &Call| Act::Pass);
    let (poison, of_failing) = (Arc::clone(&poisoned), namespace_name(failing));
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    scene.wire.begin(move |call: &Call| {
        if poison.load(Ordering::Relaxed) && call.writes && call.path.contains(&format!("/{of_failing}/services/")) {
            counted.fetch_add(1, Ordering::Relaxed);
            return Act::Answer { code: 500, retry_after: None };
        }
        Act::Pass
    });
    sleep(Duration::from_secs(10)).await;
    // Three Services a pass: at pauses that double from half a second, ten seconds hold few passes.
    assert!(tries.load(Ordering::Relaxed) <= 3 * 5, "{tries:?} in ten seconds");

    // What is cured comes up by itself; what was refused as invalid waits for a change, and any will do.
    crashes.store(false, Ordering::Relaxed);
    poisoned.store(false, Ordering::Relaxed);
    scene.order(invalid, |wanted| wanted["metadata"]["annotations"]["paddock.test/nudge"] = "1".into()).await;
    for id in [invalid, failing, crashing] {
        scene.until_condition(id, ConditionKind::Ready, "True").await;
    }
    scene.stop().await;
}

#[tokio::test]
async fn a_stale_view_deletes_nothing_that_came_later() {
    let scene = Scene::ready(1).await;
    let id = scene.ids[0];
    let budgets = scene.api(id, "PodDisruptionBudget");
    // The operator no longer hears of objects. Meanwhile the budget is made anew by somebody.
    scene.wire.freeze(Frozen::Objects);
    let mut mine = budgets.get("web").await.unwrap();
    budgets.delete("web", &DeleteParams::default()).await.unwrap();
    // With what says that we have made it: all else is not ours to delete.
    let (labels, annotations) = (mine.metadata.labels, mine.metadata.annotations);
    mine.metadata = kube::api::ObjectMeta { name: Some("web".into()), labels, annotations, ..Default::default() };
    let made = budgets.create(&kube::api::PostParams::default(), &mine).await.unwrap();
    // One that it knows by another UID is not deleted, although a suspended server has no budget.
    scene.wire.begin(pass);
    scene.order(id, |wanted| wanted["spec"]["mode"] = json!({"suspended": {"reason": "unpaid"}})).await;
    scene.host.until("it tries", async || (scene.count("delete poddisruptionbudgets/web") > 0).then_some(())).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(budgets.get("web").await.unwrap().uid(), made.uid(), "what came later is still there");
    let refused = scene.wire.carried().into_iter().filter(|carried| carried.name.starts_with("delete "));
    assert!(refused.clone().all(|carried| carried.code == Some(409)), "{:?}", refused.collect::<Vec<_>>());
    // Once it sees, it does what is to be done.
    scene.wire.freeze(Frozen::None);
    scene.host.until("the budget is gone", async || budgets.get_opt("web").await.unwrap().is_none().then_some(())).await;
}

#[tokio::test]
async fn an_operator_that_sees_the_past_deletes_and_fills_nothing() {
    let mut scene = Scene::ready(1).await;
    let id = scene.ids[0];
    let name = resource_name(id);
    scene.stop().await;
    let before = scene.host.objects(id).await;
    // The custom resource has lost its status and is being deleted, as after a restore and a mistake; and the API server shows the
    // next operator objects as they were when there were none.
    let ancient = scene.host.get(id).await.metadata.resource_version.unwrap();
    scene.host.instances().patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await.unwrap();
    scene.host.instances().delete(&name, &DeleteParams::default()).await.unwrap();
    scene.wire.begin(move |call: &Call| {
        if call.name.starts_with("list ") && !call.name.contains("mastodoninstances") {
            return Act::Show(json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": ancient}, "items": []}));
        }
        Act::Pass
    });
    scene.wire.freeze(Frozen::Objects);
    scene.start();
    sleep(Duration::from_secs(5)).await;
    let carried = scene.wire.carried();
    assert!(carried.iter().any(|carried| carried.name.starts_with("get ")), "it looks: {carried:?}");
    let harm = |name: &str| name.starts_with("delete ") || name.contains("jobs/prepare") || name.contains("jobs/seed");
    assert!(!carried.iter().any(|carried| harm(&carried.name)), "{carried:?}");
    let after = scene.host.objects(id).await;
    for (object, (uid, _)) in &before {
        assert_eq!(&after[object].0, uid, "{object}");
    }
    scene.wire.freeze(Frozen::None);
    let told = scene.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    assert_eq!(condition(&told.conditions, ConditionKind::Stalled).unwrap().reason, "DeletionNeedsProvenArchive");
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(scene.client());
    assert!(namespaces.get(&namespace_name(id)).await.unwrap().metadata.deletion_timestamp.is_none());
    scene.stop().await;
}
