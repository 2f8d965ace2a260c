//! What runs need to know of archives, and what they say of them.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::ids::ArchiveId;

/// What an archive is to hold. Copies of other servers' files (`cache/`) are in none: those servers have them.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ArchiveScope {
    /// The database, the secrets, and all media of this server.
    WithoutCache,
    /// The database and the secrets.
    DatabaseOnly,
}

/// An archive's id, as a custom resource names it.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(transparent)]
pub struct ArchiveName(pub ArchiveId);

impl ArchiveName {
    /// Where it lies in the backup bucket, without a slash at either end.
    pub fn prefix(self) -> String {
        format!("archives/{}", self.0)
    }
}

impl JsonSchema for ArchiveName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ArchiveName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^arc_[0-7][0-9a-hjkmnp-tv-z]{25}$", "maxLength": 30})
    }
}

/// A public key of age, to which an archive's secrets are sealed.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub struct AgeRecipient(String);

impl AgeRecipient {
    /// The text, when it is one.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        text.parse::<age::x25519::Recipient>().ok().map(|_| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AgeRecipient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a public key of age (age1…)")))
    }
}

impl JsonSchema for AgeRecipient {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AgeRecipient".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$", "maxLength": 62})
    }
}

/// A SHA-256 in 64 lower-case hexadecimal digits.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The text, when it is one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("a SHA-256 has 64 lower-case hexadecimal digits"))
    }
}

impl JsonSchema for Digest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$", "maxLength": 64})
    }
}

/// An archive that was written: all of it was read back from the bucket.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WrittenArchive {
    /// SHA-256 of its manifest, by which it is told from every other.
    pub manifest: Digest,
    /// The public key that signed it.
    #[schemars(length(max = 100))]
    pub signer: String,
    /// Bytes of all its parts.
    #[schemars(range(min = 0))]
    pub bytes: i64,
    /// How many parts it has.
    #[schemars(range(min = 0))]
    pub parts: i32,
    /// Media files in it.
    #[schemars(range(min = 0))]
    pub objects: i64,
    /// Media files that are not in it: no name of the format fits them, or they were gone by the time they were to be read.
    #[schemars(range(min = 0))]
    pub missing: i64,
    /// As of when its database is.
    pub snapshot: Time,
}

/// An archive whose database was restored into a throw-away one and found to be what it says.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProvenArchive {
    /// SHA-256 of its manifest.
    pub manifest: Digest,
    /// Tables whose rows were counted.
    #[schemars(range(min = 0))]
    pub tables: i64,
    /// Rows in them.
    #[schemars(range(min = 0))]
    pub rows: i64,
    /// Media files whose checksums were compared.
    #[schemars(range(min = 0))]
    pub objects: i64,
    /// Local accounts whose public key is the one of the archive.
    #[schemars(range(min = 0))]
    pub actors: i64,
    /// Of those, accounts whose private key fits.
    #[schemars(range(min = 0))]
    pub pairs: i64,
    /// Whether an encrypted column opened with the server's own secrets; nothing where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_keys_and_checksums_are_read_as_strictly_as_the_api_server_does() {
        let id = ArchiveId::new();
        let name: ArchiveName = serde_json::from_value(json!(id.to_string())).unwrap();
        assert_eq!(name.prefix(), format!("archives/{id}"));
        for bad in ["", "arc_", "../arc_01jd0000000000000000000000", "ins_01jd0000000000000000000000"] {
            assert!(serde_json::from_value::<ArchiveName>(json!(bad)).is_err(), "{bad}");
        }
        let key = age::x25519::Identity::generate().to_public().to_string();
        assert_eq!(AgeRecipient::new(&format!(" {key}\n")).unwrap().as_str(), key);
        for bad in ["", "--recipient", "age1", &key[1..], "AGE-SECRET-KEY-1"] {
            assert!(serde_json::from_value::<AgeRecipient>(json!(bad)).is_err(), "{bad}");
        }
        assert!(Digest::new(&"0a".repeat(32)).is_some());
        for bad in ["0A".repeat(32), "0a".repeat(31), "0g".repeat(32)] {
            assert!(Digest::new(&bad).is_none(), "{bad}");
        }
    }
}
