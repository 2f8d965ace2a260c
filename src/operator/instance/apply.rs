//! Makes the cluster equal to what was built: a call only where something differs.

use futures::future::join_all;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::time::Instant;

use super::Context;
use super::backups::first_due;
use super::build::{Change, Jobs, MajorChange, Object, Objects, OwnDomain, Processes, Services, Task, first_backup, names};
use super::contest;
use super::handover::Doors;
use super::observe::Observed;
use super::progress::{Progress, TaskState};
use super::upgrade::{Decision, Steps};
use super::validate::Valid;
use super::{gate, majors, remove, rewrite, room};
use crate::crash;
use crate::operator::additions;
use crate::operator::error::Error;
use crate::operator::kind::Kind;
use crate::operator::seeded::Bug;
use crate::operator::seen::{JobState, Key, Seen, State};
use crate::resource::{DatabasePhase, UpgradePhase};

/// Makes the cluster equal to what was built, as far as it may be by now.
pub async fn apply(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    progress: &Progress,
    doors: Doors,
    objects: Objects,
) -> Result<(), Error> {
    let Objects {
        quota,
        limits,
        policies,
        env,
        mail,
        services,
        volume,
        backups,
        database,
        schedule,
        cache,
        routes,
        own_domain,
        park,
        budgets,
        processes,
        jobs,
        change,
        major,
        measure,
    } = objects;

    // The walls stand before anything moves in. What pods read when they start is there before they are replaced because of it, and a
    // database is not begun before there is a place for its backups.
    let mut walls = vec![quota, limits, env, backups];
    walls.extend(policies);
    walls.extend(mail);
    ensure_all(context, valid, observed, &walls).await?;
    crash::point("operator.walls_applied");

    let Services { web, streaming, cache: cache_service } = services;
    let mut stage = vec![web, streaming, cache_service, volume, cache];
    if !rewrite::holds_back(context, valid, &observed.seen).await? {
        stage.push(database);
    }
    // What a smaller size or another address does without; see `Kind::swept`. The way in to the pages goes as well while somebody else
    // answers.
    let mut varying: Vec<Object> = routes.into_iter().filter(|route| doors.own || route.name != names::MASTODON).collect();
    varying.extend(park.filter(|_| doors.park));
    varying.extend(budgets);
    if let Some(OwnDomain { listeners, certificates, media }) = own_domain {
        varying.push(listeners);
        varying.extend(certificates);
        stage.extend(media.into_iter().flatten());
    }
    let mut kept: Vec<Key> = varying.iter().map(Object::key).collect();
    // The page of a paused server stays until the pods answer, although nobody wants it any more.
    kept.extend(doors.park.then(|| (Kind::HttpRoute, valid.name.clone())));
    stage.extend(varying);

    let Jobs { prepare, seed, owner } = jobs;
    let due = |state: &TaskState| matches!(state, TaskState::Due { attempt: _ });
    // The status says so before the first byte is written: from then on nothing that holds data is made again.
    let said = observed.status.database_initialised || Bug::FillsBeforeSaying.is_made();
    // The first base backup is made at once, of a database that answers. A bucket without one is of a server that was never filled.
    stage.extend((said && progress.database).then_some(schedule));
    let again = first_due(&observed.seen, &observed.status, context.clock.now());
    stage.extend(again.map(|attempt| first_backup(valid, attempt)));
    let may_fill = said && progress.database && progress.cache;
    if may_fill && due(&progress.prepare) {
        stage.push(prepare);
    }
    if may_fill && progress.prepare == TaskState::Done && due(&progress.seed) {
        stage.push(seed);
    }
    if progress.migrated() {
        if progress.database && progress.cache && due(&progress.owner) {
            stage.push(owner);
        }
        let Processes { web, streaming, sidekiq, scheduler } = processes;
        stage.extend([web, streaming, sidekiq, scheduler]);
    }
    if let (Some(change), Some(steps)) = (change, &progress.change) {
        stage.extend(step_of_change(context, valid, progress, steps, change).await?);
    }
    if let (Some(change), Some(steps)) = (major, &progress.major) {
        stage.extend(step_of_major(context, valid, progress, steps, change).await?);
    }
    let measures = progress.database && room::is_due(valid, &observed.status, context.clock.now());
    stage.extend(measure.filter(|_| measures));
    ensure_all(context, valid, observed, &stage).await?;
    crash::point(if progress.migrated() { "operator.processes_applied" } else { "operator.stores_applied" });
    sweep(context, valid, observed, &kept).await
}

