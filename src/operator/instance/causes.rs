//! Why pods do not come up. Nothing of this is watched, for there are many pods and all is well with most: only when something has not
//! answered for a while do we look at its pods, and at the volume they wait for.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Event, PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::Context;
use super::build::names;
use super::validate::Valid;
use crate::operator::error::{Error, QUOTA, chain, is_quota};
use crate::operator::kind::Kind;
use crate::resource::{ConditionKind, Finding, InstanceStatus, Truth, condition, instant};

/// How long something may take to start before we ask why.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often we look whether it is time to ask, and ask again.
const LOOK: Duration = Duration::from_secs(15);

/// What makes the pods that each condition rests on, and the component in the labels of these pods.
const MAKERS: [(ConditionKind, Kind, &str); 6] = [
    (ConditionKind::DatabaseReady, Kind::Cluster, "database"),
    (ConditionKind::CacheReady, Kind::StatefulSet, names::CACHE),
    (ConditionKind::WebReady, Kind::Deployment, names::WEB),
    (ConditionKind::StreamingReady, Kind::Deployment, names::STREAMING),
    (ConditionKind::WorkersReady, Kind::Deployment, names::SIDEKIQ),
    (ConditionKind::WorkersReady, Kind::Deployment, names::SCHEDULER),
];

/// Reasons that a finding of this module can have.
pub const REASONS: [&str; 5] = [Cause::UNSCHEDULABLE, Cause::VOLUME, Cause::REFUSED, QUOTA, Cause::FAILS];

/// Why pods do not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cause {
    reason: &'static str,
    message: String,
}

impl Cause {
    const UNSCHEDULABLE: &str = "Unschedulable";
    const VOLUME: &str = "VolumePending";
    const REFUSED: &str = "PodsRefused";
    const FAILS: &str = "PodsFail";

    fn refused(message: &str) -> Self {
        let reason = if is_quota(message) { QUOTA } else { Self::REFUSED };
        Self { reason, message: message.to_owned() }
    }
}

/// What has been starting for too long. Pure.
fn overdue(found: &[Finding], status: &InstanceStatus, now: chrono::DateTime<chrono::Utc>) -> Vec<ConditionKind> {
    let starting = found.iter().filter(|finding| finding.truth != Truth::True && finding.reason == "Starting");
    let since = |kind: ConditionKind| {
        let before = condition(&status.conditions, kind).filter(|before| before.status == Truth::False.as_str())?;
        (now - instant(&before.last_transition_time)).to_std().ok()
    };
    starting.map(|finding| finding.kind).filter(|kind| since(*kind).is_some_and(|since| since >= PATIENCE)).collect()
}

/// Says why what has been starting for too long does not come up. Returns how soon to look again, if anything starts.
pub async fn explain(context: &Context, valid: &Valid<'_>, status: &InstanceStatus, found: &mut [Finding]) -> Option<Duration> {
    let starts =
        found.iter().any(|finding| finding.reason == "Starting" && MAKERS.iter().any(|(kind, _, _)| *kind == finding.kind));
    let overdue = overdue(found, status, context.clock.now());
    for (kind, maker, component) in MAKERS.into_iter().filter(|(kind, _, _)| overdue.contains(kind)) {
        let Cause { reason, message } = match cause(context, valid, maker, component).await {
            Ok(Some(cause)) => cause,
            Ok(None) => continue,
            // What is known is told all the same.
            Err(error) => {
                tracing::warn!(instance.name = valid.name, error = %chain(&error), "could not find out why pods do not come up");
                continue;
            }
        };
        for finding in found.iter_mut() {
            if finding.kind == kind {
                *finding = Finding::fails(kind, reason, message.clone());
            } else if finding.kind == ConditionKind::Ready && finding.reason == kind.as_str() {
                finding.message.clone_from(&message);
            }
        }
    }
    starts.then_some(LOOK)
}

async fn cause(context: &Context, valid: &Valid<'_>, maker: Kind, component: &str) -> Result<Option<Cause>, Error> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &valid.namespace);
    let of_it = ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
    let pods = pods.list(&of_it).await.map_err(Error::kube(format!("list the pods of {component}")))?.items;
    if let Some(cause) = pods.iter().find_map(pod_cause) {
        if cause.reason == Cause::UNSCHEDULABLE && maker == Kind::StatefulSet {
            return Ok(Some(volume_cause(context, valid).await?.unwrap_or(cause)));
        }
        return Ok(Some(cause));
    }
    if !pods.is_empty() || maker == Kind::Cluster {
        return Ok(None);
    }
    // Not even a pod: whoever should make it was refused.
    let owners = if maker == Kind::Deployment { "ReplicaSet" } else { "StatefulSet" };
    let events = events(context, valid, &format!("involvedObject.kind={owners},reason=FailedCreate")).await?;
    let about = |event: &&Event| event.involved_object.name.as_deref().is_some_and(|owner| owner.starts_with(component));
    let refusal = newest(events.iter().filter(about)).and_then(|event| event.message.as_deref());
    Ok(refusal.map(Cause::refused))
}

