//! The phase of an instance and the steps of its building, as pages and API tell them: pure functions of what is wanted, what is seen,
//! what is usual, and the present.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Instance, Intent};
use crate::resource::{ConditionKind, InstanceStatus, StepName, condition, instant, is_true};

/// What pages show of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Ordered; nothing is built before the payment.
    Reserved,
    /// Being built for the first time. The step under way; `None` until the cluster has answered.
    Preparing(Option<StepName>),
    /// Being built for the first time, and it has stopped or shows nothing new for too long; the operator's sentence, if it has one.
    Stuck(String),
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
    /// One word, for the API and for keys of the locale files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Preparing(_) => "preparing",
            Self::Stuck(_) => "stuck",
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

/// How far a step of the building is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Under way.
    Doing,
    /// Done.
    Done,
    /// Begun and stopped: somebody has to look.
    Failed,
}

impl StepState {
    /// One word, for the API and for the marks of pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Doing => "doing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A step of the building: the payment, then those of the operator.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildingStep {
    /// Its name, for the API and for keys of the locale files.
    pub name: &'static str,
    /// How far it is.
    pub state: StepState,
    /// When it began; none for the payment, which is not ours to time.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done.
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds that it usually takes; unknown until it was seen.
    pub typical: Option<f64>,
}

/// An instance and what else its phase depends on.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The row.
    pub instance: &'a Instance,
    /// When its order was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// Seconds that steps usually take, by name.
    pub typical: &'a [(String, f64)],
    /// The present.
    pub now: DateTime<Utc>,
}

/// Without a usual time to go by, a building that shows nothing new for this long is stuck.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(10);
/// And never before this: five times a very short step is soon over.
const NEVER_STUCK_BEFORE: TimeDelta = TimeDelta::minutes(1);
/// This many times its usual time is too long for a step.
const STUCK_FACTOR: f64 = 5.0;

/// Steps that run side by side, in the order of the building: the whole takes as long as the slowest of each row.
const STAGES: [&[StepName]; 4] = [
    &[StepName::Namespace],
    &[StepName::Identity, StepName::Bucket, StepName::Database, StepName::Cache],
    &[StepName::Migrations],
    &[StepName::Owner, StepName::Processes, StepName::Address],
];

impl Seen<'_> {
    /// What to show of it.
    pub fn phase(&self) -> Phase {
        if let Some(at) = self.instance.released_at {
            return Phase::Gone(at);
        }
        let reason = || self.instance.intent_reason.clone().unwrap_or_default();
        match self.instance.intent {
            Intent::Absent => Phase::Reserved,
            Intent::Suspended => Phase::Suspended(reason()),
            Intent::Archived => Phase::Leaving,
            Intent::Running => self.running(),
        }
    }

    fn running(&self) -> Phase {
        let building = self.instance.ready_at.is_none();
        let Some(status) = self.instance.status() else { return self.preparing(None) };
        let ready = condition(&status.conditions, ConditionKind::Ready);
        if ready.is_some_and(|ready| ready.status == "True") {
            // Whatever waits for a person of the host's, it serves.
            let awaited =
                !self.stalled() && status.version.as_deref().is_some_and(|version| version != self.instance.mastodon_version);
            return if status.upgrade.is_some() || awaited { Phase::Upgrading } else { Phase::Running };
        }
        if status.database_upgrade.as_ref().is_some_and(|upgrade| upgrade.phase.pauses()) && !self.stalled() {
            return Phase::Upgrading;
        }
        if let Some(stalled) = condition(&status.conditions, ConditionKind::Stalled)
            && stalled.status == "True"
        {
            let why = stalled.message.clone();
            return if building { Phase::Stuck(why) } else { Phase::Degraded(why) };
        }
        if building {
            let under_way = StepName::ALL.into_iter().find(|name| {
                let step = status.steps.iter().find(|step| step.name == *name);
                step.is_none_or(|step| step.finished_at.is_none())
            });
            return match under_way {
                // However long that takes, it is the customer's time and no building that is stuck.
                None | Some(StepName::Address) if self.instance.awaits_records() => Phase::AwaitingRecords,
                under_way => self.preparing(under_way),
            };
        }
        Phase::Degraded(ready.map(|ready| ready.message.clone()).unwrap_or_default())
    }

    /// A building that goes on, unless it has gone on for too long without a step's beginning or end.
    fn preparing(&self, under_way: Option<StepName>) -> Phase {
        let allowed = under_way
            .and_then(|step| self.typical_of(step))
            .and_then(|seconds| TimeDelta::from_std(std::time::Duration::try_from_secs_f64(seconds * STUCK_FACTOR).ok()?).ok())
            .map_or(STUCK_AFTER, |typical| typical.max(NEVER_STUCK_BEFORE));
        if self.now - self.last_progress() > allowed { Phase::Stuck(String::new()) } else { Phase::Preparing(under_way) }
    }

    /// When a step last began or ended, the domain came to point here, or the whole began.
    pub fn last_progress(&self) -> DateTime<Utc> {
        let begun = self.instance.intent_at.or(self.paid_at).unwrap_or(self.instance.created_at);
        // Until its domain pointed here, there was nothing for the last step to do.
        let begun = self.instance.address_confirmed_at.map_or(begun, |confirmed| confirmed.max(begun));
        let steps = self.status().map(|status| status.steps.as_slice()).unwrap_or_default();
        steps
            .iter()
            .flat_map(|step| std::iter::once(&step.started_at).chain(&step.finished_at))
            .map(instant)
            .fold(begun, DateTime::max)
    }

    /// The steps of the building, the payment first.
    pub fn steps(&self) -> Vec<BuildingStep> {
        let payment = BuildingStep {
            name: "payment",
            state: if self.paid_at.is_some() { StepState::Done } else { StepState::Doing },
            started_at: None,
            finished_at: self.paid_at,
            typical: None,
        };
        std::iter::once(payment).chain(StepName::ALL.into_iter().map(|name| self.step(name))).collect()
    }

    fn step(&self, name: StepName) -> BuildingStep {
        let seen = self.status().and_then(|status| status.steps.iter().find(|step| step.name == name));
        let started_at = seen.map(|step| instant(&step.started_at));
        let finished_at = seen.and_then(|step| step.finished_at.as_ref()).map(instant);
        let state = match (started_at, finished_at) {
            (None, _) => StepState::Waiting,
            (Some(_), Some(_)) => StepState::Done,
            (Some(_), None) if self.stalled() => StepState::Failed,
            (Some(_), None) => StepState::Doing,
        };
        BuildingStep { name: name.as_str(), state, started_at, finished_at, typical: self.typical_of(name) }
    }

    /// Seconds from the payment to the end; `None` until steps of that kind were seen.
    pub fn typical_total(&self) -> Option<f64> {
        let stage = |steps: &[StepName]| steps.iter().filter_map(|step| self.typical_of(*step)).reduce(f64::max);
        let known: Vec<f64> = STAGES.iter().filter_map(|steps| stage(steps)).collect();
        (known.len() == STAGES.len()).then(|| known.iter().sum())
    }

    fn status(&self) -> Option<&InstanceStatus> {
        self.instance.status()
    }

    fn typical_of(&self, step: StepName) -> Option<f64> {
        self.typical.iter().find(|(name, _)| name == step.as_str()).map(|(_, seconds)| *seconds)
    }

    /// Whether the operator can't go on by itself with something.
    pub fn stalled(&self) -> bool {
        self.status().is_some_and(|status| is_true(&status.conditions, ConditionKind::Stalled))
    }
}
