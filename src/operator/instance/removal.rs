//! The removal of an ended server with all its data, once the fleet says why that may be: processes → database and volumes → buckets
//! → namespace. Everything is looked at right before it is deleted, and deleted as exactly that object.
//!
//! Whoever has put a finalizer on something of it is waited for and told by name; a finalizer of others is never taken off.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, Preconditions};
use kube::runtime::controller::Action;

use super::observe::Observed;
use super::{Context, remove, status};
use crate::operator::bucket::Removal as Bucket;
use crate::operator::error::{Error, chain, is_missing};
use crate::operator::fuse::{self, Fuse};
use crate::operator::kind::{Kind, Watched};
use crate::operator::seen::INSTANCE_LABEL;
use crate::resource::{ConditionKind, Finding, Mode, RemovalProgress, backup_bucket, instance_id, namespace_name, time};

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_secs(3);
/// How often it is looked whether the fuse was reset.
pub const BLOWN: Duration = Duration::from_secs(15);
/// Objects that are told at most.
const TOLD: usize = 5;

/// When a kind of object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// First: what runs, and what leads to it.
    Processes,
    /// Then: what holds data.
    Data,
    /// With the namespace: walls stand, and keys are known, until the end.
    Namespace,
}

fn turn(kind: Kind) -> Turn {
    match kind {
        Kind::Service
        | Kind::Backup
        | Kind::ScheduledBackup
        | Kind::StatefulSet
        | Kind::Deployment
        | Kind::Job
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice
        | Kind::HttpRoute
        | Kind::ListenerSet
        | Kind::Certificate => Turn::Processes,
        Kind::PersistentVolumeClaim | Kind::Cluster => Turn::Data,
        // The database's pods send there what they have until they end.
        Kind::ObjectStore
        | Kind::Namespace
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Secret => Turn::Namespace,
    }
}

/// Whether this server is to be removed.
pub fn is_wanted(observed: &Observed) -> bool {
    let spec = &observed.instance.spec;
    spec.removal.is_some() && matches!(spec.mode, Mode::Archived {})
}

/// Whether it may begin, or has begun.
pub async fn may_begin(context: &Context, observed: &Observed) -> Result<Fuse, Error> {
    if observed.status.removal.is_some() {
        return Ok(Fuse::Whole);
    }
    let name = observed.instance.name_any();
    fuse::begin(&context.client, &context.settings.namespace, &name, context.clock.now()).await
}

/// What is said of a removal that waits until the fuse is reset.
pub fn waits_for_fuse(since: DateTime<Utc>) -> [Finding; 2] {
    let message = fuse::remedy(since);
    [ConditionKind::FuseBlown, ConditionKind::Stalled].map(|kind| Finding::holds(kind, "FuseBlown", message.clone()))
}

