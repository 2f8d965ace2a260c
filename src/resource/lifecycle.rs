//! What happens to a server after its first start: another release, a pause, backups, its removal.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::steps::{instant, time};

/// Another release on its way.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// What ran before.
    pub from: String,
    /// What will run.
    pub to: String,
    /// How far it is.
    pub phase: UpgradePhase,
    /// When it began; names its backup.
    pub since: Time,
    /// When this phase began.
    pub phase_since: Time,
}

/// How far another release is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum UpgradePhase {
    /// A backup is taken. The old release serves.
    Backup,
    /// Migrations that the old release can live with. It serves.
    PreMigration,
    /// The pods are exchanged: both releases serve.
    Roll,
    /// No pod of the old release is left: the other migrations.
    PostMigration,
    /// The pods go back to an earlier patch of the same minor release.
    RollBack,
}

impl UpgradePhase {
    /// Every phase.
    pub const ALL: [Self; 5] = [Self::Backup, Self::PreMigration, Self::Roll, Self::PostMigration, Self::RollBack];

    /// The word as a reason of a condition, and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "Backup",
            Self::PreMigration => "PreMigration",
            Self::Roll => "Roll",
            Self::PostMigration => "PostMigration",
            Self::RollBack => "RollBack",
        }
    }

    /// Whether the pods are those of the release to come.
    pub fn has_new_pods(self) -> bool {
        match self {
            Self::Backup | Self::PreMigration => false,
            Self::Roll | Self::PostMigration | Self::RollBack => true,
        }
    }
}

/// The header by which whoever answers for a paused server learns why it is paused: `spec.mode`'s reason, or `ended`.
pub const PAUSE_REASON_HEADER: &str = "x-paddock-pause-reason";

/// Other servers try to deliver a post sixteen times within 2.1 to 3.1 days (Mastodon's `activitypub/delivery_worker.rb`).
const POSTS_ARE_TRIED_FOR: TimeDelta = TimeDelta::days(2);
/// They stop to deliver after failures on seven different days, until they hear from us (`delivery_failure_tracker.rb`).
const PEERS_TRY_FOR: TimeDelta = TimeDelta::days(7);

/// A server that does not answer, and what that costs by when.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Since when.
    pub since: Time,
    /// From then on posts that others sent to it are lost, the first ones first.
    pub posts_lost_from: Time,
    /// From then on others stop to deliver, until they hear from it again.
    pub peers_stop_from: Time,
}

impl Suspension {
    /// One that begins at this time.
    pub fn beginning(at: DateTime<Utc>) -> Self {
        Self { since: time(at), posts_lost_from: time(at + POSTS_ARE_TRIED_FOR), peers_stop_from: time(at + PEERS_TRY_FOR) }
    }

    /// When it began.
    pub fn since(&self) -> DateTime<Utc> {
        instant(&self.since)
    }
}

/// What a database can be brought back to.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Backups {
    /// The earliest moment. From then on any second, as long as the condition `BackedUp` holds.
    pub since: Time,
    /// When the last base backup was complete.
    pub last: Time,
}

/// Why the data of an ended server may be destroyed.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Removal {
    /// All of it is in an archive whose restore was proven.
    Archive {
        /// The archive.
        #[schemars(length(min = 1, max = 64))]
        id: String,
        /// SHA-256 of its manifest, in hex.
        #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
        manifest_sha256: String,
    },
    /// The host's own people say so.
    StaffOverride {
        /// Why.
        #[schemars(length(min = 1, max = 500))]
        reason: String,
        /// Who asked for it.
        #[schemars(length(min = 1, max = 64))]
        by: String,
        /// Who confirmed it.
        #[schemars(length(min = 1, max = 64))]
        second: String,
    },
}

/// A removal that has begun.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RemovalProgress {
    /// When it began: from then on the data is not whole any more.
    pub since: Time,
    /// When nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}