/// What is to be done once for another release, if that is due and may be done now.
async fn step_of_change(
    context: &Context,
    valid: &Valid<'_>,
    progress: &Progress,
    steps: &Steps,
    change: Change,
) -> Result<Option<Object>, Error> {
    let (Some(under_way), Decision::Keep) = (&valid.under_way, &valid.decision) else { return Ok(None) };
    let phase = under_way.upgrade.phase;
    if !matches!(steps.of(phase), Some(TaskState::Due { attempt: _ })) {
        return Ok(None);
    }
    let Change { backup, pre, post } = change;
    let can_migrate = progress.database && progress.cache && valid.runs;
    let (object, may) = match phase {
        UpgradePhase::Backup => (backup, progress.database),
        UpgradePhase::PreMigration => (pre, can_migrate),
        UpgradePhase::PostMigration => (post, can_migrate),
        UpgradePhase::Roll | UpgradePhase::RollBack => return Ok(None),
    };
    if !may {
        return Ok(None);
    }
    // Another operator may be further, and what we remember may be old: this can't be taken back.
    let live = context.instances.get(&valid.name).await.map_err(Error::kube("read the MastodonInstance"))?;
    if live.status.and_then(|status| status.upgrade).as_ref() != Some(&under_way.upgrade) {
        return Ok(None);
    }
    if phase == UpgradePhase::PostMigration && !gate::look(context, valid, &under_way.images).await?.is_empty() {
        return Ok(None);
    }
    Ok(Some(object))
}

/// What is to be done once for another major release of PostgreSQL, if that is due and may be done now.
async fn step_of_major(
    context: &Context,
    valid: &Valid<'_>,
    progress: &Progress,
    steps: &majors::Steps,
    change: MajorChange,
) -> Result<Option<Object>, Error> {
    let Some(upgrade) = valid.database.kept() else { return Ok(None) };
    if !matches!(steps.of(upgrade.phase), Some(TaskState::Due { attempt: _ })) {
        return Ok(None);
    }
    let MajorChange { before, analyze, after } = change;
    let (object, may) = match upgrade.phase {
        DatabasePhase::Backup => (before, progress.database),
        DatabasePhase::Analyze => (analyze, progress.database && progress.cache && valid.runs),
        DatabasePhase::Secure => (after, progress.database),
        DatabasePhase::Stop | DatabasePhase::Rewrite | DatabasePhase::Return | DatabasePhase::Failed => return Ok(None),
    };
    if !may {
        return Ok(None);
    }
    // As for another release of Mastodon: another operator may be further.
    let live = context.instances.get(&valid.name).await.map_err(Error::kube("read the MastodonInstance"))?;
    let same = live.status.and_then(|status| status.database_upgrade).as_ref() == Some(upgrade);
    Ok(same.then_some(object))
}

/// All at once; the first error is told after all have been tried.
async fn ensure_all(context: &Context, valid: &Valid<'_>, observed: &Observed, objects: &[Object]) -> Result<(), Error> {
    let tried = join_all(objects.iter().map(|object| ensure(context, &valid.name, observed, object))).await;
    tried.into_iter().collect()
}

