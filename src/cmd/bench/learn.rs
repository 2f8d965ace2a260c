//! Which requests make one server: learned from what fleet and operator left in the cluster, so that the peer sends the same.
//!
//! The API server keeps for each object who set which field by which kind of request. So of every object that the operator has
//! written there is either its apply (the fields that it owns, which are the body that it sent) or its create (the object).
//! Status bodies are the versions of the custom resource as a watch has shown them, one PUT each; Events are read back.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::core::discovery::verbs;
use kube::{Client, CustomResourceExt as _, Resource as _, discovery};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::bare::{Call, Recipe};
use crate::resource::MastodonInstance;

/// The name under which the operator owns fields (the default of its settings).
const OPERATOR: &str = "paddock";
/// The name under which the fleet owns fields.
pub(super) const FLEET: &str = "paddock-fleet";

/// Writes down the versions of one custom resource, from before it is made.
pub(super) struct Diary {
    task: JoinHandle<Vec<Value>>,
    end: oneshot::Sender<()>,
}

impl Diary {
    pub async fn open(client: Client, name: &str) -> anyhow::Result<Self> {
        let api: Api<DynamicObject> = Api::all_with(client, &MastodonInstance::api_resource());
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = api.watch(&params, "0").await?.boxed();
        let (end, mut ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut versions = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    event = events.try_next() => match event {
                        Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                            versions.extend(serde_json::to_value(object).ok());
                        }
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => return versions,
                    },
                    _ = &mut ended => return versions,
                }
            }
        });
        Ok(Self { task, end })
    }

    async fn close(self) -> anyhow::Result<Vec<Value>> {
        // Nobody listens any more when the watch has ended by itself.
        let _ended = self.end.send(());
        Ok(self.task.await?)
    }
}

/// Reads back what made the server whose custom resource is called `name` (`ins-` and its digits).
pub(super) async fn learn(client: &Client, name: &str, diary: Diary) -> anyhow::Result<Recipe> {
    let digits = name.trim_start_matches("ins-").to_owned();
    let versions = diary.close().await?;
    let mut recipe = Recipe::new(digits);

    let kind = MastodonInstance::api_resource();
    let newest = versions.last().context("the watch has not shown the custom resource")?;
    recipe.add_apply(0, &kind, &applied(newest, FLEET).context("the fleet has not applied the custom resource")?, FLEET);
    recipe.add_apply(1, &kind, &applied(newest, OPERATOR).context("the operator has set no finalizer")?, OPERATOR);
    let statuses: Vec<&Value> = versions
        .iter()
        .zip(std::iter::once(&Value::Null).chain(versions.iter().map(|version| &version["status"])))
        .filter(|(version, before)| version["status"].is_object() && version["status"] != **before)
        .map(|(version, _)| version)
        .collect();
    anyhow::ensure!(!statuses.is_empty(), "the watch has shown no status");

    let found = discovery::Discovery::new(client.clone()).run().await?;
    let kinds = found.groups().flat_map(discovery::ApiGroup::recommended_resources);
    for (kind, _) in kinds.filter(|(_, can)| can.supports_operation(verbs::LIST)) {
        add_objects(client, &kind, name, &mut recipe).await?;
    }
    let events = events(client, name).await?;
    for (at, status) in statuses.into_iter().enumerate() {
        recipe.statuses.push(put_status(status, &kind));
        recipe.events.push(events.get(at).cloned());
    }
    recipe.events.extend(events.into_iter().skip(recipe.statuses.len()).map(Some));
    recipe.check()?;
    Ok(recipe)
}

/// Everything of a kind that belongs to the instance and was written by the operator.
async fn add_objects(client: &Client, kind: &ApiResource, name: &str, recipe: &mut Recipe) -> anyhow::Result<()> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let found = api.list(&ListParams::default().labels(&format!("paddock.host/instance={name}"))).await;
    let before = recipe.objects;
    for object in found.with_context(|| format!("listing {}", kind.plural))? {
        let mut object = serde_json::to_value(object)?;
        object["apiVersion"] = kind.api_version.clone().into();
        object["kind"] = kind.kind.clone().into();
        let stage = stage(&kind.kind, &object);
        if let Some(body) = applied(&object, OPERATOR) {
            recipe.add_apply(stage, kind, &body, OPERATOR);
            recipe.objects += 1;
            recipe.awaited += usize::from(super::bare::AWAITED.iter().any(|(_, awaited)| *awaited == kind.kind));
        } else if entry(&object, OPERATOR, "Update").is_some() {
            recipe.add_create(stage, kind, &created(object), OPERATOR);
            recipe.objects += 1;
        }
    }
    if recipe.objects > before {
        recipe.kinds.push(kind.clone());
    }
    Ok(())
}

