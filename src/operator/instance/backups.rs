//! Whether the database can be brought back: what the store of its backups and CloudNativePG say, as a condition and as figures.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::build::{first_backup_name, names, server_name};
use super::progress::{TaskState, attempts};
use super::stores::image_of;
use crate::operator::kind::Kind;
use crate::operator::seen::{BackupTrouble, Key, Seen, State, StoredBackups};
use crate::operator::stores::Store;
use crate::resource::{Backups, ConditionKind, Finding, InstanceStatus, instant, is_true, time};

/// The write-ahead log does not get to the store.
pub const ARCHIVING_FAILS: &str = "ArchivingFails";
/// The last base backup has failed.
pub const BACKUP_FAILED: &str = "BackupFailed";
/// There should be a newer one, and nobody says why there is none.
pub const OVERDUE: &str = "BackupOverdue";

/// One a day is made; a large database takes hours, and one may be missed while a node is replaced.
const OVERDUE_AFTER: TimeDelta = TimeDelta::hours(50);

/// What lies in the store of the release that runs, once there is a base backup of it. (A store that was made anew does not know for a while.)
pub fn stored(seen: &BTreeMap<Key, Seen>) -> Option<Backups> {
    let State::Store(stored) = &seen.get(&(Kind::ObjectStore, names::BACKUPS.to_owned()))?.state else { return None };
    let StoredBackups { since, last } = *stored.get(&server_name(image_of(seen, Store::Postgres)?))?;
    let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).map(time);
    Some(Backups { since: at(since?)?, last: at(last?)? })
}

/// Whether the database can be brought back to any second of the last days. Times stand in the status and not in this sentence: it would
/// be another one with every backup.
pub fn finding(seen: &BTreeMap<Key, Seen>, status: &InstanceStatus, now: DateTime<Utc>) -> Finding {
    let kind = ConditionKind::BackedUp;
    let Some(State::Database { ready, phase: _, storage_gib: _, major: _, trouble }) =
        seen.get(&(Kind::Cluster, names::DATABASE.to_owned())).map(|seen| &seen.state)
    else {
        return Finding::waits(kind, "waits for the database");
    };
    let next = "the next one follows within a day";
    match (trouble, stored(seen).or_else(|| status.backups.clone())) {
        (Some(BackupTrouble::Archiving(why)), _) => {
            let message = format!(
                "the write-ahead log does not get to the store of backups, and fills the database's disk until it does; look at the bucket, \
                 its key and operator.network.backup_store: {why}"
            );
            Finding::fails(kind, ARCHIVING_FAILS, message)
        }
        (Some(BackupTrouble::Backup(why)), None) => Finding::fails(
            kind,
            BACKUP_FAILED,
            format!("there is no base backup yet: the last attempt failed, and three more are made: {why}"),
        ),
        (Some(BackupTrouble::Backup(why)), Some(_)) => {
            Finding::fails(kind, BACKUP_FAILED, format!("earlier base backups are there, the last one failed, {next}: {why}"))
        }
        (None, Some(Backups { since: _, last })) if now - instant(&last) > OVERDUE_AFTER => {
            let message = "there is no base backup of the last two days; look at the ScheduledBackup and the Backups in its namespace, and whether \
                           CloudNativePG and its plugin run";
            Finding::fails(kind, OVERDUE, message)
        }
        (None, Some(_)) => Finding::holds(kind, "There", "a base backup is there, and the write-ahead log follows it"),
        (None, None) if *ready => Finding::fails(kind, "Running", "the first base backup is being made"),
        (None, None) => Finding::waits(kind, "waits for the database"),
    }
}

