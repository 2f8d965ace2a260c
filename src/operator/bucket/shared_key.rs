//! A server that speaks S3 and gives us one key: every bucket is opened by it, and every server has it.
//!
//! Nothing but the buckets' names then keeps servers apart, so a business has to say by name that it accepts this
//! (`storage.accept_shared_key`). The store must know bucket policies, else nobody could read media; and a policy must add to what the
//! key may do anyway, as with Amazon, not stand in its place.

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;

use super::s3::{Ask, S3, public_folders};
use super::{Bucket, BucketError, BucketKey, Buckets, Purpose, Removal, Size};
use crate::operator::settings::Storage;

/// An S3 server with one key for all.
#[derive(Debug)]
pub struct SharedKey {
    s3: S3,
    region: String,
    secret: SecretString,
}

impl SharedKey {
    /// With the key that every server gets.
    pub(super) fn new(s3: S3, storage: &Storage) -> Self {
        Self { s3, region: storage.region.clone(), secret: storage.secret_key.clone() }
    }

    async fn make(&self, bucket: &str) -> Result<(), BucketError> {
        if self.s3.bucket_exists(bucket).await? {
            return Ok(());
        }
        // The region that a server takes for granted must not be named.
        let place = match self.region.as_str() {
            "us-east-1" => String::new(),
            region => {
                format!(
                    "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
                )
            }
        };
        // Whoever makes it at the same time has the same key: whether it is ours is seen by looking.
        let ask = Ask::new("make a bucket", Method::PUT, bucket).body(place);
        let made = self.s3.demand(ask, &[StatusCode::CONFLICT]).await?;
        if made.status == StatusCode::CONFLICT && !self.s3.bucket_exists(bucket).await? {
            return Err(BucketError::Refused { what: "make a bucket", status: made.status.as_u16(), code: made.code() });
        }
        Ok(())
    }
}

#[async_trait]
impl Buckets for SharedKey {
    fn new_key(&self) -> BucketKey {
        BucketKey { access: self.s3.access_key().to_owned(), secret: self.secret.clone() }
    }

    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        match bucket.purpose {
            Purpose::Vault => {
                // The vault has a key of its own, which only the store's owner can make. What every server has must not open it.
                let ask = Ask::new("look for the vault", Method::HEAD, bucket.name);
                match self.s3.ask(ask).await?.status {
                    StatusCode::NOT_FOUND => Err(BucketError::NoVault(bucket.name.to_owned())),
                    status if status.is_success() => Err(BucketError::VaultOpen),
                    _ => Ok(()),
                }
            }
            Purpose::Media { most: _ } | Purpose::Backup if *key != self.new_key() => Err(BucketError::NotTheSharedKey),
            Purpose::Media { most: _ } => {
                self.make(bucket.name).await?;
                self.s3.set_policy(bucket.name, &[public_folders(bucket.name)]).await?;
                self.s3.allow_pages(bucket.name).await
            }
            Purpose::Backup => self.make(bucket.name).await,
        }
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        self.s3.bucket_exists(bucket).await
    }

    async fn size(&self, bucket: &str) -> Result<Size, BucketError> {
        self.s3.measure(bucket).await
    }

    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        self.s3.has(bucket, prefix).await
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        self.s3.delete_bucket(bucket).await
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        self.s3.clear(bucket).await
    }
}
