//! Another major release of PostgreSQL on its way: which step is due. Pure; what is asked of the API server is in `rewrite`.
//!
//! Backup → the server is paused until nothing of it could write → CloudNativePG rewrites the data, offline → the server serves, and the
//! new release gathers what it has to know of the tables → a backup again, since none from before leads into the new release. The phase
//! is written into the status before anything of it is done, so that whoever takes over goes on from there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::build::{Moment, Task, job_name, major_backup_name, names};
use super::progress::{TaskState, attempts};
use super::rolling::is_at_work;
use super::stores::image_of;
use super::validate::Refusal;
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, State};
use crate::operator::settings::Settings;
use crate::operator::stores::{Store, major};
use crate::resource::{ConditionKind, DatabasePhase, DatabaseUpgrade, Finding, InstanceStatus, Majors, condition, instant, time};

/// What there is of another major release, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One on its way, as the status says.
    pub under_way: Option<DatabaseUpgrade>,
    /// What is to become of that.
    pub decision: Decision,
}

/// What is to become of another major release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is none, and none is wanted.
    Stay,
    /// It goes on.
    Keep,
    /// It is given up: nothing of it has touched the data.
    Drop,
    /// One begins.
    Start {
        /// The image that runs.
        from: String,
        /// The image that is to run.
        to: String,
    },
}

impl Plan {
    /// None, and none is wanted.
    #[cfg(test)]
    pub const NONE: Self = Self { under_way: None, decision: Decision::Stay };

    /// The one that goes on.
    pub fn kept(&self) -> Option<&DatabaseUpgrade> {
        self.under_way.as_ref().filter(|_| self.decision == Decision::Keep)
    }

    /// Since when the server is paused for its sake.
    pub fn paused_since(&self) -> Option<DateTime<Utc>> {
        self.kept().filter(|upgrade| upgrade.phase.pauses()).map(|upgrade| instant(&upgrade.phase_since))
    }

    /// The image that Postgres must have meanwhile; nothing where that is as ever.
    pub fn image(&self) -> Option<&str> {
        let DatabaseUpgrade { from, to, phase, since: _, phase_since: _ } = self.kept()?;
        match phase {
            DatabasePhase::Backup | DatabasePhase::Stop | DatabasePhase::Return => Some(from),
            DatabasePhase::Rewrite | DatabasePhase::Analyze | DatabasePhase::Secure => Some(to),
            DatabasePhase::Failed => None,
        }
    }
}

/// What is to become of another major release, by what runs, what is under way and what is asked for. `free`: nothing else is under way,
/// and the server should run. Adds to `refused` what can't be done.
pub fn plan(
    settings: &Settings,
    asked: Majors,
    status: &InstanceStatus,
    seen: &BTreeMap<Key, Seen>,
    free: bool,
    refused: &mut Vec<Refusal>,
) -> Plan {
    let Majors { postgres: asked, valkey: _ } = asked;
    let under_way = status.database_upgrade.clone();
    let decision = match &under_way {
        Some(DatabaseUpgrade { from: _, to, phase, since: _, phase_since: _ }) => match phase {
            DatabasePhase::Backup | DatabasePhase::Stop | DatabasePhase::Failed if asked != major(to) => Decision::Drop,
            // What touches the data goes on to its end.
            DatabasePhase::Backup
            | DatabasePhase::Stop
            | DatabasePhase::Failed
            | DatabasePhase::Rewrite
            | DatabasePhase::Return
            | DatabasePhase::Analyze
            | DatabasePhase::Secure => Decision::Keep,
        },
        None => begin(settings, asked, seen, free, refused),
    };
    Plan { under_way, decision }
}

