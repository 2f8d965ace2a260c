//! What we have seen of the objects we wrote: a few numbers for each, so that ten thousand servers fit into memory.

use std::collections::BTreeMap;

use kube::api::{DynamicObject, ObjectMeta};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::kind::Kind;
use super::{additions, template};

/// On every object of ours: the name of the instance's custom resource.
pub const INSTANCE_LABEL: &str = "paddock.host/instance";
/// On every object of ours.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "paddock";
/// The hash of what we last applied.
pub const APPLIED_ANNOTATION: &str = "paddock.host/applied";
/// On a namespace whose server has been filled: the same as `status.databaseInitialised`, for a custom resource can be
/// restored without its status.
pub const HOLDS_DATA_ANNOTATION: &str = "paddock.host/holds-data";

/// An object inside an instance. Names are unique per kind there, since each instance has one namespace.
pub type Key = (Kind, String);

/// What we know of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Tells it from a later one of the same name.
    pub uid: String,
    /// Grows with every change (a number since Kubernetes says so officially; 0 if it is none).
    pub resource_version: u64,
    /// Hash of the fields that we own according to the API server, and of those that others have added to what is ours alone.
    pub ours: u64,
    /// `ours` as it was right after our last apply; nothing before this process has applied it.
    pub accepted: Option<u64>,
    /// Hash of what we last applied, as the object itself says.
    pub applied: Option<u64>,
    /// It is being deleted.
    pub deleting: bool,
    /// It is marked as holding data ([`HOLDS_DATA_ANNOTATION`]).
    pub holds_data: bool,
    /// The image of its pods, as far as we have put it there.
    pub image: Option<String>,
    /// The storage class of a volume, as far as we have put it there. It can't be changed.
    pub class: Option<String>,
    /// What its status tells.
    pub state: State,
}

/// What a status tells, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Nothing that we need.
    None,
    /// Pods behind a Deployment or `StatefulSet`.
    Pods {
        /// The controller has seen the newest spec.
        current: bool,
        /// Pods of the newest spec.
        updated: i64,
        /// All pods, old ones included.
        all: i64,
        /// Pods that answer.
        ready: i64,
        /// The newest ones have not come up within the Deployment's deadline.
        stuck: bool,
    },
    /// A Job, or a backup: what is done once.
    Job(JobState),
    /// A database.
    Database {
        /// Its condition Ready.
        ready: bool,
        /// What CloudNativePG says about it.
        phase: String,
        /// The disk that each of its servers asks for.
        storage_gib: Option<u32>,
        /// The major release that its data are of.
        major: Option<u16>,
        /// What hinders its backups; nothing while all is well.
        trouble: Option<BackupTrouble>,
    },
    /// The place of a database's backups: what lies under each name that a generation or a major release of it has had.
    Store(BTreeMap<String, StoredBackups>),
    /// A volume.
    Volume {
        /// The disk that it asks for.
        storage_gib: Option<u32>,
    },
    /// A route.
    Route {
        /// Every parent has accepted the newest spec.
        accepted: bool,
        /// What a parent objects to.
        objection: String,
    },
    /// Listeners of the server's own on the Gateway.
    Listeners {
        /// The newest spec is accepted and works.
        accepted: bool,
        /// What the Gateway objects to.
        objection: String,
    },
    /// A certificate.
    Certificate {
        /// There is one that fits the newest spec and has not expired.
        ready: bool,
        /// The last attempt to get one, the first or a renewal, has failed; cert-manager tries again.
        failed: bool,
        /// What cert-manager says about it.
        message: String,
    },
}

/// What hinders the backups of a database, in CloudNativePG's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupTrouble {
    /// The write-ahead log does not get to the store.
    Archiving(String),
    /// The last base backup has failed.
    Backup(String),
}

/// What lies in a store under one name, as the plugin has counted it. In seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBackups {
    /// The earliest moment to which the database can be brought back.
    pub since: Option<i64>,
    /// When the last base backup was complete.
    pub last: Option<i64>,
}

/// How far a Job is.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// Neither done nor given up.
    Active,
    /// Done.
    Done,
    /// Given up.
    Failed {
        /// When, in seconds since 1970.
        at: i64,
        /// Why.
        message: String,
    },
}

