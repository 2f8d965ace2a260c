//! Where the vault's objects lie: a bucket of an S3 server, or a list for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use tokio::sync::Mutex as AsyncMutex;

use crate::clock::SharedClock;
use crate::operator::bucket::{Ask, Bucket, BucketError, BucketKey, Buckets, Purpose, S3, encoded};
use crate::operator::settings::Settings;

/// A few small objects by name.
#[async_trait]
pub trait VaultStore: fmt::Debug + Send + Sync {
    /// Sees to it that the vault is there: once, and again after it has turned us away. An error is no "empty": nobody may conclude from it that something is missing.
    async fn ready(&self) -> Result<(), BucketError>;

    /// What is stored under a name; nothing when nothing is.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BucketError>;

    /// Stores something under a name, all of it or nothing.
    async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError>;

    /// The same, but leaves alone what is there, as far as the store can do that in one step.
    async fn put_new(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError>;

    /// The names that begin with this, up to a thousand.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, BucketError>;

    /// Takes a name and what is stored under it away.
    async fn delete(&self, name: &str) -> Result<(), BucketError>;
}

/// The vault's bucket.
#[derive(Debug)]
pub struct S3Vault {
    s3: S3,
    bucket: String,
    key: BucketKey,
    /// Who makes the bucket and its key where they are missing; nobody where the vault is on a server of its own.
    maker: Option<Arc<dyn Buckets>>,
    /// The lock is held while bucket and key are made.
    ready: AsyncMutex<Standing>,
}

/// What is known of bucket and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing: nobody has looked.
    Unknown,
    /// They are there.
    There,
    /// The store has turned us away.
    TurnedAway,
}

impl S3Vault {
    /// The vault of these settings; see [`super::Vault::connect`].
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn connect(settings: &Settings, buckets: Option<Arc<dyn Buckets>>, clock: &SharedClock) -> Result<Self, reqwest::Error> {
        let (vault, storage) = (&settings.vault, &settings.storage);
        let endpoint = vault.endpoint.as_ref().unwrap_or(&storage.endpoint);
        let region = vault.region.as_ref().unwrap_or(&storage.region);
        Ok(Self {
            s3: S3::new(endpoint, region, &vault.access_key, &vault.secret_key, Arc::clone(clock))?,
            bucket: vault.bucket.clone(),
            key: BucketKey { access: vault.access_key.clone(), secret: vault.secret_key.clone() },
            maker: buckets.filter(|_| vault.endpoint.is_none()),
            ready: AsyncMutex::new(Standing::Unknown),
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{}", self.bucket, encoded(name))
    }

    /// Whether the vault is there and its key may look at it.
    async fn opens(&self) -> Result<bool, BucketError> {
        match self.s3.bucket_exists(&self.bucket).await {
            Err(BucketError::Refused { what: _, status: 401 | 403, code: _ }) => Ok(false),
            answer => answer,
        }
    }

    /// Somebody has changed what our key may do, or the store has not heard of it yet: it is set up once more before the next try.
    async fn heed(&self, refused: &BucketError) {
        if matches!(refused, BucketError::Refused { what: _, status: 403, code: _ }) {
            *self.ready.lock().await = Standing::TurnedAway;
        }
    }

    async fn write(&self, ask: Ask, fine: &[StatusCode]) -> Result<StatusCode, BucketError> {
        match self.s3.demand(ask, fine).await {
            Ok(answer) => Ok(answer.status),
            Err(error) => {
                self.heed(&error).await;
                Err(error)
            }
        }
    }
}

#[async_trait]
impl VaultStore for S3Vault {
    async fn ready(&self) -> Result<(), BucketError> {
        let mut standing = self.ready.lock().await;
        match (*standing, &self.maker) {
            (Standing::There, _) => return Ok(()),
            // Where its key opens it, nothing is to be made: a start costs a look.
            (Standing::Unknown, Some(_)) if self.opens().await? => {}
            (Standing::Unknown | Standing::TurnedAway, Some(maker)) => {
                maker.ensure(Bucket { name: &self.bucket, purpose: Purpose::Vault }, &self.key).await?;
            }
            (Standing::Unknown | Standing::TurnedAway, None) => {
                if !self.s3.bucket_exists(&self.bucket).await? {
                    return Err(BucketError::NoVault(self.bucket.clone()));
                }
            }
        }
        *standing = Standing::There;
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BucketError> {
        let what = "read from the vault";
        let answer = self.s3.ask(Ask::new(what, Method::GET, self.path(name))).await?;
        if answer.status.is_success() {
            return Ok(Some(answer.body));
        }
        // A bucket that is gone answers 404 too, and is anything but empty.
        let code = answer.code();
        if answer.status == StatusCode::NOT_FOUND && code == "NoSuchKey" {
            return Ok(None);
        }
        let refused = BucketError::Refused { what, status: answer.status.as_u16(), code };
        self.heed(&refused).await;
        Err(refused)
    }

    async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError> {
        let ask = Ask::new("write into the vault", Method::PUT, self.path(name)).body(content);
        self.write(ask, &[]).await.map(drop)
    }

    async fn put_new(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError> {
        let ask =
            Ask::new("write into the vault", Method::PUT, self.path(name)).header("if-none-match", "*").body(content.clone());
        // 412: it is there. 409: somebody writes it just now.
        let fine = [StatusCode::PRECONDITION_FAILED, StatusCode::CONFLICT, StatusCode::NOT_IMPLEMENTED];
        if self.write(ask, &fine).await? == StatusCode::NOT_IMPLEMENTED {
            return self.put(name, content).await;
        }
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.s3.keys(&self.bucket, prefix).await
    }

    async fn delete(&self, name: &str) -> Result<(), BucketError> {
        let ask = Ask::new("take something out of the vault", Method::DELETE, self.path(name));
        self.write(ask, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

/// A vault that is only a list, for tests.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    objects: BTreeMap<String, Vec<u8>>,
    overtaken: Option<(String, Vec<u8>)>,
    writes: usize,
    fails: bool,
}

impl MemoryVault {
    fn lock(&self) -> Result<MutexGuard<'_, Memory>, BucketError> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.fails {
            return Err(BucketError::Refused { what: "use the vault", status: 503, code: "SlowDown".to_owned() });
        }
        Ok(memory)
    }

    /// From now on nothing works, or everything does again.
    pub fn fail(&self, fails: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fails = fails;
    }

    /// Somebody else writes this right before the next that writes only what is new.
    pub fn be_overtaken(&self, name: &str, content: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).overtaken = Some((name.to_owned(), content));
    }

    /// How often something was stored.
    pub fn writes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).writes
    }
}

#[async_trait]
impl VaultStore for MemoryVault {
    async fn ready(&self) -> Result<(), BucketError> {
        self.lock().map(drop)
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BucketError> {
        Ok(self.lock()?.objects.get(name).cloned())
    }

    async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError> {
        let mut memory = self.lock()?;
        memory.writes += 1;
        memory.objects.insert(name.to_owned(), content);
        Ok(())
    }

    async fn put_new(&self, name: &str, content: Vec<u8>) -> Result<(), BucketError> {
        let mut memory = self.lock()?;
        if let Some((name, content)) = memory.overtaken.take() {
            memory.objects.insert(name, content);
        }
        memory.writes += 1;
        memory.objects.entry(name.to_owned()).or_insert(content);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        Ok(self.lock()?.objects.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn delete(&self, name: &str) -> Result<(), BucketError> {
        self.lock()?.objects.remove(name);
        Ok(())
    }
}
