//! `MastodonInstance`: what one Mastodon server should be, and what it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifecycle::{Removal, RemovalProgress, Suspension, Upgrade};
use super::steps::Step;

/// What one Mastodon server should be. Written only by the fleet.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "paddock.host",
    version = "v1alpha1",
    kind = "MastodonInstance",
    plural = "mastodoninstances",
    shortname = "mi",
    status = "InstanceStatus",
    derive = "PartialEq",
    doc = "One hosted Mastodon server.",
    annotation("helm.sh/resource-policy", "keep"),
    validation = ("self.metadata.name.matches('^ins-[0-7][0-9a-hjkmnp-tv-z]{25}$')", "metadata.name must be ins- and the 26 letters and digits of the instance's id"),
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Stalled", type_ = "string", json_path = ".status.conditions[?(@.type==\"Stalled\")].reason", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.domain == oldSelf.domain", "spec.domain can never change: it is part of every handle and of every post's address"))]
#[x_kube(validation = ("has(self.webDomain) == has(oldSelf.webDomain) && (!has(self.webDomain) || self.webDomain == oldSelf.webDomain)", "spec.webDomain can never change, be added or be taken away"))]
#[x_kube(validation = ("self.owner == oldSelf.owner", "spec.owner names the first owner only and can't change; give others the role inside Mastodon"))]
#[x_kube(validation = ("!has(self.removal) || has(self.mode.archived)", "spec.removal is for a server that has ended: set spec.mode to archived"))]
pub struct MastodonInstanceSpec {
    /// Mastodon's `LOCAL_DOMAIN`: the part after the @ in every handle. In lower-case ASCII (A-labels).
    #[schemars(
        length(min = 4, max = 253),
        regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$")
    )]
    pub domain: String,
    /// Mastodon's `WEB_DOMAIN`, where the pages are when that is not the domain itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 4, max = 253),
        regex(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$")
    )]
    pub web_domain: Option<String>,
    /// Whether it should run.
    pub mode: Mode,
    /// A release of Mastodon, such as 4.5.20. The operator knows the images of those it offers.
    #[schemars(regex(pattern = "^[0-9]+\\.[0-9]+\\.[0-9]+$"))]
    pub version: String,
    /// Who gets the role Owner at the first start.
    pub owner: Owner,
    /// The language of pages for visitors who ask for none, such as en or pt-BR.
    #[schemars(regex(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$"))]
    pub locale: String,
    /// How much of everything.
    pub size: Size,
    /// Set when everything of it, its data too, is to be destroyed, with the reason why that may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
}

impl MastodonInstanceSpec {
    /// The host name that browsers see.
    pub fn web_host(&self) -> &str {
        self.web_domain.as_deref().unwrap_or(&self.domain)
    }
}

/// Whether a server should run.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It runs.
    Running {},
    /// No process runs, the data stay, visitors get 503 and a page that says why.
    Suspended {
        /// A short word for the reason, shown to staff and used to choose the page, such as `unpaid`.
        #[schemars(regex(pattern = "^[a-z][a-z-]{0,31}$"))]
        reason: String,
    },
    /// It has ended. No process runs; the data stay until they are proven to be in an archive.
    Archived {},
}

impl Mode {
    /// Whether processes should run.
    pub fn runs(&self) -> bool {
        match self {
            Self::Running {} => true,
            Self::Suspended { reason: _ } | Self::Archived {} => false,
        }
    }
}

/// The first owner of a server.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user name, without @ and domain.
    #[schemars(length(min = 1, max = 30), regex(pattern = "^[A-Za-z0-9_]+$"))]
    pub username: String,
    /// The mail address to which Mastodon sends the link for a password.
    #[schemars(length(min = 3, max = 254), regex(pattern = "^[^\\s@-][^\\s@]*@[^\\s@]+$"))]
    pub email: String,
}

