//! The operator against a real control plane: what it makes, what it repairs, and what it never makes twice.

mod address;
mod apart;
mod archives;
mod backups;
mod faults;
mod healing;
mod isolation;
mod kept;
mod lifecycle;
mod restart;
mod rights;
mod runs;
mod schema;
mod sealed;
mod told;
pub mod vault;
mod wire;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use paddock::clock::{SharedClock, SystemClock};
use paddock::demo::rig::{REGION, Rig};
use paddock::ids::InstanceId;
use paddock::operator::bucket::{self, Buckets};
use paddock::operator::{self, Settings};
use paddock::resource::{
    CATALOGUE_NAME, ConditionKind, MastodonInstance, StepName, condition, crds_yaml, is_true, namespace_name, resource_name,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;

use crate::harness::{clear, turn};

const DOMAIN: &str = "hosts.example";
const PATIENCE: Duration = Duration::from_mins(2);

/// The shared rig with our definitions, and a client of this test's own runtime.
struct Host {
    rig: &'static Rig,
    client: Client,
    _turn: Box<dyn Any>,
}

/// What an operator of a rig is told.
fn settings_for(rig: &Rig) -> Settings {
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "0".repeat(64));
    let (access, secret) = rig.s3().root_credentials();
    let release = |version: &str| {
        let images = ["mastodon", "streaming"].map(|name| image(&format!("{name}:v{version}")));
        (version.to_owned(), json!({"web": images[0], "streaming": images[1], "min_from": "4.2.0"}))
    };
    let releases: serde_json::Map<_, _> = ["4.5.19", "4.5.20", "4.6.9", "4.7.0", "4.7.4"].map(release).into_iter().collect();
    serde_json::from_value(json!({
        "releases": releases,
        "park": {"namespace": "paddock", "service": "park", "port": 80},
        "address": {
            "wildcard_domain": DOMAIN, "gateway": {"name": "hosts", "namespace": "paddock", "section": "https"},
            "issuer": {"name": "simulated"}, "media": {"addresses": ["192.0.2.10"], "port": 7070},
        },
        "storage": {
            "driver": "versitygw", "pod_endpoint": rig.s3().endpoint(), "endpoint": rig.s3().endpoint(),
            "region": REGION, "access_key": access, "secret_key": secret, "media_host": "files.hosts.example/{bucket}",
        },
        "vault": vault::section(),
        "mail": {"server": "relay.example", "port": 587, "from": "mastodon@{domain}"},
        "postgres_image": image("postgres:17.6"),
        "valkey_image": image("valkey:8.1"),
        "program_image": image("paddock:1"),
    }))
    .unwrap()
}

