//! The manifest: what an archive is of, what it holds, and what it does not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical::to_canonical;
use super::error::Damage;
use super::names::PartName;

/// What `format` is.
pub const FORMAT: &str = "paddock-archive";
/// What `version` is.
pub const VERSION: u32 = 1;
/// The largest manifest that is read, in bytes.
pub const LARGEST: u64 = 16 * 1024 * 1024;
/// The most that a compressed part may claim to unpack to, for each of its bytes; the first 64 MiB are free.
pub const MOST_RATIO: u64 = 100;
const FREE: u64 = 64 * 1024 * 1024;
/// The most files that an archive may hold.
pub const MOST_OBJECTS: u64 = 50_000_000;

/// What an archive is of and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// What wrote it.
    pub program: String,
    /// When its creation began, UTC, whole seconds.
    pub began: DateTime<Utc>,
    /// As of when the database is.
    pub snapshot: DateTime<Utc>,
    /// When its creation ended.
    pub ended: DateTime<Utc>,
    /// The public key that signed it, in base 64.
    pub signer: String,
    /// Which server it is of.
    pub source: Source,
    /// What the database was.
    pub database: Database,
    /// By what the server's identity is recognised.
    pub identity: Identity,
    /// What is in it and what is not.
    pub completeness: Completeness,
    /// Its files, in the order of their names.
    pub parts: Vec<Part>,
}

/// Which server an archive is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `LOCAL_DOMAIN`: what stands behind the `@` of its people.
    pub domain: String,
    /// `WEB_DOMAIN`, or the same.
    pub web_domain: String,
    /// Mastodon's release as far as the schema tells, such as `4.5`; absent when it is none that the program knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mastodon: Option<String>,
    /// All of `schema_migrations`, in order.
    pub migrations: Vec<String>,
}

/// What the database was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Version of the server, as `server_version_num` says: 170004.
    pub server: u32,
    /// Major version of the `pg_dump` that wrote the dump: a `pg_restore` of this version or newer reads it.
    pub client: u32,
    /// Its encoding.
    pub encoding: String,
    /// Its collation.
    pub collation: String,
    /// What it took on disk, in bytes.
    pub bytes: u64,
    /// Rows of each table of the schema `public`.
    pub tables: BTreeMap<String, u64>,
    /// The last value of each sequence of the schema `public`; null where none was taken.
    pub sequences: BTreeMap<String, Option<i64>>,
}

/// By what the server's identity is recognised. Nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Local accounts that have a key to sign with.
    pub actors: u64,
    /// SHA-256 over the lines `name SPACE SHA-256 of the public key NEWLINE` of all of them, sorted by their bytes.
    pub actors_sha256: String,
    /// The public key of web push, where the secrets were given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vapid_public_key: Option<String>,
}

/// What is in the archive and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completeness {
    /// Which media.
    pub media: MediaScope,
    /// Whether `secrets.age` is there.
    pub secrets: bool,
    /// Media files in it.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Files that were gone by the time they were to be read.
    pub vanished: u64,
    /// Files that were left out because no name of this format fits them, or they are too large; the first hundred by name.
    pub left_out: Vec<String>,
    /// How many were left out for that.
    pub left_out_count: u64,
}

/// Which media an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaScope {
    /// All but other servers' files, which those have.
    WithoutCache,
    /// None: the database alone.
    None,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What it unpacks to, if it is compressed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unpacked: Option<u64>,
    /// Files in it, of media parts and their indexes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objects: Option<u64>,
}

/// A time as manifests have it.
pub fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

