//! What pages show of rollouts: words, marks and numbers. Pure.

use crate::rollout::{Item, ItemState, Policy, Rollout, RolloutState, Step, StepCount};
use crate::web::instance::time;
use crate::web::instance::view::readable;
use crate::web::page::StateView;
use crate::words::Words;

/// Sums over a rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Servers.
    pub all: i64,
    /// Those whose turn is over, one way or the other.
    pub over: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those that should run the new release.
    pub changed: i64,
}

impl Counts {
    pub fn of(counted: &[StepCount]) -> Self {
        let mut counts = Self::default();
        for StepCount { step: _, state, count, first_due: _, last_due: _ } in counted {
            counts.all += count;
            match state {
                ItemState::Waiting | ItemState::ToReturn | ItemState::Returning => {}
                ItemState::Upgrading => counts.changed += count,
                ItemState::Done => {
                    counts.over += count;
                    counts.changed += count;
                }
                ItemState::Failed => {
                    counts.over += count;
                    counts.failed += count;
                    counts.changed += count;
                }
                ItemState::LeftOut | ItemState::Returned => counts.over += count,
            }
        }
        counts
    }
}

/// `120 of 1000, 2 failed`.
pub(super) fn progress(words: &Words, counts: Counts) -> String {
    if counts.failed == 0 {
        words.t2("rollout-progress", "n", counts.over, "all", counts.all)
    } else {
        words.with("rollout-progress-failed", &[("n", &counts.over), ("all", &counts.all), ("failed", &counts.failed)])
    }
}

/// Where a rollout stands, as a word.
pub(super) fn rollout_state(words: &Words, rollout: &Rollout) -> StateView {
    let kind = match rollout.state {
        RolloutState::Running | RolloutState::Returning => "doing",
        RolloutState::Paused => "failed",
        RolloutState::Finished | RolloutState::Returned => "done",
        RolloutState::Aborted => "waiting",
    };
    let detail = rollout.ended_at.map(|at| time::moment(words, at)).unwrap_or_default();
    StateView::new(words, kind, &format!("rollout-state-{}", rollout.state.word()), detail)
}

/// A step's name.
pub(super) fn step_name(words: &Words, policy: &Policy, number: usize) -> String {
    match policy.steps.get(number) {
        Some(Step::Canaries) => words.t("rollout-step-canaries"),
        Some(Step::Share(100)) | None => words.t("rollout-step-all"),
        Some(Step::Share(percent)) => words.t1("rollout-step-share", "n", percent),
    }
}

/// A row of the table of steps.
#[derive(Debug, Clone, Default)]
pub(super) struct StepRow {
    pub name: String,
    pub count: String,
    pub waiting: String,
    pub upgrading: String,
    pub done: String,
    pub failed: String,
    pub left_out: String,
    pub returned: String,
    pub first: String,
    pub last: String,
}

/// The steps of a rollout, each with how many of its servers stand where.
pub(super) fn step_rows(words: &Words, policy: &Policy, counted: &[StepCount]) -> Vec<StepRow> {
    let row = |number: usize| {
        let of_step = || counted.iter().filter(move |count| usize::try_from(count.step) == Ok(number));
        let sum = |states: &[ItemState]| -> String {
            of_step().filter(|count| states.contains(&count.state)).map(|count| count.count).sum::<i64>().to_string()
        };
        let first = of_step().map(|count| count.first_due).min();
        let last = of_step().map(|count| count.last_due).max();
        StepRow {
            name: step_name(words, policy, number),
            count: sum(&ItemState::ALL),
            waiting: sum(&[ItemState::Waiting]),
            upgrading: sum(&[ItemState::Upgrading]),
            done: sum(&[ItemState::Done]),
            failed: sum(&[ItemState::Failed]),
            left_out: sum(&[ItemState::LeftOut]),
            returned: sum(&[ItemState::ToReturn, ItemState::Returning, ItemState::Returned]),
            first: first.map(|at| time::moment(words, at)).unwrap_or_default(),
            last: last.map(|at| time::moment(words, at)).unwrap_or_default(),
        }
    };
    (0..policy.steps.len()).map(row).collect()
}

/// A row of a table of servers.
pub(super) struct ItemRow {
    pub id: String,
    pub href: String,
    pub address: String,
    pub step: String,
    pub state: StateView,
    pub from: String,
    pub note: String,
    /// It can be left out.
    pub waits: bool,
}

/// A server of a rollout.
pub(super) fn item_row(words: &Words, policy: &Policy, item: &Item) -> ItemRow {
    let (kind, at) = match item.state {
        ItemState::Waiting | ItemState::ToReturn => ("waiting", Some(item.due_at)),
        ItemState::Upgrading | ItemState::Returning => ("doing", item.started_at),
        ItemState::Done | ItemState::Returned => ("done", item.ended_at),
        ItemState::Failed => ("failed", item.ended_at),
        ItemState::LeftOut => ("waiting", item.ended_at),
    };
    ItemRow {
        id: item.instance_id.to_string(),
        href: format!("/staff/instances/{}", item.instance_id),
        address: readable(&item.domain),
        step: step_name(words, policy, usize::try_from(item.step).unwrap_or(usize::MAX)),
        state: StateView::new(
            words,
            kind,
            &format!("item-state-{}", item.state.word()),
            at.map(|at| time::moment(words, at)).unwrap_or_default(),
        ),
        from: item.from_version.clone(),
        note: item.note.clone().unwrap_or_default(),
        waits: item.state == ItemState::Waiting,
    }
}
