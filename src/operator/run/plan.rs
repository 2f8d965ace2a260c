//! Which run of a server comes next, and what is to be said of each. Pure: what there is goes in, what to do comes out.
//!
//! A server's runs are worked off one at a time, in the order in which they were made. They share one Job, which has one name: whoever
//! creates it has the server to itself, whatever two operators believe at the same time.

use chrono::{DateTime, TimeDelta, Utc};

use super::outcome::{Slot, SlotState};
use crate::resource::{
    Action, ConditionKind, MastodonInstance, MastodonRun, RunPhase, RunStatus, Standing, condition, instant, is_true,
};

/// What has not begun after this long is not begun any more: nobody expects it by then.
pub const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// What a server is fit for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It can be worked on.
    Open,
    /// Not now, and this is why.
    Closed {
        /// One word for programs.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// Never, by this operator.
    Never {
        /// One word for programs.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// There is no such server.
    NoServer,
}

/// What a server is fit for, by what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates {
    /// Upkeep, which Mastodon does itself.
    pub upkeep: Gate,
    /// Archives, which need the database alone.
    pub archives: Gate,
    /// What nobody does yet.
    pub others: Gate,
}

impl Gates {
    /// Of a server that there is not.
    pub fn no_server() -> Self {
        Self { upkeep: Gate::NoServer, archives: Gate::NoServer, others: Gate::NoServer }
    }

    /// Of a server. `archives`: whether this operator has what archives are made with.
    pub fn of(instance: &MastodonInstance, archives: bool) -> Self {
        let never = |message: &str| Gate::Never { reason: "NotOffered", message: message.to_owned() };
        Self {
            upkeep: gate(instance),
            archives: if archives {
                archive_gate(instance)
            } else {
                never("this operator makes no archives: its host has to name an image of Paddock (operator.program_image)")
            },
            others: never("this operator does no import yet"),
        }
    }

    fn for_action(&self, action: &Action) -> &Gate {
        match action {
            Action::Maintenance(_) => &self.upkeep,
            Action::Export { archive: _, scope: _, recipients: _ }
            | Action::Verify { archive: _, manifest: _ }
            | Action::RestoreDrill { archive: _, manifest: _ } => &self.archives,
            Action::Import {} => &self.others,
        }
    }
}

/// What to do about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Say this of it, and that so many come first.
    Say(Standing, Option<u32>),
    /// Its Job is over: read what it said.
    Finish {
        /// Well.
        well: bool,
        /// Kubernetes' word.
        reason: String,
        /// Kubernetes' sentence.
        message: String,
    },
    /// Make its Job.
    Start,
    /// End its Job, which it holds.
    End,
}

/// What to do with all runs of a server.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// For each run that is not over, in order: its place in the list that was given, and what to do.
    pub steps: Vec<(usize, Step)>,
    /// Whether the Job is an old one that stands in the way.
    pub clear: bool,
}

/// The order in which runs are worked off.
pub fn order(runs: &mut [MastodonRun]) {
    runs.sort_by(|one, other| {
        let key = |run: &MastodonRun| (run.metadata.creation_timestamp.clone(), run.metadata.name.clone());
        key(one).cmp(&key(other))
    });
}

/// Whether archives can be made: of a server that is paused or has ended as well, for that is when its people want one.
fn archive_gate(instance: &MastodonInstance) -> Gate {
    let status = instance.status.clone().unwrap_or_default();
    let closed = |reason, message: &str| Gate::Closed { reason, message: message.to_owned() };
    if instance.metadata.deletion_timestamp.is_some() || status.removal.is_some() {
        return closed("Leaving", "the server is being removed");
    }
    if status.version.is_none() || !status.database_initialised {
        return closed("NotBuilt", "the server is still being built");
    }
    if status.upgrade.is_some() {
        return closed("Upgrading", "the server gets another release of Mastodon");
    }
    if is_true(&status.conditions, ConditionKind::DatabaseReady) {
        return Gate::Open;
    }
    closed("NotReady", "the server is not well: DatabaseReady does not hold")
}

