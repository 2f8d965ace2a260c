//! How far an instance is, read off what was seen. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::build::{Attempts, Task, job_name, names};
use super::majors;
use super::upgrade::{Steps, UnderWay};
use crate::operator::kind::Kind;
use crate::operator::seen::{JobState, Key, Seen, State};
use crate::resource::{ConditionKind, InstanceStatus, is_true};

/// How often a task is tried before a person has to look.
const ATTEMPTS: u32 = 3;
/// How long the second attempt waits; each further one four times as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Done, now or long ago.
    Done,
    /// At work.
    Running,
    /// To be started.
    Due {
        /// Which attempt that is.
        attempt: u32,
    },
    /// Failed, and waits for its next attempt.
    Waiting {
        /// How long still.
        wait: Duration,
        /// What the last attempt said.
        message: String,
    },
    /// Failed for good.
    Failed {
        /// What the last attempt said.
        message: String,
    },
}

/// How far an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Postgres answers.
    pub database: bool,
    /// Valkey answers.
    pub cache: bool,
    /// The schema.
    pub prepare: TaskState,
    /// The first rows.
    pub seed: TaskState,
    /// The owner's account.
    pub owner: TaskState,
    /// What another release takes that is on its way.
    pub change: Option<Steps>,
    /// What another major release of PostgreSQL takes that is on its way.
    pub major: Option<majors::Steps>,
}

impl Progress {
    /// Reads it off.
    pub fn read(
        seen: &BTreeMap<Key, Seen>,
        status: &InstanceStatus,
        version: &str,
        under_way: Option<&UnderWay>,
        now: i64,
    ) -> Self {
        let migrated = status.version.is_some();
        let owned = is_true(&status.conditions, ConditionKind::OwnerReady);
        let task = |task, done: bool| if done { TaskState::Done } else { task_state(seen, task, version, now) };
        Self {
            database: matches!(
                state(seen, Kind::Cluster, names::DATABASE),
                Some(State::Database { ready: true, phase: _, storage_gib: _, major: _, trouble: _ })
            ),
            cache: pods_answer(seen, Kind::StatefulSet, names::CACHE),
            prepare: task(Task::Prepare, migrated),
            seed: task(Task::Seed, migrated),
            owner: task(Task::Owner, owned),
            change: under_way.map(|under_way| Steps::read(seen, &under_way.upgrade, now)),
            major: status.database_upgrade.as_ref().map(|upgrade| majors::Steps::read(seen, upgrade, now)),
        }
    }

    /// Schema and first rows are there.
    pub fn migrated(&self) -> bool {
        self.prepare == TaskState::Done && self.seed == TaskState::Done
    }

    /// The attempts that are due, for the names of the Jobs.
    pub fn attempts(&self) -> Attempts {
        let attempt = |state: &TaskState| if let TaskState::Due { attempt } = state { *attempt } else { 1 };
        let of_change = |step: fn(&Steps) -> &TaskState| self.change.as_ref().map_or(1, |steps| attempt(step(steps)));
        Attempts {
            prepare: attempt(&self.prepare),
            seed: attempt(&self.seed),
            owner: attempt(&self.owner),
            backup: of_change(|steps| &steps.backup),
            pre: of_change(|steps| &steps.pre),
            post: of_change(|steps| &steps.post),
            major: self.major.as_ref().map_or([1; 3], |steps| steps.all().map(attempt)),
        }
    }

    /// How long until a failed task may be tried again.
    pub fn wait(&self) -> Option<Duration> {
        let of_change = self.change.iter().flat_map(|Steps { backup, pre, post }| [backup, pre, post]);
        let of_major = self.major.iter().flat_map(majors::Steps::all);
        let waits = [&self.prepare, &self.seed, &self.owner].into_iter().chain(of_change).chain(of_major);
        waits.filter_map(|state| if let TaskState::Waiting { wait, message: _ } = state { Some(*wait) } else { None }).min()
    }
}

fn state<'a>(seen: &'a BTreeMap<Key, Seen>, kind: Kind, name: &str) -> Option<&'a State> {
    seen.get(&(kind, name.to_owned())).filter(|seen| !seen.deleting).map(|seen| &seen.state)
}

