//! The phase of an instance: what pages show, a pure function of what is wanted and what is seen.

use chrono::{DateTime, Utc};

use super::{Instance, Intent};
use crate::resource::{ConditionKind, StepName, condition, is_true};

/// What pages show of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Ordered; nothing is built before the payment.
    Reserved,
    /// Being built for the first time. The step under way; `None` until the cluster has answered.
    Preparing(Option<StepName>),
    /// Built, and waits for the customer's DNS records to point here.
    AwaitingRecords,
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
            Self::AwaitingRecords => "awaiting-records",
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
    if let Some(stalled) = condition(&status.conditions, ConditionKind::Stalled)
        && stalled.status == "True"
    {
        return Phase::Degraded(stalled.message.clone());
    }
    if instance.ready_at.is_none() && !is_true(&status.conditions, ConditionKind::Ready) {
        let under_way = StepName::ALL.into_iter().find(|name| {
            status.steps.iter().any(|step| step.name == *name && step.finished_at.is_none())
                || !status.steps.iter().any(|step| step.name == *name)
        });
        return match under_way {
            None | Some(StepName::Address) if instance.awaits_records() => Phase::AwaitingRecords,
            under_way => Phase::Preparing(under_way),
        };
    }
    if status.version.as_deref().is_some_and(|version| version != instance.mastodon_version) {
        return Phase::Upgrading;
    }
    match condition(&status.conditions, ConditionKind::Ready) {
        Some(ready) if ready.status == "True" => Phase::Running,
        Some(ready) => Phase::Degraded(ready.message.clone()),
        None => Phase::Degraded(String::new()),
    }
}
