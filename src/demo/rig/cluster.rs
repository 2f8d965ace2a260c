//! A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler; KWOK plays the kubelets.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use nix::sys::signal::Signal;
use p256::pkcs8::LineEnding;
use tokio::sync::Mutex;

use super::child::{Child, Launch, kept_port};
use super::postgres::Fault;
use super::{RigError, Tools, Work, manifests};

const READY_WITHIN: Duration = Duration::from_secs(90);
/// The one node, see `stages/base.yaml`.
const NODE: &str = "fake-0";
/// By default these programs limit themselves to 20–50 requests/s, and a hundred instances take four minutes instead of 24 s.
const UNLIMITED: [&str; 2] = ["--kube-api-qps=2000", "--kube-api-burst=4000"];

/// Reads are not noted.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
    {"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}]}"#;

/// Somebody who may sign in at the API server with a token, beside the administrator.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Short name: of its kubeconfig, and for [`Cluster::client_as`].
    pub name: String,
    /// User name at the API server, `system:serviceaccount:<namespace>:<name>` for a service account.
    pub user: String,
    /// Groups at the API server.
    pub groups: Vec<String>,
}

impl Identity {
    /// An identity with the rights that RBAC gives to a service account.
    pub fn service_account(name: &str, namespace: &str, account: &str) -> Self {
        Self {
            name: name.into(),
            user: format!("system:serviceaccount:{namespace}:{account}"),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
        }
    }

    fn of(name: &str, user: &str, groups: &[&str]) -> Self {
        Self { name: name.into(), user: user.into(), groups: groups.iter().map(|&group| group.to_owned()).collect() }
    }
}

/// What a cluster is to be.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Domain of the shared Gateway's wildcard listener.
    pub hosts_domain: String,
    /// CRDs of ours, as YAML; applied before anything else starts.
    pub crds: Vec<String>,
    /// Who may sign in, beside the administrator.
    pub identities: Vec<Identity>,
    /// Whether our Jobs wait for their work to be done.
    pub work: Work,
    /// Whether controllers make pods.
    pub pods: bool,
    /// Whether the API server notes who changes what.
    pub audit: bool,
}

/// A running control plane.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    tools: Tools,
    port: u16,
    etcd_port: u16,
    audit: bool,
    apiserver: Mutex<Option<Child>>,
    others: Mutex<Vec<Child>>,
}

