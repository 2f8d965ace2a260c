//! Room for the database: measured now and then, and given before there is none left. A volume grows in steps up to what the plan has at
//! most, and never shrinks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Preconditions};

use super::Context;
use super::build::{MEASURE, measured_by};
use super::observe::Observed;
use super::remove;
use super::validate::Valid;
use crate::operator::error::Error;
use crate::operator::kind::Kind;
use crate::operator::seen::{JobState, State};
use crate::operator::stores::Stores;
use crate::resource::{ConditionKind, DatabaseRoom, Finding, InstanceStatus, StepName, instant, time};

/// What stands beside the tables, in MiB: the write-ahead log up to Postgres' own `max_wal_size` of 1 GiB, and what CloudNativePG has it
/// keep for standbys (`wal_keep_size`, 512 MiB). Mastodon's role may not measure these.
const LOG_MIB: u32 = 1536;

/// Whether it is time to measure: each time, and a time after it was made. Where a volume may not grow there is nothing to measure for.
pub fn is_due(valid: &Valid<'_>, status: &InstanceStatus, now: DateTime<Utc>) -> bool {
    due_in(valid, status, now).is_some_and(|wait| wait.is_zero())
}

/// How long until it is time; nothing where it is not measured.
pub fn due_in(valid: &Valid<'_>, status: &InstanceStatus, now: DateTime<Utc>) -> Option<Duration> {
    let every = TimeDelta::seconds(valid.settings.stores.measure_seconds.into());
    let made = status.steps.iter().find(|step| step.name == StepName::Database).and_then(|step| step.finished_at.as_ref());
    let last = status.database_room.as_ref().map(|room| &room.measured_at).or(made).map(instant);
    let is_measured =
        valid.spec.size.database.storage_most_gib.is_some() && valid.database.kept().is_none() && status.version.is_some();
    let wait = last.map(|last| (every - (now - last)).to_std().unwrap_or_default()).unwrap_or_default();
    is_measured.then_some(wait)
}

/// What was measured, once that is done; the Job goes with it, for another one is to find its place free.
pub async fn look(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    now: DateTime<Utc>,
) -> Result<Option<DatabaseRoom>, Error> {
    let Some(job) = observed.seen.get(&(Kind::Job, MEASURE.to_owned())).filter(|job| !job.deleting) else { return Ok(None) };
    if job.state == State::Job(JobState::Active) {
        return Ok(None);
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &valid.namespace);
    let its = ListParams::default().labels(&format!("batch.kubernetes.io/controller-uid={}", job.uid));
    let pods = pods.list(&its).await.map_err(Error::kube("look at what was measured"))?.items;
    let used = pods.iter().find_map(measured_by).map(|bytes| mib(bytes).saturating_add(LOG_MIB));
    if used.is_none() {
        tracing::warn!(instance.name = valid.name, "the database could not be measured; it is tried again at the next time");
    }
    let exactly = Preconditions { uid: Some(job.uid.clone()), resource_version: None };
    remove::delete_exactly(context, Kind::Job, Some(&valid.namespace), MEASURE, exactly).await?;
    context.seen.remove(&valid.name, &(Kind::Job, MEASURE.to_owned()), &job.uid);
    // What could not be measured is as it was.
    let before = observed.status.database_room.as_ref().and_then(|room| room.used_mib);
    Ok(Some(room(valid, used.or(before), now)))
}

fn mib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX)
}

/// What follows from a measurement.
fn room(valid: &Valid<'_>, used_mib: Option<u32>, now: DateTime<Utc>) -> DatabaseRoom {
    let size = &valid.spec.size.database;
    let most = size.storage_most_gib.unwrap_or(size.storage_gib);
    let gib = used_mib.map_or(size.storage_gib, |used| grown(&valid.settings.stores, size.storage_gib, used, most));
    DatabaseRoom { used_mib, gib, measured_at: time(now) }
}

/// Whether so much is used that there should be more room.
fn is_tight(stores: &Stores, gib: u32, used_mib: u32) -> bool {
    u64::from(used_mib) * 100 >= u64::from(gib) * 1024 * u64::from(stores.grow_at_percent)
}

