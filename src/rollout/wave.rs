//! The plan of a rollout: who has their turn, in which step, and when. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::policy::{Policy, Step};
use crate::ids::{ClusterId, InstanceId};
use crate::instance::upkeep::Window;
use crate::plan::{Release, Version};

/// How long an upgrade is taken to last where nothing better is known: for the guess when the next step begins.
const UPGRADE_TAKES: TimeDelta = TimeDelta::minutes(15);
/// Where no server is chosen as a canary, one in a hundred is, and never more than this.
const CANARIES_AT_MOST: usize = 5;

/// A server, as far as a plan cares.
#[expect(clippy::struct_excessive_bools, reason = "any combination of the four makes sense")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub instance: InstanceId,
    /// What it should run now.
    pub version: Version,
    /// Code of its plan.
    pub plan: String,
    /// Where it runs.
    pub cluster: ClusterId,
    /// When it may be upgraded.
    pub window: Option<Window>,
    /// Whether it gets new releases first.
    pub canary: bool,
    /// Whether it should run at all.
    pub runs: bool,
    /// Whether it is well, and runs what it should.
    pub well: bool,
    /// Whether another rollout has it.
    pub busy: bool,
}

/// Why a server that runs something older has no part in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// It is suspended: nothing runs that could be upgraded.
    NotRunning,
    /// It is older than the release allows: another one comes in between.
    TooOld,
    /// Another rollout has it.
    Busy,
}

impl LeftOut {
    /// The word in keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotRunning => "not-running",
            Self::TooOld => "too-old",
            Self::Busy => "busy",
        }
    }
}

/// A server's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub instance: InstanceId,
    /// What it runs before.
    pub from: Version,
    /// In which step, from 0.
    pub step: usize,
    /// When it is to begin.
    pub at: DateTime<Utc>,
    /// How long its window is waited for.
    pub window_until: DateTime<Utc>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they begin.
    pub turns: Vec<Turn>,
    /// Who has no turn although they run something older.
    pub left_out: Vec<(InstanceId, LeftOut)>,
}

/// Plans the rollout of `target`, beginning at `now`.
///
/// Within a step those who have a window get their hours first, the others what is left; all begin at an even pace. A share is drawn evenly
/// from each cluster and each plan, so that what fails anywhere shows in it; whoever is not well has their turn last.
pub fn plan(candidates: &[Candidate], target: &Release, policy: &Policy, now: DateTime<Utc>) -> Plan {
    let mut left_out = Vec::new();
    let mut eligible = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.version < target.version) {
        match why_not(candidate, target) {
            Some(why) => left_out.push((candidate.instance, why)),
            None => eligible.push(candidate),
        }
    }
    let steps = assign(&eligible, &policy.steps);
    let notice = TimeDelta::hours(i64::from(policy.notice_hours));
    let waiting = |candidate: &&Candidate| Waiting {
        instance: candidate.instance,
        from: candidate.version,
        earliest: if candidate.version.same_minor(target.version) { now } else { now + notice },
        window: candidate.window.clone(),
    };
    let steps: Vec<Vec<Waiting>> = steps.iter().map(|step| step.iter().map(waiting).collect()).collect();
    Plan { turns: schedule(&steps, 0, policy, now), left_out }
}

fn why_not(candidate: &Candidate, target: &Release) -> Option<LeftOut> {
    if candidate.busy {
        Some(LeftOut::Busy)
    } else if !candidate.runs {
        Some(LeftOut::NotRunning)
    } else if !target.can_follow(candidate.version) {
        Some(LeftOut::TooOld)
    } else {
        None
    }
}

/// Who is in which step.
fn assign<'a>(eligible: &[&'a Candidate], steps: &[Step]) -> Vec<Vec<&'a Candidate>> {
    let all = spread(eligible);
    let chosen = all.iter().any(|candidate| candidate.canary && candidate.well);
    let mut rest = all;
    let mut taken = 0;
    let mut assigned = Vec::new();
    for step in steps {
        let (now, later): (Vec<_>, Vec<_>) = match step {
            Step::Canaries if chosen => rest.into_iter().partition(|candidate| candidate.canary && candidate.well),
            Step::Canaries => {
                let few = eligible.len().div_ceil(100).min(CANARIES_AT_MOST);
                split(rest, few)
            }
            Step::Share(percent) => {
                let goal = (eligible.len() * usize::from(*percent)).div_ceil(100);
                split(rest, goal.saturating_sub(taken))
            }
        };
        taken += now.len();
        assigned.push(now);
        rest = later;
    }
    assigned
}

fn split<T>(mut all: Vec<T>, first: usize) -> (Vec<T>, Vec<T>) {
    let later = all.split_off(first.min(all.len()));
    (all, later)
}