/// A running operator.
struct Operator {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Requests that were not reads: method and path.
    written: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn new() -> Self {
        let turn = turn().await;
        // `RUST_LOG=paddock=debug cargo test … -- --nocapture` shows what the operator does.
        let _already = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).try_init();
        let rig = turn.rig();
        for (_, yaml) in crds_yaml().unwrap() {
            rig.cluster().apply(&yaml).await.unwrap();
        }
        let client = rig.cluster().client().await.unwrap();
        // Without the controller that looks after nodes the taint of a new node stays.
        let nodes: Api<Node> = Api::all(client.clone());
        nodes.patch("fake-0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"taints": null}}))).await.unwrap();
        // What a fleet of another test has published.
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "paddock");
        let _gone = maps.delete(CATALOGUE_NAME, &DeleteParams::default()).await;
        let host = Self { rig, client, _turn: Box::new(turn) };
        host.until("the definition is served", async || host.instances().list(&ListParams::default()).await.ok().map(|_| ()))
            .await;
        clear(&host.client).await.unwrap();
        host
    }

    fn instances(&self) -> Api<MastodonInstance> {
        Api::all(self.client.clone())
    }

    fn settings(&self) -> Settings {
        settings_for(self.rig)
    }

    async fn operator(&self) -> Operator {
        self.operator_with(self.settings()).await
    }

    async fn operator_with(&self, settings: Settings) -> Operator {
        let clock: SharedClock = Arc::new(SystemClock);
        let buckets = bucket::connect(&settings.storage, &clock).unwrap();
        self.operator_over(settings, buckets).await
    }

    async fn operator_over(&self, settings: Settings, buckets: Arc<dyn Buckets>) -> Operator {
        let written: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&written);
        let file = Kubeconfig::read_from(self.rig.cluster().kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let counting = MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
            if request.method() != http::Method::GET {
                noted.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            }
            request
        });
        let client = ClientBuilder::try_from(config).unwrap().with_layer(&counting).build();
        let stop = CancellationToken::new();
        let run = operator::run_with(settings, client, Arc::new(SystemClock), buckets, stop.clone());
        Operator { stop, task: tokio::spawn(async { run.await.unwrap() }), written }
    }

    /// Asks for a server; returns its id.
    async fn order(&self, change: impl FnOnce(&mut serde_json::Value)) -> InstanceId {
        let id = InstanceId::new();
        let name = resource_name(id);
        let mut wanted = Self::wanted(&name);
        change(&mut wanted);
        self.instances().patch(&name, &PatchParams::apply("fleet").force(), &Patch::Apply(&wanted)).await.unwrap();
        id
    }

    /// A server with two web pods.
    fn wanted(name: &str) -> serde_json::Value {
        json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonInstance", "metadata": {"name": name},
            "spec": {
                "domain": format!("{}.{DOMAIN}", &name[4..]), "mode": {"running": {}}, "version": "4.5.20", "locale": "en",
                "owner": {"username": "ada", "email": "ada@mail.example"},
                "size": {
                    "web": {"replicas": 2, "concurrency": 0, "threads": 5, "memoryMib": 900, "cpuMilli": 100},
                    "streaming": {"replicas": 1, "dbPool": 4, "memoryMib": 200, "cpuMilli": 100},
                    "sidekiq": {"replicas": 1, "concurrency": 10, "memoryMib": 700, "cpuMilli": 100},
                    "scheduler": {"concurrency": 3, "memoryMib": 500, "cpuMilli": 100},
                    "database": {"instances": 1, "storageGib": 20, "memoryMib": 1024, "cpuMilli": 100},
                    "cache": {"memoryMib": 256, "storageGib": 2},
                    "mediaGib": 50,
                },
            },
        })
    }

    async fn get(&self, id: InstanceId) -> MastodonInstance {
        self.instances().get(&resource_name(id)).await.unwrap()
    }

    /// Waits until a condition has this truth; shows the conditions when it takes too long.
    async fn until_condition(&self, id: InstanceId, kind: ConditionKind, truth: &str) -> MastodonInstance {
        let what = format!("{} is {truth}", kind.as_str());
        self.until(&what, async || {
            let instance = self.get(id).await;
            let conditions = instance.status.clone().unwrap_or_default().conditions;
            condition(&conditions, kind).is_some_and(|condition| condition.status == truth).then_some(instance)
        })
        .await
    }

    /// Looks again and again, with a short pause, until there is something to see.
    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if tokio::time::Instant::now() > deadline {
                let all: Vec<_> = self.instances().list(&ListParams::default()).await.unwrap().items;
                let status: Vec<_> = all.iter().map(|instance| serde_json::to_string(&instance.status).unwrap()).collect();
                panic!("{what}: not within {PATIENCE:?}; {status:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn objects(&self, id: InstanceId) -> BTreeMap<String, (String, String)> {
        objects(&self.client, id).await
    }

    fn secrets(&self, id: InstanceId) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &namespace_name(id))
    }

    fn deployments(&self, id: InstanceId) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &namespace_name(id))
    }
}

impl Operator {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    fn writes(&self) -> usize {
        self.written.lock().unwrap().len()
    }

    /// What it has written, method and path.
    fn written(&self) -> Vec<String> {
        self.written.lock().unwrap().clone()
    }

    /// Waits until nothing has been written for a while.
    async fn settle(&self) {
        loop {
            let before = self.writes();
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.writes() == before {
                return;
            }
        }
    }
}

fn names(objects: &BTreeMap<String, (String, String)>) -> BTreeSet<&str> {
    objects.keys().map(String::as_str).collect()
}

fn uids(objects: &BTreeMap<String, (String, String)>) -> BTreeMap<&str, &str> {
    objects.iter().map(|(name, (uid, _))| (name.as_str(), uid.as_str())).collect()
}

