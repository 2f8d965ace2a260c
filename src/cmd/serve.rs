//! `paddock serve`, and its parts alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::db::Db;
use crate::{capacity, fleet, operator, telemetry, web, worker};

/// Jobs at a time in one process.
const JOBS_AT_ONCE: usize = 8;

/// Which parts run in this process.
#[expect(clippy::struct_excessive_bools, reason = "any combination of the four makes sense")]
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Pages, API and webhook.
    pub web: bool,
    /// Jobs.
    pub worker: bool,
    /// The exchange with clusters.
    pub fleet: bool,
    /// The operator.
    pub operator: bool,
}

impl Selection {
    /// All of them: a small host.
    pub const ALL: Self = Self { web: true, worker: true, fleet: true, operator: true };
    /// None, to build on.
    pub const NONE: Self = Self { web: false, worker: false, fleet: false, operator: false };
}

/// The cluster whose operator runs in this process.
#[derive(Debug, Clone)]
pub enum OperatorOf {
    /// The one whose kubeconfig has this name in the folder of kubeconfigs; `None`: the one that this process runs in.
    Kubeconfig(Option<String>),
    /// The only one that the database has.
    OnlyOne,
}

/// Runs the selected parts until `shutdown`, or until one of them can't go on: then the others are stopped too, and the fault is
/// returned. With `migrate` the database is brought up to date first.
pub(super) async fn run(
    parts: Parts,
    selection: Selection,
    operator_of: OperatorOf,
    migrate: bool,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let operator_settings = if selection.operator { Some(parts.operator_settings()?) } else { None };
    if migrate {
        parts.db.migrate().await?;
    }
    if let Some(listen) = parts.config().metrics {
        telemetry::start_metrics(listen).context("metrics.listen")?;
    }
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    if selection.web {
        let nudges = web::Nudges::default();
        let state = parts.web_state(nudges.clone());
        let listen = parts.config().http.listen;
        let listener =
            tokio::net::TcpListener::bind(listen).await.with_context(|| format!("listening on {listen} (http.listen)"))?;
        tracing::info!(http.listen = %listener.local_addr()?, "pages are served");
        let stop = shutdown.clone();
        running.spawn(async move { Ok(web::serve(listener, state, stop).await?) });
        let (db, stop) = (parts.db.clone(), shutdown.clone());
        running.spawn(async move {
            nudges.listen(db, stop).await;
            Ok(())
        });
    }
    if selection.worker {
        let sweep_every = Duration::from_secs(parts.config().stripe.sweep_seconds.unsigned_abs());
        let settings = worker::Settings { concurrency: JOBS_AT_ONCE, sweep_every };
        running.spawn(worker::run(parts.worker_deps(), settings, shutdown.clone()));
    }
    if selection.fleet {
        running.spawn(fleet::run(parts.db.clone(), Arc::clone(&parts.clock), parts.access(), shutdown.clone()));
    }
    if let Some(settings) = operator_settings {
        let (db, access, clock, stop) = (parts.db.clone(), parts.access(), Arc::clone(&parts.clock), shutdown.clone());
        running.spawn(async move {
            let Some(kubeconfig) = stop.run_until_cancelled(kubeconfig_of(operator_of, &db)).await.transpose()? else {
                return Ok(());
            };
            let client = access.client(kubeconfig.as_deref()).await.context("the operator's cluster")?;
            Ok(operator::run(settings, client, clock, stop).await?)
        });
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
        if ended.is_err() && outcome.is_ok() {
            outcome = ended;
        }
        // A part that ended by itself takes the others along: half a program is worse than a restart.
        shutdown.cancel();
    }
    outcome
}

/// Between two looks for a cluster, as long as there is none.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where the access to the operator's cluster lies. As long as there is no cluster in the database one is waited for: staff add it.
async fn kubeconfig_of(cluster: OperatorOf, db: &Db) -> anyhow::Result<Option<String>> {
    match cluster {
        OperatorOf::Kubeconfig(kubeconfig) => return Ok(kubeconfig),
        OperatorOf::OnlyOne => {}
    }
    loop {
        let mut conn = db.owner().acquire().await?;
        let all = capacity::list_cluster_access(&mut conn).await?;
        drop(conn);
        match all.as_slice() {
            [] => tokio::time::sleep(LOOK_EVERY).await,
            [only] => return Ok(only.kubeconfig.clone()),
            _ => anyhow::bail!("there are several clusters; say with --cluster in which one the operator of this process works"),
        }
    }
}
