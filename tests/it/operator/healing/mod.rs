//! A server stays well without hands: whatever is taken away or changed comes back, whatever the API server does is survived, and
//! what can't be helped is told, without others suffering.
//!
//! Each test has servers and an operator of its own on the control plane of `apart.rs`; its operator sees nothing else.

mod api;
mod capacity;
mod conflict;
mod repair;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use paddock::clock::SystemClock;
use paddock::ids::InstanceId;
use paddock::operator::bucket::{Buckets, MemoryBuckets};
use paddock::operator::{self, Settings};
use paddock::resource::{ConditionKind, MastodonInstance, condition, namespace_name, resource_name};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apart::{ALONE, apart};
use super::wire::{Act, Call, GROUP, Group, Wire};
use super::{Host, settings_for};

/// Servers, and an operator that sees no others.
struct Scene {
    host: Host,
    ids: Vec<InstanceId>,
    wire: Wire,
    /// What the object store holds, whichever operator asks.
    buckets: Arc<MemoryBuckets>,
    operator: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Scene {
    /// Servers that are not ordered yet, and no operator.
    async fn new(count: usize) -> Self {
        Self::with(count, Box::new(ALONE.read().await)).await
    }

    /// The same, for a test that takes servers of the control plane down.
    async fn alone(count: usize) -> Self {
        Self::with(count, Box::new(ALONE.write().await)).await
    }

    async fn with(count: usize, turn: Box<dyn Any>) -> Self {
        let _already = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).try_init();
        let rig = apart().await.unwrap();
        let host = Host { rig, client: rig.cluster().client().await.unwrap(), _turn: turn };
        let ids: Vec<InstanceId> = (0..count).map(|_| InstanceId::new()).collect();
        let members: Vec<String> = ids.iter().copied().map(resource_name).collect();
        let wire = Wire::new(rig, Group { name: members[0].clone(), members }).await;
        Self { host, ids, wire, buckets: Arc::default(), operator: None }
    }

    /// Servers that are ready, and an operator at rest.
    async fn ready(count: usize) -> Self {
        let mut scene = Self::new(count).await;
        scene.start();
        for id in scene.ids.clone() {
            scene.order(id, |_| {}).await;
        }
        for id in scene.ids.clone() {
            scene.until_condition(id, ConditionKind::Ready, "True").await;
        }
        scene.settle().await;
        scene
    }

    fn start(&mut self) {
        let settings = self.settings();
        self.start_with(settings, Arc::clone(&self.buckets));
    }

    fn start_with(&mut self, settings: Settings, buckets: Arc<impl Buckets + 'static>) {
        let stop = CancellationToken::new();
        let client = self.wire.client(CancellationToken::new());
        let run = operator::run_with(settings, client, Arc::new(SystemClock), buckets, stop.clone());
        self.operator = Some((stop, tokio::spawn(async { run.await.unwrap() })));
    }

    async fn stop(&mut self) {
        if let Some((stop, task)) = self.operator.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }

    fn settings(&self) -> Settings {
        settings_for(self.host.rig)
    }

    fn client(&self) -> Client {
        self.host.client.clone()
    }

    /// What the fleet does.
    async fn order(&self, id: InstanceId, change: impl FnOnce(&mut Value)) {
        let mut wanted = Host::wanted(&resource_name(id));
        wanted["metadata"]["labels"][GROUP] = resource_name(self.ids[0]).into();
        change(&mut wanted);
        let fleet = PatchParams::apply("fleet").force();
        self.host.instances().patch(&resource_name(id), &fleet, &Patch::Apply(&wanted)).await.unwrap();
    }

    async fn until_condition(&self, id: InstanceId, kind: ConditionKind, truth: &str) -> MastodonInstance {
        self.host.until_condition(id, kind, truth).await
    }

    /// Waits until a condition has this reason; returns what it says.
    async fn until_reason(&self, id: InstanceId, kind: ConditionKind, reason: &str) -> String {
        let what = format!("{} says {reason}", kind.as_str());
        self.host
            .until(&what, async || {
                let status = self.host.get(id).await.status?;
                Some(condition(&status.conditions, kind).filter(|one| one.reason == reason)?.message.clone())
            })
            .await
    }

    /// Waits until the operator has sent nothing for a while.
    async fn settle(&self) {
        self.host.until("the operator is at rest", async || (self.wire.quiet() > Duration::from_secs(1)).then_some(())).await;
    }

    fn api(&self, id: InstanceId, kind: &str) -> Api<DynamicObject> {
        let kind = resource(kind);
        if kind.kind == "Namespace" {
            return Api::all_with(self.client(), &kind);
        }
        Api::namespaced_with(self.client(), &namespace_name(id), &kind)
    }

    /// Deletes an object; returns how long it took until another was there.
    async fn delete_and_wait(&self, id: InstanceId, kind: &str, name: &str) -> Duration {
        let api = self.api(id, kind);
        let old = api.get(name).await.unwrap().uid();
        let begun = Instant::now();
        api.delete(name, &DeleteParams::background()).await.unwrap();
        self.soon(&format!("{kind}/{name} is back"), async || {
            let found = api.get_metadata_opt(name).await.unwrap()?;
            (found.uid() != old && found.metadata.deletion_timestamp.is_none()).then_some(())
        })
        .await;
        begun.elapsed()
    }

    /// Like `until`, but looks more often.
    async fn soon<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many requests of this name the operator has sent since the rule began.
    fn count(&self, name: &str) -> usize {
        self.wire.carried().iter().filter(|carried| carried.name == name).count()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some((stop, task)) = self.operator.take() {
            stop.cancel();
            task.abort();
        }
    }
}

/// Everything passes.
fn pass(_: &Call) -> Act {
    Act::Pass
}

/// What the client needs to know of a kind.
fn resource(kind: &str) -> ApiResource {
    let (group, plural) = match kind {
        "Deployment" => ("apps", "deployments"),
        "StatefulSet" => ("apps", "statefulsets"),
        "NetworkPolicy" => ("networking.k8s.io", "networkpolicies"),
        "PodDisruptionBudget" => ("policy", "poddisruptionbudgets"),
        "HTTPRoute" => ("gateway.networking.k8s.io", "httproutes"),
        "Cluster" => ("postgresql.cnpg.io", "clusters"),
        "ScheduledBackup" => ("postgresql.cnpg.io", "scheduledbackups"),
        "ObjectStore" => ("barmancloud.cnpg.io", "objectstores"),
        "Job" => ("batch", "jobs"),
        "Namespace" => ("", "namespaces"),
        "ConfigMap" => ("", "configmaps"),
        "Secret" => ("", "secrets"),
        "Service" => ("", "services"),
        "ResourceQuota" => ("", "resourcequotas"),
        "LimitRange" => ("", "limitranges"),
        "PersistentVolumeClaim" => ("", "persistentvolumeclaims"),
        other => panic!("{other}?"),
    };
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    ApiResource { group: group.into(), version: "v1".into(), api_version, kind: kind.into(), plural: plural.into() }
}

/// The middle one and the longest but one in a hundred, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (u128, u128) {
    times.sort();
    let at = |percent: usize| times[((times.len() - 1) * percent).div_ceil(100)].as_millis();
    (at(50), at(99))
}