impl Cluster {
    /// Starts the control plane with its state in `dir`; returns when CRDs, Stages, node and Gateway are in place.
    pub async fn start(dir: &Path, tools: &Tools, settings: &ClusterSettings) -> Result<Self, RigError> {
        let cluster = Self {
            dir: dir.to_path_buf(),
            tools: tools.clone(),
            port: kept_port(dir, "apiserver")?,
            etcd_port: kept_port(dir, "etcd")?,
            audit: settings.audit,
            apiserver: Mutex::default(),
            others: Mutex::default(),
        };
        fs::create_dir_all(cluster.folder()).map_err(RigError::file("create", &cluster.folder()))?;
        cluster.write_signing_key()?;
        if settings.audit {
            write_private(&cluster.folder().join("audit-policy.json"), AUDIT_POLICY)?;
        }
        cluster.write_identities(&settings.identities)?;
        let mut children = vec![cluster.start_etcd().await?];
        *cluster.apiserver.lock().await = Some(cluster.start_apiserver().await?);
        let client = cluster.client().await?;

        for part in ["kube-controller-manager", "kube-scheduler"] {
            children.push(cluster.launch(part, cluster.controller_flags(part, settings.pods)?)?);
        }
        manifests::apply_crd_files(&client, &cluster.tools.crds).await?;
        let mut kwok = cluster.launch("kwok", cluster.kwok_flags()?)?;
        for yaml in &settings.crds {
            manifests::apply(&client, yaml).await?;
        }
        let ours = match settings.work {
            Work::Real => include_str!("stages/job-worked.yaml"),
            Work::Skipped => include_str!("stages/job-skipped.yaml"),
        };
        let stages = [include_str!("stages/node.yaml"), include_str!("stages/pod.yaml"), include_str!("stages/job.yaml"), ours];
        let podless = (!settings.pods).then_some(include_str!("stages/podless.yaml"));
        for yaml in stages.into_iter().chain([include_str!("stages/gateway.yaml")]).chain(podless) {
            manifests::apply(&client, yaml).await?;
        }
        manifests::apply(&client, &include_str!("stages/base.yaml").replace("HOSTS_DOMAIN", &settings.hosts_domain)).await?;
        kwok.wait_until(READY_WITHIN, || node_is_ready(client.clone())).await?;
        children.push(kwok);
        // A new node is tainted until the node lifecycle controller has seen it; that one would also miss heartbeats, so it
        // does not run here.
        let untainted = serde_json::json!({"spec": {"taints": null}});
        let nodes: Api<Node> = Api::all(client);
        let patched = nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(&untainted)).await;
        patched.map_err(RigError::kube("make the node fit for pods"))?;
        for child in &mut children {
            child.check()?;
        }
        *cluster.others.lock().await = children;
        Ok(cluster)
    }

    /// Port of the API server on 127.0.0.1; stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("admin")
    }

    /// Kubeconfig of one of the identities.
    pub fn kubeconfig_of(&self, identity: &str) -> PathBuf {
        self.folder().join(format!("{identity}.kubeconfig"))
    }

    /// Where the API server notes every request that changes something, one JSON object of `audit.k8s.io/v1` a line, when it is over.
    pub fn audit_log(&self) -> PathBuf {
        self.folder().join("audit.log")
    }

    /// A client with the administrator's rights. It belongs to the async runtime that it is made in: make one per test.
    pub async fn client(&self) -> Result<Client, RigError> {
        self.client_as("admin").await
    }

    /// A client with the rights of one of the identities.
    pub async fn client_as(&self, identity: &str) -> Result<Client, RigError> {
        let path = self.kubeconfig_of(identity);
        let unreadable = |why: String| RigError::Unreadable { what: path.display().to_string(), why };
        let file = Kubeconfig::read_from(&path).map_err(|error| unreadable(error.to_string()))?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| unreadable(error.to_string()))?;
        Client::try_from(config).map_err(RigError::kube(format!("make a client for {identity}")))
    }

    /// Applies manifests server-side, as the administrator.
    pub async fn apply(&self, yaml: &str) -> Result<(), RigError> {
        manifests::apply(&self.client().await?, yaml).await
    }

    /// Takes the API server down as `fault` says and starts it again on the same port and data; returns when it is ready.
    pub async fn restart_apiserver(&self, fault: Fault) -> Result<(), RigError> {
        let mut child = self.apiserver.lock().await;
        if let Some(mut running) = child.take() {
            stop(&mut running, fault).await;
        }
        *child = Some(self.start_apiserver().await?);
        Ok(())
    }

    /// Takes the API server down and leaves it so; [`Cluster::restart_apiserver`] brings it back.
    pub async fn stop_apiserver(&self, fault: Fault) {
        if let Some(mut running) = self.apiserver.lock().await.take() {
            stop(&mut running, fault).await;
        }
    }

    /// Names and process ids of what runs.
    pub async fn pids(&self) -> Vec<(String, u32)> {
        let apiserver = self.apiserver.lock().await;
        let others = self.others.lock().await;
        apiserver.iter().chain(others.iter()).map(|child| (child.part().to_owned(), child.pid())).collect()
    }

    /// Stops everything, the data's keepers last.
    pub async fn stop(&self) {
        let mut others = std::mem::take(&mut *self.others.lock().await);
        let etcd = others.iter().position(|child| child.part() == "etcd").map(|at| others.remove(at));
        futures::future::join_all(others.iter_mut().map(|child| stop(child, Fault::Killed))).await;
        self.stop_apiserver(Fault::Killed).await;
        if let Some(mut etcd) = etcd {
            stop(&mut etcd, Fault::Clean).await;
        }
    }

    fn folder(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    fn path(&self, name: &str) -> String {
        self.folder().join(name).display().to_string()
    }

    fn launch(&self, part: &str, flags: Vec<String>) -> Result<Child, RigError> {
        let args = std::iter::once(part.to_owned()).chain(flags).collect();
        // These programs allocate a lot; collecting half as often costs some memory and saves a tenth of the processor.
        let env = vec![("GOGC".to_owned(), "200".to_owned())];
        Child::start(Launch { part, program: &self.tools.cluster, args, dir: &self.dir, death_signal: "KILL", user: None, env })
    }

    async fn start_etcd(&self) -> Result<Child, RigError> {
        let flags = vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--client-url=http://127.0.0.1:{}", self.etcd_port),
            format!("--peer-url=http://127.0.0.1:{}", kept_port(&self.dir, "etcd-peer")?),
        ];
        let mut child = self.launch("etcd", flags)?;
        child.wait_for_port(self.etcd_port, READY_WITHIN).await?;
        Ok(child)
    }

    async fn start_apiserver(&self) -> Result<Child, RigError> {
        let key = self.path("service-accounts.key");
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", self.path("certs")),
            format!("--service-account-issuer=https://127.0.0.1:{}", self.port),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            "--service-cluster-ip-range=10.96.0.0/12".into(),
            format!("--token-auth-file={}", self.path("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--enable-priority-and-fairness=true".into(),
        ];
        if self.audit {
            flags.push(format!("--audit-policy-file={}", self.path("audit-policy.json")));
            flags.push(format!("--audit-log-path={}", self.audit_log().display()));
        }
        let mut child = self.launch("kube-apiserver", flags)?;
        // The certificate, which the kubeconfig names, is made by the first start.
        child.wait_for_port(self.port, READY_WITHIN).await?;
        let client = self.client().await?;
        child.wait_until(READY_WITHIN, || is_ready(client.clone())).await?;
        Ok(child)
    }

    fn controller_flags(&self, part: &str, pods: bool) -> Result<Vec<String>, RigError> {
        let mut flags = vec![
            format!("--kubeconfig={}", self.kubeconfig_of(part).display()),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", kept_port(&self.dir, part)?),
            "--leader-elect=false".into(),
        ];
        flags.extend(UNLIMITED.map(String::from));
        if part == "kube-controller-manager" {
            let off =
                if pods { "" } else { ",-deployment-controller,-replicaset-controller,-statefulset-controller,-job-controller" };
            flags.extend([
                "--use-service-account-credentials=true".into(),
                format!("--service-account-private-key-file={}", self.path("service-accounts.key")),
                format!("--root-ca-file={}", self.path("certs/apiserver.crt")),
                format!("--controllers=*,-nodeipam,-cloud-node-lifecycle,-service-lb-controller,-node-lifecycle-controller{off}"),
                "--concurrent-deployment-syncs=20".into(),
                "--concurrent-replicaset-syncs=20".into(),
                "--concurrent-job-syncs=20".into(),
                "--concurrent-namespace-syncs=20".into(),
            ]);
        }
        Ok(flags)
    }

    fn kwok_flags(&self) -> Result<Vec<String>, RigError> {
        Ok(vec![
            format!("--kubeconfig={}", self.kubeconfig().display()),
            "--manage-all-nodes=true".into(),
            "--node-lease-duration-seconds=0".into(),
            "--enable-crds=Stage".into(),
            // The default holds 254 pods.
            "--cidr=172.16.0.1/12".into(),
            format!("--server-address=127.0.0.1:{}", kept_port(&self.dir, "kwok")?),
        ])
    }

    /// The key that signs service account tokens, made once.
    fn write_signing_key(&self) -> Result<(), RigError> {
        let path = self.folder().join("service-accounts.key");
        if path.exists() {
            return Ok(());
        }
        let unusable = |why: String| RigError::Unreadable { what: "a new signing key".into(), why };
        let key = p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()).map_err(|error| unusable(error.to_string()))?;
        let pem = key.to_sec1_pem(LineEnding::LF).map_err(|error| unusable(error.to_string()))?;
        write_private(&path, &pem)
    }

    /// The token file and one kubeconfig per identity. Tokens are new at each start.
    fn write_identities(&self, named: &[Identity]) -> Result<(), RigError> {
        let mut identities = vec![
            Identity::of("admin", "admin", &["system:masters"]),
            Identity::of("kube-controller-manager", "system:kube-controller-manager", &[]),
            Identity::of("kube-scheduler", "system:kube-scheduler", &[]),
        ];
        identities.extend_from_slice(named);
        let mut tokens = String::new();
        for Identity { name, user, groups } in &identities {
            let token = hex::encode(rand::random::<[u8; 16]>());
            // Writing into a text can't fail.
            let _ = writeln!(tokens, "{token},{user},{name},\"{}\"", groups.join(","));
            let kubeconfig = serde_json::json!({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "rig",
                "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": name}}],
                "clusters": [{"name": "rig", "cluster": {
                    "server": format!("https://127.0.0.1:{}", self.port),
                    "certificate-authority": self.path("certs/apiserver.crt"),
                }}],
                "users": [{"name": name, "user": {"token": token}}],
            });
            write_private(&self.kubeconfig_of(name), &kubeconfig.to_string())?;
        }
        write_private(&self.folder().join("tokens.csv"), &tokens)
    }
}

async fn is_ready(client: Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok()
}

/// The proof that KWOK works: it has taken the node.
async fn node_is_ready(client: Client) -> bool {
    let nodes: Api<Node> = Api::all(client);
    let Ok(node) = nodes.get_status(NODE).await else { return false };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn stop(child: &mut Child, fault: Fault) {
    let signal = match fault {
        Fault::Clean => Signal::SIGTERM,
        Fault::Killed => Signal::SIGKILL,
    };
    child.stop(signal, Duration::from_secs(15)).await;
}

fn write_private(path: &Path, text: &str) -> Result<(), RigError> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).map_err(RigError::file("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(RigError::file("protect", path))
}
