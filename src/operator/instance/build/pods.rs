//! What all pods of Mastodon have in common.

use serde_json::{Value, json};

use super::{Object, labels, names};
use crate::operator::instance::found::Foundation;
use crate::operator::instance::validate::Valid;

/// The user and group of Mastodon's images.
const MASTODON_USER: i64 = 991;

/// The security context of a pod under the restricted profile.
pub fn pod_security(user: i64) -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// Gives a pod a user namespace of its own, unless the nodes can't.
pub fn keep_from_host_users(valid: &Valid<'_>, template: &mut Value) {
    if valid.settings.user_namespaces {
        template["spec"]["hostUsers"] = false.into();
    }
}

/// The security context of a container under the restricted profile.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// What a pod template needs to know beyond its own process.
#[derive(Debug)]
pub struct Pods<'a> {
    valid: &'a Valid<'a>,
    /// Change with the environment and with the Secrets, so that pods are replaced when those change.
    annotations: Value,
    /// Changes with the login at the mail relay, for those who send mail.
    mail: Option<String>,
}

/// One container's worth of differences.
#[derive(Debug)]
pub struct Process {
    /// The component, also the container's name.
    pub component: &'static str,
    /// The image.
    pub image: String,
    /// What it runs.
    pub command: Vec<String>,
    /// Its own variables.
    pub env: Vec<(&'static str, String)>,
    /// CPU and memory.
    pub resources: Value,
    /// How long it may take to stop, in seconds.
    pub grace: u32,
}

impl<'a> Pods<'a> {
    /// For the pods of an instance.
    pub fn new(valid: &'a Valid<'a>, foundation: &Foundation, env: &Object, mail: Option<&Object>) -> Self {
        let annotations = json!({
            "paddock.host/env": format!("{:016x}", env.hash),
            "paddock.host/secrets": format!("{:016x}", foundation.secrets),
        });
        Self { valid, annotations, mail: mail.map(|mail| format!("{:016x}", mail.hash)) }
    }

    /// For a pod that is made once and never replaced.
    pub fn alone(valid: &'a Valid<'a>, mail: Option<&Object>) -> Self {
        Self { valid, annotations: json!({}), mail: mail.map(|mail| format!("{:016x}", mail.hash)) }
    }

    /// A template for a process of the Ruby image, which writes into its own `tmp` folder.
    ///
    /// That folder holds a cache made when the image was built (without it a start takes much longer) and must be writable for
    /// process ids and for Sidekiq's sign of readiness; so it is copied.
    pub fn ruby(&self, process: Process) -> Value {
        let image = process.image.clone();
        let mut sources = vec![names::IDENTITY, names::MEDIA];
        sources.extend(self.mail.is_some().then_some(names::MAIL));
        let mut template = self.template(process, &sources);
        if let Some(mail) = &self.mail {
            template["metadata"]["annotations"]["paddock.host/mail"] = mail.clone().into();
        }
        let spec = &mut template["spec"];
        spec["initContainers"] = json!([{
            "name": "copy-tmp",
            "image": image,
            // Without preserving times and owners: the volume's root belongs to root, and its times may not be set by us.
            "command": ["cp", "-R", "/opt/mastodon/tmp/.", "/writable/"],
            "securityContext": container_security(),
            "resources": super::resources(128, 50),
            "volumeMounts": [{"name": "mastodon-tmp", "mountPath": "/writable"}],
        }]);
        if let Some(volumes) = spec["volumes"].as_array_mut() {
            volumes.push(json!({"name": "mastodon-tmp", "emptyDir": {"sizeLimit": "1Gi"}}));
        }
        if let Some(mounts) = spec["containers"][0]["volumeMounts"].as_array_mut() {
            mounts.push(json!({"name": "mastodon-tmp", "mountPath": "/opt/mastodon/tmp"}));
        }
        template
    }

    /// A template for a process of the streaming image. It speaks to Postgres and Valkey alone, so no other Secret is handed to
    /// it (what it reads: Mastodon's `streaming/config.js`, `database.js`, `redis.js`).
    pub fn node(&self, process: Process) -> Value {
        self.template(process, &[])
    }

    /// `secrets`: those whose every entry becomes a variable.
    fn template(&self, process: Process, secrets: &[&str]) -> Value {
        let Process { component, image, command, env, resources, grace } = process;
        let mut variables = database_login();
        variables.push(from_secret("REDIS_PASSWORD", names::CACHE_PASSWORD, "REDIS_PASSWORD"));
        variables.extend(env.into_iter().map(|(name, value)| json!({"name": name, "value": value})));
        let mut sources = vec![json!({"configMapRef": {"name": names::ENV}})];
        sources.extend(secrets.iter().map(|name| json!({"secretRef": {"name": name}})));
        let mut template = json!({
            "metadata": {"labels": labels(self.valid, component), "annotations": self.annotations},
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": pod_security(MASTODON_USER),
                "terminationGracePeriodSeconds": grace,
                "containers": [{
                    "name": component,
                    "image": image,
                    "command": command,
                    "envFrom": sources,
                    "env": variables,
                    "securityContext": container_security(),
                    "resources": resources,
                    // Uploads of up to 99 MB per thread, and users' own archives while they are put together.
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}}],
            },
        });
        keep_from_host_users(self.valid, &mut template);
        template
    }
}

/// The login that CloudNativePG makes.
pub(super) fn database_login() -> Vec<Value> {
    [("DB_HOST", "host"), ("DB_PORT", "port"), ("DB_NAME", "dbname"), ("DB_USER", "username"), ("DB_PASS", "password")]
        .map(|(name, key)| from_secret(name, names::DATABASE_LOGIN, key))
        .to_vec()
}

/// A variable out of a Secret.
pub(super) fn from_secret(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}
