//! `MastodonRun`: one bounded piece of work on a server, and how far it is.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::archive::{ProvenArchive, WrittenArchive};
use super::steps::time;

/// One bounded piece of work on a server. Written only by the fleet.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "paddock.host",
    version = "v1alpha1",
    kind = "MastodonRun",
    plural = "mastodonruns",
    shortname = "mr",
    status = "RunStatus",
    derive = "PartialEq",
    doc = "One bounded piece of work on a hosted Mastodon server.",
    annotation("helm.sh/resource-policy", "keep"),
    validation = ("self.metadata.name.matches('^run-[0-7][0-9a-hjkmnp-tv-z]{25}$')", "metadata.name must be run- and the 26 letters and digits of the run's id"),
    printcolumn(name = "Server", type_ = "string", json_path = ".spec.instance"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.instance == oldSelf.instance", "spec.instance can't change: make another run"))]
#[x_kube(validation = ("self.action == oldSelf.action", "spec.action can't change: make another run"))]
#[x_kube(validation = ("self.cancelled || !oldSelf.cancelled", "spec.cancelled can't be taken back: make another run"))]
pub struct MastodonRunSpec {
    /// The name of the server's `MastodonInstance`. All else about the server is taken from there.
    #[schemars(regex(pattern = "^ins-[0-7][0-9a-hjkmnp-tv-z]{25}$"))]
    pub instance: String,
    /// What to do.
    pub action: Action,
    /// Whether it is wanted no more: what has not begun does not begin, what runs is ended.
    #[serde(default)]
    pub cancelled: bool,
}

/// How far a run is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunPhase {
    /// Others of the same server come first.
    Queued,
    /// It is the next, and its server is not in a state for it.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was never begun, for the reason given.
    Refused,
    /// It was called off.
    Cancelled,
}

impl RunPhase {
    /// All phases.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Refused,
        Self::Cancelled,
    ];

    /// The word in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Refused => "Refused",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Waiting | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Refused | Self::Cancelled => true,
        }
    }

    /// The status of the condition `Succeeded`.
    fn truth(self) -> &'static str {
        match self {
            Self::Queued | Self::Waiting | Self::Running => "Unknown",
            Self::Succeeded => "True",
            Self::Failed | Self::TimedOut | Self::Refused | Self::Cancelled => "False",
        }
    }
}

/// How far a run is and what came of it. Written only by the operator.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStatus {
    /// The generation of the spec that the operator has last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How far it is; nothing before the operator has seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// How many runs of the same server come first, while there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// When its Job was made. From then on it is never begun again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How many seconds it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_seconds: Option<u32>,
    /// The end of what it printed, at most 4 KiB, without what looks like a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub output: Option<String>,
    /// The archive that it has written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenArchive>,
    /// The archive that it has proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<ProvenArchive>,
    /// One condition, `Succeeded`, in the shape that Kubernetes tools know: Unknown until it is over. Its reason is one word for
    /// programs, its message a sentence.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Why a run is as far as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How far.
    pub phase: RunPhase,
    /// One word in CamelCase for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Standing {
    /// A standing.
    pub fn new(phase: RunPhase, reason: &'static str, message: impl Into<String>) -> Self {
        Self { phase, reason, message: message.into() }
    }
}

impl RunStatus {
    /// The condition's type.
    const SUCCEEDED: &str = "Succeeded";

    /// Whether nothing will change any more.
    pub fn is_over(&self) -> bool {
        self.phase.is_some_and(RunPhase::is_over)
    }

    /// Reason and message of the condition; empty before the operator has seen it.
    pub fn why(&self) -> (&str, &str) {
        let condition = self.conditions.iter().find(|condition| condition.type_ == Self::SUCCEEDED);
        condition.map_or(("", ""), |condition| (&condition.reason, &condition.message))
    }

    /// The status with another standing. The condition's time moves only when its truth does.
    #[must_use]
    pub fn standing(&self, standing: Standing, generation: i64, now: DateTime<Utc>) -> Self {
        let Standing { phase, reason, message } = standing;
        let before = self.conditions.iter().find(|condition| condition.status == phase.truth());
        let condition = Condition {
            type_: Self::SUCCEEDED.to_owned(),
            status: phase.truth().to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: before.map_or_else(|| time(now), |before| before.last_transition_time.clone()),
            observed_generation: Some(generation),
        };
        Self {
            observed_generation: Some(generation),
            phase: Some(phase),
            position: None,
            finished_at: self.finished_at.clone().or_else(|| phase.is_over().then(|| time(now))),
            conditions: vec![condition],
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_condition_follows_the_phase_and_keeps_its_time() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let later = start + TimeDelta::minutes(1);
        let queued = RunStatus::default().standing(Standing::new(RunPhase::Queued, "Queued", "2 first"), 1, start);
        let running = queued.standing(Standing::new(RunPhase::Running, "Running", "at work"), 1, later);
        assert_eq!((running.conditions[0].status.as_str(), running.why()), ("Unknown", ("Running", "at work")));
        assert_eq!(running.conditions[0].last_transition_time, time(start), "Unknown before and after");
        let done = running.standing(Standing::new(RunPhase::Succeeded, "Succeeded", ""), 1, later);
        assert_eq!((done.conditions[0].status.as_str(), done.finished_at.clone()), ("True", Some(time(later))));
        assert_eq!(done.conditions[0].last_transition_time, time(later));
        assert!(done.is_over() && !running.is_over() && !RunStatus::default().is_over());
    }
}