/// An order whose every beginning has its share of each cluster and plan; whoever is not well comes last.
fn spread<'a>(eligible: &[&'a Candidate]) -> Vec<&'a Candidate> {
    // The end of an id is random, and the same whoever looks.
    let lot = |candidate: &Candidate| candidate.instance.uuid().as_u64_pair().1;
    let mut groups: BTreeMap<(bool, ClusterId, &str), Vec<&Candidate>> = BTreeMap::new();
    for candidate in eligible {
        groups.entry((!candidate.well, candidate.cluster, &candidate.plan)).or_default().push(candidate);
    }
    let mut placed = Vec::with_capacity(eligible.len());
    for ((unwell, ..), mut group) in groups {
        group.sort_by_key(|candidate| lot(candidate));
        let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
        for (rank, candidate) in (0_u64..).zip(group) {
            // How far through its group each stands, from 0 to 1, in 32 bits.
            placed.push((unwell, ((2 * rank + 1) << 31) / size, lot(candidate), candidate));
        }
    }
    placed.sort_by_key(|(unwell, far, lot, _)| (*unwell, *far, *lot));
    placed.into_iter().map(|(_, _, _, candidate)| candidate).collect()
}

/// A server that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub instance: InstanceId,
    /// What it runs.
    pub from: Version,
    /// Not before this: its customer is told ahead.
    pub earliest: DateTime<Utc>,
    /// When it may be upgraded.
    pub window: Option<Window>,
}

/// When each has their turn. `steps` are those that are left, the first is number `first` and begins at `begin`; the beginning of the others
/// is a guess, and they are planned again when their time has come.
pub fn schedule(steps: &[Vec<Waiting>], first: usize, policy: &Policy, begin: DateTime<Utc>) -> Vec<Turn> {
    let between = TimeDelta::minutes(i64::from(policy.pause_minutes.max(policy.observe_minutes)));
    let mut turns = Vec::new();
    let mut begin = begin;
    for (step, waiting) in (first..).zip(steps) {
        let before = turns.len();
        schedule_step(waiting, step, policy, begin, &mut turns);
        turns[before..].sort_by_key(|turn| (turn.at, turn.instance));
        if let Some(last) = turns[before..].last() {
            begin = last.at + UPGRADE_TAKES + between;
        }
    }
    turns
}

fn schedule_step(waiting: &[Waiting], step: usize, policy: &Policy, begin: DateTime<Utc>, turns: &mut Vec<Turn>) {
    let patience = TimeDelta::hours(i64::from(policy.patience_hours));
    let mut slots = Slots::new(begin, policy.per_hour);
    let (bound, free): (Vec<_>, Vec<_>) = waiting.iter().partition(|one| one.window.is_some());
    for one in bound.into_iter().chain(free) {
        let earliest = one.earliest.max(begin);
        let until = earliest + patience;
        let at = match &one.window {
            None => slots.take_from(earliest),
            Some(window) => {
                let mut openings = window.openings(earliest).take_while(|opening| opening.from <= until);
                let slot = openings.find_map(|opening| slots.free_within(opening.from.max(earliest), opening.until));
                match slot {
                    Some(slot) => slots.take(slot),
                    // Its hours are too few for all who have the same, or too far away.
                    None => slots.take_from(until),
                }
            }
        };
        turns.push(Turn { instance: one.instance, from: one.from, step, at, window_until: until });
    }
}

/// When a server whose turn is at `due` may begin: then, or when its window opens next, if that is soon enough.
pub fn may_begin(due: DateTime<Utc>, window: Option<&Window>, window_until: DateTime<Utc>) -> DateTime<Utc> {
    let opening = window.and_then(|window| window.openings(due).next());
    opening.map(|opening| opening.from.max(due)).filter(|from| *from <= window_until).unwrap_or(due)
}

/// Beginnings at an even pace: one in each slot.
struct Slots {
    begin: DateTime<Utc>,
    /// Milliseconds.
    gap: i64,
    /// Of each slot that is taken, one behind it that may be free.
    behind: HashMap<i64, i64>,
}

impl Slots {
    fn new(begin: DateTime<Utc>, per_hour: u32) -> Self {
        Self { begin, gap: 3_600_000 / i64::from(per_hour.max(1)), behind: HashMap::new() }
    }

    fn at(&self, slot: i64) -> DateTime<Utc> {
        self.begin + TimeDelta::milliseconds(slot * self.gap)
    }

    /// The first slot that is free and does not begin before `from`.
    fn free_from(&mut self, from: DateTime<Utc>) -> i64 {
        let first = (from - self.begin).num_milliseconds().max(0);
        let start = (first + self.gap - 1) / self.gap;
        let mut free = start;
        while let Some(behind) = self.behind.get(&free) {
            free = *behind;
        }
        // Whoever looks from here again has a short way.
        let mut on_the_way = start;
        while on_the_way != free {
            let Some(behind) = self.behind.insert(on_the_way, free) else { break };
            on_the_way = behind;
        }
        free
    }

    /// The first free slot that begins within.
    fn free_within(&mut self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<i64> {
        let slot = self.free_from(from);
        (self.at(slot) < until).then_some(slot)
    }

    fn take(&mut self, slot: i64) -> DateTime<Utc> {
        self.behind.insert(slot, slot + 1);
        self.at(slot)
    }

    fn take_from(&mut self, from: DateTime<Utc>) -> DateTime<Utc> {
        let slot = self.free_from(from);
        self.take(slot)
    }
}
