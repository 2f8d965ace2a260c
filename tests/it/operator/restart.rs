//! An operator that starts finds most servers as the one before it has left them: that costs looks, and no writes. What was changed
//! meanwhile is put right, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Api, api::ApiResource};
use paddock::clock::{SharedClock, SystemClock};
use paddock::ids::InstanceId;
use paddock::operator::bucket::{self, Bucket, BucketError, BucketKey, Buckets, Removal, Size};
use paddock::resource::{ConditionKind, namespace_name, resource_name};
use serde_json::{Value, json};

use super::{Host, Operator};

/// The object store, and how often something was to be changed there.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn Buckets>,
    changes: AtomicUsize,
}

impl Counted {
    fn new(host: &Host) -> Arc<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let inner = bucket::connect(&host.settings().storage, &clock).unwrap();
        Arc::new(Self { inner, changes: AtomicUsize::new(0) })
    }

    fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Buckets for Counted {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        self.count();
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
        self.count();
        self.inner.remove_empty(bucket).await
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        self.count();
        self.inner.remove(bucket).await
    }
}

/// Servers that are ready, and nobody who operates them.
async fn left_alone(host: &Host, store: &Arc<Counted>) -> [InstanceId; 3] {
    let operator = start(host, store).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(host.order(|_| {}).await);
    }
    for id in &ids {
        host.until_condition(*id, ConditionKind::Ready, "True").await;
    }
    operator.settle().await;
    operator.stop().await;
    assert!(store.changes() >= 6, "two buckets each");
    ids.try_into().unwrap()
}

async fn start(host: &Host, store: &Arc<Counted>) -> Operator {
    host.operator_over(host.settings(), Arc::clone(store) as Arc<dyn Buckets>).await
}

/// What was written that concerns a server.
fn concerning(written: &[String], id: InstanceId) -> Vec<&String> {
    let names = [namespace_name(id), resource_name(id)];
    written.iter().filter(|path| names.iter().any(|name| path.contains(name.as_str()))).collect()
}

fn api(host: &Host, id: InstanceId, kind: &str) -> Api<DynamicObject> {
    let (group, plural) = match kind {
        "NetworkPolicy" => ("networking.k8s.io", "networkpolicies"),
        "ConfigMap" => ("", "configmaps"),
        "LimitRange" => ("", "limitranges"),
        other => panic!("{other}?"),
    };
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let resource =
        ApiResource { group: group.into(), version: "v1".into(), api_version, kind: kind.into(), plural: plural.into() };
    Api::namespaced_with(host.client.clone(), &namespace_name(id), &resource)
}

#[tokio::test]
async fn a_start_writes_nothing_where_nothing_has_changed() {
    let host = Host::new().await;
    let store = Counted::new(&host);
    let ids = left_alone(&host, &store).await;
    let mut before = Vec::new();
    for id in ids {
        before.push((host.objects(id).await, host.get(id).await));
    }
    let changes = store.changes();

    let operator = start(&host, &store).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    operator.settle().await;
    assert_eq!(operator.written(), Vec::<String>::new(), "not even in the first pass");
    for (id, (objects, instance)) in ids.into_iter().zip(&before) {
        assert_eq!(host.objects(id).await, *objects);
        assert_eq!(host.get(id).await.metadata.resource_version, instance.metadata.resource_version);
    }

    // It does look after them: what is taken away from one comes back, and the others cost nothing still.
    host.deployments(ids[0]).delete("streaming", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || {
        let found = host.deployments(ids[0]).get_opt("streaming").await.unwrap();
        found.filter(|streaming| streaming.metadata.deletion_timestamp.is_none())
    })
    .await;
    host.until_condition(ids[0], ConditionKind::Ready, "True").await;
    operator.settle().await;
    let written = operator.written();
    let applied = written.iter().filter(|path| path.starts_with("PATCH")).count();
    assert_eq!(applied, 1, "nothing but what was gone is applied: {written:#?}");
    for id in &ids[1..] {
        assert_eq!(concerning(&written, *id), Vec::<&String>::new());
    }
    assert_eq!(store.changes(), changes, "nothing is prepared again in the object store, the vault neither");
    operator.stop().await;
}