/// Whether one begins.
fn begin(
    settings: &Settings,
    asked: Option<u16>,
    seen: &BTreeMap<Key, Seen>,
    free: bool,
    refused: &mut Vec<Refusal>,
) -> Decision {
    let Some(from) = image_of(seen, Store::Postgres) else { return Decision::Stay };
    let (Some(asked), Some(running)) = (asked, major(from)) else { return Decision::Stay };
    let Some(to) = wanted(settings, Store::Postgres, running, asked, refused) else { return Decision::Stay };
    // The way back leads to the image that runs, so that has to be one that may run; and first it is to be the newest of its own.
    if !free || Store::Postgres.image_of(settings, running) != Some(from) {
        return Decision::Stay;
    }
    Decision::Start { from: from.to_owned(), to: to.to_owned() }
}

/// The image of the major release that is asked for, when it is a newer one and there is one.
pub fn wanted<'a>(settings: &'a Settings, store: Store, running: u16, asked: u16, refused: &mut Vec<Refusal>) -> Option<&'a str> {
    if asked == running {
        return None;
    }
    if asked < running {
        refused.push(Refusal::MajorBack { store, running, asked });
        return None;
    }
    let image = store.image_of(settings, asked);
    if image.is_none() {
        refused.push(Refusal::NoSuchMajor { store, asked });
    }
    image
}

/// How far the steps are that are done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// The backup before.
    pub before: TaskState,
    /// What the new release has to know of the tables.
    pub analyze: TaskState,
    /// The backup after.
    pub after: TaskState,
}

impl Steps {
    /// Reads it off.
    pub fn read(seen: &BTreeMap<Key, Seen>, upgrade: &DatabaseUpgrade, now: i64) -> Self {
        let backup = |moment| attempts(seen, Kind::Backup, &|attempt| major_backup_name(upgrade, moment, attempt), now);
        let job = |attempt| job_name(Task::Analyze, &words(&upgrade.to), attempt);
        Self { before: backup(Moment::Before), analyze: attempts(seen, Kind::Job, &job, now), after: backup(Moment::After) }
    }

    /// The one that this phase waits for.
    pub fn of(&self, phase: DatabasePhase) -> Option<&TaskState> {
        match phase {
            DatabasePhase::Backup => Some(&self.before),
            DatabasePhase::Analyze => Some(&self.analyze),
            DatabasePhase::Secure => Some(&self.after),
            DatabasePhase::Stop | DatabasePhase::Rewrite | DatabasePhase::Return | DatabasePhase::Failed => None,
        }
    }

    /// All of them.
    pub fn all(&self) -> [&TaskState; 3] {
        let Self { before, analyze, after } = self;
        [before, analyze, after]
    }
}

/// What was asked of the API server for the sake of the present phase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// What is left of the server that could write; `None` while nobody has looked.
    pub left: Option<Vec<String>>,
    /// Why CloudNativePG could not rewrite the data, once it has given up.
    pub failed: Option<String>,
}

/// What a pass changes about another major release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// There is no other one, or not any more.
    None,
    /// One is on its way, or has failed.
    Under(DatabaseUpgrade),
    /// It has arrived.
    Arrived(DatabaseUpgrade),
}

