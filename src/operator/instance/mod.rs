//! One pass over one instance: observe → validate → found → build → apply → status. Only the outer steps hold a client.

mod address;
mod apply;
mod backups;
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
mod majors;
mod observe;
mod progress;
mod quiet;
mod reached;
mod removal;
mod remove;
mod render;
mod rewrite;
mod rolling;
mod room;
mod status;
mod stores;
mod trust;
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

use self::backups::BackedUp;
use self::contest::Contests;
use self::found::Found;
use self::handover::Doors;
use self::observe::Observed;
use self::progress::{Progress, TaskState};
use self::quiet::{Ground, Quiet};
use self::remove::Lost;
use self::rolling::Rolling;
use self::status::Stall;
use self::turn::{Looked, Turns};
use self::upgrade::Decision;
use super::bucket::Buckets;
use super::error::{Category, Error, chain};
use super::fuse::Fuse;
use super::seeded::Bug;
use super::seen_store::SeenStore;
use super::settings::{Release, Settings};
use super::vault::Vault;
use crate::clock::SharedClock;
use crate::crash;
use crate::resource::{ConditionKind, Finding, InstanceStatus, MastodonInstance, UpgradePhase};

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
    /// Of each server: what is known of its backups.
    backed_up: Mutex<HashMap<String, BackedUp>>,
    /// Whose turn it is to have its stores exchanged.
    rolling: Mutex<Rolling>,
}

