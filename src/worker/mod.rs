//! Runs what is owed: handlers by what they deal with, and the schedules.
//!
//! A handler loads what its ids name, may run late and may run twice. It says *retry* (the queue waits longer each time) or *fail*
//! (a person must look: staff see the job until then).

mod alert;
mod announce;
mod archives;
mod chain;
mod claim;
mod compare;
mod deliver;
mod figures;
mod hook;
mod inbox;
mod measure;
mod rollout;
mod stripe;
mod sweep;
mod usage;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::archive::shelf::Depot;
use crate::audit::chain::{ChainAudit, Signer};
use crate::billing::jobs::{
    CarryChange, CarryGiving, CarryWish, CatchUpEvents, ReviewStandings, SettleOrder, SweepStripe, SyncCheckout, SyncPrices,
    SyncSubscription, TakeFree,
};
use crate::billing::{self, stripe::Stripe};
use crate::capacity::KeepWaitingList;
use crate::clock::SharedClock;
use crate::crypto::HostKey;
use crate::db::Db;
use crate::desk::alerts::{CallWebhook, Limits};
use crate::desk::announcements::MailAnnouncement;
use crate::instance::claim::CheckAddress;
use crate::instance::dns::{DnsTarget, Resolver};
use crate::instance::export::KeepArchives;
use crate::instance::sites::Sites;
use crate::instance::usage::AskUsage;
use crate::internet::Outbound;
use crate::mail::{SendMail, Transport};
use crate::plan::{Catalogue, Releases};
use crate::queue::{self, Job};
use crate::rollout::jobs::AdvanceRollouts;
use crate::telemetry;

/// What handlers work with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The database.
    pub db: Db,
    /// The present.
    pub clock: SharedClock,
    /// Stripe.
    pub stripe: Arc<dyn Stripe>,
    /// The way out for mails.
    pub transport: Arc<dyn Transport>,
    /// What is sold.
    pub catalogue: Arc<Catalogue>,
    /// What follows when nobody pays.
    pub dates: billing::Dates,
    /// How long a place is kept for whoever is next on the waiting list.
    pub invitation: TimeDelta,
    /// The file of releases: those that the database begins with.
    pub releases: Arc<Releases>,
    /// Where Stripe sends people back to.
    pub urls: billing::Urls,
    /// Each looks up customers' own domains by itself.
    pub views: Vec<Arc<dyn Resolver>>,
    /// What they must point to.
    pub dns_target: DnsTarget,
    /// Speaks HTTP to places that customers name.
    pub outbound: Arc<Outbound>,
    /// Asks servers what they tell everybody.
    pub sites: Arc<dyn Sites>,
    /// Signs links in mails, and makes the secrets of webhooks.
    pub key: HostKey,
    /// Signs the audit log.
    pub audit_signer: Signer,
    /// Sender of mails.
    pub mail_from: String,
    /// Name under mails.
    pub host_name: String,
    /// Where customers reach people; answers to mails go there.
    pub support: String,
    /// Where customers' archives are; nothing where this worker does not know.
    pub depot: Option<Depot>,
    /// From where on something is to look at, and who is told.
    pub alerts: Alerts,
}

/// How alerts are found and told.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// From where on rules fire.
    pub limits: Limits,
    /// Who is written to.
    pub mail: String,
    /// What is called, beside.
    pub webhook: Option<SecretString>,
}

impl Deps {
    /// Where the pages are.
    pub fn base(&self) -> &Url {
        &self.urls.base
    }
}

