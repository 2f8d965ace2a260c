//! CloudNativePG's backups through its plugin for object stores: a `Backup` of a healthy `Cluster` is completed, one of a `Cluster` that
//! is not there or not well waits, and one that asks for something else than that plugin has failed (its
//! `internal/controller/backup_controller.go` and `webserver/plugin_backup.go`).
//!
//! Nothing is copied: what is real is the position in the write-ahead log, read from the server that holds the database.

use std::sync::Arc;

use k8s_openapi::jiff;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::super::manifests::MANAGER;
use super::super::{Postgres, RigError, Work};
use super::databases::cluster_kind;
use super::{Seen, follow};
use crate::clock::{Clock, SystemClock};

const PLUGIN: &str = "barman-cloud.cloudnative-pg.io";
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
    let spec = &backup.data["spec"];
    let wanted = spec["cluster"]["name"].as_str().unwrap_or_default();
    let clusters: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &cluster_kind());
    let cluster = clusters.get_opt(wanted).await.map_err(RigError::kube(format!("look for the Cluster {namespace}/{wanted}")))?;
    let started = now();
    let refused = match &cluster {
        Some(_) if spec["method"] != "plugin" || spec["pluginConfiguration"]["name"] != PLUGIN => {
            Some(format!("requested plugin is not available: {}", spec["pluginConfiguration"]["name"]))
        }
        Some(cluster) if cluster.labels().contains_key(FAILS) => Some(format!("the label {FAILS} says so")),
        // CloudNativePG waits for a cluster that is not there or not well; so does this, for the next look.
        cluster if cluster.as_ref().is_none_or(|cluster| cluster.data["status"]["phase"] != super::databases::HEALTHY) => {
            return Err(RigError::TooLate {
                what: format!("the Cluster {namespace}/{wanted}"),
                after: std::time::Duration::ZERO,
            });
        }
        Some(_) | None => None,
    };
    let status = if let Some(error) = refused {
        json!({"phase": "failed", "error": error, "method": "plugin", "startedAt": started, "stoppedAt": now()})
    } else {
        let (begin, end) = (position(postgres, work).await?, position(postgres, work).await?);
        let id = started.replace(['-', ':'], "").replace('Z', "");
        json!({
            "phase": "completed", "method": "plugin", "backupId": id, "backupName": format!("backup-{id}"),
            "startedAt": started, "stoppedAt": now(), "beginLSN": begin, "endLSN": end,
            "instanceID": {"podName": format!("{wanted}-1")},
        })
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &backup_kind());
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let told = api.patch_status(&name, &params, &Patch::Merge(&json!({"status": status}))).await;
    told.map(|_| ()).map_err(RigError::kube(format!("report on the backup {namespace}/{name}")))
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

fn now() -> String {
    jiff::Timestamp::from_second(SystemClock.now().timestamp()).unwrap_or_default().to_string()
}

fn backup_kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Backup"))
}
