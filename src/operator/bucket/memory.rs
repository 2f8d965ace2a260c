//! An object store that is only a list, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{BucketError, BucketKey, Buckets, Removal};

/// Remembers which key opens which bucket.
#[derive(Debug, Default)]
pub struct MemoryBuckets(Mutex<BTreeMap<String, BucketKey>>);

impl MemoryBuckets {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BucketKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a bucket.
    pub fn key(&self, bucket: &str) -> Option<BucketKey> {
        self.lock().get(bucket).cloned()
    }

    /// Loses a bucket, as a disaster would.
    pub fn lose(&self, bucket: &str) {
        self.lock().remove(bucket);
    }
}

#[async_trait]
impl Buckets for MemoryBuckets {
    async fn ensure(&self, bucket: &str, key: &BucketKey) -> Result<(), BucketError> {
        self.lock().insert(bucket.to_owned(), key.clone());
        Ok(())
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        Ok(self.lock().contains_key(bucket))
    }

    async fn remove_empty(&self, bucket: &str, _access: Option<&str>) -> Result<(), BucketError> {
        self.lose(bucket);
        Ok(())
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        self.lose(bucket);
        Ok(Removal::Gone)
    }
}