/// How large the volume is to be: a step larger when it is tight, and no larger than it may be.
fn grown(stores: &Stores, gib: u32, used_mib: u32, most: u32) -> u32 {
    if !is_tight(stores, gib, used_mib) {
        return gib;
    }
    let step = (u64::from(gib) * u64::from(stores.grow_by_percent)).div_ceil(100).max(1);
    let larger = u32::try_from(u64::from(gib) + step).unwrap_or(u32::MAX);
    larger.min(most).max(gib)
}

/// What is said of the room; nothing before it was measured.
pub fn finding(valid: &Valid<'_>, status: &InstanceStatus) -> Option<Finding> {
    let DatabaseRoom { used_mib, gib: _, measured_at: _ } = status.database_room.as_ref()?;
    let (used_mib, size) = ((*used_mib)?, &valid.spec.size.database);
    let (kind, most) = (ConditionKind::DatabaseRoom, size.storage_most_gib?);
    let told = format!("the database takes {} of {} GiB", used_mib.div_ceil(1024), size.storage_gib);
    if size.storage_gib >= most && is_tight(&valid.settings.stores, size.storage_gib, used_mib) {
        let remedy = "it may not grow any further: give the server a larger plan, or raise storage_most_gib of its plan";
        return Some(Finding::fails(kind, "Most", format!("{told}; {remedy}")));
    }
    Some(Finding::holds(kind, "Enough", told))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::super::validate::validate;
    use super::*;

    #[test]
    fn a_volume_grows_in_steps_up_to_the_most_and_never_shrinks() {
        let stores = Stores::default();
        let grown = |gib, used_gib: u32, most| grown(&stores, gib, used_gib * 1024, most);
        assert_eq!(grown(20, 15, 100), 20, "not before it is tight");
        assert_eq!(grown(20, 16, 100), 25);
        assert_eq!(grown(1, 1, 100), 2, "at least by one");
        assert_eq!(grown(20, 19, 22), 22, "no more than it may");
        assert_eq!(grown(20, 20, 20), 20);
        assert_eq!(grown(30, 29, 20), 30, "what it has it keeps, whatever the plan says now");
    }

    #[test]
    fn it_is_measured_in_its_time_and_told_when_the_most_is_reached() {
        let (settings, mut wanted) = (settings(), instance(&json!({"running": {}}), 1));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let measured = |used_gib: u32, hours: i64| DatabaseRoom {
            used_mib: Some(used_gib * 1024),
            gib: 20,
            measured_at: time(now - TimeDelta::hours(hours)),
        };
        let status = |room| InstanceStatus { version: Some("4.5.20".into()), database_room: room, ..InstanceStatus::default() };
        let nothing = BTreeMap::new();
        let valid = validate(&settings, &wanted, &status(None), &nothing).unwrap();
        assert!(!is_due(&valid, &status(None), now), "a volume that may not grow is not measured");
        wanted.spec.size.database.storage_most_gib = Some(20);
        let valid = validate(&settings, &wanted, &status(None), &nothing).unwrap();
        assert!(is_due(&valid, &status(None), now) && !is_due(&valid, &InstanceStatus::default(), now));
        assert_eq!(
            due_in(&valid, &status(Some(measured(1, 5))), now),
            Some(Duration::from_hours(1)),
            "not before, and then at once"
        );
        assert!(!is_due(&valid, &status(Some(measured(1, 5))), now) && is_due(&valid, &status(Some(measured(1, 6))), now));
        let said = |used| finding(&valid, &status(Some(measured(used, 0)))).map(|found| (found.reason, found.message));
        assert_eq!(finding(&valid, &status(None)), None);
        assert_eq!(said(15), Some(("Enough", "the database takes 15 of 20 GiB".to_owned())));
        let (reason, message) = said(16).unwrap();
        assert!(reason == "Most" && message.contains("16 of 20 GiB") && message.contains("larger plan"), "{message}");
    }

    #[test]
    fn what_it_has_grown_to_is_kept_without_a_word() {
        let (settings, mut wanted) = (settings(), instance(&json!({"running": {}}), 1));
        wanted.spec.size.database.storage_most_gib = Some(40);
        let room = DatabaseRoom { used_mib: Some(17_000), gib: 25, measured_at: time(DateTime::UNIX_EPOCH) };
        let status = InstanceStatus { database_room: Some(room), ..InstanceStatus::default() };
        let valid = validate(&settings, &wanted, &status, &BTreeMap::new()).unwrap();
        assert_eq!((valid.spec.size.database.storage_gib, valid.refused.len()), (25, 0));
    }
}
