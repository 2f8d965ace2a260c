//! A control plane for tests whose operators see only what is their own: many of them can use it at once. No work is done in it: Jobs
//! end and databases answer without any.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use paddock::clock::{SharedClock, SystemClock};
use paddock::demo::rig::{Rig, RigError, Work};
use paddock::operator::bucket::{self, Bucket, BucketKey, Purpose};
use paddock::resource::crds_yaml;
use serde_json::json;
use tokio::sync::{OnceCell, RwLock};

use super::settings_for;

/// Whoever takes a server of it down writes; all others read.
pub static ALONE: RwLock<()> = RwLock::const_new(());

/// The control plane, started by the first test that asks.
pub async fn apart() -> Result<&'static Rig, RigError> {
    static RIG: OnceCell<Result<Rig, String>> = OnceCell::const_new();
    let start = async || {
        let crds = crds_yaml().map_err(|error| error.to_string())?.into_iter().map(|(_, text)| text).collect();
        let settings = Rig::apart("requests", |mut settings| {
            settings.crds = crds;
            settings.work = Work::Skipped;
            settings
        });
        let rig = settings.await.map_err(|error| error.to_string())?;
        // Without the controller that looks after nodes the taint of a new node stays.
        let client = rig.cluster().client().await.map_err(|error| error.to_string())?;
        let clean = Patch::Merge(json!({"spec": {"taints": null}}));
        let cleaned = Api::<Node>::all(client).patch("fake-0", &PatchParams::default(), &clean).await;
        cleaned.map_err(|error| error.to_string())?;
        // Its operators bring a store of their own, which is only a list; the vault is on the rig's.
        let (settings, clock): (_, SharedClock) = (settings_for(&rig), Arc::new(SystemClock));
        let store = bucket::connect(&settings.storage, &clock).map_err(|error| error.to_string())?;
        let vault = &settings.vault;
        let key = BucketKey { access: vault.access_key.clone(), secret: vault.secret_key.clone() };
        let made = store.ensure(Bucket { name: &vault.bucket, purpose: Purpose::Vault }, &key).await;
        made.map_err(|error| error.to_string())?;
        Ok(rig)
    };
    RIG.get_or_init(start).await.as_ref().map_err(|error| RigError::Shared(error.clone()))
}
