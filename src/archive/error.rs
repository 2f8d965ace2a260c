//! What can go wrong with an archive, sorted by what somebody can do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::key::BadKey;
use super::media::MediaError;
use super::names::{MANIFEST, SIGNATURE};
use super::signature::{BadSignature, BadSigningKey, SignerKey};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive is not what was signed, or never was one.
    #[error("the archive is damaged or forged: {0}")]
    Damaged(#[from] Damage),
    /// A file could not be read or written.
    #[error("could not {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The media could not be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The database did not answer as it should.
    #[error("could not {what}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// One of Postgres' own programs is not there, or failed.
    #[error("{0}")]
    Program(String),
    /// What was given can't be used.
    #[error("{0}")]
    Given(String),
    /// Something is there already that this archive is not of.
    #[error("{0}")]
    Occupied(String),
    /// `secrets.age` does not open.
    #[error("secrets.age does not open: {0}")]
    Locked(&'static str),
    /// What is in the archive is refused, each thing by name.
    #[error("what is in the database dump is not restored: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// What was restored is not what the archive says.
    #[error("what was restored differs from what the archive says: {}", .0.join("; "))]
    Differs(Vec<String>),
    /// A key of a signer.
    #[error("the key {0}")]
    Key(#[from] BadSigningKey),
    /// It was told to stop.
    #[error("stopped; the same command goes on from here")]
    Stopped,
}

impl ArchiveError {
    /// For `map_err`: what could not be done with which file.
    pub fn file(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { what, path, source }
    }

    /// For `map_err`: what could not be asked of the database.
    pub fn sql(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }

    /// The exit code of a command that ended so. The table is in `docs/archive.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Given(_) | Self::Key(_) => 2,
            Self::Damaged(_) => 3,
            Self::Locked(_) => 4,
            Self::Occupied(_) | Self::Media(MediaError::Taken(_)) => 5,
            Self::Refused(_) => 6,
            Self::Differs(_) => 7,
            Self::Stopped => 130,
            Self::File { .. } | Self::Media(_) | Self::Database { .. } | Self::Program(_) => 1,
        }
    }
}

/// What is wrong with an archive. Each says which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// No archive, or one that was never finished.
    #[error("there is no {SIGNATURE} in it: its creation was never finished, or it is no archive")]
    Unfinished,
    /// A file that the manifest lists is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// Something that is no file has the name of one.
    #[error("{0} is no ordinary file")]
    NoFile(String),
    /// The signature.
    #[error("{SIGNATURE}: {0}")]
    Signature(#[from] BadSignature),
    /// Somebody else signed it than whoever was expected.
    #[error("{SIGNATURE}: it is signed by {found}, not by {wanted}")]
    Signer {
        /// Who signed.
        found: SignerKey,
        /// Who should have.
        wanted: SignerKey,
    },
    /// The manifest can't be read.
    #[error("{MANIFEST}: {0}")]
    Manifest(String),
    /// A file has another size than the manifest says.
    #[error("{name} has {found} bytes, the manifest says {wanted}")]
    Size {
        /// Which file.
        name: String,
        /// What it has.
        found: u64,
        /// What it should have.
        wanted: u64,
    },
    /// A file has other bytes than the manifest says.
    #[error("{0} is not what was written: its SHA-256 differs from the manifest's")]
    Hash(String),
    /// A file unpacks to more or less than the manifest says.
    #[error("{name} unpacks to {} than the {wanted} bytes that the manifest says", if *.more { "more" } else { "less" })]
    Unpacked {
        /// Which file.
        name: String,
        /// Whether it is more.
        more: bool,
        /// What it should be.
        wanted: u64,
    },
    /// A file can't be unpacked.
    #[error("{name} can't be unpacked: {why}")]
    Packed {
        /// Which file.
        name: String,
        /// Why.
        why: String,
    },
    /// A media file is not what its index says.
    #[error("{part}: the file {key} in it differs from its checksum in the index")]
    Content {
        /// Which part.
        part: String,
        /// Which file in it.
        key: String,
    },
    /// An index and a part do not list the same files in the same order.
    #[error("{part}: {why}")]
    Index {
        /// Which part.
        part: String,
        /// What differs.
        why: String,
    },
    /// A name in an index can't be the name of a file.
    #[error("{part}: the name {name:?} in it {why}")]
    Name {
        /// Which part.
        part: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: BadKey,
    },
}
