//! CloudNativePG's plugin for object stores (plugin-barman-cloud 0.15), as it is seen from outside: which store a `Cluster` names, that
//! something is really written there with the key that the store names, and what the store's status then says.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::super::RigError;
use super::super::bucket::{self, Place};
use super::super::manifests::MANAGER;

/// The only plugin that is installed here.
pub(super) const PLUGIN: &str = "barman-cloud.cloudnative-pg.io";
/// What the library signs for when nobody says anything else.
const REGION: &str = "us-east-1";

/// How a `Cluster` uses the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    /// Name of the `ObjectStore`.
    pub store: String,
    /// The folder in it.
    pub server: String,
    /// Whether the write-ahead log goes there.
    pub archives: bool,
}

/// Names of the plugins that a `Cluster` uses.
pub(super) fn plugins(cluster: &DynamicObject) -> Vec<String> {
    let all = cluster.data["spec"]["plugins"].as_array().into_iter().flatten();
    let enabled = all.filter(|plugin| plugin["enabled"] != false);
    enabled.filter_map(|plugin| plugin["name"].as_str().map(str::to_owned)).collect()
}

impl Usage {
    /// Nothing when it does not use the plugin.
    pub fn of(cluster: &DynamicObject) -> Option<Self> {
        let mut all = cluster.data["spec"]["plugins"].as_array().into_iter().flatten();
        let plugin = all.find(|plugin| plugin["name"] == PLUGIN && plugin["enabled"] != false)?;
        let said = |name: &str| plugin["parameters"][name].as_str().map(str::to_owned);
        Some(Self {
            store: said("barmanObjectName").unwrap_or_default(),
            server: said("serverName").unwrap_or_else(|| cluster.name_any()),
            archives: plugin["isWALArchiver"] == true,
        })
    }

    /// The store that it names, when there is one.
    pub async fn find_store(&self, client: &Client, namespace: &str) -> Result<Option<DynamicObject>, RigError> {
        let what = format!("look for the ObjectStore {namespace}/{}", self.store);
        stores(client, namespace).get_opt(&self.store).await.map_err(RigError::kube(what))
    }

    /// Writes a file of this server into the store.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub async fn write(&self, client: &Client, store: &DynamicObject, name: &str, body: &str) -> Result<(), String> {
        let (place, prefix) = place(client, store).await?;
        bucket::write(place, format!("{prefix}{}/{name}", self.server), body.as_bytes().to_vec()).await
    }

    /// Says in the store's status when a base backup was complete, or when one has failed.
    pub async fn tell(&self, client: &Client, store: &DynamicObject, at: &str, failed: bool) -> Result<(), RigError> {
        let before = &store.data["status"]["serverRecoveryWindow"][self.server.as_str()];
        let window = if failed {
            json!({"lastFailedBackupTime": at})
        } else {
            let first = before["firstRecoverabilityPoint"].as_str().unwrap_or(at);
            json!({"firstRecoverabilityPoint": first, "lastSuccessfulBackupTime": at})
        };
        let mut windows = json!({});
        windows[self.server.as_str()] = window;
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let namespace = store.namespace().unwrap_or_default();
        let patch = Patch::Merge(json!({"status": {"serverRecoveryWindow": windows}}));
        let told = stores(client, &namespace).patch_status(&store.name_any(), &params, &patch).await;
        told.map(|_| ()).map_err(RigError::kube(format!("tell of a backup in the ObjectStore {namespace}/{}", self.store)))
    }
}

fn stores(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("barmancloud.cnpg.io", "v1", "ObjectStore"));
    Api::namespaced_with(client.clone(), namespace, &kind)
}

/// Where the store is, with its key, and what stands before all names.
async fn place(client: &Client, store: &DynamicObject) -> Result<(Place, String), String> {
    let spec = &store.data["spec"];
    let configuration = &spec["configuration"];
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &store.namespace().unwrap_or_default());
    let key = async |which: &str| {
        let reference = &configuration["s3Credentials"][which];
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let (name, key) = (text("name"), text("key"));
        let secret = secrets.get(name).await.map_err(|error| format!("while getting secret {name}: {error}"))?;
        let value = secret
            .data
            .and_then(|mut data| data.remove(key))
            .ok_or_else(|| format!("missing key {key}, inside secret {name}"))?;
        String::from_utf8(value.0).map_err(|error| error.to_string())
    };
    let path = configuration["destinationPath"].as_str().unwrap_or_default();
    let path = path.strip_prefix("s3://").ok_or_else(|| format!("{path} is no place of S3"))?;
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let place = Place {
        endpoint: configuration["endpointURL"].as_str().unwrap_or_default().to_owned(),
        region: region(spec).unwrap_or(REGION).to_owned(),
        bucket: bucket.to_owned(),
        access_key: key("accessKeyId").await?,
        secret_key: key("secretAccessKey").await?,
    };
    let prefix = prefix.trim_end_matches('/');
    Ok((place, if prefix.is_empty() { String::new() } else { format!("{prefix}/") }))
}

fn region(spec: &Value) -> Option<&str> {
    let mut env = spec["instanceSidecarConfiguration"]["env"].as_array().into_iter().flatten();
    env.find(|variable| variable["name"] == "AWS_DEFAULT_REGION")?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_says_how_it_uses_the_plugin() {
        let cluster = |plugins: Value| -> DynamicObject {
            let object = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db-1"}, "spec": {"plugins": plugins}});
            serde_json::from_value(object).unwrap()
        };
        assert_eq!(Usage::of(&cluster(Value::Null)), None);
        let parameters = json!({"barmanObjectName": "backups"});
        let off = cluster(json!([{"name": PLUGIN, "enabled": false, "parameters": parameters}]));
        assert_eq!((Usage::of(&off), plugins(&off)), (None, vec![]));
        let on = cluster(json!([{"name": "other"}, {"name": PLUGIN, "isWALArchiver": true, "parameters": parameters}]));
        let usage = Usage { store: "backups".into(), server: "db-1".into(), archives: true };
        assert_eq!((Usage::of(&on), plugins(&on)), (Some(usage), vec!["other".to_owned(), PLUGIN.to_owned()]));
    }
}
