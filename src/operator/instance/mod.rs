//! One pass over one instance: observe → validate → found → build → apply → status. Only the outer steps hold a client.

mod address;
mod apply;
mod buckets;
pub mod build;
mod causes;
mod contest;
mod found;
mod gate;
mod handover;
mod identity;
mod keys;
mod mail;
mod observe;
mod progress;
mod reached;
mod removal;
mod remove;
mod render;
mod status;
mod turn;
mod upgrade;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::{Api, Client};
use tokio::task::JoinError;
use tokio::time::Instant;

pub use identity::{Identity, random_hex};
pub use render::render;
pub use status::with_proof;
pub use validate::{Refusal, Valid, validate};

use self::contest::Contests;
use self::found::Found;
use self::handover::Doors;
use self::observe::Observed;
use self::progress::{Progress, TaskState};
use self::status::Stall;
use self::turn::Turn;
use self::upgrade::Decision;
use super::bucket::Buckets;
use super::error::{Category, Error, chain};
use super::fuse::Fuse;
use super::seeded::Bug;
use super::seen::SeenStore;
use super::settings::{Release, Settings};
use super::vault::Vault;
use crate::clock::SharedClock;
use crate::crash;
use crate::resource::{ConditionKind, Finding, InstanceStatus, MastodonInstance, UpgradePhase};

/// How often the pods are looked at while some of another release are left: nobody watches pods.
const GATE_LOOK: Duration = Duration::from_secs(3);

/// What every pass shares.
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// The custom resources.
    pub instances: Api<MastodonInstance>,
    /// The object store.
    pub buckets: Arc<dyn Buckets>,
    /// Where identities are kept.
    pub vault: Vault,
    /// The present.
    pub clock: SharedClock,
    /// What the operator was told when it started.
    pub settings: Settings,
    /// The same with the releases that the fleet has published.
    current: Mutex<Arc<Settings>>,
    /// What was seen of our objects.
    pub seen: Arc<SeenStore>,
    /// Writes events.
    pub recorder: Recorder,
    memory: Mutex<HashMap<String, Memory>>,
}

/// What is remembered of an instance between passes. Losing it costs reads, nothing else.
#[derive(Debug, Default)]
pub struct Memory {
    /// The custom resource as our last write left it, until the watch has caught up.
    newest: Option<Arc<MastodonInstance>>,
    /// The identity.
    identity: keys::Remembered,
    /// The buckets.
    buckets: buckets::Remembered,
    /// What was put right of late.
    contests: Contests,
    /// Passes in a row that failed.
    failures: u32,
}

impl Context {
    /// What every pass shares.
    pub fn new(
        settings: Settings,
        client: Client,
        clock: SharedClock,
        buckets: Arc<dyn Buckets>,
        vault: Vault,
        recorder: Recorder,
    ) -> Self {
        Self {
            instances: Api::all(client.clone()),
            client,
            buckets,
            vault,
            clock,
            current: Mutex::new(Arc::new(settings.clone())),
            settings,
            seen: Arc::default(),
            recorder,
            memory: Mutex::default(),
        }
    }

    /// What the operator was told, with the releases as they are known now.
    fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these releases may run; those of the settings when there are none. Whether that changed anything.
    pub fn set_releases(&self, releases: Option<BTreeMap<String, Release>>) -> bool {
        let releases = releases.unwrap_or_else(|| self.settings.releases.clone());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.releases == releases {
            return false;
        }
        *current = Arc::new(Settings { releases, ..self.settings.clone() });
        true
    }

    fn with_memory<T>(&self, instance: &str, act: impl FnOnce(&mut Memory) -> T) -> T {
        let mut all = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = all.get_mut(instance) {
            return act(memory);
        }
        act(all.entry(instance.to_owned()).or_default())
    }

    /// The newer of what the watch has shown and what our last write left.
    fn newest(&self, name: &str, cached: Arc<MastodonInstance>) -> Arc<MastodonInstance> {
        let version = |instance: &MastodonInstance| -> u64 {
            instance.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        self.with_memory(name, |memory| match &memory.newest {
            Some(ours) if ours.metadata.uid == cached.metadata.uid && version(ours) > version(&cached) => Arc::clone(ours),
            Some(_) | None => {
                memory.newest = None;
                cached
            }
        })
    }

    /// Counts a pass that failed; returns how many have in a row.
    fn failed(&self, name: &str) -> u32 {
        self.with_memory(name, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        })
    }

