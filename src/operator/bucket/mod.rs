//! The port to the object store: one bucket per server, and one key that opens that bucket alone.

mod memory;
mod versitygw;

use std::fmt;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

pub use memory::MemoryBuckets;
pub use versitygw::VersityGw;

/// The folders of a media bucket that anybody may read. Everything else (`backups/`, `imports/`) is for the server alone,
/// which hands out signed links. From the storage paths in Mastodon's paperclip initializer and its models.
pub const PUBLIC_FOLDERS: [&str; 7] =
    ["accounts", "cache", "custom_emojis", "media_attachments", "preview_card_providers", "preview_cards", "site_uploads"];

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
}

/// An object store that we administer. Every call may be repeated.
#[async_trait]
pub trait Buckets: fmt::Debug + Send + Sync {
    /// Sees to it that the bucket is there, that `key` opens it and no other, that [`PUBLIC_FOLDERS`] can be read by anybody
    /// but not listed, and that pages of other servers may load from it (CORS).
    async fn ensure(&self, bucket: &str, key: &BucketKey) -> Result<(), BucketError>;

    /// Whether the bucket is there.
    async fn exists(&self, bucket: &str) -> Result<bool, BucketError>;

    /// Removes a bucket in which nothing was ever put, and its key. A bucket with something in it stays, and that is an error.
    async fn remove_empty(&self, bucket: &str, access: Option<&str>) -> Result<(), BucketError>;

    /// Removes a bucket with all that is in it, and its key. Each call deletes a few objects.
    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError>;
}
