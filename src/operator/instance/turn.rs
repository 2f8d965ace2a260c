//! What a pass changes about the releases, of Mastodon and of PostgreSQL, and what is said of them. Pure, but for a figure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::majors;
use super::progress::Progress;
use super::upgrade::{self, Decision, Next};
use super::validate::Valid;
use crate::operator::seen::{Key, Seen};
use crate::resource::{ConditionKind, DatabaseRoom, Finding, InstanceStatus, Upgrade, condition, instant, time};

/// How often is looked while something is waited for that nobody watches.
const LOOK: Duration = Duration::from_secs(3);

/// What was asked of the API server for the sake of releases on their way.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is left of other releases of Mastodon; `None` where nobody has to know.
    pub left: Option<Vec<String>>,
    /// About another major release of PostgreSQL.
    pub database: majors::Looked,
    /// What was measured of the database just now.
    pub room: Option<DatabaseRoom>,
}

impl Looked {
    /// How long until it is asked again.
    pub fn wait(&self, valid: &Valid<'_>) -> Option<Duration> {
        let closed = self.left.as_ref().is_some_and(|left| !left.is_empty());
        (closed || valid.database.paused_since().is_some()).then_some(LOOK)
    }
}

/// What a pass changes about both releases.
pub struct Turns {
    release: Turn,
    database: majors::Turn,
    room: Option<DatabaseRoom>,
}

impl Turns {
    /// Of a pass.
    pub fn of(valid: &Valid<'_>, progress: &Progress, seen: &BTreeMap<Key, Seen>, looked: &Looked, now: DateTime<Utc>) -> Self {
        let Looked { left, database, room } = looked;
        Self {
            release: Turn::of(valid, progress, left.as_deref(), now),
            database: majors::Turn::of(&valid.database, progress.major.as_ref(), seen, database, now),
            room: room.clone(),
        }
    }

    /// What is said of them.
    pub fn findings(&self, before: &[Condition], progress: &Progress, looked: &Looked) -> impl Iterator<Item = Finding> {
        let Looked { left, database, room: _ } = looked;
        let release = self.release.finding(before, progress, left.as_deref());
        release.into_iter().chain(self.database.finding(before, progress.major.as_ref(), database))
    }

    /// What the status says after it.
    pub fn note(self, status: &mut InstanceStatus) {
        let Self { release, database, room } = self;
        release.note(status);
        database.note(status);
        status.database_room = room.or(status.database_room.take());
    }
}

/// What a pass changes about the release.
pub enum Turn {
    /// There is no other one, or not any more.
    None,
    /// One is on its way.
    Under(Upgrade),
    /// It has arrived.
    Arrived(Upgrade),
}

impl Turn {
    /// Of a pass.
    pub fn of(valid: &Valid<'_>, progress: &Progress, left: Option<&[String]>, now: DateTime<Utc>) -> Self {
        let Some(upgrade) = upgrade::decided(&valid.decision, valid.under_way.as_ref(), now) else { return Self::None };
        let (Decision::Keep, Some(steps)) = (&valid.decision, &progress.change) else { return Self::Under(upgrade) };
        let next = upgrade::next(upgrade.phase, steps, left);
        if next != Next::Same {
            let took = (now - instant(&upgrade.phase_since)).to_std().unwrap_or_default();
            metrics::histogram!("paddock_operator_upgrade_seconds", "phase" => upgrade.phase.as_str()).record(took.as_secs_f64());
        }
        match next {
            Next::Same => Self::Under(upgrade),
            Next::Phase(phase) => Self::Under(Upgrade { phase, phase_since: time(now), ..upgrade }),
            Next::Done => Self::Arrived(upgrade),
        }
    }

    /// What the status says after it.
    pub fn note(self, status: &mut InstanceStatus) {
        match self {
            Self::None => status.upgrade = None,
            Self::Under(upgrade) => status.upgrade = Some(upgrade),
            Self::Arrived(upgrade) => (status.version, status.upgrade) = (Some(upgrade.to), None),
        }
    }

    /// What is said of another release: while it is on its way, and once that has been said, how it ended.
    pub fn finding(&self, before: &[Condition], progress: &Progress, left: Option<&[String]>) -> Option<Finding> {
        let kind = ConditionKind::Upgrading;
        match self {
            Self::Under(upgrade) => Some(upgrade::finding(upgrade, progress.change.as_ref(), left)),
            Self::Arrived(Upgrade { from, to, phase: _, since: _, phase_since: _ }) => {
                Some(Finding::fails(kind, "Done", format!("Mastodon {from} has become {to}")))
            }
            Self::None => {
                let before = condition(before, kind)?;
                if before.status == "True" {
                    return Some(Finding::fails(kind, "GivenUp", "it was given up before it touched the pods"));
                }
                let done = if before.reason == "GivenUp" { "GivenUp" } else { "Done" };
                Some(Finding::fails(kind, done, before.message.clone()))
            }
        }
    }
}
