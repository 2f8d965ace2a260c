//! The database's backups: base backups and the write-ahead log, by CloudNativePG's plugin for object stores (plugin-barman-cloud 0.15).
//!
//! With both, the database can be brought back to any second since the oldest base backup that is kept.

use serde_json::{Value, json};

use super::{Object, names};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::seen::hash;
use crate::operator::settings::Backups;
use crate::operator::stores::major;

/// The plugin's name in a `Cluster` and in a `Backup`.
const PLUGIN: &str = "barman-cloud.cloudnative-pg.io";
/// The most memory of the container that the plugin adds to each of the database's pods, in MiB: the parts of an upload are held there.
pub const SIDECAR_MIB: u32 = 512;
/// Minutes of a day.
const MINUTES: u64 = 24 * 60;

/// The name under which a database of this image writes into the store. Each generation, and each major release of it, has one of its own:
/// one that was recovered or rewritten begins its log anew, and it must not run into the log of the one before.
pub fn server_name(image: &str) -> String {
    major(image).map_or_else(|| names::DATABASE.to_owned(), |major| format!("{}-pg{major}", names::DATABASE))
}

/// How a `Cluster` uses the plugin. What it writes under changes together with its major release.
pub fn plugins(valid: &Valid<'_>) -> Value {
    json!([{
        "name": PLUGIN,
        "isWALArchiver": true,
        "parameters": {"barmanObjectName": names::BACKUPS, "serverName": server_name(&valid.images.postgres)},
    }])
}

/// What makes a base backup of the database: of a `Backup`, and of those that a `ScheduledBackup` makes.
fn of_the_database() -> Value {
    json!({
        "cluster": {"name": names::DATABASE},
        "method": "plugin",
        "pluginConfiguration": {"name": PLUGIN},
    })
}

/// Where backups go, with which key, and for how long they are kept.
pub fn store(valid: &Valid<'_>) -> Object {
    let Backups { retention_days } = &valid.settings.backups;
    let storage = &valid.settings.storage;
    let key = |variable: &str| json!({"name": names::BACKUP, "key": variable});
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let body = json!({"spec": {
        "retentionPolicy": format!("{retention_days}d"),
        "configuration": {
            "destinationPath": format!("s3://{}/", valid.backup_bucket),
            "endpointURL": storage.pod_address(),
            "s3Credentials": {"accessKeyId": key("AWS_ACCESS_KEY_ID"), "secretAccessKey": key("AWS_SECRET_ACCESS_KEY")},
            // A segment of the log is 16 MiB whatever is in it, and one is sent at least every five minutes.
            "wal": {"compression": "gzip"},
            // The base backup is read and sent by the server that answers visitors: what costs it least.
            "data": {"compression": "snappy"},
        },
        "instanceSidecarConfiguration": {
            "env": [
                variable("AWS_DEFAULT_REGION", &storage.region),
                // Newer versions of the library would send checksums that stores other than Amazon's do not know.
                variable("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"),
                variable("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required"),
            ],
            "resources": {
                "requests": {"cpu": "50m", "memory": "128Mi"},
                "limits": {"cpu": "1", "memory": format!("{SIDECAR_MIB}Mi")},
            },
        },
    }});
    Object::new(valid, Kind::ObjectStore, names::BACKUPS, "database", body)
}

/// A base backup at once, and then one a day, each server at a minute of its own: all at once would be too much for the store.
///
/// It is called like the generation that it backs up, for it can never be told to back up another.
pub fn schedule(valid: &Valid<'_>) -> Object {
    let minute = hash(&valid.name.as_str().into()) % MINUTES;
    let mut spec = of_the_database();
    // Unlike elsewhere the first field is the second.
    spec["schedule"] = format!("0 {} {} * * *", minute % 60, minute / 60).into();
    spec["immediate"] = true.into();
    // What it made goes with it. (What was backed up stays where it is.)
    spec["backupOwnerReference"] = "self".into();
    Object::new(valid, Kind::ScheduledBackup, names::DATABASE, "database", json!({"spec": spec}))
}

/// The name of an attempt at the first base backup, beside the one that the schedule makes.
pub fn first_name(attempt: u32) -> String {
    if attempt <= 1 { "first".to_owned() } else { format!("first-{attempt}") }
}

