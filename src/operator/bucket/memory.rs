//! An object store that is only a list, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Bucket, BucketError, BucketKey, Buckets, Purpose, Removal, Size};

/// Remembers which key opens which bucket.
#[derive(Debug, Default)]
pub struct MemoryBuckets(Mutex<BTreeMap<String, (Purpose, BucketKey)>>);

impl MemoryBuckets {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Purpose, BucketKey)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a bucket is for, and its key.
    pub fn bucket(&self, bucket: &str) -> Option<(Purpose, BucketKey)> {
        self.lock().get(bucket).cloned()
    }

    /// Loses a bucket, as a disaster would.
    pub fn lose(&self, bucket: &str) {
        self.lock().remove(bucket);
    }
}

#[async_trait]
impl Buckets for MemoryBuckets {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        self.lock().insert(bucket.name.to_owned(), (bucket.purpose, key.clone()));
        Ok(())
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        Ok(self.lock().contains_key(bucket))
    }

    async fn size(&self, _bucket: &str) -> Result<Size, BucketError> {
        Ok(Size { objects: 0, bytes: 0 })
    }

    async fn has(&self, _bucket: &str, _prefix: &str) -> Result<bool, BucketError> {
        Ok(false)
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        self.lose(bucket);
        Ok(())
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        self.lose(bucket);
        Ok(Removal::Gone)
    }
}
