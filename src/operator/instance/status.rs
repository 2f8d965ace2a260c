//! What we say about an instance: conditions, steps, events, metrics. Written only when it differs from what was said last.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource as _;
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType};

use super::Context;
use super::backups::{self, BackedUp};
use super::buckets::BucketState;
use super::build::names;
use super::found::Foundation;
use super::keys::Known;
use super::majors;
use super::observe::Observed;
use super::progress::{self, Progress, TaskState, pods_answer};
use super::reached;
use super::upgrade;
use super::validate::Valid;
use crate::operator::error::Error;
use crate::operator::kind::Kind;
use crate::operator::seeded::Bug;
use crate::operator::seen::{Key, Seen, State};
use crate::resource::{
    ConditionKind, DatabasePhase, Finding, InstanceStatus, MastodonInstance, Suspension, Truth, UpgradePhase, condition,
    conditions, instant, is_true, steps,
};

/// Why the operator can't go on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// One word for programs.
    pub reason: &'static str,
    /// What a person should know.
    pub message: String,
    /// What this means for other conditions.
    pub also: Vec<Finding>,
}

impl Stall {
    /// A stall that says nothing about other conditions.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), also: Vec::new() }
    }

    /// A stall for want of the right identity.
    pub fn identity(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let also = [ConditionKind::IdentityReady, ConditionKind::Ready].map(|kind| Finding::fails(kind, reason, message.clone()));
        Self { reason, message, also: also.to_vec() }
    }
}

/// What was found of an instance that we can work on. `walls`: what must stand around it.
pub fn findings(
    valid: &Valid<'_>,
    seen: &BTreeMap<Key, Seen>,
    walls: &[Key],
    foundation: &Foundation,
    progress: &Progress,
) -> Vec<Finding> {
    use ConditionKind as Is;
    let bucket = match &foundation.bucket {
        BucketState::There => Finding::holds(Is::BucketReady, "There", "the buckets and their keys are there"),
        BucketState::Lost(name) => Finding::fails(Is::BucketReady, "DataLost", format!("the bucket {name} is gone")),
        BucketState::Unavailable(why) => Finding::fails(Is::BucketReady, "Unavailable", why.clone()),
    };
    let mut found = vec![
        namespace(seen, walls),
        identity(&foundation.identity),
        bucket,
        database(!valid.images.newer.is_empty(), seen),
        pods(Is::CacheReady, valid, &[(Kind::StatefulSet, names::CACHE)], seen),
        migrated(progress),
    ];
    for (kind, deployments) in [
        (Is::WebReady, &[(Kind::Deployment, names::WEB)][..]),
        (Is::StreamingReady, &[(Kind::Deployment, names::STREAMING)]),
        // While pods are exchanged there is none of the scheduler for a moment, for there must never be two.
        (Is::WorkersReady, if rolls(valid) { &WORKERS[..1] } else { &WORKERS }),
    ] {
        found.push(if progress.migrated() {
            pods(kind, valid, deployments, seen)
        } else {
            Finding::waits(kind, "waits for the database's tables")
        });
    }
    // The certificate first: without one the Gateway objects too, and it is the certificate that should be named as missing.
    found.push(reached::certificate(&valid.addresses, &valid.settings.address.wildcard_domain, seen));
    let parked = !valid.spec.mode.runs() && valid.settings.park.is_some();
    found.push(reached::route(&valid.addresses, parked.then_some(valid.name.as_str()), seen));
    found.push(owner(progress));
    found.push(ready(valid, &found));
    found.push(stalled(valid, progress, &foundation.bucket, seen));
    found
}

fn identity(known: &Known) -> Finding {
    let kind = ConditionKind::IdentityReady;
    match &known.unproven {
        None => Finding::holds(kind, "There", "the identity is there, and in the vault"),
        Some(why) => {
            Finding::holds(kind, NO_VAULT, format!("the identity is there; whether the vault holds it can't be seen: {why}"))
        }
    }
}

/// The vault can't be asked.
const NO_VAULT: &str = "VaultUnavailable";

