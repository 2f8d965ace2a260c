//! Where media files are read from and written to: a folder, or a bucket.

mod folder;
pub(super) mod request;
mod s3;

use std::io::{self, Read};

pub use folder::{FolderSource, FolderTarget};
pub use s3::{S3Address, S3Source, S3Target};

use super::key::MediaKey;

/// Why media could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A file of a folder.
    #[error("could not {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer.
    #[error("could not {what}: no answer from the object store")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that says no.
    #[error("could not {what}: the object store answers {status} {code}")]
    Refused {
        /// What was tried.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Its word for why, such as `AccessDenied`.
        code: String,
    },
    /// The request could not be made.
    #[error("could not {what}: {why}")]
    Unmade {
        /// What was tried.
        what: String,
        /// Why.
        why: String,
    },
    /// The store does not list its files in the order of their names, on which resuming depends.
    #[error("the object store lists {later:?} after {earlier:?}, which is out of order")]
    Disorder {
        /// What came first.
        earlier: String,
        /// What came after it.
        later: String,
    },
    /// There is something else under this name.
    #[error("{0} is there already, with other content")]
    Taken(String),
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Files.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One thing that a source finds.
pub enum Found {
    /// A file.
    File {
        /// Its name.
        key: MediaKey,
        /// Its size, which is how much `body` has.
        size: u64,
        /// Its bytes.
        body: Box<dyn Read + Send>,
    },
    /// A file that was listed and is not there any more.
    Vanished(MediaKey),
    /// Something whose name can't be in an archive.
    Unfit(String),
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { key, size, body: _ } => f.debug_struct("File").field("key", key).field("size", size).finish(),
            Self::Vanished(key) => f.debug_tuple("Vanished").field(key).finish(),
            Self::Unfit(name) => f.debug_tuple("Unfit").field(name).finish(),
        }
    }
}

/// Where media are read from: in the order of their names, without [`super::key::CACHE`].
pub trait Source {
    /// How much there is in all.
    ///
    /// # Errors
    /// It can't be listed.
    fn measure(&mut self) -> Result<Amount, MediaError>;

    /// Begins anew, with what comes after `after`.
    fn start_after(&mut self, after: Option<&str>);

    /// The next one.
    ///
    /// # Errors
    /// It can't be listed or read.
    fn next(&mut self) -> Result<Option<Found>, MediaError>;
}

/// Where media are written to.
pub trait Target {
    /// Writes a file whose size and SHA-256 are known. What is there already is left when it is the same.
    ///
    /// # Errors
    /// It can't be written, or something else is there.
    fn put(&mut self, key: &MediaKey, size: u64, sha256: &str, body: &mut dyn Read) -> Result<(), MediaError>;

    /// Waits until all that was put is there.
    ///
    /// # Errors
    /// Something could not be written.
    fn finish(&mut self) -> Result<(), MediaError>;
}