impl Turn {
    /// Of a pass.
    pub fn of(plan: &Plan, steps: Option<&Steps>, seen: &BTreeMap<Key, Seen>, looked: &Looked, now: DateTime<Utc>) -> Self {
        let upgrade = match (&plan.decision, &plan.under_way) {
            (Decision::Stay | Decision::Drop, _) | (Decision::Keep, None) => return Self::None,
            (Decision::Start { from, to }, _) => {
                return Self::Under(DatabaseUpgrade {
                    from: from.clone(),
                    to: to.clone(),
                    phase: DatabasePhase::Backup,
                    since: time(now),
                    phase_since: time(now),
                });
            }
            (Decision::Keep, Some(upgrade)) => upgrade.clone(),
        };
        let phase = |phase| Self::Under(DatabaseUpgrade { phase, phase_since: time(now), ..upgrade.clone() });
        let is_done = steps.and_then(|steps| steps.of(upgrade.phase)) == Some(&TaskState::Done);
        let serves = |image: &str| answers_as(seen) == Some(major(image));
        match upgrade.phase {
            // Work that has begun is not broken off, and no other begins meanwhile.
            DatabasePhase::Backup if is_done && !is_at_work(seen) => phase(DatabasePhase::Stop),
            DatabasePhase::Stop if looked.left.as_ref().is_some_and(Vec::is_empty) => phase(DatabasePhase::Rewrite),
            DatabasePhase::Rewrite if serves(&upgrade.to) => phase(DatabasePhase::Analyze),
            DatabasePhase::Rewrite if looked.failed.is_some() => phase(DatabasePhase::Return),
            DatabasePhase::Return if serves(&upgrade.from) => phase(DatabasePhase::Failed),
            DatabasePhase::Analyze if is_done => phase(DatabasePhase::Secure),
            DatabasePhase::Secure if is_done => Self::Arrived(upgrade),
            DatabasePhase::Backup
            | DatabasePhase::Stop
            | DatabasePhase::Rewrite
            | DatabasePhase::Return
            | DatabasePhase::Failed
            | DatabasePhase::Analyze
            | DatabasePhase::Secure => Self::Under(upgrade),
        }
    }

    /// What the status says after it.
    pub fn note(self, status: &mut InstanceStatus) {
        status.database_upgrade = match self {
            Self::None | Self::Arrived(_) => None,
            Self::Under(upgrade) => Some(upgrade),
        };
    }

    /// What is said of it: while it is on its way, and once that has been said, how it ended.
    pub fn finding(&self, before: &[Condition], steps: Option<&Steps>, looked: &Looked) -> Option<Finding> {
        let kind = ConditionKind::DatabaseUpgrading;
        let before = condition(before, kind);
        match self {
            Self::Under(upgrade) => Some(finding(upgrade, before, steps, looked)),
            Self::Arrived(DatabaseUpgrade { from, to, phase: _, since: _, phase_since: _ }) => {
                Some(Finding::fails(kind, "Done", format!("PostgreSQL {} has become {}", words(from), words(to))))
            }
            Self::None => {
                let before = before?;
                if before.status == "True" || before.reason == DatabasePhase::Failed.as_str() {
                    return Some(Finding::fails(kind, "GivenUp", "it was given up; the data are as they were"));
                }
                let reason = if before.reason == "GivenUp" { "GivenUp" } else { "Done" };
                Some(Finding::fails(kind, reason, before.message.clone()))
            }
        }
    }
}

fn finding(upgrade: &DatabaseUpgrade, before: Option<&Condition>, steps: Option<&Steps>, looked: &Looked) -> Finding {
    let DatabaseUpgrade { from, to, phase, since: _, phase_since: _ } = upgrade;
    let kind = ConditionKind::DatabaseUpgrading;
    // What CloudNativePG said is gone with its Job, which goes when the old release comes back.
    let said = before.filter(|before| before.reason == DatabasePhase::Return.as_str() || before.reason == phase.as_str());
    let said = said.map(|before| before.message.clone());
    let what = match phase {
        DatabasePhase::Backup => "a backup is taken; the server serves".to_owned(),
        DatabasePhase::Stop => match looked.left.as_deref() {
            Some([]) | None => "the server is paused".to_owned(),
            Some(left) => format!("the server is paused; still there: {}", left.join(", ")),
        },
        DatabasePhase::Rewrite => "the data are rewritten; the server is paused".to_owned(),
        DatabasePhase::Return => {
            let why = looked.failed.as_deref().unwrap_or("nobody has said why");
            return Finding::holds(
                kind,
                phase.as_str(),
                said.filter(|_| looked.failed.is_none()).unwrap_or_else(|| {
                    format!("PostgreSQL {} could not take the data, and {} starts again: {why}", words(to), words(from))
                }),
            );
        }
        DatabasePhase::Failed => {
            return Finding::fails(
                kind,
                phase.as_str(),
                said.unwrap_or_else(|| format!("PostgreSQL {} could not take the data", words(to))),
            );
        }
        DatabasePhase::Analyze => "the server serves; the tables are looked through once".to_owned(),
        DatabasePhase::Secure => "the server serves; a backup of the new release is taken".to_owned(),
    };
    let step = match steps.and_then(|steps| steps.of(*phase)) {
        Some(TaskState::Waiting { wait: _, message }) => format!("; this failed and is tried again: {message}"),
        Some(TaskState::Failed { message }) => format!("; this failed for good: {message}"),
        Some(TaskState::Done | TaskState::Running | TaskState::Due { attempt: _ }) | None => String::new(),
    };
    Finding::holds(kind, phase.as_str(), format!("PostgreSQL {} becomes {}: {what}{step}", words(from), words(to)))
}