/// What is said while the vault can't be asked and nothing may be started without: everything as it was said last, but for that.
pub fn vault_findings(before: &[Condition], why: &str) -> Vec<Finding> {
    let identity = Finding::fails(ConditionKind::IdentityReady, NO_VAULT, why);
    over(before, vec![identity, Finding::fails(ConditionKind::Ready, ConditionKind::IdentityReady.as_str(), why)])
}

/// Those who do work in the background.
const WORKERS: [(Kind, &str); 2] = [(Kind::Deployment, names::SIDEKIQ), (Kind::Deployment, names::SCHEDULER)];

/// Whether the pods are being exchanged for those of another release.
fn rolls(valid: &Valid<'_>) -> bool {
    valid.under_way.as_ref().is_some_and(|under_way| under_way.upgrade.phase.has_new_pods())
}

fn namespace(seen: &BTreeMap<Key, Seen>, walls: &[Key]) -> Finding {
    let kind = ConditionKind::NamespaceReady;
    let gone = |wall: &&Key| seen.get(*wall).is_none_or(|seen| seen.deleting);
    let missing: Vec<String> = walls.iter().filter(gone).map(|(kind, name)| format!("{} {name}", kind.as_str())).collect();
    if missing.is_empty() {
        return Finding::holds(kind, "There", "the namespace and its walls are there");
    }
    Finding::fails(kind, "WallsMissing", format!("not there: {}", missing.join(", ")))
}

fn database_state(seen: &BTreeMap<Key, Seen>) -> Option<&State> {
    seen.get(&(Kind::Cluster, names::DATABASE.to_owned())).map(|seen| &seen.state)
}

/// `newer`: whether a newer image waits for the server's turn.
fn database(newer: bool, seen: &BTreeMap<Key, Seen>) -> Finding {
    match database_state(seen) {
        Some(State::Database { ready: true, phase: _, storage_gib: _, major: _, trouble: _ }) => {
            let waits = if newer { "; a newer image of it or of Valkey waits for its turn" } else { "" };
            Finding::holds(ConditionKind::DatabaseReady, "Answers", format!("Postgres answers{waits}"))
        }
        Some(State::Database { ready: false, phase, storage_gib: _, major: _, trouble: _ }) => {
            let reason = if is_unrecoverable(phase) { "DataLost" } else { "Starting" };
            Finding::fails(ConditionKind::DatabaseReady, reason, phase.clone())
        }
        Some(_) | None => Finding::waits(ConditionKind::DatabaseReady, "the database is not there yet"),
    }
}

/// Whether this is what CloudNativePG says of a Cluster of whose servers none has its volumes left: `PhaseUnrecoverable` in its
/// `api/v1/cluster_types.go`. Its releases word the rest of it in two ways.
fn is_unrecoverable(phase: &str) -> bool {
    phase.contains("unrecoverable")
}

fn pods(kind: ConditionKind, valid: &Valid<'_>, sets: &[(Kind, &str)], seen: &BTreeMap<Key, Seen>) -> Finding {
    if !valid.runs {
        return Finding::fails(kind, "Stopped", valid.stopped());
    }
    let silent: Vec<&str> = sets.iter().filter(|(set, name)| !pods_answer(seen, *set, name)).map(|(_, name)| *name).collect();
    if silent.is_empty() {
        return Finding::holds(kind, "Answers", "pods answer");
    }
    Finding::fails(kind, "Starting", format!("no pod answers yet: {}", silent.join(", ")))
}

fn migrated(progress: &Progress) -> Finding {
    let kind = ConditionKind::Migrated;
    let of = |what: &str, state: &TaskState| match state {
        TaskState::Done => Finding::holds(kind, "Done", "the tables and first rows are there"),
        TaskState::Running => Finding::fails(kind, "Running", format!("{what} runs")),
        TaskState::Due { attempt: 1 } => Finding::waits(kind, "waits for database, cache, identity and bucket"),
        TaskState::Due { attempt } => Finding::fails(kind, "Running", format!("{what} starts, attempt {attempt}")),
        TaskState::Waiting { wait: _, message } => {
            Finding::fails(kind, "JobFailed", format!("{what} failed and is tried again: {message}"))
        }
        TaskState::Failed { message } => Finding::fails(kind, "JobFailed", format!("{what} failed for good: {message}")),
    };
    match &progress.prepare {
        TaskState::Done => match &progress.seed {
            TaskState::Due { attempt: 1 } => Finding::fails(kind, "Running", "db:seed starts"),
            seed => of("db:seed", seed),
        },
        prepare => of("db:prepare", prepare),
    }
}