#[tokio::test]
async fn what_was_changed_while_nobody_operated_is_put_right_and_nothing_else() {
    let host = Host::new().await;
    let store = Counted::new(&host);
    let ids = left_alone(&host, &store).await;
    let [one, two, three] = ids;
    let mut before = Vec::new();
    for id in ids {
        before.push(host.objects(id).await);
    }
    let changes = store.changes();

    let as_somebody = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let edit = async |kind: &str, name: &str, patch: Value| {
        api(&host, one, kind).patch(name, &as_somebody, &Patch::Merge(patch)).await.unwrap();
    };
    edit("NetworkPolicy", "default-deny", json!({"spec": {"podSelector": {"matchLabels": {"paddock.test": "nobody"}}}})).await;
    edit("ConfigMap", "mastodon-env", json!({"data": {"LD_PRELOAD": "spy.so"}})).await;
    api(&host, two, "LimitRange").delete("mastodon", &DeleteParams::default()).await.unwrap();

    let operator = start(&host, &store).await;
    host.until("all of it is put right", async || {
        let policy = api(&host, one, "NetworkPolicy").get("default-deny").await.unwrap();
        let env = api(&host, one, "ConfigMap").get("mastodon-env").await.unwrap();
        let closed = policy.data["spec"]["podSelector"].get("matchLabels").is_none();
        let range = api(&host, two, "LimitRange").get_opt("mastodon").await.unwrap();
        (closed && env.data["data"].get("LD_PRELOAD").is_none() && range.is_some()).then_some(())
    })
    .await;
    operator.settle().await;

    let mut touched = Vec::new();
    for (number, (id, was)) in ids.into_iter().zip(&before).enumerate() {
        let now = host.objects(id).await;
        assert_eq!(now.keys().collect::<Vec<_>>(), was.keys().collect::<Vec<_>>());
        touched.extend(now.iter().filter(|(name, object)| was[*name] != **object).map(|(name, _)| format!("{number} {name}")));
    }
    assert_eq!(touched, ["0 ConfigMap/mastodon-env", "0 NetworkPolicy/default-deny", "1 LimitRange/mastodon"]);
    assert_eq!(concerning(&operator.written(), three), Vec::<&String>::new());
    assert_eq!(store.changes(), changes);

    // And it is written down again, for the next.
    operator.stop().await;
    let operator = start(&host, &store).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    operator.settle().await;
    assert_eq!(operator.written(), Vec::<String>::new());
    operator.stop().await;
}

#[tokio::test]
async fn a_server_at_rest_is_left_alone_until_anything_of_it_changes() {
    let host = Host::new().await;
    let mut settings = host.settings();
    settings.look_seconds = 1;
    let operator = host.operator_with(settings).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.settle().await;
    let writes = operator.writes();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(operator.writes(), writes, "several looks later");
    // An object, twice the same one, and what it should be: each time it is seen that something is to be done.
    for _ in 0..2 {
        let edited = Patch::Merge(json!({"spec": {"podSelector": {"matchLabels": {"paddock.test": "nobody"}}}}));
        let policies = api(&host, id, "NetworkPolicy");
        policies.patch("default-deny", &PatchParams::default(), &edited).await.unwrap();
        host.until("it is put right", async || {
            let policy = policies.get("default-deny").await.unwrap();
            policy.data["spec"]["podSelector"].get("matchLabels").is_none().then_some(())
        })
        .await;
        operator.settle().await;
    }
    let more = json!({"spec": {"size": {"streaming": {"memoryMib": 222}}}});
    host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&more)).await.unwrap();
    host.until("it has more memory", async || {
        let streaming = host.deployments(id).get("streaming").await.unwrap();
        serde_json::to_string(&streaming.spec).unwrap().contains("222Mi").then_some(())
    })
    .await;
    operator.stop().await;
}
