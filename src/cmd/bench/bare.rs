//! The peer: a client without any logic that sends the requests of N servers as fast as it can, and then looks on until the same
//! pods, Jobs, databases and routes are ready.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::ids::InstanceId;
use crate::operator::bucket::{Bucket, BucketKey, Buckets, Purpose};
use crate::resource::{namespace_name, resource_name};

/// Stands in a body for the version of the custom resource that the answer before has told.
pub(super) const VERSION: &str = "RESOURCE-VERSION";
/// What must come to be ready, by API and kind.
pub(super) const AWAITED: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
];
/// The operator's and the fleet's own default: instances at a time.
pub(super) const AT_ONCE: usize = 16;
const STAGES: usize = 9;
const NAMESPACE: usize = 2;
/// The Secrets' stage, in which the operator also makes the buckets.
const SECRETS: usize = 3;
/// The last stage that waits for nothing to become ready.
const STORES: usize = 5;
/// Until everything is ready.
const PATIENCE: Duration = Duration::from_mins(15);

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub body: String,
}

/// All requests of one server.
#[derive(Debug, Default)]
pub(super) struct Recipe {
    /// What its names have in common; replaced for each server.
    digits: String,
    /// The writes of objects; each stage is sent at once.
    stages: [Vec<Call>; STAGES],
    /// The PUTs of the status, one after the other, each followed by its Event.
    pub statuses: Vec<Call>,
    /// The Events; some status changes have none.
    pub events: Vec<Option<Call>>,
    /// Objects in the cluster afterwards, Events and the custom resource not counted.
    pub objects: usize,
    /// How many of them must come to be ready.
    pub awaited: usize,
    /// The kinds of these objects.
    pub kinds: Vec<ApiResource>,
}

impl Recipe {
    pub fn new(digits: String) -> Self {
        Self { digits, ..Self::default() }
    }

    pub fn add_apply(&mut self, stage: usize, kind: &ApiResource, body: &Value, manager: &str) {
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{}/{name}?force=true&fieldManager={manager}", collection(kind, body));
        self.stages[stage].push(Call { method: Method::PATCH, path, body: body.to_string() });
    }

    pub fn add_create(&mut self, stage: usize, kind: &ApiResource, body: &Value, manager: &str) {
        let path = format!("{}?fieldManager={manager}", collection(kind, body));
        self.stages[stage].push(Call { method: Method::POST, path, body: body.to_string() });
    }

    /// Objects that wait for nothing but the ones before them: namespace, Secrets, walls, stores.
    pub fn ungated(&self) -> usize {
        self.stages[NAMESPACE..=STORES].iter().map(Vec::len).sum()
    }

    /// Requests to the API server for one server.
    pub fn requests(&self) -> usize {
        self.stages.iter().map(Vec::len).sum::<usize>() + self.statuses.len() + self.events.iter().flatten().count()
    }

    /// What a server can't be without.
    pub fn check(&self) -> anyhow::Result<()> {
        let empty = self.stages.iter().position(Vec::is_empty);
        anyhow::ensure!(empty.is_none(), "nothing was found for stage {empty:?} of the replay: {:?}", self.in_words());
        Ok(())
    }

    /// For people: how many requests of which kind.
    pub fn in_words(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(|calls| calls.len().to_string()).collect();
        format!(
            "{} objects; stages of {} writes; {} status PUTs; {} Events",
            self.objects,
            stages.join("+"),
            self.statuses.len(),
            self.events.iter().flatten().count()
        )
    }
}

fn collection(kind: &ApiResource, body: &Value) -> String {
    use kube::Resource as _;
    DynamicObject::url_path(kind, body["metadata"]["namespace"].as_str())
}

/// How it went.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Until the last answer.
    pub sent: Duration,
    /// Until everything was ready.
    pub ready: Duration,
}

/// Makes `count` servers, `at_once` at a time.
pub(super) async fn replay(
    client: &Client,
    buckets: &Arc<dyn Buckets>,
    recipe: &Arc<Recipe>,
    count: usize,
    at_once: usize,
) -> anyhow::Result<Outcome> {
    let (tell, told) = mpsc::unbounded_channel();
    let watches: Vec<Watch> =
        AWAITED.iter().map(|awaited| Watch::start(client, *awaited, tell.clone())).collect::<Result<_, _>>()?;
    drop(tell);
    let mut told = Told { told, known: HashSet::new() };
    // What an earlier replay left is ready already and does not count.
    told.settle().await;
    let wanted = told.known.len() + count * recipe.awaited;

    let began = Instant::now();
    let sending = async {
        stream::iter(0..count)
            .map(|_| {
                let (client, buckets, recipe) = (client.clone(), Arc::clone(buckets), Arc::clone(recipe));
                let one = tokio::spawn(async move { make(&client, buckets.as_ref(), &recipe, InstanceId::new()).await });
                async move { one.await? }
            })
            .buffer_unordered(at_once)
            .try_collect::<Vec<()>>()
            .await?;
        anyhow::Ok(began.elapsed())
    };
    let waiting = async { tokio::time::timeout(PATIENCE, told.wait_for(wanted)).await.context("the replay is not ready") };
    let (sent, ()) = tokio::try_join!(sending, waiting)?;
    let ready = began.elapsed();
    drop(watches);
    Ok(Outcome { sent, ready })
}

