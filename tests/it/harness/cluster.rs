//! Whose turn it is at the shared cluster. An operator of one test would repair what another breaks, so tests that run one (or a whole
//! program) against [`paddock::demo::rig::Rig::shared`] take turns.

use std::path::Path;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use paddock::demo::rig::Rig;
use paddock::fleet::Access;
use paddock::resource::MastodonInstance;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use super::TestApp;

/// Waits until no other test of this process uses the shared cluster, and keeps it until dropped.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// From now on the clusters of the database are the shared one, for a fleet that is given this.
pub async fn reach_the_rig(app: &TestApp) -> Access {
    let kubeconfig = Rig::shared().await.unwrap().cluster().kubeconfig();
    let name = kubeconfig.file_name().unwrap().to_str().unwrap();
    sqlx::query("update clusters set kubeconfig = $1").bind(name).execute(app.sql()).await.unwrap();
    Access::new(kubeconfig.parent().map(Path::to_path_buf))
}

/// Takes away what earlier tests left, data and all: nobody is meant to come back to it, and an operator would look after all of it.
pub async fn clear(client: &Client) -> anyhow::Result<()> {
    let all: Api<MastodonInstance> = Api::all(client.clone());
    for resource in all.list(&ListParams::default()).await? {
        let name = resource.name_any();
        all.delete(&name, &DeleteParams::default()).await?;
        let free = json!({"metadata": {"finalizers": null}});
        match all.patch(&name, &PatchParams::default(), &Patch::Merge(&free)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other?),
        }
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in namespaces.list(&ListParams::default().labels("paddock.host/instance")).await? {
        namespaces.delete(&namespace.name_any(), &DeleteParams::default()).await?;
    }
    Ok(())
}