/// What a server is fit for.
fn gate(instance: &MastodonInstance) -> Gate {
    let closed = |reason, message: &str| Gate::Closed { reason, message: message.to_owned() };
    let status = instance.status.clone().unwrap_or_default();
    let (version, conditions) = (&status.version, &status.conditions);
    if instance.metadata.deletion_timestamp.is_some() {
        return closed("Leaving", "the server is being removed");
    }
    if !instance.spec.mode.runs() {
        return closed("Suspended", "the server is paused; it goes on when the server runs again");
    }
    if let Some(stalled) = condition(conditions, ConditionKind::Stalled).filter(|stalled| stalled.status == "True") {
        return Gate::Closed {
            reason: "Stalled",
            message: format!("the server needs its host's people first: {}", stalled.message),
        };
    }
    let Some(version) = version else { return closed("NotBuilt", "the server is still being built") };
    if *version != instance.spec.version {
        return closed("Upgrading", "the server gets another release of Mastodon");
    }
    if status.database_upgrade.as_ref().is_some_and(|upgrade| upgrade.phase.is_under_way()) {
        return closed("Upgrading", "the server's database gets another major release");
    }
    let needed = [ConditionKind::DatabaseReady, ConditionKind::CacheReady, ConditionKind::Migrated];
    if let Some(missing) = needed.into_iter().find(|kind| !is_true(conditions, *kind)) {
        return Gate::Closed {
            reason: "NotReady",
            message: format!("the server is not well: {} does not hold", missing.as_str()),
        };
    }
    Gate::Open
}

/// What to do with the runs of a server, which are in order.
pub fn plan(runs: &[MastodonRun], slot: Option<&Slot>, gates: &Gates, now: DateTime<Utc>) -> Plan {
    let mut steps = Vec::new();
    let holder = slot.and_then(|slot| runs.iter().position(|run| run.metadata.name.as_deref() == Some(slot.run.as_str())));
    // Of what is over, only a Job is left, and that may go.
    let holds = |at: usize| slot.filter(|_| holder == Some(at));
    let at_work = holder.is_some_and(|at| !runs[at].status.as_ref().is_some_and(RunStatus::is_over));
    let mut ahead: u32 = 0;
    let mut wants_slot = false;
    for (at, run) in runs.iter().enumerate() {
        let status = run.status.clone().unwrap_or_default();
        if status.is_over() {
            continue;
        }
        let step = if let Some(slot) = holds(at) {
            held(run.spec.cancelled, slot)
        } else if run.spec.cancelled {
            Step::Say(Standing::new(RunPhase::Cancelled, "Cancelled", "it was called off"), None)
        } else if status.started_at.is_some() {
            let message = "its Job is gone, and nobody knows how far it came; look, then ask for it again";
            Step::Say(Standing::new(RunPhase::Failed, "JobGone", message), None)
        } else {
            let step = not_begun(run, ahead, at_work, gates.for_action(&run.spec.action), now);
            if step == Step::Start && slot.is_some() {
                wants_slot = true;
                let message = "it begins as soon as the one before has left";
                Step::Say(Standing::new(RunPhase::Queued, "MakingRoom", message), None)
            } else {
                step
            }
        };
        ahead += u32::from(!is_last(&step));
        steps.push((at, step));
    }
    // A Job without a run that is still at work is somebody's whose run was deleted: nobody wants it any more.
    let clear = wants_slot && slot.is_some_and(|slot| !slot.deleting);
    Plan { steps, clear }
}

/// Of the run whose Job is there.
fn held(cancelled: bool, slot: &Slot) -> Step {
    match &slot.state {
        SlotState::Ended { well, reason, message } => {
            Step::Finish { well: *well, reason: reason.clone(), message: message.clone() }
        }
        SlotState::Active if cancelled && !slot.deleting => Step::End,
        SlotState::Active if cancelled => Step::Say(Standing::new(RunPhase::Running, "Ending", "it is being ended"), None),
        SlotState::Active => Step::Say(Standing::new(RunPhase::Running, "Running", "at work"), None),
    }
}

/// Of a run that never had the Job. `ahead`: how many come first; `at_work`: whether one of them, or a later one, has the Job.
fn not_begun(run: &MastodonRun, ahead: u32, at_work: bool, gate: &Gate, now: DateTime<Utc>) -> Step {
    let say = |standing| Step::Say(standing, None);
    match gate {
        Gate::Never { reason, message } => return say(Standing::new(RunPhase::Refused, reason, message.clone())),
        Gate::NoServer => {
            return say(Standing::new(RunPhase::Refused, "NoSuchServer", "there is no server of that name here"));
        }
        Gate::Open | Gate::Closed { reason: _, message: _ } => {}
    }
    let made = run.metadata.creation_timestamp.as_ref().map_or(now, instant);
    if now - made >= PATIENCE {
        let message = "it could not begin within a day, and is not begun any more; ask for it again";
        return say(Standing::new(RunPhase::Refused, "NeverBegun", message));
    }
    // A later one can be at work when the order was seen late.
    let first = ahead.max(u32::from(at_work));
    if first > 0 {
        let message = if first == 1 { "one run comes first".to_owned() } else { format!("{first} runs come first") };
        return Step::Say(Standing::new(RunPhase::Queued, "Queued", message), Some(first));
    }
    if let Gate::Closed { reason, message } = gate {
        return say(Standing::new(RunPhase::Waiting, reason, message.clone()));
    }
    Step::Start
}