/// The place in the order in which the operator writes: each number is sent at once, when the one before is through.
fn stage(kind: &str, object: &Value) -> usize {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match kind {
        "Namespace" => 2,
        "Secret" => 3,
        "ResourceQuota" | "LimitRange" | "NetworkPolicy" | "ObjectStore" => 4,
        "Job" if name.starts_with("prepare") => 6,
        "ScheduledBackup" => 6,
        "Job" if name.starts_with("seed") => 7,
        "Deployment" | "Job" => 8,
        _ => 5,
    }
}

fn entry<'a>(object: &'a Value, manager: &str, operation: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"]
        .as_array()?
        .iter()
        .find(|entry| entry["manager"] == manager && entry["operation"] == operation && entry["subresource"].is_null())
}

/// The body of `manager`'s apply: the fields that it owns.
fn applied(object: &Value, manager: &str) -> Option<Value> {
    let mut body = owned(object, &entry(object, manager, "Apply")?["fieldsV1"]);
    for field in ["apiVersion", "kind"] {
        body[field] = object[field].clone();
    }
    for field in ["name", "namespace"] {
        if let Some(value) = object["metadata"].get(field) {
            body["metadata"][field] = value.clone();
        }
    }
    Some(body)
}

/// The part of `live` that `fields` names, in the format of `managedFields` (fieldsV1: `f:` a field, `k:` a list's item by its
/// keys, `v:` a set's item by its value).
fn owned(live: &Value, fields: &Value) -> Value {
    let names = fields.as_object().cloned().unwrap_or_default();
    if names.is_empty() {
        return live.clone();
    }
    match live {
        Value::Object(all) => Value::Object(
            names
                .iter()
                .filter_map(|(name, below)| {
                    let name = name.strip_prefix("f:")?;
                    Some((name.to_owned(), owned(all.get(name)?, below)))
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().filter_map(|item| owned_item(item, &names)).collect()),
        other => other.clone(),
    }
}

fn owned_item(item: &Value, names: &Map<String, Value>) -> Option<Value> {
    names.iter().find_map(|(name, below)| {
        if let Some(value) = name.strip_prefix("v:") {
            return (serde_json::from_str::<Value>(value).ok()? == *item).then(|| item.clone());
        }
        let keys: Map<String, Value> = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
        keys.iter().all(|(key, value)| item.get(key) == Some(value)).then(|| owned(item, below))
    })
}

/// The body of a create: without what the API server has put in.
fn created(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
            metadata.remove(field);
        }
    }
    object
}

fn put_status(version: &Value, kind: &ApiResource) -> Call {
    let mut body = version.clone();
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        metadata.remove("uid");
    }
    body["metadata"]["resourceVersion"] = super::bare::VERSION.into();
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    let path = format!("{}/{name}/status?fieldManager={OPERATOR}", DynamicObject::url_path(kind, None));
    Call { method: http::Method::PUT, path, body: body.to_string() }
}

/// The Events about the custom resource, oldest first.
async fn events(client: &Client, name: &str) -> anyhow::Result<Vec<Call>> {
    let kind = ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &kind);
    let mut found: Vec<Value> = Vec::new();
    for event in api.list(&ListParams::default()).await? {
        if event.data["regarding"]["name"] == name {
            found.push(serde_json::to_value(event)?);
        }
    }
    found.sort_by_key(|event| event["eventTime"].to_string());
    let path = format!("{}?", DynamicObject::url_path(&kind, Some("default")));
    Ok(found
        .into_iter()
        .map(|event| {
            let mut body = created(event);
            body["apiVersion"] = json!("events.k8s.io/v1");
            body["kind"] = json!("Event");
            Call { method: http::Method::POST, path: path.clone(), body: body.to_string() }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owned_part_is_what_was_applied() {
        let live = json!({
            "metadata": {"name": "web", "uid": "1", "labels": {"a": "b", "theirs": "x"}, "finalizers": ["one", "two"]},
            "spec": {
                "replicas": 2,
                "template": {"containers": [
                    {"name": "web", "image": "i", "imagePullPolicy": "Always", "ports": [{"containerPort": 1, "protocol": "TCP"}]},
                    {"name": "theirs"}]},
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        });
        let fields = json!({
            "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"two\"": {}}},
            "f:spec": {
                "f:template": {"f:containers": {"k:{\"name\":\"web\"}": {
                    ".": {}, "f:name": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":1,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}},
                "f:volumes": {},
            },
        });
        assert_eq!(
            owned(&live, &fields),
            json!({
                "metadata": {"labels": {"a": "b"}, "finalizers": ["two"]},
                "spec": {
                    "template": {"containers": [{"name": "web", "image": "i", "ports": [{"containerPort": 1}]}]},
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            })
        );
    }
}
