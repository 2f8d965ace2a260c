//! Conditions: a closed list of statements about an instance, in the shape that Kubernetes tools know.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::steps::time;

/// What can be stated about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKind {
    /// The namespace with its limits and policies is there.
    NamespaceReady,
    /// The keys that make this server itself are there.
    IdentityReady,
    /// The media bucket and its key are there.
    BucketReady,
    /// Postgres answers.
    DatabaseReady,
    /// Valkey answers.
    CacheReady,
    /// The database has the schema and the seeds of the wanted release.
    Migrated,
    /// Enough web pods answer.
    WebReady,
    /// Enough streaming pods answer.
    StreamingReady,
    /// Workers and scheduler run.
    WorkersReady,
    /// The gateway has accepted the route.
    RouteReady,
    /// A certificate for the name is there.
    CertificateReady,
    /// The first owner's account exists.
    OwnerReady,
    /// A base backup of the database is there and not too old, and the write-ahead log follows.
    BackedUp,
    /// A restore of a backup has been proven.
    RestoreProven,
    /// The server serves.
    Ready,
    /// The operator can't go on by itself; the reason says what a person has to do.
    Stalled,
    /// Another release is on its way; the reason is the phase.
    Upgrading,
    /// Another major release of PostgreSQL is on its way; the reason is the phase.
    DatabaseUpgrading,
    /// There is room for the database to grow.
    DatabaseRoom,
    /// It is being removed; the reason says how far that is.
    Removing,
    /// Too many servers were removed in a short time: this removal waits until somebody has looked.
    FuseBlown,
}

impl ConditionKind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Self; 21] = [
        Self::NamespaceReady,
        Self::IdentityReady,
        Self::BucketReady,
        Self::DatabaseReady,
        Self::CacheReady,
        Self::Migrated,
        Self::WebReady,
        Self::StreamingReady,
        Self::WorkersReady,
        Self::RouteReady,
        Self::CertificateReady,
        Self::OwnerReady,
        Self::BackedUp,
        Self::RestoreProven,
        Self::Ready,
        Self::Stalled,
        Self::Upgrading,
        Self::DatabaseUpgrading,
        Self::DatabaseRoom,
        Self::Removing,
        Self::FuseBlown,
    ];

    /// The word in a condition's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NamespaceReady => "NamespaceReady",
            Self::IdentityReady => "IdentityReady",
            Self::BucketReady => "BucketReady",
            Self::DatabaseReady => "DatabaseReady",
            Self::CacheReady => "CacheReady",
            Self::Migrated => "Migrated",
            Self::WebReady => "WebReady",
            Self::StreamingReady => "StreamingReady",
            Self::WorkersReady => "WorkersReady",
            Self::RouteReady => "RouteReady",
            Self::CertificateReady => "CertificateReady",
            Self::OwnerReady => "OwnerReady",
            Self::BackedUp => "BackedUp",
            Self::RestoreProven => "RestoreProven",
            Self::Ready => "Ready",
            Self::Stalled => "Stalled",
            Self::Upgrading => "Upgrading",
            Self::DatabaseUpgrading => "DatabaseUpgrading",
            Self::DatabaseRoom => "DatabaseRoom",
            Self::Removing => "Removing",
            Self::FuseBlown => "FuseBlown",
        }
    }
}

/// Whether a statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be seen.
    Unknown,
}

impl Truth {
    /// The word in a condition's `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One statement as just found, without history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// About what.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub truth: Truth,
    /// One word in CamelCase for programs. [`Finding::WAITING`] means that nothing has been begun.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Finding {
    /// The reason of a step that waits for an earlier one.
    pub const WAITING: &str = "Waiting";

    /// It holds.
    pub fn holds(kind: ConditionKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, truth: Truth::True, reason, message: message.into() }
    }

    /// It does not hold (yet).
    pub fn fails(kind: ConditionKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, truth: Truth::False, reason, message: message.into() }
    }

    /// It waits for an earlier step.
    pub fn waits(kind: ConditionKind, message: impl Into<String>) -> Self {
        Self::fails(kind, Self::WAITING, message)
    }
}

/// The conditions to publish: those found, with the time of the last change of truth carried over from `previous`.
///
/// Order and content depend on the arguments alone, so that an unchanged instance gives an equal list and no request.
pub fn conditions(previous: &[Condition], found: &[Finding], generation: i64, now: DateTime<Utc>) -> Vec<Condition> {
    let mut found: Vec<&Finding> = found.iter().collect();
    found.sort_by_key(|finding| finding.kind);
    found
        .into_iter()
        .map(|finding| {
            let before = condition(previous, finding.kind).filter(|before| before.status == finding.truth.as_str());
            Condition {
                type_: finding.kind.as_str().to_owned(),
                status: finding.truth.as_str().to_owned(),
                reason: finding.reason.to_owned(),
                message: finding.message.clone(),
                last_transition_time: before.map_or_else(|| time(now), |before| before.last_transition_time.clone()),
                observed_generation: Some(generation),
            }
        })
        .collect()
}

/// The condition of a kind, when it has ever been stated.
pub fn condition(conditions: &[Condition], kind: ConditionKind) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// Whether a statement is known to hold.
pub fn is_true(conditions: &[Condition], kind: ConditionKind) -> bool {
    condition(conditions, kind).is_some_and(|condition| condition.status == Truth::True.as_str())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_time_moves_only_with_the_truth() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let later = start + TimeDelta::minutes(1);
        let first = conditions(&[], &[Finding::fails(ConditionKind::DatabaseReady, "Starting", "starts")], 1, start);
        let reason_changed =
            conditions(&first, &[Finding::fails(ConditionKind::DatabaseReady, "Slow", "still starts")], 2, later);
        assert_eq!(reason_changed[0].last_transition_time, time(start));
        assert_eq!(reason_changed[0].observed_generation, Some(2));
        let truth_changed = conditions(&reason_changed, &[Finding::holds(ConditionKind::DatabaseReady, "Up", "")], 2, later);
        assert_eq!(truth_changed[0].last_transition_time, time(later));
        assert!(is_true(&truth_changed, ConditionKind::DatabaseReady));
    }

    #[test]
    fn equal_findings_give_equal_conditions_in_any_order() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let a = Finding::holds(ConditionKind::WebReady, "Up", "");
        let b = Finding::holds(ConditionKind::CacheReady, "Up", "");
        let one = conditions(&[], &[a.clone(), b.clone()], 1, start);
        let two = conditions(&one, &[b, a], 1, start + TimeDelta::hours(1));
        assert_eq!(one, two);
    }

    #[test]
    fn every_kind_is_listed_once_and_in_order() {
        assert!(ConditionKind::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
