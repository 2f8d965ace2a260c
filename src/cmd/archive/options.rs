//! Options that several of the commands have. What is secret comes out of files and the environment: arguments are for all to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;
use tokio::runtime::Handle;

use crate::archive::mastodon::env::MediaPlace;
use crate::archive::media::{FolderSource, FolderTarget, S3Address, S3Source, S3Target, Source, Target};
use crate::archive::secrets::{self, Unlock};
use crate::archive::signature::SignerKey;
use crate::archive::{Archive, ArchiveError, Shelf, key_file};
use crate::clock::{SharedClock, SystemClock};

/// A database.
#[derive(Debug, Args)]
pub struct DatabaseOptions {
    /// Address of the database: `postgres://role:password@host:port/database?sslmode=…`. Not through a pooler.
    #[arg(long, env = "PADDOCK_ARCHIVE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Folder of `pg_dump` and `pg_restore`; else those on the PATH and in /usr/lib/postgresql are looked at.
    #[arg(long)]
    pub pg_bin: Option<PathBuf>,
}

/// Where media are.
#[derive(Debug, Args)]
pub struct MediaOptions {
    /// Folder of the media: `public/system` of Mastodon.
    #[arg(long, conflicts_with = "s3_bucket")]
    pub media: Option<PathBuf>,
    /// Bucket of the media. Its key is taken from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    #[arg(long)]
    pub s3_bucket: Option<String>,
    /// Address of the object store.
    #[arg(long, requires = "s3_bucket")]
    pub s3_endpoint: Option<url::Url>,
    /// Region that requests are signed for.
    #[arg(long, default_value = "us-east-1")]
    pub s3_region: String,
    /// What stands before all names in the bucket.
    #[arg(long, default_value = "")]
    pub s3_prefix: String,
    /// What `x-amz-acl` says of what is written, such as public-read; some stores don't know it.
    #[arg(long)]
    pub s3_acl: Option<String>,
}

/// What opens `secrets.age`.
#[derive(Debug, Args)]
pub struct UnlockOptions {
    /// File whose first line is the passphrase of secrets.age, or of the key file if one is given.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// File with a secret key of age that opens secrets.age, itself sealed with a passphrase or not.
    #[arg(long)]
    pub key_file: Option<PathBuf>,
}

/// Where an archive lies.
#[derive(Debug, Args)]
pub struct ShelfOptions {
    /// Folder of the archive; or `s3://bucket/prefix`, with its key in `PADDOCK_ARCHIVE_ACCESS_KEY_ID` and
    /// `PADDOCK_ARCHIVE_SECRET_ACCESS_KEY`.
    #[arg(value_name = "FOLDER")]
    place: PathBuf,
    /// With s3://: address of the object store.
    #[arg(long, env = "PADDOCK_ARCHIVE_ENDPOINT")]
    archive_endpoint: Option<url::Url>,
    /// With s3://: region that requests are signed for.
    #[arg(long, env = "PADDOCK_ARCHIVE_REGION", default_value = "us-east-1")]
    archive_region: String,
}

impl ShelfOptions {
    /// The place.
    pub fn shelf(&self, handle: &Handle) -> Result<Shelf, ArchiveError> {
        let Self { place, archive_endpoint, archive_region } = self;
        let Some(name) = place.to_str().and_then(|place| place.strip_prefix("s3://")) else {
            return Ok(Shelf::Folder(place.clone()));
        };
        let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() || prefix.is_empty() {
            let why = "an archive in a bucket needs a prefix of its own: s3://bucket/prefix";
            return Err(ArchiveError::Given(why.into()));
        }
        let need = |name: &str| {
            let missing = || ArchiveError::Given(format!("the archive is in a bucket, and {name} is not in the environment"));
            std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let address = S3Address {
            endpoint: archive_endpoint.clone().map_or_else(|| amazon(archive_region), Ok)?,
            region: archive_region.clone(),
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}/"),
            access_key: need("PADDOCK_ARCHIVE_ACCESS_KEY_ID")?,
            secret_key: need("PADDOCK_ARCHIVE_SECRET_ACCESS_KEY")?.into(),
            acl: None,
        };
        Ok(Shelf::bucket(handle, address, clock())?)
    }
}