impl Seen {
    /// What to remember of an object.
    pub fn of(kind: Kind, metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
            ours: ours(kind, metadata, field_manager),
            accepted: None,
            applied: metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(APPLIED_ANNOTATION))
                .and_then(|text| u64::from_str_radix(text, 16).ok()),
            deleting: metadata.deletion_timestamp.is_some(),
            holds_data: holds_data(metadata),
            image: template::image(kind, metadata, data, field_manager),
            class: class(kind, metadata, data, field_manager),
            state: state(kind, metadata, data),
        }
    }

    /// What to remember of the answer to a write.
    pub fn of_object(kind: Kind, object: &DynamicObject, field_manager: &str) -> Self {
        let seen = Self::of(kind, &object.metadata, &object.data, field_manager);
        Self { accepted: Some(seen.ours), ..seen }
    }
}

/// Whether an object is marked as holding data.
pub fn holds_data(metadata: &ObjectMeta) -> bool {
    metadata.annotations.as_ref().and_then(|all| all.get(HOLDS_DATA_ANNOTATION)).is_some_and(|mark| mark == "true")
}

/// Hash of the fields that we own by server-side apply. What we created otherwise (Secrets) is owned by update and has none.
fn ours(kind: Kind, metadata: &ObjectMeta, field_manager: &str) -> u64 {
    let added = additions::additions(kind, metadata, field_manager);
    let own = our_fields(metadata, field_manager).map_or(0, hash);
    if added.is_empty() { own } else { hash(&serde_json::json!([own, added])) }
}

/// The fields that we own by server-side apply.
pub fn our_fields<'a>(metadata: &'a ObjectMeta, field_manager: &str) -> Option<&'a Value> {
    let entry = metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(field_manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    });
    entry.and_then(|entry| entry.fields_v1.as_ref()).map(|fields| &fields.0)
}

fn class(kind: Kind, metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Option<String> {
    let Kind::PersistentVolumeClaim = kind else { return None };
    // Where nothing was asked for, the API server fills in the cluster's default.
    let ours = our_fields(metadata, field_manager)?["f:spec"]["f:storageClassName"].is_object();
    data["spec"]["storageClassName"].as_str().filter(|_| ours).map(str::to_owned)
}

/// A hash that stays the same over restarts and releases: the first 64 bits of SHA-256 over the JSON text, whose keys are sorted.
pub fn hash(value: &Value) -> u64 {
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn state(kind: Kind, metadata: &ObjectMeta, data: &Value) -> State {
    let status = &data["status"];
    let number = |name: &str| status[name].as_i64().unwrap_or(0);
    match kind {
        Kind::Deployment | Kind::StatefulSet => State::Pods {
            current: status["observedGeneration"].as_i64() >= metadata.generation,
            updated: number("updatedReplicas"),
            all: number("replicas"),
            ready: number("readyReplicas"),
            stuck: condition(&status["conditions"], "Progressing").is_some_and(|condition| condition["status"] == "False"),
        },
        Kind::Job => State::Job(job_state(status)),
        Kind::Backup => State::Job(backup_state(status)),
        Kind::Cluster => State::Database {
            ready: condition_holds(&status["conditions"], "Ready", None).is_ok(),
            phase: status["phase"].as_str().unwrap_or("not yet seen by CloudNativePG").to_owned(),
            storage_gib: gib(&data["spec"]["storage"]["size"]),
            major: status["pgDataImageInfo"]["majorVersion"].as_u64().and_then(|major| major.try_into().ok()),
            trouble: backup_trouble(&status["conditions"]),
        },
        Kind::ObjectStore => State::Store(stored_backups(status)),
        Kind::PersistentVolumeClaim => State::Volume { storage_gib: gib(&data["spec"]["resources"]["requests"]["storage"]) },
        Kind::HttpRoute => {
            let parents = status["parents"].as_array().map(Vec::as_slice).unwrap_or_default();
            let judged: Result<Vec<()>, String> = parents
                .iter()
                .flat_map(|parent| {
                    ["Accepted", "ResolvedRefs"].map(|name| condition_holds(&parent["conditions"], name, metadata.generation))
                })
                .collect();
            State::Route { accepted: !parents.is_empty() && judged.is_ok(), objection: judged.err().unwrap_or_default() }
        }
        Kind::ListenerSet => listeners(status, metadata.generation),
        Kind::Certificate => certificate(status, metadata.generation),
        Kind::Namespace
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Service
        | Kind::ScheduledBackup
        | Kind::EndpointSlice
        | Kind::PodDisruptionBudget => State::None,
    }
}

/// A set of listeners works when it is accepted and programmed as a whole; what is wrong stands with the listener that it is wrong with.
fn listeners(status: &Value, generation: Option<i64>) -> State {
    let whole: Result<Vec<()>, String> =
        ["Accepted", "Programmed"].into_iter().map(|name| condition_holds(&status["conditions"], name, generation)).collect();
    let Err(objection) = whole else { return State::Listeners { accepted: true, objection: String::new() } };
    let of_one = status["listeners"].as_array().into_iter().flatten().find_map(|listener| {
        let conditions = &listener["conditions"];
        let conflict = condition_holds(conditions, "Conflicted", None).is_ok().then(|| message_of(conditions, "Conflicted"));
        let why = conflict.or_else(|| {
            let wrong = |name: &&str| is_false(conditions, name);
            ["Accepted", "ResolvedRefs", "Programmed"].iter().find(|name| wrong(name)).map(|name| message_of(conditions, name))
        })?;
        Some(format!("listener {}: {why}", listener["name"].as_str().unwrap_or_default()))
    });
    State::Listeners { accepted: false, objection: of_one.unwrap_or(objection) }
}

fn certificate(status: &Value, generation: Option<i64>) -> State {
    let conditions = &status["conditions"];
    let ready = condition_holds(conditions, "Ready", generation);
    // cert-manager takes this condition away when an attempt succeeds.
    let failed = is_false(conditions, "Issuing");
    let message = if failed { message_of(conditions, "Issuing") } else { message_of(conditions, "Ready") };
    State::Certificate { ready: ready.is_ok(), failed, message }
}

fn is_false(conditions: &Value, name: &str) -> bool {
    conditions.as_array().into_iter().flatten().any(|condition| condition["type"] == name && condition["status"] == "False")
}

fn message_of(conditions: &Value, name: &str) -> String {
    let condition = conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == name);
    condition.and_then(|condition| condition["message"].as_str()).unwrap_or("nothing is reported yet").to_owned()
}

fn job_state(status: &Value) -> JobState {
    for condition in status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if condition["status"] != "True" {
            continue;
        }
        if condition["type"] == "Complete" {
            return JobState::Done;
        }
        if condition["type"] == "Failed" {
            let at = condition["lastTransitionTime"].as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
            return JobState::Failed {
                at: at.map_or(0, |at| at.timestamp()),
                message: condition["message"].as_str().unwrap_or_default().to_owned(),
            };
        }
    }
    JobState::Active
}