/// Every object of ours in an instance's namespace and the namespace itself: kind/name → uid and resource version.
pub async fn objects(client: &Client, id: InstanceId) -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    for (group, version, kind, plural) in [
        ("", "v1", "Namespace", "namespaces"),
        ("", "v1", "ResourceQuota", "resourcequotas"),
        ("", "v1", "LimitRange", "limitranges"),
        ("", "v1", "ConfigMap", "configmaps"),
        ("", "v1", "Secret", "secrets"),
        ("", "v1", "Service", "services"),
        ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
        ("postgresql.cnpg.io", "v1", "Cluster", "clusters"),
        ("postgresql.cnpg.io", "v1", "Backup", "backups"),
        ("postgresql.cnpg.io", "v1", "ScheduledBackup", "scheduledbackups"),
        ("barmancloud.cnpg.io", "v1", "ObjectStore", "objectstores"),
        ("apps", "v1", "StatefulSet", "statefulsets"),
        ("apps", "v1", "Deployment", "deployments"),
        ("batch", "v1", "Job", "jobs"),
        ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
        ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
        ("gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets"),
        ("cert-manager.io", "v1", "Certificate", "certificates"),
    ] {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let resource =
            ApiResource { group: group.into(), version: version.into(), api_version, kind: kind.into(), plural: plural.into() };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let ours = ListParams::default().labels(&format!("paddock.host/instance={}", resource_name(id)));
        for object in api.list(&ours).await.unwrap() {
            // Kubernetes' own, which have their Service's labels.
            if object.labels().get("endpointslice.kubernetes.io/managed-by").is_some_and(|by| by != "paddock.host") {
                continue;
            }
            let name = if kind == "Namespace" { "the one".to_owned() } else { object.name_any() };
            all.insert(format!("{kind}/{name}"), (object.uid().unwrap(), object.resource_version().unwrap()));
        }
    }
    all
}

/// What a server with two web pods consists of.
pub const WHOLE: [&str; 33] = [
    "Cluster/db-1",
    "ConfigMap/mastodon-env",
    "Deployment/scheduler",
    "Deployment/sidekiq",
    "Deployment/streaming",
    "Deployment/web",
    "HTTPRoute/mastodon",
    "Job/owner-4-5-20",
    "Job/prepare-4-5-20",
    "Job/seed-4-5-20",
    "LimitRange/mastodon",
    "Namespace/the one",
    "NetworkPolicy/archive",
    "NetworkPolicy/cache",
    "NetworkPolicy/database",
    "NetworkPolicy/default-deny",
    "NetworkPolicy/mastodon",
    "NetworkPolicy/names",
    "NetworkPolicy/streaming",
    "NetworkPolicy/web",
    "ObjectStore/backups",
    "PersistentVolumeClaim/cache",
    "PodDisruptionBudget/web",
    "ResourceQuota/mastodon",
    "ScheduledBackup/db-1",
    "Secret/cache-password",
    "Secret/mastodon-backup",
    "Secret/mastodon-identity",
    "Secret/mastodon-media",
    "Service/cache",
    "Service/streaming",
    "Service/web",
    "StatefulSet/cache",
];

fn whole() -> BTreeSet<&'static str> {
    WHOLE.into_iter().collect()
}

