//! The port to the object store: for each server a bucket of media and one of backups, for the operator one vault; and for each
//! bucket a key that opens that bucket alone.

mod contents;
mod garage;
mod memory;
mod s3;
mod shared_key;
mod versitygw;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

pub use garage::Garage;
pub use memory::MemoryBuckets;
pub(in crate::operator) use s3::{Ask, S3, encoded};
pub use shared_key::SharedKey;
pub use versitygw::VersityGw;

use super::error::Error;
use super::settings::{Storage, StorageDriver};
use crate::clock::SharedClock;

/// The folders of a media bucket that anybody may read. Everything else (`backups/`, `imports/`) is for the server alone,
/// which hands out signed links. From the storage paths in Mastodon's paperclip initializer and its models.
pub const PUBLIC_FOLDERS: [&str; 7] =
    ["accounts", "cache", "custom_emojis", "media_attachments", "preview_card_providers", "preview_cards", "site_uploads"];

/// A bucket as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket<'a> {
    /// Its name, unlike any other's in the store.
    pub name: &'a str,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a bucket is for, and with that who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Media of one server: anybody may read [`PUBLIC_FOLDERS`] and list nothing, and pages of other servers may load from it.
    Media {
        /// How many bytes it may hold, where the store can see to that.
        most: u64,
    },
    /// Backups and archives of one server: for its key alone. Without a limit: a backup that fails for want of room costs more
    /// than the room.
    Backup,
    /// The sealed identities of all servers: for the operator alone.
    Vault,
}

/// A key of the object store. We choose it ourselves, so that it can be written down before it is used.
#[derive(Clone)]
pub struct BucketKey {
    /// `GK` and 24 hex digits: the only form that every supported store takes.
    pub access: String,
    /// 64 hex digits.
    pub secret: SecretString,
}

impl BucketKey {
    /// A key unlike any other.
    pub fn generate() -> Self {
        Self { access: format!("GK{}", super::instance::random_hex::<12>()), secret: super::instance::random_hex::<32>().into() }
    }
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketKey").field("access", &self.access).finish_non_exhaustive()
    }
}

impl PartialEq for BucketKey {
    fn eq(&self, other: &Self) -> bool {
        self.access == other.access && self.secret.expose_secret() == other.secret.expose_secret()
    }
}

/// How much lies in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// How far the removal of a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It and its key are gone.
    Gone,
    /// Some objects are gone; others may be left: ask again.
    Emptying {
        /// How many this call has deleted.
        removed: u64,
    },
}

/// Why a bucket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No answer.
    #[error("could not {what}: no answer from the object store")]
    Unreachable {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that says no.
    #[error("could not {what}: the object store answers {status} {code}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its word for why, such as `AccessDenied`. Never more: the rest differs with each request, and what differs would be
        /// written into the status again and again.
        code: String,
    },
    /// The request could not be signed.
    #[error("could not sign the request to {what}: {why}")]
    Unsigned {
        /// What was tried.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// An answer that is not what this store is said to answer.
    #[error("could not {what}: the object store answers something else than its documentation says")]
    Garbled {
        /// What was tried.
        what: &'static str,
    },
    /// The key can't be had under its name.
    #[error(
        "the store knows a key {0} with another secret, or has deleted it for good: delete the Secret that holds it, then a new one is made"
    )]
    KeyTaken(String),
    /// With one key for all, a Secret holds another.
    #[error("the Secret of this bucket holds another key than storage.access_key: delete the Secret, then it is made again")]
    NotTheSharedKey,
    /// The key that all servers have opens the vault.
    #[error("storage.access_key, which every server has, opens the vault: put the vault somewhere else (vault.endpoint)")]
    VaultOpen,
    /// The vault is not there, and we have no right to make it.
    #[error("there is no bucket {0} for the vault, and this store's key can't make one: make it, with a key of its own")]
    NoVault(String),
}

impl BucketError {
    /// Whether the store says that there is no such bucket.
    pub fn is_no_bucket(&self) -> bool {
        matches!(self, Self::Refused { what: _, status: 404, code } if code == "NoSuchBucket")
    }
}

/// An object store that we administer. Every call may be repeated, and made by two operators at once.
#[async_trait]
pub trait Buckets: fmt::Debug + Send + Sync {
    /// A key for a bucket that has none yet.
    fn new_key(&self) -> BucketKey {
        BucketKey::generate()
    }

    /// Sees to it that the bucket is there, that `key` opens it and no other, and that it is as its purpose says.
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError>;

    /// Whether the bucket is there.
    async fn exists(&self, bucket: &str) -> Result<bool, BucketError>;

    /// How much lies in it. Takes long where the store keeps no count: a request for each thousand objects.
    async fn size(&self, bucket: &str) -> Result<Size, BucketError>;

    /// Whether something lies in it whose name begins so. In a bucket that is not there nothing does.
    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError>;

    /// Removes a bucket in which nothing was ever put, and its key. A bucket with something in it stays, and that is an error.
    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError>;

    /// Removes a bucket with all that is in it, and its key. The key goes first, so that nothing is put in meanwhile; then each call
    /// deletes a few thousand objects.
    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError>;
}

/// The object store of these settings, which were checked before.
///
/// # Errors
/// When there is no TLS to be had.
pub fn connect(storage: &Storage, clock: &SharedClock) -> Result<Arc<dyn Buckets>, Error> {
    let s3 = S3::new(&storage.endpoint, &storage.region, &storage.access_key, &storage.secret_key, Arc::clone(clock))
        .map_err(Error::Client)?;
    Ok(match storage.driver {
        StorageDriver::VersityGw => Arc::new(VersityGw::new(s3)),
        StorageDriver::Garage => Arc::new(Garage::new(s3, storage).map_err(Error::Client)?),
        StorageDriver::Static => Arc::new(SharedKey::new(s3, storage)),
    })
}
