//! A control plane of its own, and servers in it: each with an operator of its own that sees nothing else, so that many plans can
//! be carried out at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use paddock::clock::SystemClock;
use paddock::demo::rig::Rig;
use paddock::ids::InstanceId;
use paddock::operator::bucket::{Bucket, BucketError, BucketKey, Buckets, MemoryBuckets, Removal, Size};
use paddock::operator::{self, Identity, Settings};
use paddock::resource::{MastodonInstance, namespace_name, resource_name};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::apart::apart;
use super::super::settings_for;
use super::super::wire::{Carried, Group, Wire};
use super::plan::{Once, Plan};
use super::reference::Reference;
use super::snapshot::{Lens, Snapshot};
use super::workflows::{State, Workflow};

/// An annotation that wakes an operator and means nothing.
pub const NUDGE: &str = "paddock.test/nudge";

/// How long a server may take to get where it should.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to look as it should, once it says that it is there: pods come and go.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);
/// An operator that has sent nothing for this long has nothing to do.
const QUIET: Duration = Duration::from_millis(200);
/// How long it is watched then.
const WATCHED: Duration = Duration::from_millis(300);
/// As long as a process takes to start again.
const RESTART: Duration = Duration::from_millis(20);

/// The control plane.
pub struct World {
    rig: &'static Rig,
    client: Client,
    lens: Lens,
}

impl World {
    /// Starts it.
    pub async fn open() -> anyhow::Result<Self> {
        let rig = apart().await?;
        let client = rig.cluster().client().await?;
        let lens = Lens::new(&client).await?;
        Ok(Self { rig, client, lens })
    }

    /// The processes of the control plane.
    pub async fn pids(&self) -> Vec<(String, u32)> {
        self.rig.pids().await
    }

    /// All states have been seen: what no server has is not looked for any more.
    pub fn narrow(&self) {
        self.lens.narrow();
    }

    fn instances(&self) -> Api<MastodonInstance> {
        Api::all(self.client.clone())
    }
}

/// An operator as a process: with a runtime of its own, it can be killed between any two of its steps.
struct Process {
    dead: CancellationToken,
    runtime: Option<Runtime>,
}

impl Process {
    fn start(wire: &Wire, settings: Settings, buckets: Arc<MemoryBuckets>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let dead = CancellationToken::new();
        let buckets = Arc::new(WiredBuckets { inner: buckets, wire: wire.clone(), dead: dead.clone() });
        let (wire, of_client) = (wire.clone(), dead.clone());
        runtime.spawn(async move {
            let client = wire.client(of_client);
            let run = operator::run_with(settings, client, Arc::new(SystemClock), buckets, CancellationToken::new());
            run.await.unwrap();
        });
        Ok(Self { dead, runtime: Some(runtime) })
    }

    fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.dead.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The object store behind the same wire.
#[derive(Clone)]
struct WiredBuckets {
    inner: Arc<MemoryBuckets>,
    wire: Wire,
    dead: CancellationToken,
}

impl std::fmt::Debug for WiredBuckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WiredBuckets").field(&self.inner).finish()
    }
}

fn refused(what: &'static str) -> impl Fn(u16) -> BucketError {
    move |status| BucketError::Refused { what, status, code: "Test".to_owned() }
}

/// Which of a server's buckets, for the names of requests.
fn which(bucket: &str) -> &'static str {
    if bucket.ends_with("-backup") { "backup" } else { "media" }
}

#[async_trait]
impl Buckets for WiredBuckets {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        let effect = || self.inner.ensure(bucket, key);
        let name = format!("ensure bucket/{}", which(bucket.name));
        self.wire.other(&self.dead, (&name, true), refused("make a bucket"), effect).await
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        let effect = || self.inner.exists(bucket);
        let name = format!("look for bucket/{}", which(bucket));
        self.wire.other(&self.dead, (&name, false), refused("look for a bucket"), effect).await
    }

    async fn size(&self, bucket: &str) -> Result<Size, BucketError> {
        let effect = || self.inner.size(bucket);
        let name = format!("measure bucket/{}", which(bucket));
        self.wire.other(&self.dead, (&name, false), refused("measure a bucket"), effect).await
    }

    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        let effect = || self.inner.has(bucket, prefix);
        let name = format!("look into bucket/{}", which(bucket));
        self.wire.other(&self.dead, (&name, false), refused("look into a bucket"), effect).await
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        let effect = || self.inner.remove_empty(bucket);
        let name = format!("remove empty bucket/{}", which(bucket));
        self.wire.other(&self.dead, (&name, true), refused("remove an empty bucket"), effect).await
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        let effect = || self.inner.remove(bucket);
        let name = format!("remove bucket/{}", which(bucket));
        self.wire.other(&self.dead, (&name, true), refused("remove a bucket"), effect).await
    }
}