#[tokio::test]
async fn a_server_comes_up_is_repaired_and_then_costs_nothing() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let begun = tokio::time::Instant::now();
    let instance = host.until_condition(id, ConditionKind::Ready, "True").await;
    println!("ready after {:?}, with {} writes", begun.elapsed(), operator.writes());

    // It is whole, and says so.
    let status = instance.status.clone().unwrap();
    assert_eq!(status.version.as_deref(), Some("4.5.20"));
    assert!(status.database_initialised);
    assert_eq!(status.identity_fingerprint.as_ref().map(String::len), Some(64));
    assert_eq!(
        status.ready_since,
        condition(&status.conditions, ConditionKind::Ready).map(|ready| ready.last_transition_time.clone())
    );
    assert_eq!(status.steps.iter().map(|step| step.name).collect::<Vec<_>>(), StepName::ALL);
    assert!(status.steps.iter().all(|step| step.finished_at.is_some()));
    assert!(!is_true(&status.conditions, ConditionKind::Stalled));
    assert!(condition(&status.conditions, ConditionKind::RestoreProven).is_none(), "nothing is claimed that is not so");
    let objects = host.objects(id).await;
    assert_eq!(names(&objects), whole());

    // Quiet for twenty seconds: not one write by us, nothing of ours changes.
    operator.settle().await;
    let (before, objects) = (operator.writes(), host.objects(id).await);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(operator.writes(), before, "an idle server costs no write");
    assert_eq!(host.objects(id).await, objects);

    // A new operator finds all as the one before has noted it. (More in restart.rs.)
    operator.stop().await;
    let operator = host.operator().await;
    operator.settle().await;
    assert_eq!(host.objects(id).await, objects, "a restart changes nothing");
    assert_eq!(operator.written(), Vec::<String>::new(), "and costs nothing");

    // What others changed while no operator ran is put right by the next one.
    operator.stop().await;
    let deployments = host.deployments(id);
    let fewer = json!({"spec": {"replicas": 0}});
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(&fewer)).await.unwrap();
    let operator = host.operator().await;
    host.until("what changed meanwhile is put right", async || {
        let web = deployments.get("web").await.unwrap();
        (web.spec.unwrap().replicas == Some(2)).then_some(())
    })
    .await;

    // What holds no data comes back, and what others change is put right.
    let old = deployments.get("web").await.unwrap().uid();
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || deployments.get_opt("web").await.unwrap().filter(|web| web.uid() != old)).await;
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(&fewer)).await.unwrap();
    host.until("the replicas are put right", async || {
        let web = deployments.get("web").await.unwrap();
        (web.spec.unwrap().replicas == Some(2)).then_some(())
    })
    .await;
    // What others add to the pods goes.
    let more = json!({"spec": {"template": {"spec": {
        "containers": [
            {"name": "spy", "image": "registry.example/spy"},
            {"name": "web", "env": [{"name": "LD_PRELOAD", "value": "spy.so"}], "volumeMounts": [{"name": "more", "mountPath": "/more"}]},
        ],
        "volumes": [{"name": "more", "emptyDir": {}}],
    }}}});
    let added = deployments.patch("web", &PatchParams::default(), &Patch::Strategic(&more)).await.unwrap();
    assert_eq!(added.spec.unwrap().template.spec.unwrap().containers.len(), 2);
    host.until("what was added is gone", async || {
        let text = serde_json::to_string(&deployments.get("web").await.unwrap().spec).unwrap();
        (!["spy", "LD_PRELOAD", "/more"].iter().any(|word| text.contains(word))).then_some(())
    })
    .await;
    host.until_condition(id, ConditionKind::Ready, "True").await;

    // Nothing but the Deployment is another one; the identity is the same in every respect.
    let later = host.objects(id).await;
    let mut changed = uids(&later);
    let mut was = uids(&objects);
    changed.remove("Deployment/web");
    was.remove("Deployment/web");
    assert_eq!(changed, was);
    assert_eq!(later["Secret/mastodon-identity"], objects["Secret/mastodon-identity"]);
    operator.stop().await;
}

