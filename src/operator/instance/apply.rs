//! Makes the cluster equal to what was built: a call only where something differs.

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::Context;
use super::build::{Jobs, Object, Objects, OwnDomain, Processes, Services};
use super::observe::Observed;
use super::progress::{Progress, TaskState};
use super::validate::Valid;
use crate::crash;
use crate::operator::error::{Error, is_missing};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen};
use crate::operator::template;

/// Makes the cluster equal to what was built, as far as it may be by now.
pub async fn apply(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    progress: &Progress,
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
        database,
        cache,
        routes,
        own_domain,
        budgets,
        processes,
        jobs,
    } = objects;

    // The walls stand before anything moves in.
    let mut walls = vec![quota, limits];
    walls.extend(policies);
    ensure_all(context, valid, observed, &walls).await?;
    crash::point("operator.walls_applied");

    let Services { web, streaming, cache: cache_service } = services;
    let mut stage = vec![env, web, streaming, cache_service, volume, database, cache];
    stage.extend(mail);
    // What a smaller size or another address does without; see `Kind::swept`.
    let mut varying = routes;
    varying.extend(budgets);
    if let Some(OwnDomain { listeners, certificates, media }) = own_domain {
        varying.push(listeners);
        varying.extend(certificates);
        stage.extend(media.into_iter().flatten());
    }
    let kept: Vec<Key> = varying.iter().map(Object::key).collect();
    stage.extend(varying);

    let Jobs { prepare, seed, owner } = jobs;
    let due = |state: &TaskState| matches!(state, TaskState::Due { attempt: _ });
    // The status says so before the first byte is written: from then on nothing that holds data is made again.
    let may_fill = observed.status.database_initialised && progress.database && progress.cache;
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
    ensure_all(context, valid, observed, &stage).await?;
    crash::point(if progress.migrated() { "operator.processes_applied" } else { "operator.stores_applied" });
    sweep(context, valid, observed, &kept).await
}

/// All at once; the first error is told after all have been tried.
async fn ensure_all(context: &Context, valid: &Valid<'_>, observed: &Observed, objects: &[Object]) -> Result<(), Error> {
    let tried = join_all(objects.iter().map(|object| ensure(context, &valid.name, &observed.seen, object))).await;
    tried.into_iter().collect()
}

/// Applies an object unless what is there equals it.
pub async fn ensure(context: &Context, instance: &str, seen: &BTreeMap<Key, Seen>, object: &Object) -> Result<(), Error> {
    let key = object.key();
    let found = seen.get(&key);
    let names = template::names(object.kind, &object.body);
    if let Some(found) = found {
        // A Job's pods can't be changed; one that is being deleted is made again once it is gone.
        if found.deleting || object.kind == Kind::Job {
            return Ok(());
        }
        // What this process has never applied is applied once, even if its hash is right: what others changed while nobody
        // looked can't be told from it. Where nothing was changed, the API server writes nothing.
        let intact = found.accepted == Some(found.ours) && found.template.as_ref().map(|template| template.names) == names;
        if found.applied == Some(object.hash) && intact {
            return Ok(());
        }
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
    let params = PatchParams::apply(&context.settings.field_manager).force();
    let what = || format!("apply {} {}", object.kind.as_str(), object.name);
    let mut answer = api.patch(&object.name, &params, &Patch::Apply(&body)).await.map_err(|error| Error::kube(what())(error))?;
    if template::names(object.kind, &answer.data) != names {
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

/// Takes away what somebody else added to a pod template: an apply leaves it there.
async fn take_additions_away(
    context: &Context,
    instance: &str,
    api: &Api<DynamicObject>,
    object: &Object,
    live: &DynamicObject,
) -> Result<DynamicObject, Error> {
    let (kind, name) = (object.kind.as_str(), &object.name);
    tracing::warn!(instance.name = instance, kind, object.name = name, "somebody else added to the pods; this is taken away");
    let mut patch = template::without_additions(&live.data, &object.body);
    patch["metadata"] = json!({"uid": live.metadata.uid, "resourceVersion": live.metadata.resource_version});
    let params = PatchParams { field_manager: Some(context.settings.field_manager.clone()), ..PatchParams::default() };
    let what = format!("take away what was added to {kind} {name}");
    api.patch(name, &params, &Patch::Merge(&patch)).await.map_err(Error::kube(what))
}

/// Deletes what a smaller size or another address does without; see [`Kind::swept`].
async fn sweep(context: &Context, valid: &Valid<'_>, observed: &Observed, kept: &[Key]) -> Result<(), Error> {
    for (key, seen) in &observed.seen {
        let (kind, name) = key;
        if !kind.swept() || seen.deleting || kept.contains(key) {
            continue;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &valid.namespace, &kind.resource());
        let exactly = Preconditions { uid: Some(seen.uid.clone()), resource_version: None };
        match api.delete(name, &DeleteParams::default().preconditions(exactly)).await {
            Ok(_) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(Error::kube(format!("delete {} {name}", kind.as_str()))(error)),
        }
    }
    Ok(())
}
