//! What a pass changes about the release, and what is said of it. Pure, but for a figure.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::progress::Progress;
use super::upgrade::{self, Decision, Next};
use super::validate::Valid;
use crate::resource::{ConditionKind, Finding, InstanceStatus, Upgrade, condition, instant, time};

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
