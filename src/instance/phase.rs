//! The phase of an instance: what pages show, a pure function of what is wanted and what is seen.

use chrono::{DateTime, Utc};

use super::{Instance, Intent};
use crate::resource::{ConditionKind, StepName, condition};

/// What pages show of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Ordered; nothing is built before the payment.
    Reserved,
    /// Being built for the first time. The step under way; `None` until the cluster has answered.
    Preparing(Option<StepName>),
    /// All is well.
    Running,
    /// It should run and something is missing; the operator's sentence.
    Degraded(String),
    /// A new release is being rolled out.
    Upgrading,
    /// Kept, but not running; why.
    Suspended(String),
    /// Over; data kept.
    Leaving,
    /// The address was given back.
    Gone(DateTime<Utc>),
}

impl Phase {
    /// One word, for APIs and for keys of locale files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Preparing(_) => "preparing",
            Self::Running => "running",
            Self::Degraded(_) => "degraded",
            Self::Upgrading => "upgrading",
            Self::Suspended(_) => "suspended",
            Self::Leaving => "leaving",
            Self::Gone(_) => "gone",
        }
    }
}

/// What to show of an instance.
pub fn phase(instance: &Instance) -> Phase {
    if let Some(at) = instance.released_at {
        return Phase::Gone(at);
    }
    let reason = || instance.intent_reason.clone().unwrap_or_default();
    match instance.intent {
        Intent::Absent => Phase::Reserved,
        Intent::Suspended => Phase::Suspended(reason()),
        Intent::Archived => Phase::Leaving,
        Intent::Running => running(instance),
    }
}

fn running(instance: &Instance) -> Phase {
    let Some(status) = instance.status() else { return Phase::Preparing(None) };
    let ready = condition(&status.conditions, ConditionKind::Ready);
    if ready.is_some_and(|ready| ready.status == "True") {
        // Whatever waits for a person of the host's, it serves.
        let refused = condition(&status.conditions, ConditionKind::Stalled).is_some_and(|stalled| stalled.status == "True");
        let awaited = !refused && status.version.as_deref().is_some_and(|version| version != instance.mastodon_version);
        return if status.upgrade.is_some() || awaited { Phase::Upgrading } else { Phase::Running };
    }
    if let Some(stalled) = condition(&status.conditions, ConditionKind::Stalled)
        && stalled.status == "True"
    {
        return Phase::Degraded(stalled.message.clone());
    }
    if instance.ready_at.is_none() {
        let under_way = StepName::ALL.into_iter().find(|name| {
            status.steps.iter().any(|step| step.name == *name && step.finished_at.is_none())
                || !status.steps.iter().any(|step| step.name == *name)
        });
        return Phase::Preparing(under_way);
    }
    Phase::Degraded(ready.map(|ready| ready.message.clone()).unwrap_or_default())
}