/// What a person has to do.
pub fn stalled(plan: &Plan, steps: Option<&Steps>) -> Option<(&'static str, String)> {
    let upgrade = plan.kept()?;
    let (from, to) = (words(&upgrade.from), words(&upgrade.to));
    if upgrade.phase == DatabasePhase::Failed {
        let message = format!(
            "PostgreSQL {to} could not take the data; they are as they were, and {from} serves. The condition DatabaseUpgrading says why: \
             mend that, then take the wish for {to} back and ask for it again"
        );
        return Some(("DatabaseUpgradeFailed", message));
    }
    let TaskState::Failed { message } = steps?.of(upgrade.phase)? else { return None };
    Some(match upgrade.phase {
        DatabasePhase::Backup => (
            "BackupFailed",
            format!(
                "the backup before PostgreSQL {to} failed: {message}; {from} goes on serving; mend the cause and delete the Backups {}…, \
                 or take the wish for {to} back",
                major_backup_name(upgrade, Moment::Before, 1)
            ),
        ),
        DatabasePhase::Analyze => (
            "JobFailed",
            format!(
                "the tables could not be looked through after PostgreSQL {to} came: {message}; it serves, slowly; read the logs of the Jobs \
                 {}…, mend the cause and delete these Jobs",
                job_name(Task::Analyze, &to, 1)
            ),
        ),
        DatabasePhase::Secure | DatabasePhase::Stop | DatabasePhase::Rewrite | DatabasePhase::Return | DatabasePhase::Failed => (
            "BackupFailed",
            format!(
                "the backup after PostgreSQL {to} came failed: {message}; it serves, and no backup leads to it yet; mend the cause and \
                 delete the Backups {}…",
                major_backup_name(upgrade, Moment::After, 1)
            ),
        ),
    })
}

/// The major release of an image, for people and for names.
pub fn words(image: &str) -> String {
    major(image).map_or_else(|| "another".to_owned(), |major| major.to_string())
}

/// The major release of the data of a Postgres that answers.
fn answers_as(seen: &BTreeMap<Key, Seen>) -> Option<Option<u16>> {
    let database = seen.get(&(Kind::Cluster, names::DATABASE.to_owned())).filter(|seen| !seen.deleting)?;
    if let State::Database { ready: true, phase: _, storage_gib: _, major, trouble: _ } = &database.state {
        Some(*major)
    } else {
        None
    }
}