#[tokio::test]
async fn two_operators_at_once_make_one_server() {
    let host = Host::new().await;
    let (one, two) = (host.operator().await, host.operator().await);
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    one.settle().await;
    two.settle().await;
    let objects = host.objects(id).await;
    assert_eq!(names(&objects), whole());
    let writes = (one.writes(), two.writes());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((one.writes(), two.writes()), writes, "they do not fight");
    assert_eq!(host.get(id).await.status.unwrap().identity_fingerprint, status.identity_fingerprint);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn of_several_operators_the_one_with_the_lease_works_and_another_takes_over() {
    let host = Host::new().await;
    let claim = |identity: &str| {
        let mut settings = host.settings();
        let lease = json!({"namespace": "paddock", "name": "operator", "identity": identity});
        settings.leader = Some(serde_json::from_value(lease).unwrap());
        settings
    };
    let leases: Api<Lease> = Api::namespaced(host.client.clone(), "paddock");
    let holder = async || leases.get_opt("operator").await.unwrap().and_then(|lease| lease.spec?.holder_identity);
    let one = host.operator_with(claim("one")).await;
    host.until("one holds the lease", async || holder().await.filter(|holder| holder == "one")).await;
    let two = host.operator_with(claim("two")).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    assert_eq!(two.writes(), 0, "the other only looks");
    one.stop().await;
    host.until("two takes over", async || holder().await.filter(|holder| holder == "two")).await;
    let deployments = host.deployments(id);
    deployments.delete("streaming", &DeleteParams::default()).await.unwrap();
    host.until("two repairs", async || deployments.get_opt("streaming").await.unwrap()).await;
    two.stop().await;
}

#[tokio::test]
async fn the_owner_is_in_the_database_and_media_are_public_while_backups_are_not() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let login = host.secrets(id).get("db-1-app").await.unwrap().data.unwrap();
    let text = |name: &str| String::from_utf8(login[name].0.clone()).unwrap();
    let url = host.rig.postgres().url_as(&text("username"), &text("password"), &text("dbname"));
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let role: String = sqlx::query_scalar("select r.name from users u join user_roles r on r.id = u.role_id where u.email = $1")
        .bind("ada@mail.example")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(role, "Owner");
    pool.close().await;

    // The bucket: anybody may read media, nobody may list it or read an archive.
    let bucket = namespace_name(id);
    let status =
        async |path: &str| reqwest::get(format!("{}/{bucket}{path}", host.rig.s3().endpoint())).await.unwrap().status().as_u16();
    assert_eq!(status("/media_attachments/nothing.png").await, 404, "readable, but not there");
    assert_eq!(status("/backups/dumps/nothing.zip").await, 403);
    assert_eq!(status("").await, 403);
    operator.stop().await;
}

#[tokio::test]
async fn what_can_not_be_done_is_said_and_an_empty_server_can_go() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|wanted| wanted["spec"]["version"] = "9.9.9".into()).await;
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    assert_eq!(condition(&status.conditions, ConditionKind::Stalled).unwrap().reason, "UnknownRelease");
    assert!(host.objects(id).await.is_empty());
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
    host.until("it is gone", async || host.instances().get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;

    // One that holds data stays, and goes on being served.
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
    let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    assert_eq!(condition(&status.conditions, ConditionKind::Stalled).unwrap().reason, "DeletionNeedsProvenArchive");
    operator.settle().await;
    assert_eq!(names(&host.objects(id).await), whole());
    operator.stop().await;
}

#[tokio::test]
async fn a_suspended_server_stops_and_comes_back_with_its_data() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let before = host.objects(id).await;
    let set_mode = async |mode: serde_json::Value| {
        let patch = json!({"spec": {"mode": mode}});
        host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    set_mode(json!({"running": null, "suspended": {"reason": "unpaid"}})).await;
    host.until("no pod is left", async || {
        let all = host.deployments(id).list(&ListParams::default()).await.unwrap();
        all.iter().all(|one| one.status.as_ref().and_then(|status| status.replicas).unwrap_or(0) == 0).then_some(())
    })
    .await;
    let status = host.until_condition(id, ConditionKind::Ready, "False").await.status.unwrap();
    assert_eq!(condition(&status.conditions, ConditionKind::Ready).unwrap().reason, "Stopped");
    assert!(status.ready_since.is_none());
    host.until("the budget is gone", async || (!host.objects(id).await.contains_key("PodDisruptionBudget/web")).then_some(()))
        .await;

    set_mode(json!({"suspended": null, "running": {}})).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let after = host.objects(id).await;
    for kept in ["Secret/mastodon-identity", "Cluster/db-1", "PersistentVolumeClaim/cache", "Job/seed-4-5-20"] {
        assert_eq!(after[kept].0, before[kept].0, "{kept}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn the_namespace_refuses_pods_beyond_the_restricted_profile() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::NamespaceReady, "True").await;
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let namespace = namespaces.get(&namespace_name(id)).await.unwrap();
    assert_eq!(namespace.labels()["pod-security.kubernetes.io/enforce"], "restricted");
    assert!(namespace.metadata.owner_references.is_none());
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let hostile = serde_json::from_value(json!({
        "metadata": {"name": "hostile"},
        "spec": {"containers": [{"name": "hostile", "image": "x", "securityContext": {"privileged": true}}]},
    }));
    let refused = pods.create(&kube::api::PostParams::default(), &hostile.unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "{refused}");
    // Our own pods do come up under it.
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}
