//! CloudNativePG's major upgrade in place, offline (its `pkg/reconciler/majorupgrade`): a Job that rewrites the data and is not tried
//! twice; the `Cluster` answers again when that is done, or when the image is set back.
//!
//! Stricter than CloudNativePG in one thing: where something could still write into the database, the Job fails.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::super::RigError;
use super::super::manifests::MANAGER;

/// On a `Cluster`: the new release can't take its data.
const FAILS: &str = "paddock.rig/major-upgrade-fails";
/// CloudNativePG's label on its Job.
const ROLE: (&str, &str) = ("cnpg.io/jobRole", "major-upgrade");
/// The server that a database is of; the same label as on all of a server's pods.
const INSTANCE: &str = "paddock.host/instance";

/// Rewrites the data of a `Cluster` for the release of its new image; whether that has come about.
pub(super) async fn rewrite(client: &Client, cluster: &DynamicObject) -> Result<bool, RigError> {
    let namespace = cluster.namespace().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let name = job_name(cluster);
    let doing = format!("rewrite the data of {namespace}/{}", cluster.name_any());
    let found = jobs.get_opt(&name).await.map_err(RigError::kube(&doing))?;
    if found.is_none() {
        let fails = cluster.labels().contains_key(FAILS) || !writers(client, &namespace).await?.is_empty();
        let params = PatchParams::apply(MANAGER).force();
        jobs.patch(&name, &params, &Patch::Apply(&job(cluster, &name, fails))).await.map_err(RigError::kube(&doing))?;
    }
    loop {
        // Whoever took it away says how it ended.
        let Some(job) = jobs.get_opt(&name).await.map_err(RigError::kube(&doing))? else { return Ok(false) };
        let conditions = job.status.and_then(|status| status.conditions).unwrap_or_default();
        let holds = |kind: &str| conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True");
        if holds("Failed") {
            return Ok(false);
        }
        if holds("Complete") {
            clear(client, cluster).await?;
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Takes the Job away, as CloudNativePG does when it is done and when the image is set back.
pub(super) async fn clear(client: &Client, cluster: &DynamicObject) -> Result<(), RigError> {
    let namespace = cluster.namespace().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    match jobs.delete(&job_name(cluster), &DeleteParams::foreground()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(RigError::kube(format!("take the Job of {namespace}/{} away", cluster.name_any()))(error)),
    }
}

fn job_name(cluster: &DynamicObject) -> String {
    format!("{}-1-{}", cluster.name_any(), ROLE.1)
}

/// Pods that could write into the database.
async fn writers(client: &Client, namespace: &str) -> Result<Vec<String>, RigError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of_servers = ListParams::default().labels(INSTANCE);
    let pods = pods.list(&of_servers).await.map_err(RigError::kube(format!("look at the pods of {namespace}")))?;
    let writes = |pod: &Pod| {
        let component = pod.labels().get("app.kubernetes.io/component").map(String::as_str);
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        component != Some("database") && !matches!(phase, Some("Succeeded" | "Failed"))
    };
    Ok(pods.iter().filter(|pod| writes(pod)).map(ResourceExt::name_any).collect())
}

fn job(cluster: &DynamicObject, name: &str, fails: bool) -> serde_json::Value {
    let mut labels = cluster.data["spec"]["inheritedMetadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    labels[ROLE.0] = ROLE.1.into();
    labels["cnpg.io/cluster"] = cluster.name_any().into();
    let of_job = labels.clone();
    if fails {
        labels["paddock.rig/job"] = "failed".into();
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": of_job},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 26, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": ROLE.1, "image": cluster.data["spec"]["imageName"],
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                }],
            },
        }},
    })
}