/// One that is on its way although the status, which was lost, does not say so.
pub fn recover(settings: &Settings, seen: &BTreeMap<Key, Seen>, now: DateTime<Utc>) -> Option<DatabaseUpgrade> {
    let to = image_of(seen, Store::Postgres)?;
    let State::Database { ready: _, phase: _, storage_gib: _, major: Some(data), trouble: _ } =
        seen.get(&(Kind::Cluster, names::DATABASE.to_owned()))?.state
    else {
        return None;
    };
    let from = Store::Postgres.image_of(settings, data).filter(|_| major(to).is_some_and(|to| to > data))?;
    Some(DatabaseUpgrade {
        from: from.to_owned(),
        to: to.to_owned(),
        phase: DatabasePhase::Rewrite,
        since: time(now),
        phase_since: time(now),
    })
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::settings;
    use super::*;
    use crate::operator::seen::JobState;

    fn image(tag: &str) -> String {
        format!("registry.example/postgres:{tag}@sha256:{}", "a".repeat(64))
    }

    /// Runs 17.6, and 18.1 is there for who asks for it.
    fn with_18() -> Settings {
        let mut settings = settings();
        settings.stores.postgres_images = vec![image("18.1")];
        settings
    }

    fn database(chosen: &str, ready: bool, major: u16) -> BTreeMap<Key, Seen> {
        let state = State::Database { ready, phase: String::new(), storage_gib: None, major: Some(major), trouble: None };
        let seen = Seen { image: Some(image(chosen)), ..Seen::bare(state) };
        BTreeMap::from([((Kind::Cluster, names::DATABASE.to_owned()), seen)])
    }

    fn under(phase: DatabasePhase) -> DatabaseUpgrade {
        let at = time(DateTime::UNIX_EPOCH);
        DatabaseUpgrade { from: image("17.6"), to: image("18.1"), phase, since: at.clone(), phase_since: at }
    }

    fn planned(asked: Option<u16>, under_way: Option<DatabaseUpgrade>, running: &str, free: bool) -> (Plan, Vec<Refusal>) {
        let status = InstanceStatus { database_upgrade: under_way, ..InstanceStatus::default() };
        let mut refused = Vec::new();
        let asked = Majors { postgres: asked, valkey: None };
        let plan = plan(&with_18(), asked, &status, &database(running, true, 17), free, &mut refused);
        (plan, refused)
    }

    #[test]
    fn one_begins_only_when_it_is_asked_for_by_name() {
        let start = Decision::Start { from: image("17.6"), to: image("18.1") };
        assert_eq!(planned(None, None, "17.6", true).0, Plan::NONE);
        assert_eq!(planned(Some(17), None, "17.6", true).0, Plan::NONE);
        assert_eq!(planned(Some(18), None, "17.6", true).0.decision, start);
        // Not beside anything else, and not before the newest of what runs.
        assert_eq!(planned(Some(18), None, "17.6", false).0, Plan::NONE);
        assert_eq!(planned(Some(18), None, "17.5", true).0, Plan::NONE);
        // Never down, and to nothing that is not there.
        let (plan, refused) = planned(Some(17), None, "18.1", true);
        assert_eq!((plan, refused.iter().map(Refusal::reason).collect::<Vec<_>>()), (Plan::NONE, vec!["MajorRefused"]));
        assert!(refused[0].to_string().contains("no way back"), "{}", refused[0]);
        let (plan, refused) = planned(Some(19), None, "17.6", true);
        assert_eq!(plan, Plan::NONE);
        assert!(refused[0].to_string().contains("stores.postgres_images"), "{}", refused[0]);
    }

    #[test]
    fn what_touches_the_data_goes_on_to_its_end() {
        let decision = |asked, phase| planned(asked, Some(under(phase)), "17.6", false).0.decision;
        for phase in DatabasePhase::ALL {
            assert_eq!(decision(Some(18), phase), Decision::Keep, "{phase:?}");
            let early = [DatabasePhase::Backup, DatabasePhase::Stop, DatabasePhase::Failed].contains(&phase);
            assert_eq!(decision(None, phase), if early { Decision::Drop } else { Decision::Keep }, "{phase:?}");
            let plan = Plan { under_way: Some(under(phase)), decision: Decision::Keep };
            assert_eq!(plan.paused_since().is_some(), phase.pauses());
            let is_new = [DatabasePhase::Rewrite, DatabasePhase::Analyze, DatabasePhase::Secure].contains(&phase);
            let old = (phase != DatabasePhase::Failed).then(|| image("17.6"));
            assert_eq!(plan.image().map(str::to_owned), if is_new { Some(image("18.1")) } else { old });
        }
    }

    #[test]
    fn each_phase_waits_for_its_proof() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let next = |phase, seen: &BTreeMap<Key, Seen>, looked: &Looked| {
            let plan = Plan { under_way: Some(under(phase)), decision: Decision::Keep };
            let steps = Steps::read(seen, &under(phase), now.timestamp());
            match Turn::of(&plan, Some(&steps), seen, looked, now) {
                Turn::Under(upgrade) => Some(upgrade.phase),
                Turn::Arrived(_) => None,
                Turn::None => panic!("it goes on"),
            }
        };
        let with = |kind, name: String| {
            let mut seen = database("18.1", true, 18);
            seen.insert((kind, name), Seen::bare(State::Job(JobState::Done)));
            seen
        };
        let (unseen, old, new) = (Looked::default(), database("18.1", true, 17), database("18.1", true, 18));
        let (gone, left) = (vec![], vec!["Pod web-1".to_owned()]);
        let looked = |left: &[String]| Looked { left: Some(left.to_vec()), failed: None };
        let failed = Looked { left: None, failed: Some("no".to_owned()) };

        let backup = |moment| with(Kind::Backup, major_backup_name(&under(DatabasePhase::Backup), moment, 1));
        assert_eq!(next(DatabasePhase::Backup, &new, &unseen), Some(DatabasePhase::Backup));
        assert_eq!(next(DatabasePhase::Backup, &backup(Moment::Before), &unseen), Some(DatabasePhase::Stop));
        assert_eq!(next(DatabasePhase::Backup, &backup(Moment::After), &unseen), Some(DatabasePhase::Backup));
        assert_eq!(next(DatabasePhase::Stop, &old, &unseen), Some(DatabasePhase::Stop), "nobody has looked");
        assert_eq!(next(DatabasePhase::Stop, &old, &looked(&left)), Some(DatabasePhase::Stop));
        assert_eq!(next(DatabasePhase::Stop, &old, &looked(&gone)), Some(DatabasePhase::Rewrite));
        // That it answers says nothing before its data are those of the new release.
        assert_eq!(next(DatabasePhase::Rewrite, &old, &unseen), Some(DatabasePhase::Rewrite));
        assert_eq!(next(DatabasePhase::Rewrite, &database("18.1", false, 18), &unseen), Some(DatabasePhase::Rewrite));
        assert_eq!(next(DatabasePhase::Rewrite, &new, &unseen), Some(DatabasePhase::Analyze));
        assert_eq!(next(DatabasePhase::Rewrite, &old, &failed), Some(DatabasePhase::Return));
        assert_eq!(next(DatabasePhase::Return, &database("17.6", false, 17), &failed), Some(DatabasePhase::Return));
        assert_eq!(next(DatabasePhase::Return, &database("17.6", true, 17), &unseen), Some(DatabasePhase::Failed));
        assert_eq!(next(DatabasePhase::Failed, &database("17.6", true, 17), &unseen), Some(DatabasePhase::Failed));
        let analyzed = with(Kind::Job, job_name(Task::Analyze, "18", 1));
        assert_eq!(next(DatabasePhase::Analyze, &new, &unseen), Some(DatabasePhase::Analyze));
        assert_eq!(next(DatabasePhase::Analyze, &analyzed, &unseen), Some(DatabasePhase::Secure));
        assert_eq!(next(DatabasePhase::Secure, &new, &unseen), Some(DatabasePhase::Secure));
        assert_eq!(next(DatabasePhase::Secure, &backup(Moment::After), &unseen), None);
    }

    #[test]
    fn a_lost_status_is_read_off_the_data() {
        let now = DateTime::UNIX_EPOCH;
        let found = recover(&with_18(), &database("18.1", false, 17), now).unwrap();
        assert_eq!((found.from, found.to, found.phase), (image("17.6"), image("18.1"), DatabasePhase::Rewrite));
        assert_eq!(recover(&with_18(), &database("18.1", true, 18), now), None);
        assert_eq!(recover(&with_18(), &database("17.6", true, 17), now), None);
    }
}