/// Which attempt at a first base backup is due, now that the schedule's own has failed: the next one of the schedule would be a day away.
/// Of all later ones there is an earlier one to go back to.
pub fn first_due(seen: &BTreeMap<Key, Seen>, status: &InstanceStatus, now: DateTime<Utc>) -> Option<u32> {
    let database = &seen.get(&(Kind::Cluster, names::DATABASE.to_owned()))?.state;
    let failed = matches!(
        database,
        State::Database { ready: true, phase: _, storage_gib: _, major: _, trouble: Some(BackupTrouble::Backup(_)) }
    );
    let none_yet = status.database_initialised && stored(seen).or_else(|| status.backups.clone()).is_none();
    match attempts(seen, Kind::Backup, &first_backup_name, now.timestamp()) {
        TaskState::Due { attempt } if failed && none_yet => Some(attempt),
        TaskState::Due { attempt: _ }
        | TaskState::Done
        | TaskState::Running
        | TaskState::Waiting { wait: _, message: _ }
        | TaskState::Failed { message: _ } => None,
    }
}

/// Whether a server that was filled has no base backup yet: until then the attempts at one follow each other by the clock.
pub fn is_awaited(status: &InstanceStatus) -> bool {
    status.database_initialised && status.backups.is_none()
}

/// What is known of one server's backups, for figures about all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Its condition holds.
    holds: bool,
    /// When its last base backup was complete, in seconds since 1970.
    last: Option<i64>,
}

impl BackedUp {
    /// What the status says; nothing of a server in which nothing was ever put, or that is being removed.
    pub fn of(status: &InstanceStatus) -> Option<Self> {
        let last = status.backups.as_ref().map(|backups| instant(&backups.last).timestamp());
        let holds = is_true(&status.conditions, ConditionKind::BackedUp);
        (status.database_initialised && status.removal.is_none()).then_some(Self { holds, last })
    }
}

/// Of all servers: how many should be backed up and are not as they should be, and when the one was last backed up for which that is
/// longest ago.
fn figures(all: impl Iterator<Item = BackedUp>) -> (u32, Option<i64>) {
    all.fold((0, None), |(without, oldest), BackedUp { holds, last }| {
        (without + u32::from(!holds), [oldest, last].into_iter().flatten().min())
    })
}

