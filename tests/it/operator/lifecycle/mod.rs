//! What happens to a server after its first start: another release, another size, a pause, its removal.

mod change;
mod fuse;
mod majors;
mod pause;
mod removal;
mod room;
mod rows;
mod stores;
mod upgrade;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, InstanceStatus, condition, is_true, namespace_name, resource_name};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::Host;

pub const PROCESSES: [&str; 4] = ["web", "streaming", "sidekiq", "scheduler"];

/// For what waits for Jobs to be tried again.
pub const LONG: Duration = Duration::from_mins(3);

impl Host {
    /// Changes what a server should be.
    pub async fn want(&self, id: InstanceId, spec: &Value) {
        let patch = json!({"spec": spec});
        self.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    pub async fn status(&self, id: InstanceId) -> InstanceStatus {
        self.get(id).await.status.unwrap_or_default()
    }

    /// Waits for a status, longer than usual.
    pub async fn until_status(&self, id: InstanceId, what: &str, fits: impl Fn(&InstanceStatus) -> bool) -> InstanceStatus {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let status = self.status(id).await;
            if fits(&status) {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what}: not within {LONG:?}; {status:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn until_version(&self, id: InstanceId, version: &str) -> InstanceStatus {
        let arrived = |status: &InstanceStatus| status.version.as_deref() == Some(version) && status.upgrade.is_none();
        self.until_status(id, &format!("{version} runs"), arrived).await
    }

    pub fn pods(&self, id: InstanceId) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &namespace_name(id))
    }

    pub fn jobs(&self, id: InstanceId) -> Api<Job> {
        Api::namespaced(self.client.clone(), &namespace_name(id))
    }

    pub fn others(&self, id: InstanceId, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &namespace_name(id), &resource)
    }

    pub fn clusters(&self, id: InstanceId) -> Api<DynamicObject> {
        self.others(id, "postgresql.cnpg.io", "v1", "Cluster")
    }

    pub fn backups(&self, id: InstanceId) -> Api<DynamicObject> {
        self.others(id, "postgresql.cnpg.io", "v1", "Backup")
    }

    /// The server's own database.
    pub async fn database(&self, id: InstanceId) -> PgPool {
        let login = self.secrets(id).get("db-1-app").await.unwrap().data.unwrap();
        let text = |name: &str| String::from_utf8(login[name].0.clone()).unwrap();
        PgPool::connect(&self.rig.postgres().url_as(&text("username"), &text("password"), &text("dbname"))).await.unwrap()
    }

    /// Image of the container of each process, as its Deployment has it.
    pub async fn images(&self, id: InstanceId) -> Vec<String> {
        let mut images = Vec::new();
        for name in PROCESSES {
            images.push(image(&self.deployments(id).get(name).await.unwrap()));
        }
        images
    }

    /// Keeps a pod of a process in being after its deletion, as a node does that has lost touch. Returns its name.
    pub async fn hold_a_pod(&self, id: InstanceId, process: &str) -> String {
        let of = ListParams::default().labels(&format!("app.kubernetes.io/component={process}"));
        let pod = self.pods(id).list(&of).await.unwrap().items.remove(0).metadata.name.unwrap();
        self.set_finalizers(&pod, &self.pods(id), &["rig.example/lost-node"]).await;
        pod
    }

    pub async fn let_go(&self, id: InstanceId, pod: &str) {
        self.set_finalizers(pod, &self.pods(id), &[]).await;
    }

    async fn set_finalizers(&self, name: &str, pods: &Api<Pod>, finalizers: &[&str]) {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        pods.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
}

pub fn image(deployment: &Deployment) -> String {
    deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
}

/// Reason and message of a condition that holds.
pub fn told(status: &InstanceStatus, kind: ConditionKind) -> Option<(String, String)> {
    let condition = condition(&status.conditions, kind).filter(|condition| condition.status == "True")?;
    Some((condition.reason.clone(), condition.message.clone()))
}

pub fn serves(status: &InstanceStatus) -> bool {
    is_true(&status.conditions, ConditionKind::Ready)
}