fn owner(progress: &Progress) -> Finding {
    let kind = ConditionKind::OwnerReady;
    match &progress.owner {
        TaskState::Done => Finding::holds(kind, "Done", "the owner's account is there"),
        TaskState::Running => Finding::fails(kind, "Running", "the owner's account is being made"),
        TaskState::Due { attempt: 1 } => Finding::waits(kind, "waits for the database's tables"),
        TaskState::Due { attempt } => {
            Finding::fails(kind, "Running", format!("the owner's account is being made, attempt {attempt}"))
        }
        TaskState::Waiting { wait: _, message } => {
            Finding::fails(kind, "JobFailed", format!("failed and is tried again: {message}"))
        }
        TaskState::Failed { message } => Finding::fails(kind, "JobFailed", format!("failed for good: {message}")),
    }
}

fn ready(valid: &Valid<'_>, found: &[Finding]) -> Finding {
    let kind = ConditionKind::Ready;
    if !valid.spec.mode.runs() {
        return Finding::fails(kind, "Stopped", valid.stopped());
    }
    match found.iter().find(|finding| finding.truth != Truth::True) {
        None => Finding::holds(kind, "Serves", "the server serves"),
        Some(missing) => Finding::fails(kind, missing.kind.as_str(), missing.message.clone()),
    }
}

fn stalled(valid: &Valid<'_>, progress: &Progress, bucket: &BucketState, seen: &BTreeMap<Key, Seen>) -> Finding {
    let kind = ConditionKind::Stalled;
    if let BucketState::Lost(name) = bucket {
        return Finding::holds(kind, "DataLost", format!("the bucket {name} is gone; only a restore may make it again"));
    }
    if let Some(lost) = stalled_for_data(seen) {
        return lost;
    }
    for (what, state) in [("prepare", &progress.prepare), ("seed", &progress.seed), ("owner", &progress.owner)] {
        if let TaskState::Failed { message } = state {
            let remedy = format!("read the logs of the Jobs {what}-…, mend the cause, then delete these Jobs to try again");
            return Finding::holds(kind, "JobFailed", format!("{message}; {remedy}"));
        }
    }
    if let (Some(under_way), Some(steps)) = (&valid.under_way, &progress.change)
        && let Some((reason, message)) = upgrade::stalled(&under_way.upgrade, steps)
    {
        return Finding::holds(kind, reason, message);
    }
    if let Some((reason, message)) = majors::stalled(&valid.database, progress.major.as_ref()) {
        return Finding::holds(kind, reason, message);
    }
    let stuck = progress::stuck(seen);
    if !stuck.is_empty() && valid.runs {
        let message = format!(
            "the newest pods of {} have not come up in a quarter of an hour; look at their events: kubectl -n {} get events",
            stuck.join(" and "),
            valid.namespace
        );
        return Finding::holds(kind, "RolloutStuck", message);
    }
    Finding::fails(kind, "Fine", "")
}

/// What a person is told of a database that can't be had back from what there is.
fn stalled_for_data(seen: &BTreeMap<Key, Seen>) -> Option<Finding> {
    let State::Database { ready: false, phase, storage_gib: _, major: _, trouble: _ } = database_state(seen)? else {
        return None;
    };
    let message = format!("CloudNativePG says of Cluster {}: {phase}; restore it from a backup", names::DATABASE);
    is_unrecoverable(phase).then(|| Finding::holds(ConditionKind::Stalled, "DataLost", message))
}

