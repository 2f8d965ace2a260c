//! `MastodonInstance`: what one Mastodon server should be, and what it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifecycle::{Backups, Removal, RemovalProgress, Suspension, Upgrade};
use super::majors::{DatabaseUpgrade, Majors};
use super::notes::{DataObjects, PreparedBuckets, VaultedIdentity};
use super::room::DatabaseRoom;
use super::sealed::Sealed;
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
#[x_kube(validation = ("!has(self.webDomain) || self.webDomain != self.domain", "spec.webDomain is the same as spec.domain: leave it out"))]
#[x_kube(validation = ("[self.domain, has(self.webDomain) ? self.webDomain : self.domain].all(name, name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$'))", "spec.domain and spec.webDomain must be names with a dot in them, in small letters, digits and hyphens, such as cats.example; write other letters as A-labels (xn--…)"))]
#[x_kube(validation = ("[self.domain, has(self.webDomain) ? self.webDomain : self.domain].all(name, !name.matches('[.][0-9]+$') && name.split('.').all(label, label.startsWith('xn--') || !label.matches('^..--')))", "spec.domain and spec.webDomain must not be addresses, nor have a label with two hyphens in third and fourth place unless it is an A-label (xn--)"))]
#[x_kube(validation = ("[self.domain, has(self.webDomain) ? self.webDomain : self.domain].all(name, !['.local', '.localhost', '.internal', '.arpa', '.invalid', '.onion'].exists(end, name.endsWith(end)))", "spec.domain and spec.webDomain must be names that other servers can look up: not under local, localhost, internal, arpa, invalid or onion"))]
#[x_kube(validation = ("!has(self.mode.suspended) || self.mode.suspended.reason.matches('^[a-z][a-z-]*$')", "spec.mode.suspended.reason must be a word in small letters and hyphens, such as unpaid"))]
#[x_kube(validation = ("(self.size.web.replicas + 1) * (self.size.web.concurrency > 1 ? self.size.web.concurrency : 1) * self.size.web.threads + (self.size.streaming.replicas + 1) * self.size.streaming.dbPool + (self.size.sidekiq.replicas + 1) * self.size.sidekiq.concurrency + self.size.scheduler.concurrency <= 970", "the pools of all processes, with one more pod of each, together take more than the 970 connections that Postgres can spare: lower replicas, concurrency, threads or dbPool"))]
#[x_kube(validation = ("self.size.database.memoryMib >= 4 * ((self.size.web.replicas + 1) * (self.size.web.concurrency > 1 ? self.size.web.concurrency : 1) * self.size.web.threads + (self.size.streaming.replicas + 1) * self.size.streaming.dbPool + (self.size.sidekiq.replicas + 1) * self.size.sidekiq.concurrency + self.size.scheduler.concurrency)", "spec.size.database.memoryMib must be at least 4 MiB for each connection that the processes' pools can take: raise it, or lower replicas, concurrency, threads or dbPool"))]
#[x_kube(validation = ("self.size.web.memoryMib >= 512 + 256 * (self.size.web.concurrency > 1 ? self.size.web.concurrency - 1 : 0)", "spec.size.web.memoryMib must be at least 512, and 256 more for each of spec.size.web.concurrency after the first"))]
#[x_kube(validation = ("self.size.cache.storageGib * 512 >= self.size.cache.memoryMib", "spec.size.cache.storageGib must hold the cache twice, for its log is written anew beside the old one: raise it to at least memoryMib / 512"))]
#[x_kube(validation = ("self.size.database.storageGib >= oldSelf.size.database.storageGib && self.size.cache.storageGib >= oldSelf.size.cache.storageGib", "volumes grow and never shrink: spec.size.database.storageGib and spec.size.cache.storageGib can't be lowered"))]
#[x_kube(validation = ("!has(self.size.database.storageMostGib) || self.size.database.storageMostGib >= self.size.database.storageGib", "spec.size.database.storageMostGib is what the disk may grow to: at least storageGib"))]
#[x_kube(validation = ("!has(self.localDomain) || has(self.webDomain)", "spec.localDomain says who answers where the pages are not; it goes with spec.webDomain"))]
#[x_kube(validation = ("self.owner == oldSelf.owner", "spec.owner names the first owner only and can't change; give others the role inside Mastodon"))]
#[x_kube(validation = ("!has(oldSelf.holdsData) || !oldSelf.holdsData || (has(self.holdsData) && self.holdsData)", "spec.holdsData says that the server was filled before, which can't be taken back"))]
#[x_kube(validation = ("!has(self.removal) || has(self.mode.archived)", "spec.removal is for a server that has ended: set spec.mode to archived"))]
pub struct MastodonInstanceSpec {
    /// Mastodon's `LOCAL_DOMAIN`: the part after the @ in every handle. In lower-case ASCII (A-labels).
    #[schemars(length(min = 4, max = 253))]
    pub domain: String,
    /// Mastodon's `WEB_DOMAIN`, where the pages are when that is not the domain itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 4, max = 253))]
    pub web_domain: Option<String>,
    /// Who answers at the domain itself when the pages are elsewhere (`webDomain`). Nobody here when missing. Of no account for a name
    /// under the host's domain: that one always leads here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_domain: Option<LocalDomain>,
    /// The customer's own domain was seen to point here, so that it may be served. Until then the server is built and nothing answers
    /// under that name. Of no account for a name under the host's domain.
    #[serde(default)]
    pub address_confirmed: bool,
    /// Whether it should run.
    pub mode: Mode,
    /// A release of Mastodon, such as 4.5.20. The operator knows the images of those it offers.
    #[schemars(length(max = 20))]
    #[x_kube(validation = ("self.matches('^(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)$')", "spec.version must be a release such as 4.5.20, without v and without a suffix"))]
    pub version: String,
    /// Who gets the role Owner at the first start.
    pub owner: Owner,
    /// The language of pages for visitors who ask for none, such as en or pt-BR.
    #[schemars(length(max = 12))]
    #[x_kube(validation = ("self.matches('^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$')", "spec.locale must be a language such as en or pt-BR"))]
    pub locale: String,
    /// How much of everything.
    pub size: Size,
    /// Other major releases of what holds its data, each asked for by name.
    #[serde(default, skip_serializing_if = "Majors::is_empty")]
    pub majors: Majors,
    /// Secrets that the customer brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// It has been filled before: what holds its data is nowhere made anew, whatever this cluster knows of it. Stays once it is said.
    #[serde(default)]
    pub holds_data: bool,
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

/// Who answers at `LOCAL_DOMAIN` when the pages are elsewhere. Handles end in it, so other servers ask there where an account is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum LocalDomain {
    /// The name points here, and we redirect what other servers ask.
    Served,
    /// A site of the customer's own redirects.
    Elsewhere,
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
        #[schemars(length(min = 1, max = 32))]
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
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user name, without @ and domain.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9_]+$')", "spec.owner.username may have letters a to z, digits and underscores"))]
    // `reserved_usernames` in Mastodon's config/settings.yml, as in instance::owner.
    #[x_kube(validation = ("!(self.lowerAscii() in ['admin', 'support', 'help', 'root', 'webmaster', 'administrator', 'mod', 'moderator'])", "spec.owner.username is one that Mastodon keeps back: choose another than admin, support, help, root, webmaster, administrator, mod and moderator"))]
    pub username: String,
    /// The mail address to which Mastodon sends the link for a password.
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = ("self.matches('^[^\\\\s@-][^\\\\s@]*@[^\\\\s@.]+([.][^\\\\s@.]+)+$')", "spec.owner.email must be an address such as ada@mail.example"))]
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
    #[schemars(range(min = 1, max = 1_000_000))]
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
    #[schemars(range(min = 64, max = 1_048_576))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10, max = 256_000))]
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
    #[schemars(range(min = 32, max = 1_048_576))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10, max = 256_000))]
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
    #[schemars(range(min = 64, max = 1_048_576))]
    pub memory_mib: u32,
    /// CPU per pod.
    #[schemars(range(min = 10, max = 256_000))]
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
    #[schemars(range(min = 64, max = 1_048_576))]
    pub memory_mib: u32,
    /// CPU.
    #[schemars(range(min = 10, max = 256_000))]
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
    #[schemars(range(min = 1, max = 65_536))]
    pub storage_gib: u32,
    /// What it may grow to by itself, before the database is full; not at all when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub storage_most_gib: Option<u32>,
    /// Memory per server.
    #[schemars(range(min = 128, max = 1_048_576))]
    pub memory_mib: u32,
    /// CPU per server.
    #[schemars(range(min = 10, max = 256_000))]
    pub cpu_milli: u32,
}

/// Valkey.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CacheSize {
    /// Memory of the pod; the keys may use three quarters of it.
    #[schemars(range(min = 32, max = 1_048_576))]
    pub memory_mib: u32,
    /// Disk for the append-only file.
    #[schemars(range(min = 1, max = 65_536))]
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
    /// The major releases that run.
    #[serde(skip_serializing_if = "Majors::is_empty")]
    pub majors: Majors,
    /// Another major release of PostgreSQL on its way, or one that failed; nothing when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_upgrade: Option<DatabaseUpgrade>,
    /// How much room the database takes and has; nothing before it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_room: Option<DatabaseRoom>,
    /// Since when it does not answer on purpose, and what that costs; nothing while it should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// How far its removal is; nothing before it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<RemovalProgress>,
    /// Stands for all that was applied and for who owns which field of it, as it was when all of it was as we had left it. An operator
    /// that finds the same again has nothing to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// The buckets, as they were prepared last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<PreparedBuckets>,
    /// The identity, as the vault was last seen to hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultedIdentity>,
    /// What was filled, from when it was filled on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataObjects>,
    /// What its database can be brought back to; nothing before there is a base backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<Backups>,
}
