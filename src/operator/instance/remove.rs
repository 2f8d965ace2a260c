//! The end of a custom resource in which nothing was ever put. (That of one with data is in `removal`.)

use std::collections::BTreeMap;
use std::fmt;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::Context;
use super::build::{names, server_name};
use super::observe::Observed;
use crate::operator::bucket::Removal;
use crate::operator::error::{Error, is_missing};
use crate::operator::kind::Kind;
use crate::operator::seeded::Bug;
use crate::operator::seen::{HOLDS_DATA_ANNOTATION, INSTANCE_LABEL, Key, Seen, holds_data};
use crate::operator::stores::Store;
use crate::resource::{ConditionKind, backup_bucket, instance_id, namespace_name};

/// Keeps the custom resource until we let it go.
pub const FINALIZER: &str = "paddock.host/instance";

/// Whether the custom resource carries our finalizer.
pub fn is_held(observed: &Observed) -> bool {
    observed.instance.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Puts our finalizer on, or takes it off.
pub async fn hold(context: &Context, observed: &Observed, hold: bool) -> Result<(), Error> {
    let metadata = &observed.instance.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    let finalizers: &[&str] = if hold { &[FINALIZER] } else { &[] };
    let body = json!({
        "apiVersion": "paddock.host/v1alpha1",
        "kind": "MastodonInstance",
        // With the UID, so that one that has just gone is not made anew.
        "metadata": {"name": name, "uid": metadata.uid, "finalizers": finalizers},
    });
    let params = PatchParams::apply(&context.settings.field_manager).force();
    let patched = context.instances.patch(&name, &params, &Patch::Apply(&body)).await;
    let answer = match patched {
        Ok(answer) => answer,
        Err(error) if !hold && is_missing(&error) => return Ok(()),
        Err(error) => return Err(Error::kube("change the finalizer")(error)),
    };
    context.with_memory(&name, |memory| memory.newest = Some(std::sync::Arc::new(answer)));
    Ok(())
}

/// Removes what was made for an instance in which nothing was ever put. Returns whether all of it is gone.
pub async fn remove_empty(context: &Context, observed: &Observed) -> Result<bool, Error> {
    let name = observed.instance.metadata.name.clone().unwrap_or_default();
    let Some(namespace) = instance_id(&name).map(namespace_name) else { return Ok(true) };
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &Kind::Namespace.resource());
    let live = match api.get_metadata(&namespace).await {
        Ok(live) => live,
        Err(error) if is_missing(&error) => {
            // The vault keeps its sealed identity: it is small, and no mistake here can then lose one for good.
            return remove_buckets(context, &namespace).await;
        }
        Err(error) => return Err(Error::kube("look for the namespace")(error)),
    };
    if live.metadata.labels.as_ref().and_then(|labels| labels.get(INSTANCE_LABEL)) != Some(&name) {
        return Err(Error::Foreign(format!("Namespace {namespace}")));
    }
    if holds_data(&live.metadata) {
        // Another operator has just begun to fill it. The next pass sees the mark and refuses.
        let seen = Seen::of(Kind::Namespace, &live.metadata, &serde_json::Value::Null, &context.settings.field_manager);
        context.seen.put(&name, (Kind::Namespace, namespace), seen);
        return Ok(false);
    }
    if live.metadata.deletion_timestamp.is_none() {
        let exactly = Preconditions { uid: live.metadata.uid.clone(), resource_version: live.metadata.resource_version.clone() };
        delete_exactly(context, Kind::Namespace, None, &namespace, exactly).await?;
        let seen = Seen::of(Kind::Namespace, &live.metadata, &serde_json::Value::Null, &context.settings.field_manager);
        context.seen.put(&name, (Kind::Namespace, namespace), Seen { deleting: true, ..seen });
    }
    Ok(false)
}

/// The same with its buckets. One with anything of worth in it stays, and that is an error.
///
/// The database of such a server has sent its log since it ran, empty as it was. That is worth nothing without a base backup, of which the
/// first is made only after it was said that the server is being filled.
async fn remove_buckets(context: &Context, namespace: &str) -> Result<bool, Error> {
    context.buckets.remove_empty(namespace).await?;
    let backups = backup_bucket(namespace);
    let settings = context.current();
    for image in Store::Postgres.images(&settings) {
        if context.buckets.has(&backups, &format!("{}/base/", server_name(image))).await? {
            context.buckets.remove_empty(&backups).await?;
        }
    }
    Ok(context.buckets.remove(&backups).await? == Removal::Gone)
}

/// Deletes one object and no other of its name. One that is gone already is fine.
pub async fn delete_exactly(
    context: &Context,
    kind: Kind,
    namespace: Option<&str>,
    name: &str,
    exactly: Preconditions,
) -> Result<(), Error> {
    let exactly = if Bug::DeletesByName.is_made() { Preconditions::default() } else { exactly };
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &kind.resource()),
        None => Api::all_with(context.client.clone(), &kind.resource()),
    };
    // Pods of a Job would stay otherwise.
    let params = DeleteParams::background().preconditions(exactly);
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(Error::kube(format!("delete {} {name}", kind.as_str()))(error)),
    }
}

/// Marks the namespace as holding data, before the status says so: whatever becomes of the custom resource, an operator that
/// finds the mark neither fills the instance anew nor removes it.
///
/// A merge and no apply, so that an operator that applies the namespace without knowing of the mark can't take it off.
pub async fn mark(context: &Context, name: &str, namespace: &str, seen: &BTreeMap<Key, Seen>) -> Result<(), Error> {
    let key = (Kind::Namespace, namespace.to_owned());
    let Some(found) = seen.get(&key).filter(|found| !found.holds_data) else { return Ok(()) };
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &Kind::Namespace.resource());
    // With the UID, so that another namespace of this name is not marked.
    let body = json!({"metadata": {"uid": found.uid, "annotations": {HOLDS_DATA_ANNOTATION: "true"}}});
    let params = PatchParams { field_manager: Some(context.settings.field_manager.clone()), ..PatchParams::default() };
    let marked = api.patch(namespace, &params, &Patch::Merge(&body)).await.map_err(Error::kube("mark the namespace"))?;
    context.seen.put(name, key, Seen::of(Kind::Namespace, &marked.metadata, &marked.data, &context.settings.field_manager));
    Ok(())
}

/// What a person should know about a deletion that is refused.
pub const REFUSED: &str = "the custom resource was deleted, but this server holds data and no final archive of it is proven: \
                           nothing is deleted, everything goes on. A deletion can't be taken back, so the fleet has to make the \
                           resource anew after the archive is proven";

/// What held data and is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// Another one of its name is there.
    pub replaced: bool,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, replaced } = self;
        let what = if *replaced { "was replaced by another one of its name" } else { "is gone" };
        write!(f, "{} {name} {what}", kind.as_str())
    }
}

impl Lost {
    /// The condition that it belongs to.
    pub fn condition(&self) -> ConditionKind {
        match self.name {
            names::IDENTITY => ConditionKind::IdentityReady,
            names::DATABASE => ConditionKind::DatabaseReady,
            _ => ConditionKind::CacheReady,
        }
    }
}

/// What a person should know about a loss, and do.
pub fn in_words(lost: &[Lost]) -> String {
    let all: Vec<String> = lost.iter().map(Lost::to_string).collect();
    let accept = if lost.iter().any(|lost| lost.replaced) {
        "; if what is there now was restored and holds the right data, take status.data away, and it is accepted"
    } else {
        ""
    };
    format!("{}; it held data, so it is not made again: restore it from a backup{accept}", all.join(" and "))
}
