//! Whose turn it is at a cluster. An operator of one test would repair what another breaks, so tests that run one (or a whole program) take
//! turns at two rigs: such a test waits most of its time, and a third would only make all of them slower on two cores.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use paddock::clock::SystemClock;
use paddock::db::Db;
use paddock::demo::rig::Rig;
use paddock::fleet::Access;
use paddock::resource::MastodonInstance;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::{Database, TestApp, add_cluster};

/// A rig that is a test's own until this is dropped.
pub struct Turn {
    rig: &'static Rig,
    _alone: MutexGuard<'static, ()>,
}

impl Turn {
    /// The rig, to which no other test has an operator.
    pub fn rig(&self) -> &'static Rig {
        self.rig
    }
}

/// Waits until no other test of this process has one of the rigs.
pub async fn turn() -> Turn {
    static FIRST: Mutex<()> = Mutex::const_new(());
    static SECOND: Mutex<()> = Mutex::const_new(());
    static RIG: OnceCell<Rig> = OnceCell::const_new();
    tokio::select! {
        biased;
        alone = FIRST.lock() => Turn { rig: Rig::shared().await.unwrap(), _alone: alone },
        alone = SECOND.lock() => {
            let rig = RIG.get_or_try_init(|| Rig::apart("second", |settings| settings)).await.unwrap();
            Turn { rig, _alone: alone }
        }
    }
}

/// From now on the clusters of the database are this one, for a fleet that is given this.
pub async fn reach_the_rig(app: &TestApp, rig: &Rig) -> Access {
    let kubeconfig = rig.cluster().kubeconfig();
    let name = kubeconfig.file_name().unwrap().to_str().unwrap();
    sqlx::query("update clusters set kubeconfig = $1").bind(name).execute(app.sql()).await.unwrap();
    Access::new(kubeconfig.parent().map(Path::to_path_buf))
}

/// A database whose one cluster, `first`, is this rig's, with an operator in `namespace`; and the folder of kubeconfigs that says so.
pub async fn database_of(rig: &Rig, namespace: &str) -> (Database, PathBuf) {
    let (database, _) = Database::copy().await;
    let db = Db::new(&database.url(), 2).unwrap();
    add_cluster(&db, &SystemClock, "first", 10).await;
    let path = rig.cluster().kubeconfig();
    let name = path.file_name().unwrap().to_str().unwrap();
    let reach = sqlx::query("update clusters set kubeconfig = $1, namespace = $2").bind(name).bind(namespace);
    reach.execute(db.owner()).await.unwrap();
    (database, path.parent().unwrap().to_owned())
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