impl Manifest {
    /// The canonical bytes: what is signed.
    ///
    /// # Errors
    /// A number does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Damage> {
        let bad = |why: String| Damage::Manifest(why);
        let value = serde_json::to_value(self).map_err(|error| bad(error.to_string()))?;
        to_canonical(&value).map_err(|error| bad(error.to_string()))
    }

    /// Reads the bytes of a manifest and checks all that it claims, as far as that can be told without the parts.
    ///
    /// # Errors
    /// It is none, or claims what can't be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let bad = |why: &str| Damage::Manifest(why.to_owned());
        let value: Value = serde_json::from_slice(bytes).map_err(|error| Damage::Manifest(format!("no JSON: {error}")))?;
        match (value["format"].as_str(), value["version"].as_i64()) {
            (Some(FORMAT), Some(1)) => {}
            (Some(FORMAT), Some(other)) => {
                return Err(Damage::Manifest(format!(
                    "its format has version {other}, and this program knows version {VERSION}"
                )));
            }
            _ => return Err(bad("it is no manifest of an archive")),
        }
        if to_canonical(&value).map_err(|error| bad(&error.to_string()))? != bytes {
            return Err(bad("it is not written canonically"));
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| Damage::Manifest(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Damage> {
        let bad = |why: String| Err(Damage::Manifest(why));
        let mut names = BTreeSet::new();
        let mut objects = 0_u64;
        for (at, part) in self.parts.iter().enumerate() {
            let name = part.check()?;
            if at > 0 && self.parts[at - 1].name >= part.name {
                return bad(format!("{} is listed twice or out of order", part.name));
            }
            names.insert(name);
            if let (PartName::Media(_), Some(count)) = (name, part.objects) {
                objects = objects.saturating_add(count);
            }
        }
        let media = names.iter().filter(|name| matches!(name, PartName::Media(_))).count();
        for number in 1..=u32::try_from(media).unwrap_or(u32::MAX) {
            for name in [PartName::Media(number), PartName::Index(number)] {
                if !names.contains(&name) {
                    return bad(format!("it does not list {name}"));
                }
            }
        }
        let indexes = names.iter().filter(|name| matches!(name, PartName::Index(_))).count();
        let Completeness { media: scope, secrets, objects: claimed, .. } = &self.completeness;
        let needed = [PartName::Database, PartName::Guide, PartName::Compose, PartName::Script, PartName::Sums];
        if let Some(name) = needed.into_iter().find(|name| !names.contains(name)) {
            return bad(format!("it does not list {name}"));
        }
        if indexes != media || (*scope == MediaScope::None && media > 0) {
            return bad("its media parts, their indexes and what it says of media do not fit together".into());
        }
        if *secrets != names.contains(&PartName::Secrets) {
            return bad("what it says of secrets does not fit its parts".into());
        }
        if objects != *claimed || objects > MOST_OBJECTS {
            return bad(format!("it claims {claimed} files, its parts {objects}, and at most {MOST_OBJECTS} are read"));
        }
        Ok(())
    }

    /// The part of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn part(&self, name: PartName) -> Result<&Part, Damage> {
        let text = name.to_string();
        self.parts.iter().find(|part| part.name == text).ok_or(Damage::Missing(text))
    }

    /// The numbers of the media parts.
    pub fn media_parts(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().filter_map(|part| match part.name.parse() {
            Ok(PartName::Media(number)) => Some(number),
            Ok(
                PartName::Database
                | PartName::Index(_)
                | PartName::Secrets
                | PartName::Guide
                | PartName::Compose
                | PartName::Script
                | PartName::Sums,
            )
            | Err(_) => None,
        })
    }

    /// The bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }
}

