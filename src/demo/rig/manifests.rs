//! Server-side apply of manifests, as `kubectl apply --server-side` does it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::core::discovery::Scope;
use kube::{Client, discovery};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::RigError;

/// The field manager of everything that the rig applies.
pub(super) const MANAGER: &str = "paddock-rig";
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Applies every document of `yaml`, in order; returns once custom resources among them can be used.
pub(super) async fn apply(client: &Client, yaml: &str) -> Result<(), RigError> {
    let mut kinds: HashMap<GroupVersionKind, (ApiResource, Scope)> = HashMap::new();
    let mut definitions = Vec::new();
    for object in read(yaml)? {
        let types = object.types.clone().ok_or_else(|| unreadable("apiVersion and kind are missing".into()))?;
        let name = object.metadata.name.clone().ok_or_else(|| unreadable(format!("a {} has no name", types.kind)))?;
        let kind = GroupVersionKind::try_from(&types).map_err(|error| unreadable(error.to_string()))?;
        let (resource, scope) = match kinds.get(&kind) {
            Some(known) => known.clone(),
            None => kinds.entry(kind.clone()).or_insert(find_kind(client, &kind).await?).clone(),
        };
        let api: Api<DynamicObject> = match scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
        };
        let doing = format!("apply {} {name}", types.kind);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(&object)).await.map_err(RigError::kube(doing))?;
        if types.kind == "CustomResourceDefinition" {
            definitions.push(name);
        }
    }
    stream::iter(definitions).map(Ok).try_for_each_concurrent(4, |name| async move { established(client, &name).await }).await
}

/// Applies the CRDs of a folder as they are, without reading them: half a megabyte of YAML is the API server's work, once.
/// Each file is called `<group>_<plural>.yaml`.
pub(super) async fn apply_crd_files(client: &Client, folder: &Path) -> Result<(), RigError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(RigError::file("list", folder))? {
        let path = entry.map_err(RigError::file("list", folder))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if let Some((group, plural)) = stem.split_once('_') {
            files.push((format!("{plural}.{group}"), path));
        }
    }
    files.sort();
    stream::iter(files)
        .map(Ok)
        .try_for_each_concurrent(8, |(name, path)| async move {
            let body = fs::read(&path).map_err(RigError::file("read", &path))?;
            let uri = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager={MANAGER}&force=true");
            let request = http::Request::patch(uri).header("content-type", "application/apply-patch+yaml").body(body);
            let request = request.map_err(|error| RigError::Unreadable { what: name.clone(), why: error.to_string() })?;
            client.request_text(request).await.map_err(RigError::kube(format!("apply the CRD {name}")))?;
            established(client, &name).await
        })
        .await
}

fn read(yaml: &str) -> Result<Vec<DynamicObject>, RigError> {
    let documents = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| {
        let value = serde_json::Value::deserialize(document).map_err(|error| unreadable(error.to_string()))?;
        let object = if value.is_null() { Ok(None) } else { serde_json::from_value(value).map(Some) };
        object.map_err(|error| unreadable(error.to_string()))
    });
    documents.filter_map(Result::transpose).collect()
}

fn unreadable(why: String) -> RigError {
    RigError::Unreadable { what: "a manifest".into(), why }
}

async fn established(client: &Client, name: &str) -> Result<(), RigError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let deadline = Instant::now() + ESTABLISHED_WITHIN;
    loop {
        let definition = api.get(name).await.map_err(RigError::kube(format!("read the CRD {name}")))?;
        let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
        if conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(RigError::TooLate { what: format!("the establishing of the CRD {name}"), after: ESTABLISHED_WITHIN });
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// A new CRD shows up in discovery a moment after it is established.
async fn find_kind(client: &Client, kind: &GroupVersionKind) -> Result<(ApiResource, Scope), RigError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match discovery::pinned_kind(client, kind).await {
            Ok((resource, capabilities)) => return Ok((resource, capabilities.scope)),
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(RigError::kube(format!("find the kind {} of {}", kind.kind, kind.group))(error)),
        }
    }
}
