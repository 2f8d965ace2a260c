//! The named steps of a first start, with times: what the customer watches and what is measured.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::{ConditionKind, Finding, condition, is_true};

/// A step's name. The words that a customer reads for it come from the locale files.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub enum StepName {
    /// A place of its own: namespace, limits, walls.
    Namespace,
    /// The keys that sign what this server says.
    Identity,
    /// Room for pictures and videos.
    Bucket,
    /// The database starts.
    Database,
    /// The cache starts.
    Cache,
    /// Tables and first rows are written.
    Migrations,
    /// The owner's account is made.
    Owner,
    /// Web, streaming and workers start.
    Processes,
    /// The address leads to it.
    Address,
}

impl StepName {
    /// All steps in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::Identity,
        Self::Bucket,
        Self::Database,
        Self::Cache,
        Self::Migrations,
        Self::Owner,
        Self::Processes,
        Self::Address,
    ];

    /// The name as it stands in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Identity => "identity",
            Self::Bucket => "bucket",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Migrations => "migrations",
            Self::Owner => "owner",
            Self::Processes => "processes",
            Self::Address => "address",
        }
    }

    /// The conditions that all hold when the step is done.
    pub fn conditions(self) -> &'static [ConditionKind] {
        match self {
            Self::Namespace => &[ConditionKind::NamespaceReady],
            Self::Identity => &[ConditionKind::IdentityReady],
            Self::Bucket => &[ConditionKind::BucketReady],
            Self::Database => &[ConditionKind::DatabaseReady],
            Self::Cache => &[ConditionKind::CacheReady],
            Self::Migrations => &[ConditionKind::Migrated],
            Self::Owner => &[ConditionKind::OwnerReady],
            Self::Processes => &[ConditionKind::WebReady, ConditionKind::StreamingReady, ConditionKind::WorkersReady],
            Self::Address => &[ConditionKind::RouteReady, ConditionKind::CertificateReady],
        }
    }
}

/// One step of the first start. A step that has not begun is not listed.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// When it began.
    pub started_at: Time,
    /// When it was done; nothing while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The steps to publish. A step begins when one of its conditions no longer waits, and once done stays done: it tells how the
/// server came to be, not how it is.
pub fn steps(previous: &[Step], conditions: &[Condition], now: DateTime<Utc>) -> Vec<Step> {
    StepName::ALL
        .into_iter()
        .filter_map(|name| {
            let before = previous.iter().find(|step| step.name == name);
            let begun = name
                .conditions()
                .iter()
                .any(|kind| condition(conditions, *kind).is_some_and(|condition| condition.reason != Finding::WAITING));
            if before.is_none() && !begun {
                return None;
            }
            let done = name.conditions().iter().all(|kind| is_true(conditions, *kind));
            Some(Step {
                name,
                started_at: before.map_or_else(|| time(now), |step| step.started_at.clone()),
                finished_at: before.and_then(|step| step.finished_at.clone()).or_else(|| done.then(|| time(now))),
            })
        })
        .collect()
}

/// An instant in the type of the Kubernetes edge.
pub fn time(at: DateTime<Utc>) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_microsecond(at.timestamp_micros()).unwrap_or_default())
}

/// An instant of the Kubernetes edge in the type of the rest of the program.
pub fn instant(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.0.as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::conditions::conditions;
    use super::*;

    #[test]
    fn a_step_begins_ends_and_stays_done() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let kind = ConditionKind::DatabaseReady;
        let waiting = conditions(&[], &[Finding::waits(kind, "")], 1, at(0));
        assert!(steps(&[], &waiting, at(0)).is_empty());
        let starting = conditions(&waiting, &[Finding::fails(kind, "Starting", "")], 1, at(1));
        let begun = steps(&[], &starting, at(1));
        assert_eq!(
            (begun[0].name, begun[0].started_at.clone(), begun[0].finished_at.clone()),
            (StepName::Database, time(at(1)), None)
        );
        let up = conditions(&starting, &[Finding::holds(kind, "Up", "")], 1, at(5));
        let done = steps(&begun, &up, at(5));
        assert_eq!(done[0].finished_at, Some(time(at(5))));
        let down = conditions(&up, &[Finding::fails(kind, "Down", "")], 1, at(9));
        assert_eq!(steps(&done, &down, at(9)), done);
    }

    #[test]
    fn times_survive_the_edge() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(instant(&time(at)), at);
    }
}
