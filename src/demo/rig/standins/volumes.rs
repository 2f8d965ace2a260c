//! The volume provisioner: a volume for each claim of a class of ours, so that the scheduler places the pods that use it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
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
    let volumes: Api<PersistentVolume> = Api::all(client);
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
    if spec.volume_name.is_some() || claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = volume_name(claim);
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.clone()).unwrap_or_default();
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

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.uid().unwrap_or_default())
}
