//! The gate in front of the last migrations: no pod of another release may be left, for they take away what such a pod needs
//! (mastodon/mastodon#40256). Asked of the API server right now: a watch may be behind.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::Context;
use super::build::names;
use super::validate::Valid;
use crate::operator::error::{Error, is_missing};
use crate::operator::seen::INSTANCE_LABEL;
use crate::operator::settings::Images;

/// What is told at most; there may be many pods.
const TOLD: usize = 5;

/// Components whose container has the same name.
const COMPONENTS: [&str; 5] = [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER, "job"];

/// What is left of other releases or not yet of this one, in words; empty when the gate is open.
pub async fn look(context: &Context, valid: &Valid<'_>, images: &Images) -> Result<Vec<String>, Error> {
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &valid.namespace);
    let processes = [
        (names::WEB, &images.web),
        (names::STREAMING, &images.streaming),
        (names::SIDEKIQ, &images.web),
        (names::SCHEDULER, &images.web),
    ];
    let rolled = processes.map(|(name, image)| {
        let deployments = deployments.clone();
        async move {
            match deployments.get(name).await {
                Ok(found) => Ok(unfinished(&found, image).map(|why| format!("Deployment {name} ({why})"))),
                Err(error) if is_missing(&error) => Ok(Some(format!("Deployment {name} (not there)"))),
                Err(error) => Err(Error::kube(format!("look at Deployment {name}"))(error)),
            }
        }
    });
    let rolled = join_all(rolled).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &valid.namespace);
    let ours = ListParams::default().labels(&format!("{INSTANCE_LABEL}={}", valid.name));
    let pods = pods.list(&ours).await.map_err(Error::kube("look at the pods"))?;
    let old = pods.iter().filter(|pod| runs_another_release(pod, images));
    let mut left: Vec<String> = rolled.into_iter().flatten().chain(old.map(|pod| format!("Pod {}", pod.name_any()))).collect();
    let more = left.len().saturating_sub(TOLD);
    left.truncate(TOLD);
    left.extend((more > 0).then(|| format!("and {more} more")));
    Ok(left)
}

/// What is left of a server that could write into its database, in words: every pod that has not ended, but those of the database.
pub async fn pods_left(context: &Context, valid: &Valid<'_>) -> Result<Vec<String>, Error> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &valid.namespace);
    let ours = ListParams::default().labels(&format!("{INSTANCE_LABEL}={}", valid.name));
    let pods = pods.list(&ours).await.map_err(Error::kube("look at the pods"))?;
    let mut left: Vec<String> = pods.iter().filter(|pod| may_write(pod)).map(|pod| format!("Pod {}", pod.name_any())).collect();
    let more = left.len().saturating_sub(TOLD);
    left.truncate(TOLD);
    left.extend((more > 0).then(|| format!("and {more} more")));
    Ok(left)
}

fn may_write(pod: &Pod) -> bool {
    let component = pod.labels().get("app.kubernetes.io/component").map(String::as_str);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    component != Some("database") && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Why a Deployment's pods are not all of this image and ready.
fn unfinished(deployment: &Deployment, image: &str) -> Option<String> {
    let spec = deployment.spec.as_ref()?;
    let status = deployment.status.clone().unwrap_or_default();
    let [all, updated, ready] = [status.replicas, status.updated_replicas, status.ready_replicas].map(Option::unwrap_or_default);
    let wanted = spec.replicas.unwrap_or(1);
    let containers = spec.template.spec.iter().flat_map(|pod| &pod.containers);
    if containers.clone().next().is_none() || containers.clone().any(|container| container.image.as_deref() != Some(image)) {
        return Some("is of another release".to_owned());
    }
    if status.observed_generation < deployment.metadata.generation || [all, updated, ready] != [wanted; 3] {
        return Some(format!("{ready} of {wanted} pods are new and answer, {all} are there"));
    }
    None
}

/// Whether a pod of ours that may still do something is of another release. Pods that have ended do nothing any more; those that
/// are being deleted may.
fn runs_another_release(pod: &Pod, images: &Images) -> bool {
    let component = pod.labels().get("app.kubernetes.io/component").map(String::as_str);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(component, Some(names::CACHE | names::ARCHIVE | "database")) || matches!(phase, Some("Succeeded" | "Failed")) {
        return false;
    }
    let ours = [images.web.as_str(), images.streaming.as_str()];
    // A container beside ours, put there by somebody's webhook, is no release of Mastodon.
    let named = |name: &str| component == Some(name) || !component.is_some_and(|component| COMPONENTS.contains(&component));
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers).filter(|container| named(&container.name));
    containers.any(|container| !ours.contains(&container.image.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn images() -> Images {
        Images { web: "web:new".into(), streaming: "streaming:new".into() }
    }

    fn pod(component: &str, image: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"app.kubernetes.io/component": component}, "deletionTimestamp": "2026-11-25T00:00:00Z"},
            "spec": {"containers": [{"name": component, "image": image}, {"name": "mesh", "image": "mesh:1"}]}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn an_old_pod_counts_until_it_has_ended() {
        let left = |component: &str, image: &str, phase: &str| runs_another_release(&pod(component, image, phase), &images());
        assert!(left("web", "web:old", "Running") && left("sidekiq", "web:old", "Pending") && left("job", "web:old", "Running"));
        assert!(left("streaming", "streaming:old", "Unknown"), "a node that does not answer may still run it");
        assert!(!left("job", "web:old", "Succeeded") && !left("web", "web:new", "Running"));
        assert!(!left("cache", "valkey:8", "Running") && !left("database", "postgres:17", "Running"));
    }

    #[test]
    fn a_pod_may_write_until_it_has_ended() {
        let may = |component: &str, phase: &str| may_write(&pod(component, "any", phase));
        assert!(may("web", "Running") && may("job", "Pending") && may("sidekiq", "Unknown") && may("cache", "Running"));
        assert!(!may("web", "Failed") && !may("job", "Succeeded") && !may("database", "Running"));
    }

    #[test]
    fn a_deployment_is_rolled_when_every_pod_is_new_and_answers() {
        let deployment = |image: &str, observed: i64, counts: [i32; 3]| -> Deployment {
            let [all, updated, ready] = counts;
            serde_json::from_value(json!({
                "metadata": {"generation": 2},
                "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
                "status": {"observedGeneration": observed, "replicas": all, "updatedReplicas": updated, "readyReplicas": ready},
            }))
            .unwrap()
        };
        let of = |image: &str, observed, counts| unfinished(&deployment(image, observed, counts), "web:new").is_none();
        assert!(of("web:new", 2, [2, 2, 2]));
        assert!(!of("web:old", 2, [2, 2, 2]) && !of("web:new", 1, [2, 2, 2]));
        assert!(!of("web:new", 2, [3, 2, 2]) && !of("web:new", 2, [2, 1, 2]) && !of("web:new", 2, [2, 2, 1]));
    }
}
