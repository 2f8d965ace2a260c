//! What became of an upgrade, and whether too many went wrong. Pure: what was seen of a server goes in.

use chrono::{DateTime, TimeDelta, Utc};

use super::policy::Policy;
use crate::instance::Intent;
use crate::resource::{ConditionKind, InstanceStatus, condition, instant, is_true};

/// A server that says for this long that it can't go on, does not.
const STALLED_FOR: TimeDelta = TimeDelta::minutes(2);
/// A server that is not well for this long after its upgrade is not well because of it.
const UNWELL_FOR: TimeDelta = TimeDelta::minutes(5);
/// Of at least so many the share of failures is taken, if there are so many: one of one is no share.
const SAMPLE: usize = 20;

/// Where a server of a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ItemState {
    /// Its turn has not come.
    Waiting,
    /// It should run the new release and does not yet.
    Upgrading,
    /// It runs the new release.
    Done,
    /// It did not come to run the new release in time, or is not well with it.
    Failed,
    /// It has no turn.
    LeftOut,
    /// It is to go back.
    ToReturn,
    /// It should run the old release again and does not yet.
    Returning,
    /// It runs the old release again.
    Returned,
}

impl ItemState {
    /// All of them, in the order of their lives.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Upgrading,
        Self::Done,
        Self::Failed,
        Self::LeftOut,
        Self::ToReturn,
        Self::Returning,
        Self::Returned,
    ];

    /// The word in the database and in keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Upgrading => "upgrading",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::LeftOut => "left_out",
            Self::ToReturn => "to_return",
            Self::Returning => "returning",
            Self::Returned => "returned",
        }
    }
}

/// What is known of a server whose turn it is or was.
#[derive(Debug, Clone)]
pub struct Sight<'a> {
    /// Where it stands.
    pub state: ItemState,
    /// The release that it should run now.
    pub wanted: &'a str,
    /// When its turn began.
    pub started_at: DateTime<Utc>,
    /// When its turn ended, if it has.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it should run.
    pub intent: Intent,
    /// Whether somebody else has changed the release that it should run.
    pub overtaken: bool,
    /// Whether the operator has answered to the change.
    pub answered: bool,
    /// Whether its cluster does not answer: then nothing is known.
    pub unseen: bool,
    /// What the operator says.
    pub status: Option<&'a InstanceStatus>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that is worth saying.
    AsBefore,
    /// It runs what it should.
    Done,
    /// It does not, and this is why.
    Failed(String),
    /// It should not run any more, or something else.
    LeftOut(&'static str),
}

/// What became of a server.
pub fn judge(sight: &Sight<'_>, policy: &Policy, now: DateTime<Utc>) -> Verdict {
    match sight.state {
        ItemState::Upgrading | ItemState::Returning => under_way(sight, policy, now),
        ItemState::Done => after(sight, policy, now),
        // It may recover: the operator goes on trying.
        ItemState::Failed if !sight.unseen && arrived(sight) => Verdict::Done,
        ItemState::Failed | ItemState::Waiting | ItemState::LeftOut | ItemState::ToReturn | ItemState::Returned => {
            Verdict::AsBefore
        }
    }
}

fn arrived(sight: &Sight<'_>) -> bool {
    let ready = |status: &InstanceStatus| {
        status.version.as_deref() == Some(sight.wanted)
            && status.upgrade.is_none()
            && is_true(&status.conditions, ConditionKind::Ready)
    };
    sight.status.is_some_and(ready)
}

fn under_way(sight: &Sight<'_>, policy: &Policy, now: DateTime<Utc>) -> Verdict {
    if sight.overtaken {
        return Verdict::LeftOut("its release was changed by somebody else meanwhile");
    }
    if sight.intent != Intent::Running {
        return Verdict::LeftOut("it was suspended or ended meanwhile");
    }
    if sight.unseen {
        return Verdict::AsBefore;
    }
    if arrived(sight) {
        return Verdict::Done;
    }
    let said = |kind| sight.status.and_then(|status| condition(&status.conditions, kind));
    if let Some(stalled) = said(ConditionKind::Stalled)
        && sight.answered
        && stalled.status == "True"
        && now - instant(&stalled.last_transition_time).max(sight.started_at) >= STALLED_FOR
    {
        return Verdict::Failed(format!("{}: {}", stalled.reason, stalled.message));
    }
    if now - sight.started_at >= TimeDelta::minutes(i64::from(policy.limit_minutes)) {
        let last = said(ConditionKind::Ready).map_or_else(String::new, |ready| format!("; {}", ready.message));
        return Verdict::Failed(format!("not done within {} minutes{last}", policy.limit_minutes));
    }
    Verdict::AsBefore
}