impl Part {
    fn check(&self) -> Result<PartName, Damage> {
        let Self { name: text, bytes, sha256, unpacked, objects } = self;
        let bad = |why: String| Damage::Manifest(why);
        let shown: String = text.chars().take(200).collect();
        let name: PartName = text.parse().map_err(|error| bad(format!("{shown:?} {error}")))?;
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad(format!("the checksum of {name} is none")));
        }
        if unpacked.is_some() != name.is_compressed() {
            return Err(bad(format!("what {name} unpacks to is said where it should not be, or not where it should")));
        }
        let most = bytes.saturating_mul(MOST_RATIO).saturating_add(FREE);
        if let Some(unpacked) = unpacked.filter(|unpacked| *unpacked > most) {
            return Err(bad(format!("{name} claims to unpack from {bytes} to {unpacked} bytes, more than {MOST_RATIO} to 1")));
        }
        if objects.is_some() != matches!(name, PartName::Media(_) | PartName::Index(_)) {
            return Err(bad(format!("the number of files of {name} is said where it should not be, or not where it should")));
        }
        Ok(name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A manifest of a small archive that does not exist.
    pub(in crate::archive) fn sample() -> Manifest {
        let at = "2026-11-25T12:00:00Z".parse().unwrap();
        let part =
            |name: &str, unpacked, objects| Part { name: name.into(), bytes: 10, sha256: "0".repeat(64), unpacked, objects };
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            program: "paddock 0.1.0".into(),
            began: at,
            snapshot: at,
            ended: at,
            signer: "AAAA".into(),
            source: Source {
                domain: "birds.example".into(),
                web_domain: "birds.example".into(),
                mastodon: Some("4.5".into()),
                migrations: vec!["20251023210145".into()],
            },
            database: Database {
                server: 150_020,
                client: 15,
                encoding: "UTF8".into(),
                collation: "C.UTF-8".into(),
                bytes: 1,
                tables: [("accounts".to_owned(), 3)].into(),
                sequences: [("accounts_id_seq".to_owned(), Some(3))].into(),
            },
            identity: Identity { actors: 1, actors_sha256: "0".repeat(64), vapid_public_key: None },
            completeness: Completeness {
                media: MediaScope::WithoutCache,
                secrets: true,
                objects: 2,
                object_bytes: 7,
                vanished: 0,
                left_out: Vec::new(),
                left_out_count: 0,
            },
            parts: vec![
                part("RESTORE.md", None, None),
                part("SHA256SUMS", None, None),
                part("compose.yaml", None, None),
                part("database.dump.zst", Some(100), None),
                part("media-00001.sha256", None, Some(2)),
                part("media-00001.tar.zst", Some(100), Some(2)),
                part("restore.sh", None, None),
                part("secrets.age", None, None),
            ],
        }
    }

    #[test]
    fn a_manifest_comes_back_from_its_bytes() {
        let manifest = sample();
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
        assert_eq!(manifest.media_parts().collect::<Vec<_>>(), [1]);
        assert!(String::from_utf8(bytes).unwrap().contains("\"began\":\"2026-11-25T12:00:00Z\""));
    }

    #[test]
    fn what_a_manifest_may_not_claim_is_named() {
        type Change = fn(&mut Manifest);
        let cases: [(Change, &str); 12] = [
            (|m| m.parts[3].name = "../database.dump.zst".into(), "\"../database.dump.zst\" is not the name of a part"),
            (|m| m.parts[3].name = "/etc/passwd".into(), "is not the name of a part"),
            (|m| m.parts.swap(0, 1), "twice or out of order"),
            (|m| m.parts.insert(1, m.parts[0].clone()), "twice or out of order"),
            (|m| m.parts[3].unpacked = Some(1 << 60), "claims to unpack from 10 to"),
            (|m| m.parts[3].unpacked = None, "unpacks to"),
            (|m| m.parts[3].sha256 = "x".into(), "checksum"),
            (|m| m.completeness.objects = 3, "claims 3 files"),
            (|m| m.completeness.secrets = false, "secrets"),
            (|m| drop(m.parts.remove(6)), "does not list restore.sh"),
            (|m| drop(m.parts.remove(4)), "does not list media-00001.sha256"),
            (|m| m.version = 2, "version 2"),
        ];
        for (change, said) in cases {
            let mut manifest = sample();
            change(&mut manifest);
            let error = Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
        let mut many = sample();
        many.completeness.objects = MOST_OBJECTS + 1;
        many.parts[5].objects = Some(MOST_OBJECTS + 1);
        assert!(Manifest::from_bytes(&many.to_bytes().unwrap()).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn a_manifest_has_one_form() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let twice = text.replacen("\"began\"", "\"ended\":\"2026-11-25T12:00:00Z\",\"began\"", 1);
        for other in [format!("{text}\n"), text.replace(':', ": "), twice] {
            let error = Manifest::from_bytes(other.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("canonical"), "{error}");
        }
        let more = text.replacen('{', "{\"added\":1,", 1);
        assert!(Manifest::from_bytes(more.as_bytes()).unwrap_err().to_string().contains("unknown field"));
    }
}