/// How far it is: a word for programs, and a sentence for people.
struct Stage(&'static str, String);

/// One pass over a server that is being removed.
pub async fn remove(context: &Context, observed: &mut Observed) -> Result<Action, Error> {
    let name = observed.instance.name_any();
    let leaving = observed.instance.metadata.deletion_timestamp.is_some();
    if observed.status.removal.as_ref().is_some_and(|removal| removal.finished_at.is_some()) {
        if leaving && remove::is_held(observed) {
            remove::hold(context, observed, false).await?;
            context.forget(&name);
        }
        return Ok(Action::await_change());
    }
    if !leaving && !remove::is_held(observed) {
        remove::hold(context, observed, true).await?;
        observed.instance = context.newest(&name, Arc::clone(&observed.instance));
    }
    let now = context.clock.now();
    let Some(begun) = observed.status.removal.clone() else {
        // Said before the first byte goes: from then on nothing of it is repaired.
        let begun = RemovalProgress { since: time(now), finished_at: None };
        let found = vec![Finding::holds(ConditionKind::Removing, "Begun", "everything of this server is being removed")];
        say(context, observed, whole(found), begun).await?;
        return Ok(Action::requeue(Duration::ZERO));
    };
    if let Fuse::Blown { since } = fuse::look(&context.client, &context.settings.namespace).await? {
        say(context, observed, waits_for_fuse(since).to_vec(), begun).await?;
        return Ok(Action::requeue(BLOWN));
    }
    match step(context, &name).await {
        Ok(Some(Stage(reason, message))) => {
            let found = vec![Finding::holds(ConditionKind::Removing, reason, message)];
            say(context, observed, whole(found), begun).await?;
            Ok(Action::requeue(LOOK))
        }
        Ok(None) => {
            let finished = RemovalProgress { finished_at: Some(time(now)), ..begun };
            let found = vec![Finding::fails(ConditionKind::Removing, "Removed", "nothing of this server is left")];
            say(context, observed, whole(found), finished).await?;
            Ok(Action::requeue(Duration::ZERO))
        }
        Err(error) => {
            if let Some(reason) = error.stalls() {
                let stalled = Finding::holds(ConditionKind::Stalled, reason, chain(&error));
                say(context, observed, vec![stalled], begun).await?;
            }
            Err(error)
        }
    }
}

/// With what is said of a removal that nothing holds up.
fn whole(mut found: Vec<Finding>) -> Vec<Finding> {
    found.push(Finding::fails(ConditionKind::FuseBlown, "Whole", ""));
    found.push(Finding::fails(ConditionKind::Stalled, "Fine", ""));
    found.push(Finding::fails(ConditionKind::Ready, "Removing", "it is being removed"));
    found
}

async fn say(context: &Context, observed: &Observed, found: Vec<Finding>, removal: RemovalProgress) -> Result<(), Error> {
    let all = status::over(&observed.status.conditions, found);
    let mut next = status::next(observed, &all, context.clock.now());
    next.database_initialised = observed.status.database_initialised;
    (next.removal, next.upgrade, next.database_upgrade) = (Some(removal), None, None);
    status::publish(context, observed, next).await.map(drop)
}

/// Does what can be done by now; how far it is, or nothing when nothing is left.
async fn step(context: &Context, name: &str) -> Result<Option<Stage>, Error> {
    let Some(namespace) = instance_id(name).map(namespace_name) else { return Ok(None) };
    let namespaces: Api<DynamicObject> = Api::all_with(context.client.clone(), &Kind::Namespace.resource());
    let live = match namespaces.get_metadata(&namespace).await {
        Ok(live) if live.labels().get(INSTANCE_LABEL).is_some_and(|of| of == name) => Some(live),
        Ok(_) => return Err(Error::Foreign(format!("Namespace {namespace}"))),
        Err(error) if is_missing(&error) => None,
        Err(error) => return Err(Error::kube("look for the namespace")(error)),
    };
    let mut left = Vec::new();
    if live.is_some() {
        // What a finalizer of others holds up does nothing any more once no pod is left: the rest need not wait for it.
        let blocks = |left: &[Left]| left.iter().any(|left| !is_held(left));
        for (turn, reason, what) in [(Turn::Processes, "Processes", "what runs"), (Turn::Data, "Data", "the database")] {
            let found = delete_all(context, name, &namespace, turn).await?;
            let pods = pods(context, &namespace, turn).await?;
            if blocks(&found) || !pods.is_empty() {
                return Ok(waits(what, &found, &pods).map(|waits| Stage(reason, waits)));
            }
            left.extend(found);
        }
    } else {
        // Its namespace may have been deleted by somebody else; this is the only thing outside of it.
        delete_listed(context, Kind::HttpRoute, context.settings.park_namespace(), name).await?;
    }
    for (bucket, what) in [(namespace.clone(), "the media are deleted"), (backup_bucket(&namespace), "the backups are deleted")] {
        match context.buckets.remove(&bucket).await {
            Ok(Bucket::Gone) => {}
            Ok(Bucket::Emptying { removed: _ }) => return Ok(Some(Stage("Buckets", what.to_owned()))),
            Err(error) => return Ok(Some(Stage("Buckets", chain(&error)))),
        }
    }
    let Some(live) = live else { return Ok(None) };
    if live.metadata.deletion_timestamp.is_none() {
        let exactly = exactly(&live.metadata);
        remove::delete_exactly(context, Kind::Namespace, None, &namespace, exactly).await?;
    }
    left.extend(held(context, name, &namespace).await?);
    let waits = waits("the namespace", &left, &[]).unwrap_or_else(|| "the namespace is deleted".to_owned());
    Ok(Some(Stage("Namespace", waits)))
}

fn exactly(metadata: &ObjectMeta) -> Preconditions {
    Preconditions { uid: metadata.uid.clone(), resource_version: metadata.resource_version.clone() }
}

/// An object that is still there.
type Left = (Kind, ObjectMeta);

/// Whether it is being deleted, and somebody's finalizer keeps it.
fn is_held((_, metadata): &Left) -> bool {
    metadata.deletion_timestamp.is_some() && metadata.finalizers.as_ref().is_some_and(|held_by| !held_by.is_empty())
}

/// Objects of ours of a kind in a namespace, as they are right now.
async fn list(context: &Context, kind: Kind, namespace: &str, instance: &str) -> Result<Vec<Left>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind.resource());
    let what = || format!("look for {} objects", kind.as_str());
    if let Watched::Names(names) = kind.watched() {
        // Of these the operator may see those with names that it knows.
        let mut all = Vec::new();
        for name in names {
            let found = api.get_metadata_opt(name).await.map_err(Error::kube(what()))?;
            all.extend(found.map(|object| (kind, object.metadata)));
        }
        return Ok(all);
    }
    let ours = ListParams::default().labels(&format!("{INSTANCE_LABEL}={instance}"));
    let found = api.list_metadata(&ours).await.map_err(Error::kube(what()))?;
    Ok(found.items.into_iter().map(|object| (kind, object.metadata)).collect())
}