/// One server with its operator.
pub struct Server<'a> {
    world: &'a World,
    /// Its id.
    pub id: InstanceId,
    state: State,
    settings: Settings,
    buckets: Arc<MemoryBuckets>,
    wire: Wire,
    process: Option<Process>,
}

/// The request at which a plan's trouble should happen was not made this time.
#[derive(Debug, thiserror::Error)]
#[error("the request was not made this time")]
pub struct NotMet;

/// What a workflow did.
pub struct Run {
    /// All requests, in order.
    pub carried: Vec<Carried>,
    /// What there is in the end.
    pub snapshot: Snapshot,
}

impl<'a> Server<'a> {
    /// A server that is in this state, brought there without trouble.
    pub async fn new(world: &'a World, state: State) -> anyhow::Result<Self> {
        let id = InstanceId::new();
        let mut settings = settings_for(world.rig);
        state.settle(&mut settings);
        let wire = Wire::new(world.rig, Group { name: resource_name(id), members: vec![resource_name(id)] }).await;
        let mut server = Self { world, id, state: State::Nothing, settings, buckets: Arc::default(), wire, process: None };
        if state != State::Nothing {
            server.lead_to(state).await.with_context(|| format!("leading a server to {state:?}"))?;
        }
        Ok(server)
    }

    /// Goes to a state, without trouble.
    pub async fn lead_to(&mut self, state: State) -> anyhow::Result<()> {
        self.wire.begin(Once::new(None).0);
        self.ask_for(state).await?;
        self.start()?;
        self.arrive(state, None).await?;
        self.state = state;
        Ok(())
    }

    /// Goes through a workflow, with trouble if there is a plan. With a reference, says everything that is not as there.
    pub async fn go(&mut self, workflow: &Workflow, plan: Option<&Plan>, reference: Option<&Reference>) -> anyhow::Result<Run> {
        ensure!(self.state == workflow.from, "the server is {:?}, {} begins with {:?}", self.state, workflow.name, workflow.from);
        if workflow.from != State::Nothing && self.process.is_none() {
            self.wire.begin(Once::new(None).0);
            self.start()?;
            self.until_quiet().await?;
        }
        let (rule, noticed) = Once::new(plan.cloned());
        self.wire.begin(rule);
        self.ask_for(workflow.to).await?;
        if self.process.is_none() {
            self.start()?;
        }
        let snapshot = self.arrive(workflow.to, reference).await?;
        self.state = workflow.to;
        let carried = self.wire.carried();
        if let Some(reference) = reference {
            let wrong = reference.effects_too_much(&carried);
            ensure!(wrong.is_empty(), "an undisturbed run does not do this:\n  {}", wrong.join("\n  "));
        }
        self.must_be_coherent(&snapshot).await?;
        self.must_be_quiet().await?;
        let broken = noticed.broken.lock().unwrap().clone();
        ensure!(broken.is_empty(), "{}", broken.join("\n  "));
        ensure!(plan.is_none() || noticed.met.load(Ordering::Relaxed), NotMet);
        Ok(Run { carried, snapshot })
    }

    /// Delivers once more what the plan kept, now that another workflow is over: nothing may come of it.
    pub async fn deliver_late(&mut self) -> anyhow::Result<()> {
        for status in self.wire.deliver_kept().await {
            ensure!(!status.is_success(), "a late duplicate was accepted ({status}): what came later under that name is lost");
        }
        Ok(())
    }

    /// Ends the operator's process, so that the next one remembers nothing.
    pub fn forget(&mut self) {
        self.process = None;
    }