/// Where Amazon's store of a region is.
fn amazon(region: &str) -> Result<url::Url, ArchiveError> {
    let url = format!("https://s3.{region}.amazonaws.com").parse();
    url.map_err(|error: url::ParseError| ArchiveError::Given(format!("the region {region}: {error}")))
}

/// Which archive, and who must have signed it.
#[derive(Debug, Args)]
pub struct ArchiveOptions {
    #[command(flatten)]
    place: ShelfOptions,
    /// Public key of whoever must have signed it. Without, anybody may have: compare what is printed with what you were told.
    #[arg(long)]
    pub signer: Option<String>,
}

impl ArchiveOptions {
    /// The key that `--signer` names.
    pub fn signer(&self) -> Result<Option<SignerKey>, ArchiveError> {
        Ok(self.signer.as_deref().map(str::parse).transpose()?)
    }

    /// Opens it: its manifest is what was signed.
    pub fn open(&self, handle: &Handle) -> Result<Archive, ArchiveError> {
        Archive::open_on(self.place.shelf(handle)?, self.signer()?)
    }
}

/// The text of a small file.
pub fn read_text(path: &Path) -> Result<String, ArchiveError> {
    std::fs::read_to_string(path).map_err(ArchiveError::file("read", path))
}

/// The passphrase in a file.
pub fn read_passphrase(path: &Path) -> Result<SecretString, ArchiveError> {
    Ok(secrets::passphrase(&read_text(path)?))
}

impl UnlockOptions {
    /// What was given, if anything was.
    pub fn read(&self) -> Result<Option<Unlock>, ArchiveError> {
        let Self { passphrase_file, key_file } = self;
        Ok(match (passphrase_file, key_file) {
            (Some(passphrase), Some(key)) => Some(key_file::open(&read_text(key)?, &read_passphrase(passphrase)?)?),
            (Some(passphrase), None) => Some(Unlock::Passphrase(read_passphrase(passphrase)?)),
            (None, Some(key)) => Some(Unlock::key(&read_text(key)?)?),
            (None, None) => None,
        })
    }
}

impl MediaOptions {
    /// The place that the options name, if they name one.
    pub fn place(&self) -> Result<Option<MediaPlace>, ArchiveError> {
        let Self { media, s3_bucket, s3_endpoint, s3_region, s3_prefix, s3_acl } = self;
        if let Some(folder) = media {
            return Ok(Some(MediaPlace::Folder(folder.clone())));
        }
        let Some(bucket) = s3_bucket else { return Ok(None) };
        let need = |name: &str| {
            let missing = || ArchiveError::Given(format!("--s3-bucket is given, and {name} is not in the environment"));
            std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let endpoint = s3_endpoint.clone().map_or_else(|| amazon(s3_region), Ok)?;
        let prefix = s3_prefix.trim_matches('/');
        Ok(Some(MediaPlace::Bucket(S3Address {
            endpoint,
            region: s3_region.clone(),
            bucket: bucket.clone(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            access_key: need("AWS_ACCESS_KEY_ID")?,
            secret_key: need("AWS_SECRET_ACCESS_KEY")?.into(),
            acl: s3_acl.clone(),
        })))
    }
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// A place to read media from.
pub fn source(place: MediaPlace, handle: &Handle) -> Result<Box<dyn Source>, ArchiveError> {
    Ok(match place {
        MediaPlace::Folder(folder) => Box::new(FolderSource::new(folder)),
        MediaPlace::Bucket(address) => Box::new(S3Source::new(handle, address, clock())?),
    })
}

/// A place to write media to.
pub fn target(place: MediaPlace, handle: &Handle) -> Result<Box<dyn Target>, ArchiveError> {
    Ok(match place {
        MediaPlace::Folder(folder) => Box::new(FolderTarget::new(folder)?),
        MediaPlace::Bucket(address) => Box::new(S3Target::new(handle, address, clock())?),
    })
}