/// The status after a pass.
pub fn next(observed: &Observed, found: &[Finding], now: chrono::DateTime<chrono::Utc>) -> InstanceStatus {
    let InstanceStatus {
        observed_generation: _,
        version,
        database_initialised,
        identity_fingerprint,
        conditions: before,
        steps: past,
        ready_since: _,
        upgrade,
        majors,
        database_upgrade,
        database_room,
        suspended,
        removal,
        applied,
        buckets,
        vault,
        data,
        backups: known,
    } = observed.status.clone();
    let spec = &observed.instance.spec;
    let generation = observed.instance.metadata.generation.unwrap_or(0);
    let mut conditions = conditions(&before, found, generation, now);
    keep_proof(&before, &mut conditions);
    let holds = |kind| is_true(&conditions, kind);
    let fillable = [
        ConditionKind::NamespaceReady,
        ConditionKind::IdentityReady,
        ConditionKind::BucketReady,
        ConditionKind::DatabaseReady,
        ConditionKind::CacheReady,
    ];
    let version = version.or_else(|| holds(ConditionKind::Migrated).then(|| spec.version.clone()));
    // What never ran has no peers that would miss it.
    let pauses = version.is_some() && !spec.mode.runs();
    InstanceStatus {
        observed_generation: Some(generation),
        suspended: pauses.then(|| suspended.unwrap_or_else(|| Suspension::beginning(now))),
        upgrade,
        majors: super::stores::majors(&observed.seen, majors),
        database_upgrade,
        database_room,
        removal,
        applied,
        buckets,
        vault,
        data,
        backups: backups::stored(&observed.seen).or(known),
        version,
        database_initialised: database_initialised || fillable.into_iter().all(holds),
        identity_fingerprint,
        steps: steps(&past, &conditions, now),
        ready_since: condition(&conditions, ConditionKind::Ready)
            .filter(|ready| ready.status == Truth::True.as_str())
            .map(|ready| ready.last_transition_time.clone()),
        conditions,
    }
}

/// What a run has said of the server's archives stays as it is: no pass over the server looks at them.
fn keep_proof(before: &[Condition], conditions: &mut Vec<Condition>) {
    let kind = ConditionKind::RestoreProven;
    let place = |name: &str| ConditionKind::ALL.iter().position(|kind| kind.as_str() == name);
    if let (None, Some(said)) = (condition(conditions, kind), condition(before, kind)) {
        let at = conditions.iter().position(|other| place(&other.type_) > place(&said.type_)).unwrap_or(conditions.len());
        conditions.insert(at, said.clone());
    }
}

/// The status of a server with what a run has just found of one of its archives.
pub fn with_proof(instance: &MastodonInstance, proof: Finding, now: chrono::DateTime<chrono::Utc>) -> InstanceStatus {
    let status = instance.status.clone().unwrap_or_default();
    let generation = instance.metadata.generation.unwrap_or(0);
    let said = conditions(&status.conditions, &[proof], generation, now);
    let mut all: Vec<Condition> =
        status.conditions.iter().filter(|condition| said.iter().all(|said| said.type_ != condition.type_)).cloned().collect();
    keep_proof(&said, &mut all);
    InstanceStatus { conditions: all, ..status }
}

/// Everything as it was said last, but for what was found now.
pub fn over(before: &[Condition], now: Vec<Finding>) -> Vec<Finding> {
    let mut found: Vec<Finding> = ConditionKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let before = condition(before, kind)?;
            let truth = [Truth::True, Truth::False].into_iter().find(|truth| truth.as_str() == before.status);
            let truth = truth.unwrap_or(Truth::Unknown);
            // Reasons are words of ours; those of an older release that we no longer know are said again as such.
            Some(Finding { kind, truth, reason: known_reason(&before.reason), message: before.message.clone() })
        })
        .collect();
    found.retain(|before| now.iter().all(|now| now.kind != before.kind));
    found.extend(now);
    found
}

/// The findings of a stall.
pub fn stall_findings(before: &[Condition], stall: Stall) -> Vec<Finding> {
    let Stall { reason, message, mut also } = stall;
    if condition(before, ConditionKind::Ready).is_none() && also.iter().all(|finding| finding.kind != ConditionKind::Ready) {
        also.push(Finding::fails(ConditionKind::Ready, "Stalled", message.clone()));
    }
    also.push(Finding::holds(ConditionKind::Stalled, reason, message));
    over(before, also)
}

