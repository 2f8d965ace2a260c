//! CloudNativePG's backups through its plugin for object stores: a `Backup` of a healthy `Cluster` that uses the plugin is completed, one of
//! a `Cluster` that is not there or not well waits, and one that asks for something else, or that the store refuses, has failed (its
//! `internal/controller/backup_controller.go` and `webserver/plugin_backup.go`).
//!
//! No database is copied: what is real is the position in the write-ahead log, read from the server that holds the database, and the
//! note about the backup, which is written into the store with the server's own key.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::super::manifests::MANAGER;
use super::super::{Postgres, RigError, Work};
use super::barman::{self, Usage};
use super::databases::{self, cluster_kind};
use super::{Seen, follow};
use crate::clock::{Clock, SystemClock};

/// On a `Cluster`: its backups fail.
const FAILS: &str = "paddock.rig/backup-fails";

/// Answers to backups until the task ends.
pub(super) async fn run(client: Client, postgres: Arc<Postgres>, work: Work) {
    let backups: Api<DynamicObject> = Api::all_with(client.clone(), &backup_kind());
    follow(backups, watcher::Config::default(), |seen| {
        let (client, postgres) = (client.clone(), Arc::clone(&postgres));
        async move {
            match &*seen {
                Seen::There(backup) if backup.data["status"]["phase"].is_null() => answer(&client, &postgres, work, backup).await,
                Seen::There(_) | Seen::Gone(_) => Ok(()),
            }
        }
    })
    .await;
}

async fn answer(client: &Client, postgres: &Postgres, work: Work, backup: &DynamicObject) -> Result<(), RigError> {
    let (namespace, name) = (backup.namespace().unwrap_or_default(), backup.name_any());
    let wanted = backup.data["spec"]["cluster"]["name"].as_str().unwrap_or_default();
    let clusters: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &cluster_kind());
    let cluster = clusters.get_opt(wanted).await.map_err(RigError::kube(format!("look for the Cluster {namespace}/{wanted}")))?;
    let waits = || RigError::TooLate { what: format!("the Cluster {namespace}/{wanted}"), after: Duration::ZERO };
    // CloudNativePG waits for a cluster that is not there or not well; so does this, for the next look.
    let cluster = cluster.ok_or_else(waits)?;
    let started = now();
    let failure = match lacks(backup, &cluster) {
        Some(failure) => Some(failure),
        None if cluster.data["status"]["phase"] != databases::HEALTHY => return Err(waits()),
        None => take(client, work, &cluster, &started).await?.err(),
    };
    let status = if let Some(error) = &failure {
        json!({"phase": "failed", "error": error, "method": "plugin", "startedAt": started, "stoppedAt": now()})
    } else {
        let (begin, end) = (position(postgres, work).await?, position(postgres, work).await?);
        let id = compact(&started);
        json!({
            "phase": "completed", "method": "plugin", "backupId": id, "backupName": format!("backup-{id}"),
            "startedAt": started, "stoppedAt": now(), "beginLSN": begin, "endLSN": end,
            "instanceID": {"podName": format!("{wanted}-1")},
        })
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &backup_kind());
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let told = api.patch_status(&name, &params, &Patch::Merge(&json!({"status": status}))).await;
    told.map_err(RigError::kube(format!("report on the backup {namespace}/{name}")))?;
    let (truth, reason, message) = match &failure {
        Some(error) => ("False", "LastBackupFailed", error.as_str()),
        None => ("True", "LastBackupSucceeded", "Backup was successful"),
    };
    databases::tell(client, &namespace, wanted, ["LastBackupSucceeded", truth, reason, message]).await
}

/// What is missing for a backup to be tried at all.
fn lacks(backup: &DynamicObject, cluster: &DynamicObject) -> Option<String> {
    let spec = &backup.data["spec"];
    if spec["method"] != "plugin" {
        return Some("cannot proceed with the backup as the cluster has no backup section".to_owned());
    }
    let (used, asked) = (barman::plugins(cluster), spec["pluginConfiguration"]["name"].as_str().unwrap_or_default());
    if used.is_empty() {
        return Some("cannot proceed with the backup as the cluster has no plugin configured".to_owned());
    }
    if asked != barman::PLUGIN || !used.iter().any(|plugin| plugin == asked) {
        return Some(format!("requested plugin is not available: {asked}"));
    }
    cluster.labels().contains_key(FAILS).then(|| format!("the label {FAILS} says so"))
}

/// Writes the note about the backup and says in the store that there is one, or why there is none.
async fn take(client: &Client, work: Work, cluster: &DynamicObject, started: &str) -> Result<Result<(), String>, RigError> {
    let namespace = cluster.namespace().unwrap_or_default();
    let Some(usage) = Usage::of(cluster) else { return Ok(Err("no plugin is used".to_owned())) };
    let Some(store) = usage.find_store(client, &namespace).await? else {
        return Ok(Err(format!("objectstores.barmancloud.cnpg.io \"{}\" not found", usage.store)));
    };
    let note = format!("begin_time={started}\nserver_name={}\nstatus=DONE\n", usage.server);
    let written = match work {
        Work::Real => usage.write(client, &store, &format!("base/{}/backup.info", compact(started)), &note).await,
        Work::Skipped => Ok(()),
    };
    usage.tell(client, &store, &now(), written.is_err()).await?;
    Ok(written)
}

/// `2026-11-25T00:00:00Z` as CloudNativePG writes it in names.
fn compact(time: &str) -> String {
    time.replace(['-', ':'], "").replace('Z', "")
}

/// Where the write-ahead log is.
async fn position(postgres: &Postgres, work: Work) -> Result<Value, RigError> {
    if work == Work::Skipped {
        return Ok("0/0".into());
    }
    let doing = "ask for the position in the write-ahead log";
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.map_err(RigError::sql(doing))?;
    let at: String =
        sqlx::query_scalar("select pg_current_wal_lsn()::text").fetch_one(&mut admin).await.map_err(RigError::sql(doing))?;
    Ok(at.into())
}

pub(super) fn now() -> String {
    jiff::Timestamp::from_second(SystemClock.now().timestamp()).unwrap_or_default().to_string()
}

pub(super) fn backup_kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Backup"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_by_a_plugin_that_the_cluster_does_not_use_fails() {
        let object = |kind: &str, spec: Value| -> DynamicObject {
            let object = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": kind, "metadata": {"name": "one"}, "spec": spec});
            serde_json::from_value(object).unwrap()
        };
        let backup = object("Backup", json!({"method": "plugin", "pluginConfiguration": {"name": barman::PLUGIN}}));
        let with = |plugins: Value| lacks(&backup, &object("Cluster", json!({"plugins": plugins})));
        assert!(with(Value::Null).unwrap().contains("no plugin configured"));
        assert!(with(json!([{"name": barman::PLUGIN, "enabled": false}])).unwrap().contains("no plugin configured"));
        assert!(with(json!([{"name": "other"}])).unwrap().contains("requested plugin is not available"));
        assert_eq!(with(json!([{"name": barman::PLUGIN}])), None);
        let other = object("Backup", json!({"method": "barmanObjectStore"}));
        assert!(lacks(&other, &object("Cluster", json!({}))).unwrap().contains("no backup section"));
    }
}