/// The requests of one server, in the operator's order.
async fn make(client: &Client, buckets: &dyn Buckets, recipe: &Recipe, id: InstanceId) -> anyhow::Result<()> {
    let digits = resource_name(id).trim_start_matches("ins-").to_owned();
    let renamed = |text: &str| text.replace(&recipe.digits, &digits);
    let send = async |call: &Call, version: &str| {
        let kind = if call.method == Method::PATCH { "application/apply-patch+yaml" } else { "application/json" };
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(renamed(&call.path))
            .header("content-type", kind)
            .header("accept", "application/json")
            .body(renamed(&call.body).replace(VERSION, version).into_bytes())?;
        client.request_text(request).await.with_context(|| format!("{} {}", call.method, renamed(&call.path)))
    };
    let mut version = String::new();
    for (number, stage) in recipe.stages.iter().enumerate() {
        let bucket = async {
            if number == SECRETS {
                // (The operator also seals an identity into the vault; the peer has none.)
                let (media, backup) = (namespace_name(id), format!("{}-backup", namespace_name(id)));
                let media = Bucket { name: &media, purpose: Purpose::Media { most: 1 << 30 } };
                let backup = Bucket { name: &backup, purpose: Purpose::Backup };
                let keys = [BucketKey::generate(), BucketKey::generate()];
                tokio::try_join!(buckets.ensure(media, &keys[0]), buckets.ensure(backup, &keys[1]))?;
            }
            anyhow::Ok(())
        };
        let calls = futures::future::try_join_all(stage.iter().map(|call| send(call, "")));
        let (answers, ()) = tokio::try_join!(calls, bucket)?;
        if number <= 1 {
            version = read_version(answers.first().context("no answer")?)?;
        }
    }
    for (at, status) in recipe.statuses.iter().enumerate() {
        version = read_version(&send(status, &version).await?)?;
        if let Some(Some(event)) = recipe.events.get(at) {
            send(event, "").await?;
        }
    }
    for event in recipe.events.iter().skip(recipe.statuses.len()).flatten() {
        send(event, "").await?;
    }
    Ok(())
}

fn read_version(answer: &str) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_str(answer)?;
    Ok(answer["metadata"]["resourceVersion"].as_str().context("an answer without a version")?.to_owned())
}

/// Uids of what is ready; nothing: a watch has listed everything.
type News = Option<String>;

struct Told {
    told: mpsc::UnboundedReceiver<News>,
    known: HashSet<String>,
}

impl Told {
    /// Until each watch has listed what is there.
    async fn settle(&mut self) {
        let mut outstanding = AWAITED.len();
        while outstanding > 0 {
            match self.told.recv().await {
                Some(Some(uid)) => drop(self.known.insert(uid)),
                Some(None) => outstanding -= 1,
                None => return,
            }
        }
    }

    async fn wait_for(&mut self, wanted: usize) {
        while self.known.len() < wanted {
            match self.told.recv().await {
                Some(Some(uid)) => drop(self.known.insert(uid)),
                Some(None) => {}
                None => return std::future::pending().await,
            }
        }
    }
}

/// A watch of one kind; ends when it is dropped.
struct Watch(tokio::task::JoinHandle<()>);

impl Watch {
    fn start(client: &Client, (api_version, kind): (&str, &str), tell: mpsc::UnboundedSender<News>) -> anyhow::Result<Self> {
        let (group, version) = api_version.split_once('/').context("an API without a group")?;
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let ours = watcher::Config::default().labels("app.kubernetes.io/managed-by=paddock");
        let mut events = watcher(api, ours).default_backoff().boxed();
        Ok(Self(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let news = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) if is_ready(&kind.kind, &object) => {
                        Some(object.metadata.uid.unwrap_or_default())
                    }
                    Ok(watcher::Event::InitDone) => None,
                    Ok(_) | Err(_) => continue,
                };
                if tell.send(news).is_err() {
                    return;
                }
            }
        })))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the operator also waits for before it says Ready.
fn is_ready(kind: &str, object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let holds = |name: &str| {
        let conditions = status["conditions"].as_array();
        conditions.into_iter().flatten().any(|condition| condition["type"] == name && condition["status"] == "True")
    };
    match kind {
        "Job" => holds("Complete"),
        "Cluster" => holds("Ready"),
        "HTTPRoute" => status["parents"].as_array().is_some_and(|parents| !parents.is_empty()),
        _ => status["readyReplicas"].as_i64().unwrap_or(0) >= 1,
    }
}