fn known_reason(reason: &str) -> &'static str {
    const KNOWN: [&str; 38] = [
        Finding::WAITING,
        "Fine",
        NO_VAULT,
        "VaultUnusable",
        "IdentityChanged",
        "There",
        "WallsMissing",
        "DataLost",
        "Unavailable",
        "Answers",
        "Starting",
        "Stopped",
        "Done",
        "Running",
        "JobFailed",
        "Accepted",
        "NotAccepted",
        "ListenersNotAccepted",
        "Wildcard",
        "Issued",
        "Issuing",
        "IssuingFailed",
        "RenewalFails",
        "Serves",
        "Parked",
        "Begun",
        "Processes",
        "Data",
        "Buckets",
        "Whole",
        "GivenUp",
        backups::ARCHIVING_FAILS,
        backups::BACKUP_FAILED,
        backups::OVERDUE,
        "Enough",
        "Most",
        "Proven",
        "ProofFailed",
    ];
    let phases = UpgradePhase::ALL.map(UpgradePhase::as_str);
    KNOWN
        .into_iter()
        .chain(phases)
        .chain(DatabasePhase::ALL.map(DatabasePhase::as_str))
        .chain(super::causes::REASONS)
        .chain(ConditionKind::ALL.map(ConditionKind::as_str))
        .find(|known| *known == reason)
        .unwrap_or("AsBefore")
}

/// Writes the status if it differs; then tells of each change by event and metric. Returns whether it wrote.
pub async fn publish(context: &Context, observed: &Observed, next: InstanceStatus) -> Result<bool, Error> {
    let name = observed.instance.metadata.name.clone().unwrap_or_default();
    context.note_backups(&name, BackedUp::of(&next));
    if observed.instance.status.as_ref() == Some(&next) {
        return Ok(false);
    }
    // The resource version goes along: what was computed from an old status is refused, not written over a newer one.
    let mut wanted = MastodonInstance { status: Some(next.clone()), ..MastodonInstance::clone(&observed.instance) };
    wanted.metadata.managed_fields = None;
    let params = PostParams { field_manager: Some(context.settings.field_manager.clone()), ..PostParams::default() };
    let answer = match context.instances.replace_status(&name, &params, &wanted).await {
        Err(kube::Error::Service(_)) if Bug::TakesTimeoutForDone.is_made() => wanted,
        answer => answer.map_err(Error::kube("write the status"))?,
    };
    let before = &observed.status;
    measure(before, &next);
    tell(context, &answer, &before.conditions, &next.conditions).await;
    context.with_memory(&name, |memory| memory.newest = Some(Arc::new(answer)));
    Ok(true)
}

/// The duration of each step that has just been done.
fn measure(before: &InstanceStatus, next: &InstanceStatus) {
    for step in &next.steps {
        let was_done = before.steps.iter().any(|past| past.name == step.name && past.finished_at.is_some());
        if let Some(finished) = step.finished_at.as_ref().filter(|_| !was_done) {
            let took = instant(finished) - instant(&step.started_at);
            let seconds = took.to_std().unwrap_or_default().as_secs_f64();
            metrics::histogram!("paddock_operator_step_seconds", "step" => step.name.as_str()).record(seconds);
        }
    }
}

/// Whether a condition says that something is not as it should be.
fn is_bad(condition: &Condition) -> bool {
    let kind = ConditionKind::ALL.into_iter().find(|kind| kind.as_str() == condition.type_);
    match kind {
        Some(ConditionKind::Stalled | ConditionKind::FuseBlown) => condition.status == "True",
        Some(ConditionKind::Upgrading | ConditionKind::DatabaseUpgrading | ConditionKind::Removing) => false,
        Some(_) | None => condition.status != "True",
    }
}

