//! The real servers that demo and tests run against: Postgres, a Kubernetes control plane, S3, and the stand-ins for what
//! needs a kubelet or the network (CloudNativePG, volumes, the work of our Jobs).
//!
//! All of it listens on loopback only, and ends with us. See `tests/cluster` for the control plane's program and `./dev tools`
//! for how it gets built.

mod bucket;
mod child;
mod cluster;
mod error;
mod garage;
mod manifests;
mod postgres;
mod s3;
mod shared;
mod standins;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

pub use child::sweep;
pub use cluster::{Cluster, ClusterSettings, Identity};
pub use error::RigError;
pub use garage::Garage;
pub use postgres::{Fault, Postgres};
pub use s3::{REGION, S3};
pub use shared::shared_postgres;
pub use tools::Tools;

use standins::Standins;

/// Whether the stand-ins do the work of our Jobs and databases for real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Each instance has a real database, and our Jobs really fill it.
    Real,
    /// Secrets and statuses only: for measurements of the control plane alone.
    Skipped,
}

/// What a rig is to be.
#[expect(clippy::struct_excessive_bools, reason = "any combination of them makes sense")]
#[derive(Debug, Clone)]
pub struct RigSettings {
    /// Folder of all state, logs and kubeconfigs.
    pub dir: PathBuf,
    /// Reuse the state that an earlier run left in `dir`; else it is wiped first.
    pub keep: bool,
    /// Whether Postgres survives power loss. Off is faster; `kill -9` is survived either way.
    pub durable: bool,
    /// Domain under which the shared Gateway has a wildcard listener.
    pub hosts_domain: String,
    /// CRDs of ours, as YAML.
    pub crds: Vec<String>,
    /// Who may sign in at the API server with a token of their own, beside the administrator.
    pub identities: Vec<Identity>,
    /// Whether the stand-ins do real work.
    pub work: Work,
    /// Whether controllers make pods. Without, Deployments, `StatefulSet`s and Jobs are ready or done at once, by rules: for
    /// measurements of what writes them.
    pub pods: bool,
    /// Whether the API server notes who changes what; see [`Cluster::audit_log`].
    pub audit: bool,
}

impl RigSettings {
    /// A rig in `dir` that forgets everything, for tests.
    pub fn throwaway(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            keep: false,
            durable: false,
            hosts_domain: "hosts.example".into(),
            crds: Vec::new(),
            identities: ["operator", "fleet"]
                .map(|name| Identity::service_account(name, "paddock", &format!("paddock-{name}")))
                .to_vec(),
            work: Work::Real,
            pods: true,
            audit: false,
        }
    }
}

/// All servers of the rig, running. Dropping it kills them; [`Rig::stop`] is the orderly way.
#[derive(Debug)]
pub struct Rig {
    dir: PathBuf,
    postgres: Arc<Postgres>,
    cluster: Cluster,
    s3: S3,
    _standins: Standins,
}

impl Rig {
    /// Starts everything; returns when all of it answers.
    pub async fn start(settings: &RigSettings) -> Result<Self, RigError> {
        prepare(&settings.dir, settings.keep).await?;
        let postgres = timed("Postgres", Postgres::start(&settings.dir, settings.durable));
        let (postgres, (cluster, s3)) = tokio::try_join!(postgres, Self::start_others(settings))?;
        Self::with_standins(settings, Arc::new(postgres), cluster, s3).await
    }

    async fn start_others(settings: &RigSettings) -> Result<(Cluster, S3), RigError> {
        let tools = Tools::find()?;
        let cluster = ClusterSettings {
            hosts_domain: settings.hosts_domain.clone(),
            crds: settings.crds.clone(),
            identities: settings.identities.clone(),
            work: settings.work,
            pods: settings.pods,
            audit: settings.audit,
        };
        tokio::try_join!(
            timed("Kubernetes control plane", Cluster::start(&settings.dir, &tools, &cluster)),
            timed("S3 server", S3::start(&settings.dir, &tools)),
        )
    }

    async fn with_standins(settings: &RigSettings, postgres: Arc<Postgres>, cluster: Cluster, s3: S3) -> Result<Self, RigError> {
        let standins = Standins::start(&cluster.client().await?, &postgres, settings.work);
        Ok(Self { dir: settings.dir.clone(), postgres, cluster, s3, _standins: standins })
    }

    /// The folder of state, logs (`logs/<part>.log`) and kubeconfigs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The database server.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The Kubernetes control plane.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The S3 server.
    pub fn s3(&self) -> &S3 {
        &self.s3
    }

    /// Names and process ids of all servers.
    pub async fn pids(&self) -> Vec<(String, u32)> {
        let mut pids = self.cluster.pids().await;
        pids.extend(self.postgres.pid().await.map(|pid| ("postgres".to_owned(), pid)));
        pids.extend(self.s3.pid().await.map(|pid| ("s3".to_owned(), pid)));
        pids
    }

    /// Stops everything in order; state stays in the folder.
    pub async fn stop(self) {
        tokio::join!(self.cluster.stop(), self.s3.stop());
        self.postgres.stop(Fault::Clean).await;
    }
}

/// Makes `dir` ready: sweeps what an earlier run left running, and wipes its state unless it is to be kept.
async fn prepare(dir: &Path, keep: bool) -> Result<(), RigError> {
    child::sweep(dir).await;
    if !keep {
        forget(dir)?;
    }
    fs::create_dir_all(dir).map_err(RigError::file("create", dir))
}

/// Removes the state of the rig that was in `dir`, with Postgres' data where that lies elsewhere.
pub fn forget(dir: &Path) -> Result<(), RigError> {
    for folder in postgres::data_folders(dir).into_iter().chain([dir.to_path_buf()]) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RigError::file("remove", &folder)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn timed<T>(part: &str, start: impl Future<Output = Result<T, RigError>>) -> Result<T, RigError> {
    let before = Instant::now();
    let started = start.await?;
    tracing::info!("{part} started in {} ms", before.elapsed().as_millis());
    Ok(started)
}