/// Why a pod does not run, when it says so.
fn pod_cause(pod: &Pod) -> Option<Cause> {
    let status = pod.status.as_ref()?;
    let unscheduled = status.conditions.iter().flatten().find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(message) = unscheduled.and_then(|one| one.message.clone()) {
        return Some(Cause { reason: Cause::UNSCHEDULABLE, message });
    }
    let mut containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    containers.find_map(container_cause)
}

fn container_cause(container: &ContainerStatus) -> Option<Cause> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| !["ContainerCreating", "PodInitializing"].contains(reason))?;
    // What follows the first line differs from try to try.
    let said = waiting.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
    Some(Cause { reason: Cause::FAILS, message: format!("{}: {reason}: {said}", container.name) })
}

/// Why the cache's volume is not there.
async fn volume_cause(context: &Context, valid: &Valid<'_>) -> Result<Option<Cause>, Error> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &valid.namespace);
    let claim = claims.get_opt(names::CACHE).await.map_err(Error::kube("read the PersistentVolumeClaim cache"))?;
    let Some(claim) =
        claim.filter(|claim| claim.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Pending")))
    else {
        return Ok(None);
    };
    let about = format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={}", claim.name_any());
    let said = newest(events(context, valid, &about).await?.iter()).and_then(|event| event.message.clone());
    let said = said.unwrap_or_else(|| "nobody has said why".to_owned());
    Ok(Some(Cause { reason: Cause::VOLUME, message: format!("the volume {} is not there yet: {said}", claim.name_any()) }))
}

async fn events(context: &Context, valid: &Valid<'_>, which: &str) -> Result<Vec<Event>, Error> {
    let events: Api<Event> = Api::namespaced(context.client.clone(), &valid.namespace);
    Ok(events.list(&ListParams::default().fields(which)).await.map_err(Error::kube("list events"))?.items)
}

fn newest<'a>(events: impl Iterator<Item = &'a Event>) -> Option<&'a Event> {
    let at = |event: &&Event| {
        let last = event.last_timestamp.as_ref().map(|at| at.0);
        last.or(event.event_time.as_ref().map(|at| at.0)).or(event.metadata.creation_timestamp.as_ref().map(|at| at.0))
    };
    events.max_by_key(at)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use serde_json::json;

    use super::*;
    use crate::resource::conditions;

    #[test]
    fn what_has_been_starting_for_a_while_is_asked_why() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let found = [
            Finding::fails(ConditionKind::WebReady, "Starting", ""),
            Finding::waits(ConditionKind::StreamingReady, ""),
            Finding::holds(ConditionKind::CacheReady, "Answers", ""),
        ];
        let status = InstanceStatus { conditions: conditions(&[], &found, 1, start), ..InstanceStatus::default() };
        assert_eq!(overdue(&found, &status, start + TimeDelta::seconds(4)), []);
        assert_eq!(overdue(&found, &status, start + TimeDelta::seconds(5)), [ConditionKind::WebReady]);
        assert_eq!(overdue(&found, &InstanceStatus::default(), start + TimeDelta::days(1)), []);
    }

    #[test]
    fn pods_say_why_they_do_not_run() {
        let cause = |status: serde_json::Value| {
            let pod: Pod = serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap();
            pod_cause(&pod).map(|cause| (cause.reason, cause.message))
        };
        let nodes = "0/1 nodes are available: 1 Insufficient cpu.";
        let unschedulable =
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": nodes}]});
        assert_eq!(cause(unschedulable), Some(("Unschedulable", nodes.to_owned())));
        let container = |reason: &str| {
            json!({"containerStatuses": [{"name": "web", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
                "state": {"waiting": {"reason": reason, "message": "back-off\nmore"}}}]})
        };
        assert_eq!(cause(container("CrashLoopBackOff")), Some(("PodsFail", "web: CrashLoopBackOff: back-off".to_owned())));
        assert_eq!(cause(container("ContainerCreating")), None);
        assert_eq!(cause(json!({})), None);
    }

    #[test]
    fn a_refusal_for_the_quotas_sake_is_told_from_others() {
        assert_eq!(
            Cause::refused("pods \"web-1\" is forbidden: exceeded quota: mastodon, requested: pods=1").reason,
            "QuotaExceeded"
        );
        assert_eq!(Cause::refused("pods \"web-1\" is forbidden: violates PodSecurity").reason, "PodsRefused");
    }
}