fn after(sight: &Sight<'_>, policy: &Policy, now: DateTime<Utc>) -> Verdict {
    let observed = TimeDelta::minutes(i64::from(policy.observe_minutes));
    let ended = sight.ended_at.unwrap_or(sight.started_at);
    if sight.unseen || sight.overtaken || sight.intent != Intent::Running || now - ended > observed {
        return Verdict::AsBefore;
    }
    let ready = sight.status.and_then(|status| condition(&status.conditions, ConditionKind::Ready));
    match ready {
        Some(ready) if ready.status != "True" && now - instant(&ready.last_transition_time) >= UNWELL_FOR => {
            Verdict::Failed(format!("not well after the upgrade; {}", ready.message))
        }
        Some(_) | None => Verdict::AsBefore,
    }
}

/// An upgrade that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Over {
    /// When it ended, one way or the other.
    pub ended_at: DateTime<Utc>,
    /// Whether it failed.
    pub failed: bool,
}

/// How many failed, of how many, when these are too many: of those that ended within the time for which they are watched, and of the
/// last twenty if these are fewer.
pub fn too_many(over: &[Over], policy: &Policy, now: DateTime<Utc>) -> Option<(usize, usize)> {
    let mut newest: Vec<Over> = over.to_vec();
    newest.sort_by_key(|over| std::cmp::Reverse(over.ended_at));
    let watched = TimeDelta::minutes(i64::from(policy.observe_minutes));
    let recent = newest.iter().take_while(|over| now - over.ended_at <= watched).count();
    newest.truncate(recent.max(SAMPLE));
    let (failed, all) = (newest.iter().filter(|over| over.failed).count(), newest.len());
    let most = usize::try_from(policy.failed_percent).unwrap_or(100);
    (failed * 100 > all * most).then_some((failed, all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Finding, conditions};

    fn now() -> DateTime<Utc> {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }

    fn ago(minutes: i64) -> DateTime<Utc> {
        now() - TimeDelta::minutes(minutes)
    }

    fn status(version: &str, findings: &[Finding], since: DateTime<Utc>) -> InstanceStatus {
        let conditions = conditions(&[], findings, 2, since);
        InstanceStatus { version: Some(version.to_owned()), conditions, ..InstanceStatus::default() }
    }

    fn ready() -> Finding {
        Finding::holds(ConditionKind::Ready, "Ready", "")
    }

    fn unready() -> Finding {
        Finding::fails(ConditionKind::Ready, "Rolling", "web does not answer")
    }

    fn stalled() -> Finding {
        Finding::holds(ConditionKind::Stalled, "MigrationFailed", "the Job failed")
    }

    fn sight(state: ItemState, status: Option<&InstanceStatus>) -> Sight<'_> {
        Sight {
            state,
            wanted: "4.7.4",
            started_at: ago(30),
            ended_at: None,
            intent: Intent::Running,
            overtaken: false,
            answered: true,
            unseen: false,
            status,
        }
    }

    fn verdict(sight: &Sight<'_>) -> Verdict {
        judge(sight, &Policy::usual(false), now())
    }

    #[test]
    fn it_is_done_when_the_new_release_runs_and_is_well() {
        let (new, old) = (status("4.7.4", &[ready()], ago(1)), status("4.6.9", &[ready()], ago(1)));
        assert_eq!(verdict(&sight(ItemState::Upgrading, Some(&new))), Verdict::Done);
        assert_eq!(verdict(&sight(ItemState::Upgrading, Some(&old))), Verdict::AsBefore);
        assert_eq!(verdict(&sight(ItemState::Upgrading, Some(&status("4.7.4", &[unready()], ago(1))))), Verdict::AsBefore);
        assert_eq!(verdict(&sight(ItemState::Upgrading, None)), Verdict::AsBefore);
        let back = Sight { wanted: "4.6.9", ..sight(ItemState::Returning, Some(&old)) };
        assert_eq!(verdict(&back), Verdict::Done);
        assert_eq!(verdict(&sight(ItemState::Failed, Some(&new))), Verdict::Done, "it has recovered");
        assert_eq!(verdict(&sight(ItemState::Waiting, Some(&new))), Verdict::AsBefore);
    }

    #[test]
    fn it_fails_when_the_operator_can_not_go_on_or_time_is_over() {
        let stuck = status("4.6.9", &[unready(), stalled()], ago(3));
        let failed = Verdict::Failed("MigrationFailed: the Job failed".to_owned());
        assert_eq!(verdict(&sight(ItemState::Upgrading, Some(&stuck))), failed);
        let unanswered = Sight { answered: false, ..sight(ItemState::Upgrading, Some(&stuck)) };
        assert_eq!(verdict(&unanswered), Verdict::AsBefore, "that was said of something else");
        let just_begun = Sight { started_at: ago(1), ..sight(ItemState::Upgrading, Some(&stuck)) };
        assert_eq!(verdict(&just_begun), Verdict::AsBefore, "it may be about what was before");
        let slow = status("4.6.9", &[unready()], ago(100));
        let late = Sight { started_at: ago(120), ..sight(ItemState::Upgrading, Some(&slow)) };
        assert_eq!(verdict(&late), Verdict::Failed("not done within 120 minutes; web does not answer".to_owned()));
    }

    #[test]
    fn it_fails_when_it_is_not_well_while_it_is_watched() {
        let (ill, long_ill) = (status("4.7.4", &[unready()], ago(4)), status("4.7.4", &[unready()], ago(6)));
        let done = |status| Sight { ended_at: Some(ago(20)), ..sight(ItemState::Done, status) };
        assert_eq!(verdict(&done(Some(&ill))), Verdict::AsBefore);
        let failed = Verdict::Failed("not well after the upgrade; web does not answer".to_owned());
        assert_eq!(verdict(&done(Some(&long_ill))), failed);
        let over = Sight { ended_at: Some(ago(61)), ..done(Some(&long_ill)) };
        assert_eq!(verdict(&over), Verdict::AsBefore, "nobody watches any more");
        let paused = Sight { intent: Intent::Suspended, ..done(Some(&long_ill)) };
        assert_eq!(verdict(&paused), Verdict::AsBefore, "it is not to run");
    }

    #[test]
    fn nothing_is_concluded_of_what_nobody_sees() {
        let stuck = status("4.6.9", &[unready(), stalled()], ago(300));
        let unseen = |state| Sight { unseen: true, started_at: ago(300), ended_at: Some(ago(1)), ..sight(state, Some(&stuck)) };
        for state in ItemState::ALL {
            assert_eq!(verdict(&unseen(state)), Verdict::AsBefore, "{state:?}");
        }
    }

    #[test]
    fn who_should_not_run_or_run_something_else_has_no_part_any_more() {
        let suspended = Sight { intent: Intent::Suspended, ..sight(ItemState::Upgrading, None) };
        assert!(matches!(verdict(&suspended), Verdict::LeftOut(_)));
        assert!(matches!(verdict(&Sight { overtaken: true, ..sight(ItemState::Upgrading, None) }), Verdict::LeftOut(_)));
    }

    #[test]
    fn a_share_of_failures_is_taken_of_the_last_and_of_enough() {
        let over = |failed: usize, well: usize, minutes: i64| {
            let one = move |failed| Over { ended_at: ago(minutes), failed };
            std::iter::repeat_n(one(true), failed).chain(std::iter::repeat_n(one(false), well)).collect::<Vec<_>>()
        };
        let policy = Policy { failed_percent: 5, observe_minutes: 60, ..Policy::usual(false) };
        assert_eq!(too_many(&[], &policy, now()), None);
        assert_eq!(too_many(&over(1, 4, 1), &policy, now()), Some((1, 5)), "one of five canaries");
        let mixed = [over(1, 0, 1), over(0, 19, 500)].concat();
        assert_eq!(too_many(&mixed, &policy, now()), None, "one of the last twenty, of whom nineteen are long done");
        assert_eq!(too_many(&[over(2, 0, 1), over(0, 19, 500)].concat(), &policy, now()), Some((2, 20)));
        assert_eq!(too_many(&over(5, 95, 30), &policy, now()), None, "five of a hundred are five in a hundred");
        assert_eq!(too_many(&over(6, 94, 30), &policy, now()), Some((6, 100)));
        // Eight thousand went well, and now a cluster breaks.
        assert_eq!(too_many(&[over(30, 70, 10), over(0, 8000, 600)].concat(), &policy, now()), Some((30, 100)));
        let patient = Policy { failed_percent: 100, ..policy };
        assert_eq!(too_many(&over(20, 0, 1), &patient, now()), None);
    }
}