/// Tells the figures.
pub fn measure(all: &HashMap<String, BackedUp>) {
    let (without, oldest) = figures(all.values().copied());
    metrics::gauge!("paddock_operator_servers_not_backed_up").set(f64::from(without));
    let oldest = oldest.and_then(|at| u32::try_from(at).ok()).map_or(0.0, f64::from);
    metrics::gauge!("paddock_operator_oldest_backup_timestamp_seconds").set(oldest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::seen::JobState;
    use crate::resource::RemovalProgress;

    const DAY: i64 = 24 * 60 * 60;

    fn seen(trouble: Option<BackupTrouble>, ready: bool, last: Option<i64>) -> BTreeMap<Key, Seen> {
        let database = State::Database { ready, phase: String::new(), storage_gib: None, major: Some(17), trouble };
        let older = StoredBackups { since: Some(1), last: Some(2) };
        let newest = StoredBackups { since: last.map(|last| last - 100), last };
        let store = State::Store(BTreeMap::from([("db-1-pg16".to_owned(), older), ("db-1-pg17".to_owned(), newest)]));
        let database = Seen { image: Some("registry.example/postgres:17.6".to_owned()), ..Seen::bare(database) };
        BTreeMap::from([
            ((Kind::Cluster, names::DATABASE.to_owned()), database),
            ((Kind::ObjectStore, names::BACKUPS.to_owned()), Seen::bare(store)),
        ])
    }

    fn found(seen: &BTreeMap<Key, Seen>, now: i64) -> (bool, &'static str, String) {
        let finding = finding(seen, &InstanceStatus::default(), DateTime::from_timestamp(now, 0).unwrap());
        (finding.truth == crate::resource::Truth::True, finding.reason, finding.message)
    }

    #[test]
    fn it_is_backed_up_once_a_base_backup_is_there_and_as_long_as_newer_ones_follow() {
        let (archiving, backup) = (BackupTrouble::Archiving("403".into()), BackupTrouble::Backup("no room".into()));
        assert_eq!(found(&BTreeMap::new(), DAY).1, Finding::WAITING);
        assert_eq!(found(&seen(None, false, None), DAY).1, Finding::WAITING);
        assert_eq!(found(&seen(None, true, None), DAY).1, "Running");
        let at = |seen: &BTreeMap<Key, Seen>, now| (found(seen, now).0, found(seen, now).1);
        assert_eq!(at(&seen(None, true, Some(DAY)), 2 * DAY), (true, "There"));
        assert_eq!(at(&seen(None, false, Some(DAY)), 2 * DAY), (true, "There"), "also while it is down");
        assert_eq!(at(&seen(None, true, Some(DAY)), 4 * DAY), (false, OVERDUE));
        for (last, words) in [(None, "there is no base backup yet"), (Some(DAY), "earlier base backups are there")] {
            let (holds, reason, message) = found(&seen(Some(backup.clone()), true, last), 2 * DAY);
            assert!(!holds && reason == BACKUP_FAILED && message.contains(words) && message.ends_with("no room"), "{message}");
        }
        let (holds, reason, message) = found(&seen(Some(archiving), true, Some(DAY)), 2 * DAY);
        assert!(!holds && reason == ARCHIVING_FAILS && message.ends_with("403"), "{message}");
    }

    #[test]
    fn a_first_backup_that_failed_is_tried_again_before_the_next_day() {
        let failed = Some(BackupTrouble::Backup("no room".into()));
        let filled = InstanceStatus { database_initialised: true, ..InstanceStatus::default() };
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let due = |seen: &BTreeMap<Key, Seen>, now| first_due(seen, &filled, at(now));
        assert_eq!(due(&seen(None, true, None), DAY), None, "it is being made");
        assert_eq!(due(&seen(failed.clone(), true, Some(9)), DAY), None, "there is an earlier one");
        assert_eq!(due(&seen(failed.clone(), false, None), DAY), None, "of a database that is down");
        let mut all = seen(failed, true, None);
        assert_eq!(first_due(&all, &InstanceStatus::default(), at(DAY)), None, "nothing is in it");
        for attempt in 1..=3 {
            assert_eq!(due(&all, DAY + 1000 * i64::from(attempt)), Some(attempt));
            let state = State::Job(JobState::Failed { at: DAY + 1000 * i64::from(attempt), message: "no room".into() });
            all.insert((Kind::Backup, first_backup_name(attempt)), Seen::bare(state));
            assert_eq!(due(&all, DAY + 1000 * i64::from(attempt) + 1), None, "not at once");
        }
        assert_eq!(due(&all, 2 * DAY), None, "then the schedule goes on alone");
    }

    #[test]
    fn a_store_that_does_not_know_yet_makes_nobody_forget() {
        let at = |seconds| time(DateTime::from_timestamp(seconds, 0).unwrap());
        let known = Backups { since: at(DAY), last: at(2 * DAY) };
        let status = InstanceStatus { backups: Some(known), ..InstanceStatus::default() };
        let now = DateTime::from_timestamp(2 * DAY + 100, 0).unwrap();
        assert_eq!(stored(&seen(None, true, None)), None);
        assert_eq!(finding(&seen(None, true, None), &status, now).reason, "There");
        assert_eq!(stored(&seen(None, true, Some(DAY))).unwrap().last, at(DAY));
    }

    #[test]
    fn the_figures_are_of_the_one_that_is_worst_off() {
        let one = |holds, last| BackedUp { holds, last };
        assert_eq!(figures(std::iter::empty()), (0, None));
        let all = [one(true, Some(500)), one(false, None), one(false, Some(300)), one(true, Some(900))];
        assert_eq!(figures(all.into_iter()), (2, Some(300)));
        assert_eq!(BackedUp::of(&InstanceStatus::default()), None);
        let filled = InstanceStatus { database_initialised: true, ..InstanceStatus::default() };
        assert_eq!(BackedUp::of(&filled), Some(one(false, None)));
        let removal = RemovalProgress { since: time(DateTime::from_timestamp(9, 0).unwrap()), finished_at: None };
        assert_eq!(BackedUp::of(&InstanceStatus { removal: Some(removal), ..filled }), None);
    }
}