/// What a server may use. CPU in thousandths of a core (limits have twice that), memory in MiB, disk in GiB.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// The web process (puma).
    pub web: WebSize,
    /// The streaming process (node).
    pub streaming: StreamingSize,
    /// Background workers for every queue except `scheduler`.
    pub sidekiq: WorkerSize,
    /// The one worker of the queue `scheduler`.
    pub scheduler: SchedulerSize,
    /// Postgres.
    pub database: DatabaseSize,
    /// Valkey.
    pub cache: CacheSize,
    /// What the media bucket is meant to hold; shown and measured, never a wall.
    #[schemars(range(min = 1))]
    pub media_gib: u32,
}

/// The web process.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WebSize {
    /// Pods.
    #[schemars(range(min = 1, max = 64))]
    pub replicas: u16,
    /// Puma's worker processes per pod; 0 is single mode, which saves memory.
    #[schemars(range(min = 0, max = 64))]
    pub concurrency: u16,
    /// Threads per process; each may hold a database connection.
    #[schemars(range(min = 1, max = 64))]
    pub threads: u16,
    /// Memory per pod.
    #[schemars(range(min = 64))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10))]
    pub cpu_milli: u32,
}

/// The streaming process.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StreamingSize {
    /// Pods.
    #[schemars(range(min = 1, max = 64))]
    pub replicas: u16,
    /// Database connections per pod.
    #[schemars(range(min = 1, max = 64))]
    pub db_pool: u16,
    /// Memory per pod.
    #[schemars(range(min = 32))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10))]
    pub cpu_milli: u32,
}

/// Background workers.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSize {
    /// Pods.
    #[schemars(range(min = 1, max = 64))]
    pub replicas: u16,
    /// Threads per pod; each may hold a database connection.
    #[schemars(range(min = 1, max = 200))]
    pub concurrency: u16,
    /// Memory per pod.
    #[schemars(range(min = 64))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10))]
    pub cpu_milli: u32,
}

/// The scheduler: always exactly one pod.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerSize {
    /// Threads; each may hold a database connection.
    #[schemars(range(min = 1, max = 50))]
    pub concurrency: u16,
    /// Memory.
    #[schemars(range(min = 64))]
    pub memory_mib: u32,
    /// CPU.
    #[schemars(range(min = 10))]
    pub cpu_milli: u32,
}

/// Postgres.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSize {
    /// Servers: 1, or more with a standby each.
    #[schemars(range(min = 1, max = 5))]
    pub instances: u16,
    /// Disk per server. May grow, never shrink.
    #[schemars(range(min = 1))]
    pub storage_gib: u32,
    /// Memory per server.
    #[schemars(range(min = 128))]
    pub memory_mib: u32,
    /// CPU per server.
    #[schemars(range(min = 10))]
    pub cpu_milli: u32,
}

/// Valkey.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CacheSize {
    /// Memory of the pod; the keys may use three quarters of it.
    #[schemars(range(min = 32))]
    pub memory_mib: u32,
    /// Disk for the append-only file.
    #[schemars(range(min = 1))]
    pub storage_gib: u32,
}

/// What a server is. Written only by the operator.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceStatus {
    /// The generation of the spec that the operator has last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The release that runs (whose migrations are applied); nothing before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Set before anything that holds data is filled, and never unset: from here on a missing database, cache volume, bucket
    /// or identity is a loss of data, not something to make.
    pub database_initialised: bool,
    /// SHA-256 over the public and secret values of the identity, in hex: tells two identities apart without giving one away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_fingerprint: Option<String>,
    /// What is true about it; see [`super::ConditionKind`].
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The steps of the first start with their times, for the page that the customer watches.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub steps: Vec<Step>,
    /// Since when it has been ready without a break; nothing while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<Time>,
    /// Another release on its way; nothing when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// Since when it does not answer on purpose, and what that costs; nothing while it should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// How far its removal is; nothing before it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<RemovalProgress>,
}
