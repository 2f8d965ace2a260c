//! Another major release of what holds a server's data: asked for by name, for one server at a time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Major releases that were asked for. What runs stays where nothing is asked for.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Majors {
    /// Of PostgreSQL, such as 18. The server is paused while its data are rewritten, and there is no way back afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 99))]
    pub postgres: Option<u16>,
    /// Of Valkey, such as 9. Its data are read by the newer one as they are, and never again by the older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 7, max = 99))]
    pub valkey: Option<u16>,
}

impl Majors {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        let Self { postgres, valkey } = self;
        postgres.is_none() && valkey.is_none()
    }
}

/// Another major release of PostgreSQL on its way.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseUpgrade {
    /// The image that ran before, and to which it goes back if the new one can't take the data.
    pub from: String,
    /// The image that will run.
    pub to: String,
    /// How far it is.
    pub phase: DatabasePhase,
    /// When it began; names its backups.
    pub since: Time,
    /// When this phase began.
    pub phase_since: Time,
}

/// How far another major release of PostgreSQL is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub enum DatabasePhase {
    /// A backup is taken. The server serves.
    Backup,
    /// The server is paused, until no pod of it is left that could write.
    Stop,
    /// CloudNativePG rewrites the data for the new release.
    Rewrite,
    /// That failed: the old release starts again over the data as they were.
    Return,
    /// It failed, and the old release serves again. Stays until another release is asked for, or none.
    Failed,
    /// The new release serves; it gathers what it has to know of the tables.
    Analyze,
    /// A backup is taken, for those from before can't be rolled forward into the new release.
    Secure,
}

impl DatabasePhase {
    /// Every phase.
    pub const ALL: [Self; 7] = [Self::Backup, Self::Stop, Self::Rewrite, Self::Return, Self::Failed, Self::Analyze, Self::Secure];

    /// The word as a reason of a condition, and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "Backup",
            Self::Stop => "Stop",
            Self::Rewrite => "Rewrite",
            Self::Return => "Return",
            Self::Failed => "Failed",
            Self::Analyze => "Analyze",
            Self::Secure => "Secure",
        }
    }

    /// Whether the server is paused meanwhile.
    pub fn pauses(self) -> bool {
        match self {
            Self::Stop | Self::Rewrite | Self::Return => true,
            Self::Backup | Self::Failed | Self::Analyze | Self::Secure => false,
        }
    }

    /// Whether it still goes on.
    pub fn is_under_way(self) -> bool {
        match self {
            Self::Backup | Self::Stop | Self::Rewrite | Self::Return | Self::Analyze | Self::Secure => true,
            Self::Failed => false,
        }
    }
}
