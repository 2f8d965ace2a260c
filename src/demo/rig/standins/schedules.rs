//! CloudNativePG's schedules of backups (its `internal/controller/scheduledbackup_controller.go`): the first `Backup` is made at once where
//! that is asked for. No later one is: no day passes in a rig.

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::super::RigError;
use super::super::manifests::MANAGER;
use super::backups::{backup_kind, now};
use super::{Seen, follow};

/// On a `Backup`: which schedule made it.
const PARENT: &str = "cnpg.io/scheduled-backup";

/// Makes first backups until the task ends.
pub(super) async fn run(client: Client) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "ScheduledBackup"));
    let schedules: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    follow(schedules, watcher::Config::default(), |seen| {
        let (client, kind) = (client.clone(), kind.clone());
        async move {
            match &*seen {
                Seen::There(schedule) if is_due(schedule) => make(&client, &kind, schedule).await,
                Seen::There(_) | Seen::Gone(_) => Ok(()),
            }
        }
    })
    .await;
}

/// A schedule has six fields here, the first for seconds; of one that can't be read nothing is made.
fn is_due(schedule: &DynamicObject) -> bool {
    let spec = &schedule.data["spec"];
    let fields = spec["schedule"].as_str().unwrap_or_default().split_whitespace().count();
    let new = schedule.data["status"]["lastCheckTime"].is_null() && schedule.metadata.deletion_timestamp.is_none();
    new && fields == 6 && spec["immediate"] == true && spec["suspend"] != true
}

async fn make(client: &Client, kind: &ApiResource, schedule: &DynamicObject) -> Result<(), RigError> {
    let (namespace, name, at) = (schedule.namespace().unwrap_or_default(), schedule.name_any(), now());
    let backups: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &backup_kind());
    let made = backups.list(&ListParams::default().labels(&format!("{PARENT}={name}"))).await;
    if made.map_err(RigError::kube(format!("look for backups of {namespace}/{name}")))?.items.is_empty() {
        let backup = backup(schedule, &format!("{name}-{}", at.replace(['-', ':', 'T', 'Z'], "")));
        let backup = serde_json::from_value(backup).map_err(|error| RigError::Unreadable {
            what: format!("the ScheduledBackup {namespace}/{name}"),
            why: error.to_string(),
        })?;
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        backups.create(&params, &backup).await.map_err(RigError::kube(format!("make a backup of {namespace}/{name}")))?;
    }
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let status = Patch::Merge(json!({"status": {"lastCheckTime": at, "lastScheduleTime": at}}));
    let schedules: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, kind);
    let told = schedules.patch_status(&name, &params, &status).await;
    told.map(|_| ()).map_err(RigError::kube(format!("tell when {namespace}/{name} was last looked at")))
}

/// What a schedule makes. Of the schedule's labels it has none.
fn backup(schedule: &DynamicObject, name: &str) -> Value {
    let spec = &schedule.data["spec"];
    let mut backup = json!({
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": schedule.namespace(),
            "labels": {
                "cnpg.io/cluster": spec["cluster"]["name"], "cnpg.io/immediateBackup": "true", PARENT: schedule.name_any(),
            },
        },
        "spec": {
            "cluster": spec["cluster"], "method": spec["method"], "pluginConfiguration": spec["pluginConfiguration"],
        },
    });
    if spec["backupOwnerReference"] == "self" {
        backup["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "controller": true,
            "name": schedule.name_any(), "uid": schedule.uid(),
        }]);
    }
    backup
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(spec: &Value, status: &Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "metadata": {"name": "db-1", "uid": "u", "labels": {"a": "b"}},
            "spec": spec, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_first_is_made_at_once_and_once() {
        let spec =
            json!({"schedule": "0 5 3 * * *", "immediate": true, "cluster": {"name": "db-1"}, "backupOwnerReference": "self"});
        assert!(is_due(&schedule(&spec, &Value::Null)));
        assert!(!is_due(&schedule(&spec, &json!({"lastCheckTime": "2026-11-25T00:00:00Z"}))));
        for (field, value) in [("schedule", json!("5 3 * * *")), ("immediate", json!(false)), ("suspend", json!(true))] {
            let mut other = spec.clone();
            other[field] = value;
            assert!(!is_due(&schedule(&other, &Value::Null)), "{field}");
        }
        let made = backup(&schedule(&spec, &Value::Null), "db-1-20261125000000");
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u");
        assert!(made["metadata"]["labels"].get("a").is_none());
    }
}