/// What is remembered of an instance between passes. Losing it costs reads, nothing else.
#[derive(Debug, Default)]
pub struct Memory {
    /// What was noted in the status before our time has been read.
    met: bool,
    /// The custom resource as our last write left it, until the watch has caught up.
    newest: Option<Arc<MastodonInstance>>,
    /// The identity.
    identity: keys::Remembered,
    /// The buckets.
    buckets: buckets::Remembered,
    /// What was put right of late.
    contests: Contests,
    /// The last pass had nothing to do.
    quiet: Option<Quiet>,
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
            backed_up: Mutex::default(),
            rolling: Mutex::new(Rolling::new(Instant::now())),
        }
    }

    /// What the operator was told, with the releases as they are known now.
    pub fn current(&self) -> Arc<Settings> {
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

    fn with_rolling<T>(&self, act: impl FnOnce(&mut Rolling) -> T) -> T {
        act(&mut self.rolling.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// The first time that an instance is met: believes what was noted before our time, as far as it still fits.
    fn meet(&self, name: &str, instance: &MastodonInstance) {
        if self.with_memory(name, |memory| std::mem::replace(&mut memory.met, true)) {
            return;
        }
        let nothing = InstanceStatus::default();
        let status = instance.status.as_ref().unwrap_or(&nothing);
        self.seen.trust(name, |seen| trust::holds(status.applied.as_deref(), seen));
        let identity = keys::Remembered::recalled(status, &self.vault.sealed_to());
        let buckets = buckets::Remembered::recalled(status);
        self.with_memory(name, |memory| (memory.identity, memory.buckets) = (identity, buckets));
    }

    /// When nothing that a pass would look at has changed since one that had nothing to do, nothing; else what this one rests on.
    fn unless_quiet(&self, name: &str, instance: &MastodonInstance) -> Option<Ground> {
        let ground = Ground::new(instance, self.seen.epoch(name), self.current());
        self.with_memory(name, |memory| {
            // Whatever ends this pass early: only one that came to its end says that there is nothing to do.
            let quiet = memory.quiet.take().filter(|quiet| quiet.lasts(&ground, Instant::now()));
            memory.quiet = quiet;
            memory.quiet.is_none().then_some(ground)
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
        self.note_backups(name, None);
    }

    /// Takes note of what is known of an instance's backups; the figures about all are told anew when that is something else than before.
    fn note_backups(&self, name: &str, now: Option<BackedUp>) {
        let mut all = self.backed_up.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if let Some(now) = now { all.insert(name.to_owned(), now) } else { all.remove(name) };
        if before != now {
            backups::measure(&all);
        }
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
    let name = instance.metadata.name.clone().unwrap_or_default();
    let instance = context.newest(&name, instance);
    let Some(ground) = context.unless_quiet(&name, &instance) else { return Ok(Action::requeue(period(&context.settings))) };
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
        observed.instance = context.newest(&name, Arc::clone(&observed.instance));
    }
    if !observed.lost.is_empty() {
        return stall(context, &observed, data_lost(&observed.lost)).await;
    }
    if observed.nameless {
        return stall(context, &observed, Stall::new("ReleaseUnknown", nameless(&observed))).await;
    }
    let instance = Arc::clone(&observed.instance);
    let settings = ground.settings();
    let valid = match validate(&settings, &instance, &observed.status, &observed.seen) {
        Ok(valid) => valid,
        Err(refusal) => return stall(context, &observed, Stall::new(refusal.reason(), refusal.to_string())).await,
    };
    Box::pin(work(context, valid, &mut observed, Circumstances { leaving, blown, ground })).await
}

/// What else is to be known in a pass.
struct Circumstances {
    /// The custom resource is being deleted.
    leaving: bool,
    /// Since when a removal that is wanted waits for the fuse.
    blown: Option<DateTime<Utc>>,
    /// What the pass rests on.
    ground: Ground,
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
    let turn_of_stores = rolling::take_turn(context, &mut valid, &observed.seen);
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
    if applied.is_err() && turn_of_stores == rolling::Turn::Taken {
        context.with_rolling(|rolling| rolling.give_back(&valid.name));
    }

    // Also after an error: what has come to be is told, and what failed is tried again.
    observed.seen = context.seen.of(&valid.name);
    let progress = read(observed);
    let looked = if applied.is_ok() { look(context, valid, observed, &progress).await? } else { Looked::default() };
    let mut found = status::findings(valid, &observed.seen, &walls, &foundation, &progress);
    // It serves all the same.
    found.push(backups::finding(&observed.seen, &observed.status, now));
    let look_again = causes::explain(context, valid, &observed.status, &mut found).await;
    let contested = context.with_memory(&valid.name, |memory| memory.contests.told(Instant::now()));
    let turns = Turns::of(valid, &progress, &observed.seen, &looked, now);
    found.extend(turns.findings(&observed.status.conditions, &progress, &looked));
    found.extend(room::finding(valid, &observed.status));
    // One status per pass: two that contradict each other would wake the next pass, for ever.
    let refused = applied.as_ref().err().and_then(|error| Some((error.stalls()?, chain(error))));
    let Circumstances { leaving, blown, ground } = circumstances;
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
    turns.note(&mut next);
    note_for_the_next(context, valid, observed, &mut next);
    let (measured, unsaved) = (room::due_in(valid, &next, now), backups::is_awaited(&next));
    let [before, after] = moments(&observed.status, &next);
    crash::point(before);
    if next.database_initialised {
        remove::mark(context, &valid.name, &valid.namespace, &observed.seen).await?;
    }
    status::publish(context, observed, next).await?;
    crash::point(after);
    applied?;
    let failed = matches!(foundation.bucket, buckets::BucketState::Unavailable(_)).then_some(buckets::PAUSE);
    let contested = contested.map(|(_, wait)| wait);
    let (doors, stores) = (doors.wait(valid), turn_of_stores.wait());
    let waits =
        [looked.wait(valid), failed, progress.wait(), doors, stores, blown.map(|_| removal::BLOWN), look_again, contested];
    let (wait, look) = (waits.into_iter().flatten().min(), period(&context.settings));
    let on_its_way = valid.under_way.is_some() || valid.database.kept().is_some() || unsaved;
    if wait.is_none() && !leaving && !on_its_way && observe::is_whole(&observed.seen) {
        context.with_memory(&valid.name, |memory| {
            let until = memory.buckets.until().zip(memory.identity.until()).map(|(buckets, vault)| buckets.min(vault));
            let measured = measured.map(|wait| Instant::now() + wait);
            memory.quiet = until.map(|until| Quiet::new(ground, measured.map_or(until, |measured| until.min(measured))));
        });
    }
    Ok(Action::requeue(wait.map_or(look, |wait| wait.min(look))))
}

/// Notes what spares the operator that comes next from doing it all again to be sure; and what was filled, so that no other is taken for it.
fn note_for_the_next(context: &Context, valid: &Valid<'_>, observed: &Observed, next: &mut InstanceStatus) {
    if next.database_initialised && next.data.is_none() {
        next.data = observe::data(&observed.seen);
    }
    next.applied = trust::note(&observed.seen).or_else(|| next.applied.take());
    context.with_memory(&valid.name, |memory| {
        next.buckets = memory.buckets.noted(next.buckets.take());
        next.vault = memory.identity.noted(&context.vault.sealed_to()).or_else(|| next.vault.take());
    });
}

/// What is to be asked of the API server for the sake of releases on their way.
async fn look(context: &Context, valid: &Valid<'_>, observed: &Observed, progress: &Progress) -> Result<Looked, Error> {
    let left = left_of_others(context, valid, observed, progress).await?;
    let room = room::look(context, valid, observed, context.clock.now()).await?;
    Ok(Looked { left, database: rewrite::look(context, valid).await?, room })
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

fn data_lost(lost: &[Lost]) -> Stall {
    let message = remove::in_words(lost);
    let mut also: Vec<Finding> = lost.iter().map(|lost| Finding::fails(lost.condition(), "DataLost", lost.to_string())).collect();
    also.push(Finding::fails(ConditionKind::Ready, "DataLost", message.clone()));
    Stall { reason: "DataLost", message, also }
}

/// What a person is told of a filled server of which nobody knows what runs in it.
fn nameless(observed: &Observed) -> String {
    format!(
        "the status of this server is lost, and so are its Deployments and Jobs: nothing tells which release its tables are of, and those \
         of {} would be made over them, without a backup. Say which it is, and it goes on: kubectl patch mastodoninstance {} \
         --subresource=status --type=merge -p '{{\"status\":{{\"version\":\"4.5.20\"}}}}'",
        observed.instance.spec.version,
        observed.instance.metadata.name.as_deref().unwrap_or_default(),
    )
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
/// refused again (a look every period apart), else after a pause that doubles up to five minutes: up to one when it is others
/// that can lift what forbids it, without our hearing of it, and up to twenty seconds while the server does not serve yet.
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
            let serves = instance.status.as_ref().is_some_and(|status| status.ready_since.is_some());
            let longest = match (category, serves) {
                (Category::Forbidden, _) => Duration::from_mins(1),
                (_, true) => Duration::from_mins(5),
                // Somebody waits for their first page, and there are few of them at a time.
                (_, false) => Duration::from_secs(20),
            };
            let pause = pause(Duration::from_secs(1), context.failed(&name), longest);
            tracing::warn!(instance.name = name, error = %chain(error), pause.seconds = pause.as_secs_f64(), "tries again");
            Action::requeue(pause)
        }
    }
}