/// Such an attempt. The schedule makes one a day, whatever became of the last one, and a day is long without any.
pub fn first(valid: &Valid<'_>, attempt: u32) -> Object {
    base(valid, first_name(attempt))
}

/// A base backup.
pub fn base(valid: &Valid<'_>, name: String) -> Object {
    Object::new(valid, Kind::Backup, name, "database", json!({"spec": of_the_database()}))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{instance, settings, with};
    use super::super::{database, limits};
    use super::*;
    use crate::operator::instance::validate::validate;
    use crate::resource::InstanceStatus;

    #[test]
    fn the_database_archives_into_its_own_bucket_with_its_own_key() {
        with(
            |settings, _| settings.backups = Backups { retention_days: 30 },
            |valid| {
                let store = store(valid);
                let spec = &store.body["spec"];
                assert_eq!(spec["retentionPolicy"], "30d");
                let configuration = &spec["configuration"];
                assert_eq!(configuration["destinationPath"], "s3://mastodon-01jd0000000000000000000000-backup/");
                assert_eq!(configuration["endpointURL"], "http://s3.inside.example:7070");
                let key = |name: &str| json!({"name": "mastodon-backup", "key": name});
                assert_eq!(configuration["s3Credentials"]["accessKeyId"], key("AWS_ACCESS_KEY_ID"));
                assert_eq!(configuration["s3Credentials"]["secretAccessKey"], key("AWS_SECRET_ACCESS_KEY"));
                let env = spec["instanceSidecarConfiguration"]["env"].to_string();
                assert!(env.contains(r#"{"name":"AWS_DEFAULT_REGION","value":"eu-1"}"#), "{env}");
                let cluster = database::cluster(valid).body;
                let plugin = &cluster["spec"]["plugins"][0];
                assert_eq!(plugin["isWALArchiver"], true);
                assert_eq!(plugin["parameters"], json!({"barmanObjectName": store.name, "serverName": "db-1-pg17"}));
                let schedule = schedule(valid).body;
                assert_eq!(schedule["spec"]["method"], "plugin");
                assert_eq!(schedule["spec"]["pluginConfiguration"]["name"], plugin["name"]);
                assert_eq!(schedule["spec"]["cluster"]["name"], cluster["metadata"]["name"]);
            },
        );
    }

    #[test]
    fn another_major_release_archives_under_another_name() {
        let of = |tag: &str| server_name(&format!("registry.example:5000/postgres:{tag}@sha256:aa"));
        assert_eq!([of("17.6"), of("17.7-standard"), of("18.1")], ["db-1-pg17", "db-1-pg17", "db-1-pg18"]);
        assert_eq!(server_name("postgres"), "db-1");
    }

    #[test]
    fn what_the_plugin_adds_fits_into_the_quota() {
        with(
            |_, spec| spec.size.database.instances = 2,
            |valid| {
                let quota = limits::quota(valid).body["spec"]["hard"]["limits.memory"].clone();
                let quota: u32 = quota.as_str().unwrap().trim_end_matches("Mi").parse().unwrap();
                // Twice everything, and what Jobs may take.
                assert_eq!(quota, 2 * (900 + 200 + 700 + 500 + 2 * (1024 + 512) + 256) + 4096);
            },
        );
    }

    #[test]
    fn servers_are_backed_up_once_a_day_and_not_all_at_once() {
        let settings = settings();
        let schedule = |number: u32| {
            let mut instance = instance(&json!({"running": {}}), 1);
            instance.metadata.name = Some(format!("ins-01jd000000000000000000{number:04}"));
            let valid = validate(&settings, &instance, &InstanceStatus::default(), &std::collections::BTreeMap::new()).unwrap();
            schedule(&valid).body["spec"]["schedule"].as_str().unwrap().to_owned()
        };
        let all: BTreeSet<String> = (0..300).map(schedule).collect();
        assert!(all.len() > 200, "{}", all.len());
        for one in &all {
            let fields: Vec<&str> = one.split(' ').collect();
            let (minute, hour): (u32, u32) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
            assert!(fields.len() == 6 && fields[0] == "0" && minute < 60 && hour < 24 && fields[3..] == ["*", "*", "*"], "{one}");
        }
        assert_eq!(schedule(7), schedule(7), "the same each time");
    }
}
