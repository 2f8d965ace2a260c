//! One rig per test process, started by the first test that asks, ended with the process.
//!
//! It lives on a runtime of its own: a test's runtime ends with the test, and would take tasks and connections along.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::child::start_time;
use super::{Postgres, Rig, RigError, RigSettings, prepare, timed};
use crate::telemetry;

const PREFIX: &str = "paddock-rig-";

/// The Postgres server of this test process alone: a second, where the whole rig takes many.
pub async fn shared_postgres() -> Result<&'static Arc<Postgres>, RigError> {
    static POSTGRES: OnceCell<Result<Arc<Postgres>, String>> = OnceCell::const_new();
    let start = async || {
        let started = async {
            let dir = folder();
            sweep_dead_runs().await;
            prepare(&dir, false).await?;
            Ok(Arc::new(timed("Postgres", Postgres::start(&dir, false)).await?))
        };
        on_lasting_runtime(started).await
    };
    POSTGRES.get_or_init(start).await.as_ref().map_err(|error| RigError::Shared(error.clone()))
}

impl Rig {
    /// The rig of this test process, in a temporary folder, with [`RigSettings::throwaway`].
    pub async fn shared() -> Result<&'static Self, RigError> {
        static RIG: OnceCell<Result<Rig, String>> = OnceCell::const_new();
        let start = async || {
            let started = async {
                let postgres = Arc::clone(shared_postgres().await?);
                let settings = RigSettings::throwaway(folder());
                let (cluster, s3) = Self::start_others(&settings).await?;
                Self::with_standins(&settings, postgres, cluster, s3).await
            };
            on_lasting_runtime(started).await
        };
        RIG.get_or_init(start).await.as_ref().map_err(|error| RigError::Shared(error.clone()))
    }
}

impl Rig {
    /// A rig that lives as long as this test process, like [`Rig::shared`], but for those who ask for it alone: they may take its servers
    /// down. `change` makes the settings other than [`RigSettings::throwaway`]'s.
    pub async fn apart(name: &str, change: impl FnOnce(RigSettings) -> RigSettings) -> Result<Self, RigError> {
        sweep_dead_runs().await;
        let mut dir = folder().into_os_string();
        dir.push(format!("-{name}"));
        let settings = change(RigSettings::throwaway(dir));
        let started = on_lasting_runtime(async move { Box::pin(Self::start(&settings)).await });
        started.await.map_err(RigError::Shared)
    }
}

/// The folder carries pid and start time, so that a later run can tell whether its owner is dead.
pub(super) fn folder() -> PathBuf {
    let process = std::process::id();
    std::env::temp_dir().join(format!("{PREFIX}{process}-{}", start_time(process).unwrap_or_default()))
}

pub(super) async fn sweep_dead_runs() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let mut owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).unwrap_or_default().split('-');
        if let (Some(process), Some(started)) = (owner.next(), owner.next())
            && let (Ok(process), Ok(started)) = (process.parse::<u32>(), started.parse::<u64>())
            && start_time(process) != Some(started)
        {
            super::child::sweep(&entry.path()).await;
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

pub(super) async fn on_lasting_runtime<T: Send + 'static>(
    work: impl Future<Output = Result<T, RigError>> + Send + 'static,
) -> Result<T, String> {
    static RUNTIME: OnceLock<Option<Handle>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().ok()?;
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Some(handle)
    });
    let Some(runtime) = runtime else { return Err("no runtime could be made".into()) };
    match runtime.spawn(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(telemetry::chain(&error)),
        Err(gone) => Err(gone.to_string()),
    }
}