/// Whether at least one pod answers. While pods are exchanged that may be an old one: it serves.
pub fn pods_answer(seen: &BTreeMap<Key, Seen>, kind: Kind, name: &str) -> bool {
    matches!(
        state(seen, kind, name),
        Some(State::Pods { current: _, updated: _, all: _, ready, stuck: _ }) if *ready >= 1
    )
}

/// Whether every pod is of the newest spec and answers, as far as was seen. Only a look at the pods themselves proves it.
pub fn looks_rolled(seen: &BTreeMap<Key, Seen>) -> bool {
    [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER].into_iter().all(|name| {
        matches!(
            state(seen, Kind::Deployment, name),
            Some(State::Pods { current: true, updated, all, ready, stuck: _ }) if updated == all && ready == all
        )
    })
}

/// Deployments whose newest pods do not come up.
pub fn stuck(seen: &BTreeMap<Key, Seen>) -> Vec<&'static str> {
    let is_stuck = |name: &&str| {
        let found = state(seen, Kind::Deployment, name);
        matches!(found, Some(State::Pods { current: true, updated: _, all: _, ready: _, stuck: true }))
    };
    [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER].into_iter().filter(is_stuck).collect()
}

fn task_state(seen: &BTreeMap<Key, Seen>, task: Task, version: &str, now: i64) -> TaskState {
    attempts(seen, Kind::Job, &|attempt| job_name(task, version, attempt), now)
}

/// How far something is that is done once, in up to three attempts of different names: the newest attempt decides.
pub fn attempts(seen: &BTreeMap<Key, Seen>, kind: Kind, name: &dyn Fn(u32) -> String, now: i64) -> TaskState {
    let mut wait = FIRST_WAIT;
    for attempt in 1..=ATTEMPTS {
        let Some(State::Job(job)) = state(seen, kind, &name(attempt)) else {
            return TaskState::Due { attempt };
        };
        match job {
            JobState::Active => return TaskState::Running,
            JobState::Done => return TaskState::Done,
            JobState::Failed { at: _, message } if attempt == ATTEMPTS => return TaskState::Failed { message: message.clone() },
            JobState::Failed { at, message } => {
                let next_exists = seen.contains_key(&(kind, name(attempt + 1)));
                let passed = Duration::from_secs(u64::try_from(now - at).unwrap_or(0));
                if !next_exists && passed < wait {
                    return TaskState::Waiting { wait: wait.saturating_sub(passed), message: message.clone() };
                }
                wait *= 4;
            }
        }
    }
    TaskState::Due { attempt: ATTEMPTS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(states: &[JobState]) -> BTreeMap<Key, Seen> {
        let one = |(index, job): (usize, &JobState)| {
            let name = job_name(Task::Seed, "4.5.20", u32::try_from(index).unwrap() + 1);
            let state = State::Job(job.clone());
            let seen = Seen { uid: name.clone(), ..Seen::bare(state) };
            ((Kind::Job, name), seen)
        };
        states.iter().enumerate().map(one).collect()
    }

    fn failed(at: i64) -> JobState {
        JobState::Failed { at, message: "no".into() }
    }

    #[test]
    fn a_failed_task_is_tried_three_times_with_growing_pauses() {
        let state = |states: &[JobState], now| task_state(&jobs(states), Task::Seed, "4.5.20", now);
        assert_eq!(state(&[], 0), TaskState::Due { attempt: 1 });
        assert_eq!(state(&[JobState::Active], 0), TaskState::Running);
        assert_eq!(state(&[JobState::Done], 0), TaskState::Done);
        assert_eq!(state(&[failed(100)], 110), TaskState::Waiting { wait: Duration::from_secs(20), message: "no".into() });
        assert_eq!(state(&[failed(100)], 130), TaskState::Due { attempt: 2 });
        assert_eq!(state(&[failed(100), JobState::Active], 101), TaskState::Running);
        assert!(matches!(state(&[failed(100), failed(200)], 300), TaskState::Waiting { .. }));
        assert_eq!(state(&[failed(100), failed(200)], 320), TaskState::Due { attempt: 3 });
        assert_eq!(state(&[failed(1), failed(2), failed(3)], 9999), TaskState::Failed { message: "no".into() });
    }
}
