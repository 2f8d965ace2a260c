//! The volume provisioner and the resizer, for claims of a class of ours: a volume for each, so that the scheduler places the pods that
//! use it, and a larger one when the claim asks for more.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;

use super::super::RigError;
use super::super::manifests::MANAGER;
use super::{Seen, follow};

/// Our name in storage classes.
const PROVISIONER: &str = "paddock.rig/volumes";
/// Where the controller of volumes writes whose a claim is, once its class exists.
const PROVISIONED_BY: &str = "volume.kubernetes.io/storage-provisioner";

/// Makes and removes volumes until the task ends.
pub(super) async fn run(client: Client) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    follow(claims, watcher::Config::default(), |seen| handle(client.clone(), seen)).await;
}

async fn handle(client: Client, seen: Arc<Seen<PersistentVolumeClaim>>) -> Result<(), RigError> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let claim = match &*seen {
        Seen::There(claim) => claim,
        Seen::Gone(claim) => {
            // Released volumes are kept by the storage class, as they should be; the simulated disk ends here.
            let name = volume_name(claim);
            return match volumes.delete(&name, &DeleteParams::default()).await {
                Ok(_) => Ok(()),
                Err(error) => Err(RigError::kube(format!("delete the volume {name}"))(error)),
            };
        }
    };
    let Some(spec) = &claim.spec else { return Ok(()) };
    if claim.annotations().get(PROVISIONED_BY).is_none_or(|provisioner| provisioner != PROVISIONER) {
        return Ok(());
    }
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = volume_name(claim);
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.clone()).unwrap_or_default();
    if spec.volume_name.is_some() {
        let bound = claim.status.as_ref().filter(|status| status.phase.as_deref() == Some("Bound"));
        let has = bound.and_then(|status| status.capacity.as_ref()?.get("storage"));
        let (Some(has), Some(wanted)) = (has, requests.get("storage")) else { return Ok(()) };
        return if has == wanted { Ok(()) } else { resize(client, claim, &name, wanted).await };
    }
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": requests.get("storage")},
            "accessModes": spec.access_modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec.storage_class_name.as_deref().unwrap_or_default(),
            "hostPath": {"path": format!("/simulated/{name}")},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(),
                "name": claim.name_any(),
                "uid": claim.uid(),
            },
        },
    });
    let params = PatchParams::apply(MANAGER).force();
    let made = volumes.patch(&name, &params, &Patch::Apply(&volume)).await;
    made.map(|_| ()).map_err(RigError::kube(format!("make the volume {name}")))
}

/// Makes the volume as large as its claim asks for. That this is more than before has the API server seen to.
async fn resize(client: Client, claim: &PersistentVolumeClaim, volume: &str, wanted: &Quantity) -> Result<(), RigError> {
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let larger = json!({"spec": {"capacity": {"storage": wanted}}});
    let done = volumes.patch(volume, &params, &Patch::Merge(&larger)).await;
    done.map_err(RigError::kube(format!("enlarge the volume {volume}")))?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, &claim.namespace().unwrap_or_default());
    let larger = json!({"status": {"capacity": {"storage": wanted}}});
    let told = claims.patch_status(&claim.name_any(), &params, &Patch::Merge(&larger)).await;
    told.map(|_| ()).map_err(RigError::kube(format!("tell that the volume {volume} is larger")))
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.uid().unwrap_or_default())
}