    /// Takes the server away from the cluster, by force.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        self.process = None;
        let name = resource_name(self.id);
        let unheld = json!({"metadata": {"finalizers": null}});
        let patched = self.world.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&unheld)).await;
        if patched.is_ok() {
            self.world.instances().delete(&name, &DeleteParams::default()).await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.world.client.clone());
        if namespaces.get_opt(&namespace_name(self.id)).await?.is_some() {
            namespaces.delete(&namespace_name(self.id), &DeleteParams::default()).await?;
        }
        Ok(())
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if self.process.as_ref().is_none_or(Process::is_dead) {
            self.process = None;
            self.process = Some(Process::start(&self.wire, self.settings.clone(), Arc::clone(&self.buckets))?);
        }
        Ok(())
    }

    /// What the fleet does.
    async fn ask_for(&self, state: State) -> anyhow::Result<()> {
        let name = resource_name(self.id);
        match state.wanted(self.id) {
            Some(order) => {
                let fleet = PatchParams::apply("fleet").force();
                self.world.instances().patch(&name, &fleet, &Patch::Apply(&order)).await?;
            }
            None => {
                self.world.instances().delete(&name, &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }

    async fn until_quiet(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.wire.quiet() < QUIET || self.wire.carried().is_empty() {
            ensure!(Instant::now() < deadline, "the operator does not come to rest");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until the server is where it should be, and starts the operator again whenever it dies.
    async fn arrive(&mut self, state: State, reference: Option<&Reference>) -> anyhow::Result<Snapshot> {
        let begun = Instant::now();
        let mut told_since = None;
        loop {
            sleep(Duration::from_millis(50)).await;
            if self.process.as_ref().is_some_and(Process::is_dead) {
                sleep(RESTART).await;
                self.start()?;
            }
            let now = Instant::now();
            let instance = self.world.instances().get_opt(&resource_name(self.id)).await?;
            if !state.is_told(instance.as_ref()) {
                told_since = None;
                if now > begun + PATIENCE {
                    let status = instance.map(|instance| serde_json::to_string(&instance.status).unwrap_or_default());
                    bail!("it does not say that it is {state:?} after {PATIENCE:?}: {}", status.unwrap_or_default());
                }
                continue;
            }
            let told_since = *told_since.get_or_insert(now);
            if self.wire.idle() < QUIET {
                ensure!(now < told_since + SETTLES_WITHIN, "the operator does not come to rest: {:?}", self.last_writes());
                continue;
            }
            let snapshot = self.world.lens.look(&self.world.client, self.id).await?;
            let wrong = if let Some(reference) = reference {
                reference.likeness.differences(&snapshot)
            } else {
                // Nothing to compare with: it is there when two looks see the same.
                sleep(QUIET * 2).await;
                let later = self.world.lens.look(&self.world.client, self.id).await?;
                if later == snapshot { Vec::new() } else { vec!["it still changes".to_owned()] }
            };
            if wrong.is_empty() && self.wire.idle() >= QUIET {
                return Ok(snapshot);
            }
            ensure!(now < told_since + SETTLES_WITHIN, "it is not as an undisturbed one:\n  {}", super::some_of(&wrong));
            sleep(QUIET).await;
        }
    }

    fn last_writes(&self) -> Vec<String> {
        let carried = self.wire.carried();
        carried.iter().rev().filter(|carried| carried.writes).take(5).map(|carried| carried.name.clone()).collect()
    }

    /// What no comparison of fields can tell, since keys are made by chance: they fit one another.
    async fn must_be_coherent(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let namespace = namespace_name(self.id);
        let buckets = [("mastodon-media", namespace.clone()), ("mastodon-backup", format!("{namespace}-backup"))];
        if !snapshot.0.contains_key("Secret/mastodon-identity") {
            let left = buckets.iter().find(|(_, bucket)| self.buckets.bucket(bucket).is_some());
            ensure!(left.is_none(), "a bucket was left behind");
            return Ok(());
        }
        let secrets: Api<Secret> = Api::namespaced(self.world.client.clone(), &namespace);
        let identity = secrets.get("mastodon-identity").await?.data.unwrap_or_default();
        let identity = Identity::read(&identity).map_err(|lacks| anyhow::anyhow!("the identity lacks {lacks}"))?;
        let instance = self.world.instances().get(&resource_name(self.id)).await?;
        let told = instance.status.and_then(|status| status.identity_fingerprint);
        ensure!(told.as_ref() == Some(&identity.fingerprint()), "the status tells another identity than there is");
        for (name, bucket) in buckets {
            let said = secrets.get(name).await?.data.unwrap_or_default();
            let text = |name: &str| said.get(name).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).unwrap_or_default();
            let (_, key) = self.buckets.bucket(&bucket).context("there is no bucket")?;
            ensure!(
                key.access == text("AWS_ACCESS_KEY_ID") && key.secret.expose_secret() == text("AWS_SECRET_ACCESS_KEY"),
                "a bucket opens to another key than {name} holds"
            );
        }
        Ok(())
    }

    /// Even when woken, an operator with nothing to do writes nothing.
    async fn must_be_quiet(&self) -> anyhow::Result<()> {
        if self.state == State::Nothing {
            return Ok(());
        }
        let before = self.wire.writes();
        let name = resource_name(self.id);
        let nudge = json!({"metadata": {"annotations": {NUDGE: InstanceId::new().to_string()}}});
        self.world.instances().patch(&name, &PatchParams::default(), &Patch::Merge(&nudge)).await?;
        sleep(WATCHED).await;
        ensure!(self.wire.writes() == before, "it writes although nothing is to be done: {:?}", self.last_writes());
        Ok(())
    }
}

/// How often each object was made and unmade by an operator, by the answers it got.
pub fn effects(carried: &[Carried]) -> BTreeMap<String, usize> {
    let mut effects = BTreeMap::new();
    for Carried { name, nth: _, writes: _, at: _, code } in carried {
        let Some((verb, what)) = name.split_once(' ') else { continue };
        let effect = match (verb, code) {
            _ if what == "events" => continue,
            ("delete", Some(200 | 202)) => "deletes",
            (_, Some(201)) => "makes",
            _ => continue,
        };
        *effects.entry(format!("{effect} {what}")).or_default() += 1;
    }
    effects
}