    /// Forgets an instance that is gone.
    fn forget(&self, name: &str) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// One pass, and when to come again.
pub async fn reconcile(instance: Arc<MastodonInstance>, context: Arc<Context>) -> Result<Action, Error> {
    let name = instance.metadata.name.clone().unwrap_or_default();
    let began = Instant::now();
    let outcome = Box::pin(pass(instance, &context)).await;
    metrics::histogram!("paddock_operator_pass_seconds").record(began.elapsed().as_secs_f64());
    match &outcome {
        Ok(_) => context.with_memory(&name, |memory| memory.failures = 0),
        Err(error) => metrics::counter!("paddock_operator_errors_total", "category" => error.category().as_str()).increment(1),
    }
    outcome
}

async fn pass(instance: Arc<MastodonInstance>, context: &Context) -> Result<Action, Error> {
    let mut observed = observe::observe(context, instance).await?;
    let leaving = observed.instance.metadata.deletion_timestamp.is_some();
    if leaving && !observed.status.database_initialised {
        return leave(context, &observed).await;
    }
    let mut blown = None;
    if removal::is_wanted(&observed) {
        match removal::may_begin(context, &observed).await? {
            Fuse::Whole => return removal::remove(context, &mut observed).await,
            Fuse::Blown { since } => blown = Some(since),
        }
    }
    if !leaving && !remove::is_held(&observed) && !Bug::ForgetsToHold.is_made() {
        remove::hold(context, &observed, true).await?;
        crash::point("operator.held");
        let name = observed.instance.metadata.name.clone().unwrap_or_default();
        observed.instance = context.newest(&name, Arc::clone(&observed.instance));
    }
    if !observed.lost.is_empty() {
        return stall(context, &observed, data_lost(&observed.lost)).await;
    }
    let instance = Arc::clone(&observed.instance);
    let settings = context.current();
    let valid = match validate(&settings, &instance, &observed.status, &observed.seen) {
        Ok(valid) => valid,
        Err(refusal) => return stall(context, &observed, Stall::new(refusal.reason(), refusal.to_string())).await,
    };
    Box::pin(work(context, valid, &mut observed, Circumstances { leaving, blown })).await
}

/// What else is to be known in a pass.
struct Circumstances {
    /// The custom resource is being deleted.
    leaving: bool,
    /// Since when a removal that is wanted waits for the fuse.
    blown: Option<DateTime<Utc>>,
}

/// The pass over an instance that we can bring about.
async fn work(
    context: &Context,
    mut valid: Valid<'_>,
    observed: &mut Observed,
    circumstances: Circumstances,
) -> Result<Action, Error> {
    let foundation = match found::found(context, &valid, observed).await {
        Ok(Found::Stands(foundation)) => foundation,
        Ok(Found::NoVault(why)) => return wait_for_vault(context, observed, &why).await,
        Ok(Found::Stalled(what)) => return stall(context, observed, what).await,
        Err(error) => {
            if let Some(reason) = error.stalls() {
                stall(context, observed, Stall::new(reason, chain(&error))).await?;
            }
            return Err(error);
        }
    };
    let now = context.clock.now();
    let doors = Doors::of(&valid, &observed.status, &observed.seen, now);
    valid.runs = doors.processes;
    let valid = &valid;
    let read = |observed: &Observed| {
        Progress::read(&observed.seen, &observed.status, &valid.version, valid.under_way.as_ref(), now.timestamp())
    };
    let before = read(observed);
    let objects = build::build(valid, &foundation, before.attempts());
    let walls = objects.walls();
    if Bug::SaysBeforeDoing.is_made() && before.migrated() && before.owner == (TaskState::Due { attempt: 1 }) {
        let said = Progress { owner: TaskState::Done, ..before.clone() };
        let found = status::findings(valid, &observed.seen, &walls, &foundation, &said);
        status::publish(context, observed, status::next(observed, &found, now)).await?;
    }
    let applied = apply::apply(context, valid, observed, &before, doors, objects).await;

    // Also after an error: what has come to be is told, and what failed is tried again.
    observed.seen = context.seen.of(&valid.name);
    let progress = read(observed);
    let left = if applied.is_ok() { left_of_others(context, valid, observed, &progress).await? } else { None };
    let mut found = status::findings(valid, &observed.seen, &walls, &foundation, &progress);
    let look_again = causes::explain(context, valid, &observed.status, &mut found).await;
    let contested = context.with_memory(&valid.name, |memory| memory.contests.told(Instant::now()));
    let turn = Turn::of(valid, &progress, left.as_deref(), now);
    found.extend(turn.finding(&observed.status.conditions, &progress, left.as_deref()));
    // One status per pass: two that contradict each other would wake the next pass, for ever.
    let refused = applied.as_ref().err().and_then(|error| Some((error.stalls()?, chain(error))));
    let Circumstances { leaving, blown } = circumstances;
    let stalled = match (refused, blown, &contested) {
        (Some(refused), _, _) => Some(refused),
        (None, Some(since), _) => {
            found.retain(|finding| finding.kind != ConditionKind::Stalled);
            found.extend(removal::waits_for_fuse(since));
            None
        }
        (None, None, Some((told, _))) => Some(("Conflict", told.clone())),
        (None, None, None) if leaving => Some(("DeletionNeedsProvenArchive", remove::REFUSED.to_owned())),
        (None, None, None) => valid.refused.first().map(|first| {
            let all: Vec<String> = valid.refused.iter().map(ToString::to_string).collect();
            (first.reason(), all.join("; "))
        }),
    };
    if let Some((reason, message)) = stalled {
        found.retain(|finding| finding.kind != ConditionKind::Stalled);
        found.push(Finding::holds(ConditionKind::Stalled, reason, message));
    }
    let mut next = status::next(observed, &found, now);
    next.identity_fingerprint = next.identity_fingerprint.or(Some(foundation.identity.fingerprint));
    turn.note(&mut next);
    let [before, after] = moments(&observed.status, &next);
    crash::point(before);
    if next.database_initialised {
        remove::mark(context, &valid.name, &valid.namespace, &observed.seen).await?;
    }
    status::publish(context, observed, next).await?;
    crash::point(after);
    applied?;
    let closed = left.is_some_and(|left| !left.is_empty()).then_some(GATE_LOOK);
    let failed = matches!(foundation.bucket, buckets::BucketState::Unavailable(_)).then_some(buckets::PAUSE);
    let contested = contested.map(|(_, wait)| wait);
    let waits = [closed, failed, progress.wait(), doors.wait(valid), blown.map(|_| removal::BLOWN), look_again, contested];
    let look = period(&context.settings);
    Ok(Action::requeue(waits.into_iter().flatten().min().map_or(look, |wait| wait.min(look))))
}

/// What is left of other releases, once it looks as if nothing were; `None` where nobody has to know.
async fn left_of_others(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    progress: &Progress,
) -> Result<Option<Vec<String>>, Error> {
    let (Some(under_way), Decision::Keep) = (&valid.under_way, &valid.decision) else { return Ok(None) };
    let asks = match under_way.upgrade.phase {
        UpgradePhase::Backup | UpgradePhase::PreMigration => false,
        UpgradePhase::Roll | UpgradePhase::RollBack => progress::looks_rolled(&observed.seen),
        // An old one may have come back before the Job was made.
        UpgradePhase::PostMigration => {
            progress.change.as_ref().is_some_and(|steps| matches!(steps.post, TaskState::Due { attempt: _ }))
        }
    };
    if asks { gate::look(context, valid, &under_way.images).await.map(Some) } else { Ok(None) }
}

/// The points before and after a status is written, by what it says for the first time.
fn moments(status: &InstanceStatus, next: &InstanceStatus) -> [&'static str; 2] {
    if next.database_initialised && !status.database_initialised {
        ["operator.before_initialised", "operator.initialised"]
    } else if next.version.is_some() && status.version.is_none() {
        ["operator.before_migrated", "operator.migrated"]
    } else if next.ready_since.is_some() && status.ready_since.is_none() {
        ["operator.before_ready", "operator.ready"]
    } else {
        ["operator.before_status", "operator.status_written"]
    }
}

/// The end of an instance in which nothing was ever put.
async fn leave(context: &Context, observed: &Observed) -> Result<Action, Error> {
    if !remove::is_held(observed) {
        return Ok(Action::await_change());
    }
    // Another operator may just have begun to fill it: the newest status decides.
    let name = observed.instance.metadata.name.clone().unwrap_or_default();
    let live = context.instances.get_opt(&name).await.map_err(Error::kube("read the MastodonInstance"))?;
    if live.and_then(|live| live.status).is_some_and(|status| status.database_initialised) {
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    if !remove::remove_empty(context, observed).await? && !Bug::LetsGoEarly.is_made() {
        return Ok(Action::requeue(Duration::from_secs(15)));
    }
    remove::hold(context, observed, false).await?;
    context.forget(&name);
    Ok(Action::await_change())
}

async fn stall(context: &Context, observed: &Observed, stall: Stall) -> Result<Action, Error> {
    let found = status::stall_findings(&observed.status.conditions, stall);
    let next = status::next(observed, &found, context.clock.now());
    // A stall is never a reason to believe that anything was filled.
    let next = InstanceStatus { database_initialised: observed.status.database_initialised, ..next };
    status::publish(context, observed, next).await?;
    Ok(Action::requeue(period(&context.settings)))
}

/// Nothing is started while the vault can't be asked for the identity.
async fn wait_for_vault(context: &Context, observed: &Observed, why: &str) -> Result<Action, Error> {
    let found = status::vault_findings(&observed.status.conditions, why);
    let next = status::next(observed, &found, context.clock.now());
    let next = InstanceStatus { database_initialised: observed.status.database_initialised, ..next };
    status::publish(context, observed, next).await?;
    Ok(Action::requeue(keys::PAUSE))
}

fn data_lost(lost: &[String]) -> Stall {
    let message = remove::in_words(lost);
    let mut also: Vec<Finding> =
        lost.iter().map(|lost| Finding::fails(remove::condition_of(lost), "DataLost", format!("{lost} is gone"))).collect();
    also.push(Finding::fails(ConditionKind::Ready, "DataLost", message.clone()));
    Stall { reason: "DataLost", message, also }
}

/// What is said about an instance whose pass has crashed. Others go on, and it is tried again.
pub async fn crashed(instance: Arc<MastodonInstance>, context: &Context, crash: JoinError) -> Error {
    let error = Error::crashed(crash);
    let message = format!("{error}; this is a fault of the operator: report it, with its log");
    let told = async { stall(context, &observe::observe(context, instance).await?, Stall::new("Crashed", message)).await };
    if let Err(error) = told.await {
        tracing::warn!(error = %chain(&error), "could not tell of a pass that crashed");
    }
    error
}

/// The period, spread by a tenth so that instances do not come in step.
fn period(settings: &Settings) -> Duration {
    Duration::from_secs(settings.look_seconds.into()).mul_f64(rand::random_range(0.9..1.1))
}

/// A pause that doubles with each failure in a row; half of it is chance, so that many that failed at once don't come in step.
fn pause(first: Duration, failures: u32, longest: Duration) -> Duration {
    let pause = first.saturating_mul(1 << failures.saturating_sub(1).min(12)).min(longest);
    pause.mul_f64(rand::random_range(0.5..1.0))
}

/// When to come again after an error: nearly at once when somebody was faster, not before something changes when the same would be
/// refused again (a look every period apart), else after a pause that doubles up to five minutes, or up to one minute when it is
/// others that can lift what forbids it, without our hearing of it.
pub fn after_error(instance: &MastodonInstance, error: &Error, context: &Context) -> Action {
    let name = instance.metadata.name.clone().unwrap_or_default();
    match error.category() {
        Category::Conflict if Bug::IgnoresConflict.is_made() => Action::await_change(),
        Category::Conflict => {
            // Who sees the past is refused for as long as it lasts.
            let pause = pause(Duration::from_millis(100), context.failed(&name), Duration::from_secs(30));
            Action::requeue(pause)
        }
        Category::Invalid => {
            tracing::error!(instance.name = name, error = %chain(error), "can't go on");
            Action::requeue(period(&context.settings))
        }
        Category::Transient if Bug::GivesUp.is_made() => Action::await_change(),
        category @ (Category::Transient | Category::Forbidden) => {
            let longest = if category == Category::Forbidden { Duration::from_mins(1) } else { Duration::from_mins(5) };
            let pause = pause(Duration::from_secs(1), context.failed(&name), longest);
            tracing::warn!(instance.name = name, error = %chain(error), pause.seconds = pause.as_secs_f64(), "tries again");
            Action::requeue(pause)
        }
    }
}