/// Deletes objects of ours of a kind in a namespace, and tells those that were still there.
async fn delete_listed(context: &Context, kind: Kind, namespace: &str, instance: &str) -> Result<Vec<Left>, Error> {
    let found = list(context, kind, namespace, instance).await?;
    for (_, metadata) in found.iter().filter(|(_, metadata)| metadata.deletion_timestamp.is_none()) {
        let name = metadata.name.as_deref().unwrap_or_default();
        remove::delete_exactly(context, kind, Some(namespace), name, exactly(metadata)).await?;
    }
    Ok(found)
}

/// The same for all kinds whose turn it is.
async fn delete_all(context: &Context, name: &str, namespace: &str, which: Turn) -> Result<Vec<Left>, Error> {
    let kinds = Kind::ALL.into_iter().filter(|kind| turn(*kind) == which);
    let mut all: Vec<_> = kinds.map(|kind| (kind, namespace)).collect();
    if which == Turn::Processes {
        all.push((Kind::HttpRoute, context.settings.park_namespace()));
    }
    let tried = join_all(all.into_iter().map(|(kind, namespace)| delete_listed(context, kind, namespace, name))).await;
    Ok(tried.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// What is held by a finalizer of all that goes with the namespace.
async fn held(context: &Context, name: &str, namespace: &str) -> Result<Vec<Left>, Error> {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Namespace && turn(*kind) == Turn::Namespace);
    let tried = join_all(kinds.map(|kind| list(context, kind, namespace, name))).await;
    let mut all: Vec<Left> = tried.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    all.retain(is_held);
    Ok(all)
}

/// Pods that may still do something; before the turn of data those of the database are left alone.
async fn pods(context: &Context, namespace: &str, turn: Turn) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let mut found = api.list(&ListParams::default()).await.map_err(Error::kube("look at the pods"))?.items;
    found.retain(|pod| {
        let ended = matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
        let database = pod.labels().get("app.kubernetes.io/component").is_some_and(|component| component == "database");
        !ended && (turn == Turn::Data || !database)
    });
    Ok(found)
}

/// What is waited for, in words; nothing when nothing is.
fn waits(what: &str, left: &[Left], pods: &[Pod]) -> Option<String> {
    let line = |kind: &str, metadata: &ObjectMeta| {
        let name = metadata.name.as_deref().unwrap_or_default();
        match metadata.finalizers.as_deref().unwrap_or_default() {
            [] => format!("{kind} {name}"),
            held_by => format!("{kind} {name} (held by the finalizer {})", held_by.join(", ")),
        }
    };
    let left = left.iter().map(|(kind, metadata)| line(kind.as_str(), metadata));
    let mut all: Vec<String> = left.chain(pods.iter().map(|pod| line("Pod", &pod.metadata))).collect();
    if all.is_empty() {
        return None;
    }
    all.sort();
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    all.extend((more > 0).then(|| format!("{more} more")));
    Some(format!("{what} is deleted; waits for {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(kind: Kind, name: &str, finalizers: &[&str]) -> Left {
        let metadata = json!({"name": name, "finalizers": finalizers, "deletionTimestamp": "2026-11-25T00:00:00Z"});
        (kind, serde_json::from_value(metadata).unwrap())
    }

    #[test]
    fn who_holds_something_up_is_told_by_name() {
        assert_eq!(waits("it", &[], &[]), None);
        let held = left(Kind::Cluster, "db-1", &["example.org/keep"]);
        assert!(is_held(&held) && !is_held(&left(Kind::Cluster, "db-1", &[])));
        let text = waits("the database", &[held], &[]).unwrap();
        assert_eq!(text, "the database is deleted; waits for Cluster db-1 (held by the finalizer example.org/keep)");
        let many: Vec<Left> = (0..9).map(|number| left(Kind::Service, &format!("s{number}"), &[])).collect();
        assert!(waits("it", &many, &[]).unwrap().ends_with("Service s4, 4 more"));
    }

    #[test]
    fn walls_and_keys_stand_until_the_end() {
        for kind in [Kind::NetworkPolicy, Kind::ResourceQuota, Kind::Secret, Kind::ConfigMap, Kind::ObjectStore] {
            assert_eq!(turn(kind), Turn::Namespace, "{kind:?}");
        }
        assert_eq!((turn(Kind::Cluster), turn(Kind::Deployment)), (Turn::Data, Turn::Processes));
        assert_eq!(turn(Kind::ScheduledBackup), Turn::Processes, "no backup begins of what is about to go");
    }
}