/// A backup of CloudNativePG (its `api/v1/backup_types.go`): every phase but these two is on the way.
fn backup_state(status: &Value) -> JobState {
    match status["phase"].as_str() {
        Some("completed") => JobState::Done,
        Some("failed" | "invalid backup definition") => {
            let at = status["stoppedAt"].as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
            JobState::Failed {
                at: at.map_or(0, |at| at.timestamp()),
                message: status["error"].as_str().unwrap_or_default().to_owned(),
            }
        }
        Some(_) | None => JobState::Active,
    }
}

/// What the conditions of a Cluster say of its backups (CloudNativePG's `api/v1/cluster_types.go`). While a backup is made,
/// `LastBackupSucceeded` is false too, for another reason.
fn backup_trouble(conditions: &Value) -> Option<BackupTrouble> {
    if is_false(conditions, "ContinuousArchiving") {
        return Some(BackupTrouble::Archiving(message_of(conditions, "ContinuousArchiving")));
    }
    let failed = condition(conditions, "LastBackupSucceeded").is_some_and(|last| last["reason"] == "LastBackupFailed");
    failed.then(|| BackupTrouble::Backup(message_of(conditions, "LastBackupSucceeded")))
}

/// What the plugin says of each name (its `api/v1/objectstore_types.go`).
fn stored_backups(status: &Value) -> BTreeMap<String, StoredBackups> {
    let of = |window: &Value| {
        let at = |name: &str| Some(chrono::DateTime::parse_from_rfc3339(window[name].as_str()?).ok()?.timestamp());
        StoredBackups { since: at("firstRecoverabilityPoint"), last: at("lastSuccessfulBackupTime") }
    };
    let windows = status["serverRecoveryWindow"].as_object().into_iter().flatten();
    windows.map(|(name, window)| (name.clone(), of(window))).collect()
}

/// A quantity of disk in GiB, as far as it is written in a unit that disks are asked for in.
fn gib(quantity: &Value) -> Option<u32> {
    let text = quantity.as_str()?;
    let number = |digits: &str| digits.parse::<u32>().ok();
    match (text.strip_suffix("Gi"), text.strip_suffix("Ti"), text.strip_suffix("Mi")) {
        (Some(gib), _, _) => number(gib),
        (_, Some(tib), _) => number(tib)?.checked_mul(1024),
        (_, _, Some(mib)) => Some(number(mib)?.div_ceil(1024)),
        (None, None, None) => None,
    }
}