/// How a job went that did not succeed.
#[derive(Debug)]
enum JobError {
    /// It may succeed later.
    Retry(anyhow::Error),
    /// It never will by itself.
    Fail(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

/// A job with its handler.
trait Handle: Job {
    fn handle(self, deps: &Deps) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// What [`graphile_worker`] runs for the job `J`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Task<J>(J);

impl<J: Handle> TaskHandler for Task<J>
where
    J: serde::Serialize + for<'de> serde::Deserialize<'de>,
{
    const IDENTIFIER: &'static str = J::NAME;

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let Some(deps) = context.get_ext::<Arc<Deps>>() else { return Err("the worker was built without its parts".to_owned()) };
        let (id, attempts) = (*context.job().id(), *context.job().attempts());
        match self.0.handle(deps).await {
            Ok(()) => Ok(()),
            Err(JobError::Retry(error)) => {
                let why = format!("{error:#}");
                tracing::warn!(job.name = J::NAME, job.id = id, job.attempt = attempts, error = why, "a job will be tried again");
                metrics::counter!("paddock_jobs_retried_total", "job" => J::NAME).increment(1);
                Err(why)
            }
            Err(JobError::Fail(error)) => {
                let why = format!("{error:#}");
                tracing::error!(job.name = J::NAME, job.id = id, error = why, "a job failed for good; staff must look");
                metrics::counter!("paddock_jobs_failed_total", "job" => J::NAME).increment(1);
                // The attempt that ends now is the last.
                if let Err(error) = queue::no_more_tries(deps.db.owner(), id).await {
                    tracing::error!(job.id = id, error = %error, "a failed job could not be marked as such");
                }
                Err(why)
            }
        }
    }
}

/// How the queue is worked off.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Jobs at a time.
    pub concurrency: usize,
    /// Between two comparisons of everything with Stripe.
    pub sweep_every: Duration,
}

/// A worker over all jobs.
async fn build(
    deps: &Arc<Deps>,
    concurrency: usize,
    shutdown: Option<CancellationToken>,
) -> anyhow::Result<graphile_worker::Worker> {
    let options = WorkerOptions::default()
        .schema(queue::SCHEMA)
        .pg_pool(deps.db.owner().clone())
        .concurrency(concurrency)
        .poll_interval(Duration::from_secs(1))
        .add_extension(Arc::clone(deps))
        // A worker that was killed leaves its jobs locked: others take them over after this time.
        .heartbeat_interval(Duration::from_secs(2))
        .sweep_interval(Duration::from_secs(3))
        .sweep_threshold(Duration::from_secs(8))
        .recovery_delay(Duration::ZERO)
        .listen_os_shutdown_signals(false)
        .define_job::<Task<SendMail>>()
        .define_job::<Task<SyncCheckout>>()
        .define_job::<Task<SyncSubscription>>()
        .define_job::<Task<SettleOrder>>()
        .define_job::<Task<ReviewStandings>>()
        .define_job::<Task<CarryWish>>()
        .define_job::<Task<CarryChange>>()
        .define_job::<Task<CarryGiving>>()
        .define_job::<Task<TakeFree>>()
        .define_job::<Task<KeepWaitingList>>()
        .define_job::<Task<SweepStripe>>()
        .define_job::<Task<CatchUpEvents>>()
        .define_job::<Task<SyncPrices>>()
        .define_job::<Task<CheckAddress>>()
        .define_job::<Task<KeepArchives>>()
        .define_job::<Task<AdvanceRollouts>>()
        .define_job::<Task<ChainAudit>>()
        .define_job::<Task<alert::LookForAlerts>>()
        .define_job::<Task<CallWebhook>>()
        .define_job::<Task<AskUsage>>()
        .define_job::<Task<MailAnnouncement>>()
        .define_job::<Task<figures::KeepFigures>>()
        .define_job::<Task<sweep::Tidy>>();
    let options = match shutdown {
        Some(token) => {
            options.shutdown_signal(async move { token.cancelled().await }).shutdown_grace_period(Duration::from_secs(10))
        }
        None => options,
    };
    Ok(options.init().await?)
}

/// Works the queue off until `shutdown`; a job that is running then gets ten seconds.
pub async fn run(deps: Arc<Deps>, settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let schedules = tokio::spawn(sweep::schedule(Arc::clone(&deps), settings.sweep_every, shutdown.clone()));
    let events = tokio::spawn(inbox::run(Arc::clone(&deps), shutdown.clone()));
    let hooks = tokio::spawn(hook::run(Arc::clone(&deps), shutdown.clone()));
    let figures = tokio::spawn(measure::measure(Arc::clone(&deps), shutdown.clone()));
    // Postgres may be away when we start, and may go away while we run: neither ends this process.
    while !shutdown.is_cancelled() {
        let outcome = match build(&deps, settings.concurrency, Some(shutdown.clone())).await {
            Ok(worker) => worker.run().await.map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::warn!(error = telemetry::chain(error.as_ref()), "the job queue is interrupted; it goes on in a second");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    schedules.await?;
    events.await?;
    hooks.await?;
    figures.await?;
    Ok(())
}

/// Hands on the events of Stripe that have come, and returns; for tests.
pub async fn hand_on_events(deps: &Deps) -> anyhow::Result<()> {
    Ok(inbox::hand_on(deps).await?)
}

/// Tells customers' programs all that is due, and returns; for tests.
pub async fn deliver_hooks(deps: &Deps) -> anyhow::Result<()> {
    Ok(hook::deliver(deps).await?)
}

/// Runs what is due now and returns; for tests and `paddock admin`.
pub async fn run_once(deps: Arc<Deps>) -> anyhow::Result<()> {
    Ok(build(&deps, 4, None).await?.run_once().await?)
}