/// One event for all conditions that changed at once: an event each would be a third of all writes of a first start.
async fn tell(context: &Context, instance: &MastodonInstance, before: &[Condition], next: &[Condition]) {
    let changed: Vec<&Condition> = next
        .iter()
        .filter(|condition| {
            let was = before.iter().find(|before| before.type_ == condition.type_);
            let status = was.map_or(Truth::False.as_str(), |was| &was.status);
            // Of what goes on step by step each step is told.
            let steps = [ConditionKind::Upgrading, ConditionKind::DatabaseUpgrading, ConditionKind::Removing];
            let steps = steps.map(ConditionKind::as_str);
            let stepped = steps.contains(&condition.type_.as_str()) && was.is_some_and(|was| was.reason != condition.reason);
            status != condition.status || stepped
        })
        .collect();
    if changed.is_empty() {
        return;
    }
    let bad = changed.iter().any(|condition| is_bad(condition));
    let lines: Vec<String> = changed
        .iter()
        .map(|condition| format!("{} is {} ({}): {}", condition.type_, condition.status, condition.reason, condition.message))
        .collect();
    let last = changed.last().map(|condition| format!("{}{}", condition.type_, condition.status));
    let event = Event {
        type_: if bad { EventType::Warning } else { EventType::Normal },
        reason: last.unwrap_or_default(),
        note: Some(lines.join("\n").chars().take(1000).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    for line in lines {
        tracing::info!(instance.name = instance.metadata.name, "{line}");
    }
    // An event that is lost is no reason to do anything again: the conditions say the same.
    if let Err(error) = context.recorder.publish(&event, &instance.object_ref(&())).await {
        tracing::warn!(error = %crate::operator::error::chain(&error), "could not write an event");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_that_can_not_be_asked_is_told_and_nothing_else_changes() {
        let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let first = conditions(&[], &vault_findings(&[], "gone"), 1, now);
        let of = |all: &[Condition], kind| condition(all, kind).map(|found| (found.status.clone(), found.reason.clone()));
        let said = |status: &str, reason: &str| Some((status.to_owned(), reason.to_owned()));
        assert_eq!(of(&first, ConditionKind::IdentityReady), said("False", "VaultUnavailable"));
        assert_eq!(of(&first, ConditionKind::Ready), said("False", "IdentityReady"));
        let before = [
            Finding::holds(ConditionKind::IdentityReady, "There", ""),
            Finding::holds(ConditionKind::WebReady, "Answers", "pods answer"),
            Finding::fails(ConditionKind::Stalled, "Fine", ""),
        ];
        let before = conditions(&[], &before, 1, now);
        let later = conditions(&before, &vault_findings(&before, "gone"), 1, now);
        assert_eq!(of(&later, ConditionKind::WebReady), said("True", "Answers"));
        assert_eq!(of(&later, ConditionKind::Stalled), said("False", "Fine"));
        assert_eq!(of(&later, ConditionKind::IdentityReady), said("False", "VaultUnavailable"));
    }

    #[test]
    fn a_database_whose_volumes_are_gone_is_lost() {
        let of = |ready, phase: &str| {
            let state = State::Database { ready, phase: phase.to_owned(), storage_gib: Some(20), major: Some(17), trouble: None };
            let seen = BTreeMap::from([((Kind::Cluster, names::DATABASE.to_owned()), Seen::bare(state))]);
            (database(false, &seen).reason, stalled_for_data(&seen).map(|stalled| (stalled.reason, stalled.message)))
        };
        let (reason, stalled) = of(false, "Cluster is unrecoverable and needs manual intervention");
        let (stalled, message) = stalled.unwrap();
        assert_eq!((reason, stalled), ("DataLost", "DataLost"));
        assert!(message.contains("Cluster db-1: Cluster is unrecoverable") && message.contains("backup"), "{message}");
        assert_eq!(of(false, "Setting up primary"), ("Starting", None));
        assert_eq!(of(true, "Cluster in healthy state"), ("Answers", None));
    }

    #[test]
    fn a_wall_that_is_missing_is_told() {
        let wall = |name: &str| (Kind::NetworkPolicy, name.to_owned());
        let seen = |deleting| Seen { deleting, ..Seen::bare(State::None) };
        let walls = [wall("default-deny"), (Kind::ResourceQuota, "mastodon".to_owned())];
        let mut there: BTreeMap<Key, Seen> = walls.iter().cloned().map(|wall| (wall, seen(false))).collect();
        assert_eq!(namespace(&there, &walls).truth, Truth::True);
        there.insert(wall("default-deny"), seen(true));
        let found = namespace(&there, &walls);
        assert_eq!((found.truth, found.reason), (Truth::False, "WallsMissing"));
        assert_eq!(found.message, "not there: NetworkPolicy default-deny");
        there.clear();
        assert!(namespace(&there, &walls).message.contains("ResourceQuota mastodon"));
    }
}