fn condition<'a>(conditions: &'a Value, name: &str) -> Option<&'a Value> {
    conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == name)
}

/// Whether a condition is True (and about this generation); else what it says.
fn condition_holds(conditions: &Value, name: &str, generation: Option<i64>) -> Result<(), String> {
    let Some(condition) = condition(conditions, name) else {
        return Err(format!("{name} is not reported yet"));
    };
    if condition["status"] != "True" {
        return Err(format!("{name}: {}", condition["message"].as_str().unwrap_or_default()));
    }
    if generation.is_some_and(|generation| condition["observedGeneration"].as_i64() != Some(generation)) {
        return Err(format!("{name} is about an older version"));
    }
    Ok(())
}

#[cfg(test)]
impl Seen {
    /// An object of which nothing but its state is of interest.
    pub fn bare(state: State) -> Self {
        Self {
            uid: "u".to_owned(),
            resource_version: 1,
            ours: 0,
            accepted: None,
            applied: None,
            deleting: false,
            holds_data: false,
            image: None,
            class: None,
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_job_says_when_and_why() {
        let status = json!({"conditions": [
            {"type": "FailureTarget", "status": "True"},
            {"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:00:09Z", "message": "no"}]});
        assert_eq!(job_state(&status), JobState::Failed { at: 9, message: "no".into() });
        assert_eq!(job_state(&json!({})), JobState::Active);
    }

    #[test]
    fn a_backup_is_done_or_failed_only_when_it_says_so() {
        let of = |status: Value| backup_state(&status);
        assert_eq!([of(json!({})), of(json!({"phase": "walArchivingFailing"}))], [JobState::Active, JobState::Active]);
        assert_eq!(of(json!({"phase": "completed"})), JobState::Done);
        let failed = json!({"phase": "failed", "error": "no room", "stoppedAt": "1970-01-01T00:00:09Z"});
        assert_eq!(of(failed), JobState::Failed { at: 9, message: "no room".into() });
    }

    #[test]
    fn a_class_that_the_cluster_has_filled_in_is_not_ours() {
        let metadata = |fields: Value| -> ObjectMeta {
            let entry = json!({"manager": "paddock", "operation": "Apply", "fieldsV1": {"f:spec": fields}});
            serde_json::from_value(json!({"name": "cache", "managedFields": [entry]})).unwrap()
        };
        let data = json!({"spec": {"storageClassName": "fast"}});
        let of = |kind, fields| class(kind, &metadata(fields), &data, "paddock");
        assert_eq!(of(Kind::PersistentVolumeClaim, json!({"f:storageClassName": {}})).as_deref(), Some("fast"));
        assert_eq!(of(Kind::PersistentVolumeClaim, json!({"f:resources": {}})), None);
        assert_eq!(of(Kind::Cluster, json!({"f:storageClassName": {}})), None);
    }

    #[test]
    fn a_database_says_what_hinders_its_backups() {
        let of = |conditions: Value| backup_trouble(&conditions);
        let condition =
            |name: &str, status: &str, reason: &str| json!({"type": name, "status": status, "reason": reason, "message": reason});
        assert_eq!(of(Value::Null), None);
        let fine = json!([condition("ContinuousArchiving", "True", "x"), condition("LastBackupSucceeded", "True", "x")]);
        assert_eq!(of(fine), None);
        assert_eq!(of(json!([condition("LastBackupSucceeded", "False", "BackupStarted")])), None, "one that is being made");
        let failed = condition("LastBackupSucceeded", "False", "LastBackupFailed");
        assert_eq!(of(json!([failed.clone()])), Some(BackupTrouble::Backup("LastBackupFailed".into())));
        let both = json!([failed, condition("ContinuousArchiving", "False", "ContinuousArchivingFailing")]);
        assert_eq!(of(both), Some(BackupTrouble::Archiving("ContinuousArchivingFailing".into())), "the one that fills the disk");
    }

    #[test]
    fn a_store_says_what_lies_in_it_under_each_name() {
        let window = |first: &str| json!({"firstRecoverabilityPoint": first, "lastSuccessfulBackupTime": "1970-01-01T00:01:30Z"});
        let status =
            json!({"serverRecoveryWindow": {"db-0": window("1970-01-01T00:00:01Z"), "db-1": window("1970-01-01T00:01:00Z")}});
        let of = |name: &str, since| (name.to_owned(), StoredBackups { since: Some(since), last: Some(90) });
        assert_eq!(stored_backups(&status), BTreeMap::from([of("db-0", 1), of("db-1", 60)]));
        let failed = json!({"serverRecoveryWindow": {"db-1": {"lastFailedBackupTime": "1970-01-01T00:01:00Z"}}});
        assert_eq!(stored_backups(&failed), BTreeMap::from([("db-1".to_owned(), StoredBackups { since: None, last: None })]));
        assert_eq!(stored_backups(&Value::Null), BTreeMap::new());
    }

    #[test]
    fn disks_are_read_in_gib() {
        let all = ["20Gi", "1Ti", "1500Mi", "5G", "x"].map(|text| gib(&text.into()));
        assert_eq!(all, [Some(20), Some(1024), Some(2), None, None]);
    }

    #[test]
    fn a_route_counts_only_when_its_newest_spec_is_accepted() {
        let metadata = ObjectMeta { generation: Some(2), ..ObjectMeta::default() };
        let data = |generation| {
            json!({"status": {"parents": [{"conditions": [
                {"type": "Accepted", "status": "True", "observedGeneration": generation},
                {"type": "ResolvedRefs", "status": "True", "observedGeneration": generation}]}]}})
        };
        assert!(matches!(state(Kind::HttpRoute, &metadata, &data(2)), State::Route { accepted: true, .. }));
        assert!(matches!(state(Kind::HttpRoute, &metadata, &data(1)), State::Route { accepted: false, .. }));
        assert!(matches!(state(Kind::HttpRoute, &metadata, &json!({})), State::Route { accepted: false, .. }));
    }

    #[test]
    fn listeners_say_which_of_them_is_wrong() {
        let metadata = ObjectMeta { generation: Some(1), ..ObjectMeta::default() };
        let condition = |name: &str, status: &str, message: &str| json!({"type": name, "status": status, "message": message, "observedGeneration": 1});
        let read = |conditions: Value, listeners: Value| match state(
            Kind::ListenerSet,
            &metadata,
            &json!({"status": {"conditions": conditions, "listeners": listeners}}),
        ) {
            State::Listeners { accepted, objection } => (accepted, objection),
            other => panic!("{other:?}"),
        };
        let fine = json!([condition("Accepted", "True", ""), condition("Programmed", "True", "")]);
        assert_eq!(read(fine, json!([])), (true, String::new()));
        let pending = json!([condition("Accepted", "Unknown", "Waiting for controller")]);
        assert_eq!(read(pending, Value::Null), (false, "Accepted: Waiting for controller".to_owned()));
        let half = json!([condition("Accepted", "True", ""), condition("Programmed", "False", "not all")]);
        let listeners = json!([
            {"name": "web-http", "conditions": [condition("ResolvedRefs", "True", "")]},
            {"name": "web-https", "conditions": [condition("ResolvedRefs", "False", "no Secret")]}]);
        assert_eq!(read(half.clone(), listeners), (false, "listener web-https: no Secret".to_owned()));
        let conflict = json!([{"name": "web-http", "conditions": [condition("Conflicted", "True", "somebody has it")]}]);
        assert_eq!(read(half, conflict), (false, "listener web-http: somebody has it".to_owned()));
    }

    #[test]
    fn a_certificate_tells_a_failed_attempt_from_one_under_way() {
        let metadata = ObjectMeta { generation: Some(2), ..ObjectMeta::default() };
        let read = |conditions: Value| state(Kind::Certificate, &metadata, &json!({"status": {"conditions": conditions}}));
        let condition = |name: &str, status: &str, message: &str| json!({"type": name, "status": status, "message": message, "observedGeneration": 2});
        let told = |ready, failed, message: &str| State::Certificate { ready, failed, message: message.to_owned() };
        assert_eq!(read(Value::Null), told(false, false, "nothing is reported yet"));
        let under_way = json!([condition("Ready", "False", "no Secret"), condition("Issuing", "True", "no Secret")]);
        assert_eq!(read(under_way), told(false, false, "no Secret"));
        let failed = json!([condition("Ready", "False", "no Secret"), condition("Issuing", "False", "CAA forbids")]);
        assert_eq!(read(failed), told(false, true, "CAA forbids"));
        assert_eq!(read(json!([condition("Ready", "True", "up to date")])), told(true, false, "up to date"));
        let renewal = json!([condition("Ready", "True", "up to date"), condition("Issuing", "False", "no answer")]);
        assert_eq!(read(renewal), told(true, true, "no answer"));
    }
}
