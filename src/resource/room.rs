//! Room for a server's database.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much room a server's database takes and has.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRoom {
    /// What it took when it was measured last, in MiB, with what Postgres keeps beside the tables; nothing while it could
    /// not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_mib: Option<u32>,
    /// What the volume of each of its servers is to have, in GiB: what the size says, or what it has grown to.
    pub gib: u32,
    /// When it was measured.
    pub measured_at: Time,
}
