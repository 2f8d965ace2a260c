//! Parts that judge several kinds of objects of a namespace together: whatever changes among them, all of it is judged anew.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use k8s_openapi::jiff;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::super::RigError;
use super::super::manifests::MANAGER;
use crate::clock::{Clock as _, SystemClock};

const ATTEMPTS: u32 = 20;

/// What a change of a kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Its namespace is one to judge, from now on.
    Namespace,
    /// Its namespace is judged anew, if it is one to judge.
    Part,
    /// Every namespace is judged anew.
    All,
}

/// A kind of the API server.
pub(super) fn kind(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

/// Calls `judge` for a namespace after each change that concerns it, one after the other. Ends with the task.
pub(super) async fn judge_each<F>(client: Client, kinds: Vec<(About, ApiResource, Option<&str>)>, judge: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), RigError>>,
{
    let mut changes: SelectAll<BoxStream<'static, (About, String)>> = SelectAll::new();
    for (about, kind, fields) in kinds {
        let config = fields.map_or_else(watcher::Config::default, |fields| watcher::Config::default().fields(fields));
        let objects = watcher(Api::<DynamicObject>::all_with(client.clone(), &kind), config).default_backoff().touched_objects();
        let seen = objects.filter_map(move |object| async move { Some((about, object.ok()?.namespace().unwrap_or_default())) });
        changes.push(seen.boxed());
    }
    let mut known = BTreeSet::new();
    while let Some((about, namespace)) = changes.next().await {
        let concerned: Vec<String> = match about {
            About::Namespace => {
                known.insert(namespace.clone());
                vec![namespace]
            }
            About::Part => known.get(&namespace).into_iter().cloned().collect(),
            About::All => known.iter().cloned().collect(),
        };
        for namespace in concerned {
            for _ in 0..ATTEMPTS {
                match judge(namespace.clone()).await {
                    Ok(()) => break,
                    Err(error) if super::is_gone(&error) => break,
                    Err(error) => tracing::debug!(%error, namespace, "the rig tries again"),
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

/// All objects of a kind in a namespace, those that are being deleted left out.
pub(super) async fn list(client: &Client, kind: &ApiResource, namespace: &str) -> Result<Vec<DynamicObject>, RigError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
    let found = api.list(&ListParams::default()).await.map_err(RigError::kube(format!("list {}", kind.plural)))?;
    Ok(found.items.into_iter().filter(|object| object.metadata.deletion_timestamp.is_none()).collect())
}

/// A condition about the newest spec of `object`.
pub(super) fn condition(object: &DynamicObject, name: &str, holds: bool, reason: &str, message: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    json!({
        "type": name, "status": status, "reason": reason, "message": message, "observedGeneration": object.metadata.generation,
    })
}

/// Writes `status` unless it is there already. Conditions come without their times, which are compared with nothing.
pub(super) async fn report(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
    mut status: Value,
) -> Result<(), RigError> {
    let mut there = object.data["status"].clone();
    each_condition(&mut there, &|condition| {
        condition.as_object_mut().map(|fields| fields.remove("lastTransitionTime"));
    });
    let new = |name: &String, value: &Value| there[name] != *value;
    if !status.as_object().is_some_and(|fields| fields.iter().any(|(name, value)| new(name, value))) {
        return Ok(());
    }
    let now = jiff::Timestamp::from_second(SystemClock.now().timestamp()).unwrap_or_default().to_string();
    each_condition(&mut status, &|condition| condition["lastTransitionTime"] = now.clone().into());
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, kind);
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let reported = api.patch_status(&name, &params, &Patch::Merge(&json!({"status": status}))).await;
    reported.map(|_| ()).map_err(RigError::kube(format!("report on {} {namespace}/{name}", kind.kind)))
}

/// Every condition in a status, at whatever depth.
fn each_condition(status: &mut Value, act: &dyn Fn(&mut Value)) {
    match status {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "conditions" {
                    value.as_array_mut().into_iter().flatten().for_each(act);
                } else {
                    each_condition(value, act);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| each_condition(value, act)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