/// Applies an object unless what is there equals it.
pub async fn ensure(context: &Context, instance: &str, observed: &Observed, object: &Object) -> Result<(), Error> {
    let key = object.key();
    let found = observed.seen.get(&key);
    let once = matches!(object.kind, Kind::Job | Kind::Backup);
    // Once a server has come up, what is missing was taken away by somebody: by us, where a pause or a smaller size does without it.
    let ours = || context.with_memory(instance, |memory| memory.contests.was_let_go(&key));
    let mut repairs = found.is_none() && observed.status.version.is_some() && !once && !ours();
    if let Some(found) = found {
        // What is done once can't be changed; one that is being deleted is made again once it is gone.
        if found.deleting || once {
            return Ok(());
        }
        // What is not known to be as we have left it (see `trust`) is applied once, even if its hash is right: what others changed
        // while nobody looked can't be told from it. Where nothing was changed, the API server writes nothing.
        let intact = found.accepted == Some(found.ours);
        if found.applied == Some(object.hash) && intact && !Bug::WritesWhenIdle.is_made() {
            return Ok(());
        }
        repairs = found.accepted.is_some_and(|accepted| accepted != found.ours);
    }
    let mut body = object.body.clone();
    if let Some(found) = found.filter(|_| matches!(object.kind, Kind::Cluster | Kind::PersistentVolumeClaim)) {
        // It holds data: should it have gone just now, this is refused instead of making an empty one.
        body["metadata"]["uid"] = found.uid.clone().into();
    }
    let resource = object.kind.resource();
    let api: Api<DynamicObject> = match &object.namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
        None => Api::all_with(context.client.clone(), &resource),
    };
    if repairs && !contest::may_repair(context, instance, &key, &api).await {
        return Ok(());
    }
    let params = PatchParams::apply(&context.settings.field_manager).force();
    let what = || format!("apply {} {}", object.kind.as_str(), object.name);
    let mut answer = api.patch(&object.name, &params, &Patch::Apply(&body)).await.map_err(|error| Error::kube(what())(error))?;
    if !additions::additions(object.kind, &answer.metadata, &context.settings.field_manager).is_empty() {
        answer = take_additions_away(context, instance, &api, object, &answer).await?;
    }
    metrics::counter!("paddock_operator_applies_total", "kind" => object.kind.as_str()).increment(1);
    tracing::debug!(instance.name = instance, kind = object.kind.as_str(), object.name = object.name, "applied");
    context.seen.put(instance, key, Seen::of_object(object.kind, &answer, &context.settings.field_manager));
    if object.kind == Kind::Job {
        crash::point("operator.job_applied");
    }
    Ok(())
}

/// Takes away what somebody else added: an apply leaves it there.
async fn take_additions_away(
    context: &Context,
    instance: &str,
    api: &Api<DynamicObject>,
    object: &Object,
    live: &DynamicObject,
) -> Result<DynamicObject, Error> {
    let (kind, name) = (object.kind.as_str(), &object.name);
    context.with_memory(instance, |memory| memory.contests.wrote(&object.key(), Instant::now()));
    tracing::warn!(instance.name = instance, kind, object.name = name, "somebody else added to it; this is taken away");
    let mut patch = additions::without_additions(&live.data, &object.body);
    patch["metadata"] = json!({"uid": live.metadata.uid, "resourceVersion": live.metadata.resource_version});
    let params = PatchParams { field_manager: Some(context.settings.field_manager.clone()), ..PatchParams::default() };
    let what = format!("take away what was added to {kind} {name}");
    api.patch(name, &params, &Patch::Merge(&patch)).await.map_err(Error::kube(what))
}

/// Deletes what a smaller size, another address or another way in does without (see [`Kind::swept`]), and the Jobs of a change of the
/// release that is over.
async fn sweep(context: &Context, valid: &Valid<'_>, observed: &Observed, kept: &[Key]) -> Result<(), Error> {
    let of_change = |name: &str, seen: &Seen| {
        let over = (Task::is_of_change(name) && valid.under_way.is_none())
            || (Task::is_of_major(name) && valid.database.kept().is_none());
        over && seen.state != State::Job(JobState::Active)
    };
    for (key, seen) in &observed.seen {
        let (kind, name) = key;
        let is_park_route = *kind == Kind::HttpRoute && *name == valid.name;
        // What does not say what we last applied is not of our making.
        let goes =
            (kind.swept() && seen.applied.is_some() && !kept.contains(key)) || (*kind == Kind::Job && of_change(name, seen));
        if !goes || seen.deleting {
            continue;
        }
        let namespace = if is_park_route { valid.settings.park_namespace() } else { valid.namespace.as_str() };
        let exactly = Preconditions { uid: Some(seen.uid.clone()), resource_version: None };
        remove::delete_exactly(context, *kind, Some(namespace), name, exactly).await?;
        context.seen.goes(&valid.name, key, &seen.uid);
        context.with_memory(&valid.name, |memory| memory.contests.let_go(key));
    }
    Ok(())
}