/// Whether the run is over with this step and no longer stands before others.
fn is_last(step: &Step) -> bool {
    match step {
        Step::Say(standing, _) => standing.phase.is_over(),
        Step::Finish { well: _, reason: _, message: _ } => true,
        Step::Start | Step::End => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn run(name: &str, made: i64, change: impl FnOnce(&mut serde_json::Value)) -> MastodonRun {
        let made = Timestamp::from_second(NOW + made).unwrap().to_string();
        let mut run = json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonRun",
            "metadata": {"name": name, "creationTimestamp": made},
            "spec": {"instance": "ins-01jd0000000000000000000000", "action": {"maintenance": {"cacheClear": {}}}},
        });
        change(&mut run);
        serde_json::from_value(run).unwrap()
    }

    fn slot(run: &str, state: SlotState) -> Slot {
        Slot { run: run.to_owned(), uid: "u".to_owned(), deleting: false, state }
    }

    fn ended() -> SlotState {
        SlotState::Ended { well: true, reason: String::new(), message: String::new() }
    }

    fn started(run: &mut serde_json::Value) {
        run["status"] = json!({"phase": "Running", "startedAt": "2023-01-01T00:00:00Z"});
    }

    /// Name, phase or step, reason and position of each.
    fn told(runs: &[MastodonRun], slot: Option<&Slot>, gate: &Gate) -> Vec<String> {
        let gates = if *gate == Gate::NoServer {
            Gates::no_server()
        } else {
            let never = Gate::Never { reason: "NotOffered", message: String::new() };
            Gates { upkeep: gate.clone(), archives: Gate::Open, others: never }
        };
        let plan = plan(runs, slot, &gates, now());
        let mut all: Vec<String> = plan
            .steps
            .iter()
            .map(|(at, step)| {
                let what = match step {
                    Step::Say(standing, None) => standing.reason.to_owned(),
                    Step::Say(standing, Some(first)) => format!("{} {first}", standing.reason),
                    Step::Finish { .. } => "finish".to_owned(),
                    Step::Start => "start".to_owned(),
                    Step::End => "end".to_owned(),
                };
                format!("{} {what}", runs[*at].metadata.name.as_ref().unwrap())
            })
            .collect();
        all.extend(plan.clear.then(|| "clear".to_owned()));
        all
    }

    #[test]
    fn one_begins_and_the_others_wait_in_the_order_in_which_they_were_made() {
        let mut runs = [run("c", -1, |_| {}), run("b", -5, |_| {}), run("a", -1, |_| {})];
        order(&mut runs);
        assert_eq!(told(&runs, None, &Gate::Open), ["b start", "a Queued 1", "c Queued 2"]);
        let at_work = slot("b", SlotState::Active);
        assert_eq!(told(&runs, Some(&at_work), &Gate::Open), ["b Running", "a Queued 1", "c Queued 2"]);
        // Once its Job is over, the next is next; the old Job has to leave first.
        assert_eq!(told(&runs, Some(&slot("b", ended())), &Gate::Open), ["b finish", "a Queued 1", "c Queued 1"]);
        let over = |run: &mut serde_json::Value| run["status"] = json!({"phase": "Succeeded"});
        let runs = [run("b", -5, over), run("a", -1, |_| {}), run("c", -1, |_| {})];
        assert_eq!(told(&runs, Some(&slot("b", ended())), &Gate::Open), ["a MakingRoom", "c Queued 1", "clear"]);
        assert_eq!(told(&runs[1..], Some(&slot("b", ended())), &Gate::Open), ["a MakingRoom", "c Queued 1", "clear"]);
        let leaving = Slot { deleting: true, ..slot("b", ended()) };
        assert_eq!(told(&runs, Some(&leaving), &Gate::Open), ["a MakingRoom", "c Queued 1"]);
        assert_eq!(told(&runs, None, &Gate::Open), ["a start", "c Queued 1"]);
    }

    #[test]
    fn a_later_one_that_is_at_work_already_is_waited_for() {
        let runs = [run("a", -5, |_| {}), run("b", -1, started)];
        assert_eq!(told(&runs, Some(&slot("b", SlotState::Active)), &Gate::Open), ["a Queued 1", "b Running"]);
    }

    #[test]
    fn a_server_that_is_not_fit_is_waited_for_and_what_is_at_work_goes_on() {
        let closed = Gate::Closed { reason: "Suspended", message: String::new() };
        let runs = [run("a", -5, |_| {}), run("b", -1, |_| {})];
        assert_eq!(told(&runs, None, &closed), ["a Suspended", "b Queued 1"]);
        assert_eq!(told(&runs, Some(&slot("a", SlotState::Active)), &closed), ["a Running", "b Queued 1"]);
        assert_eq!(told(&runs, None, &Gate::NoServer), ["a NoSuchServer", "b NoSuchServer"]);
    }

    #[test]
    fn what_can_not_be_done_or_nobody_expects_any_more_is_refused_and_stands_in_nobodys_way() {
        let import = |run: &mut serde_json::Value| run["spec"]["action"] = json!({"import": {}});
        let runs = [run("a", -9, import), run("b", -24 * 3600, |_| {}), run("c", -1, |_| {})];
        assert_eq!(told(&runs, None, &Gate::Open), ["a NotOffered", "b NeverBegun", "c start"]);
    }

    #[test]
    fn what_was_begun_is_never_begun_again() {
        let runs = [run("a", -5, started), run("b", -1, |_| {})];
        assert_eq!(told(&runs, None, &Gate::Open), ["a JobGone", "b start"]);
        assert_eq!(told(&runs, Some(&slot("other", ended())), &Gate::Open), ["a JobGone", "b MakingRoom", "clear"]);
    }

    #[test]
    fn what_is_called_off_does_not_begin_and_what_runs_is_ended() {
        let off = |run: &mut serde_json::Value| run["spec"]["cancelled"] = true.into();
        let off_at_work = |run: &mut serde_json::Value| {
            started(run);
            off(run);
        };
        let runs = [run("a", -5, off_at_work), run("b", -1, off)];
        assert_eq!(told(&runs, Some(&slot("a", SlotState::Active)), &Gate::Open), ["a end", "b Cancelled"]);
        let leaving = Slot { deleting: true, ..slot("a", SlotState::Active) };
        assert_eq!(told(&runs, Some(&leaving), &Gate::Open), ["a Ending", "b Cancelled"]);
        assert_eq!(told(&runs, None, &Gate::Open), ["a Cancelled", "b Cancelled"]);
        assert_eq!(told(&runs, Some(&slot("a", ended())), &Gate::Open), ["a finish", "b Cancelled"], "it was faster");
    }

    #[test]
    fn the_gate_says_why() {
        use super::super::super::instance::build::tests::instance;
        let is = |instance: &MastodonInstance| match gate(instance) {
            Gate::Open => "Open",
            Gate::Closed { reason, message: _ } | Gate::Never { reason, message: _ } => reason,
            Gate::NoServer => "NoServer",
        };
        let of_archives = |instance: &MastodonInstance| Gates::of(instance, true).archives == Gate::Open;
        let mut server = instance(&json!({"running": {}}), 1);
        assert_eq!(is(&server), "NotBuilt");
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2023-01-01T00:00:00Z"});
        let mut status = json!({"version": "4.5.20", "databaseInitialised": true, "steps": [], "conditions": [
            condition("DatabaseReady", "True"), condition("CacheReady", "True"), condition("Migrated", "True")]});
        server.status = serde_json::from_value(status.clone()).unwrap();
        assert_eq!(is(&server), "Open");
        assert!(of_archives(&server));
        assert!(matches!(Gates::of(&server, false).archives, Gate::Never { reason: "NotOffered", message: _ }));
        server.status.as_mut().unwrap().version = Some("4.5.19".into());
        assert_eq!(is(&server), "Upgrading");
        status["conditions"][0]["status"] = "False".into();
        server.status = serde_json::from_value(status.clone()).unwrap();
        assert_eq!(is(&server), "NotReady");
        status["conditions"].as_array_mut().unwrap().push(condition("Stalled", "True"));
        server.status = serde_json::from_value(status).unwrap();
        assert_eq!(is(&server), "Stalled");
        server.spec.mode = serde_json::from_value(json!({"suspended": {"reason": "unpaid"}})).unwrap();
        assert_eq!(is(&server), "Suspended");
        assert!(!of_archives(&server), "its database does not answer");
        server.status.as_mut().unwrap().conditions.iter_mut().for_each(|condition| condition.status = "True".into());
        assert_eq!((is(&server), of_archives(&server)), ("Suspended", true), "archives need the database alone");
    }
}
