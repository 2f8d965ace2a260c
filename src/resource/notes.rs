//! What the operator writes down about an instance for whoever operates it next, so that a start changes nothing where nothing has
//! changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Buckets that were prepared.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreparedBuckets {
    /// That of media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<PreparedBucket>,
    /// That of backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PreparedBucket>,
}

/// A bucket that was prepared for one key.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreparedBucket {
    /// UID of the immutable Secret that holds the key; empty once the bucket is missed.
    pub secret: String,
    /// How many bytes it may hold, where that has a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
}

/// What holds data, by UID. Whatever has the same name and another UID is another one, which holds others' data or none.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DataObjects {
    /// The database's Cluster.
    pub database: String,
    /// Valkey's volume.
    pub cache: String,
}

/// An identity that the vault was seen to hold.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VaultedIdentity {
    /// UID of the immutable Secret that holds the same.
    pub secret: String,
    /// The public keys that it is sealed to.
    pub sealed_to: String,
}
