//! Where an archive lies: in a folder, or in a bucket under a prefix. Writer and reader know no difference.

mod bucket;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

pub use bucket::{BucketShelf, Depot, Listed};

use super::error::{ArchiveError, Damage};
use super::manifest::Part;
use super::media::{MediaError, S3Address};
use super::names::UNFINISHED;
use super::stream::{Limited, too_long};
use crate::clock::SharedClock;

/// A place that holds one archive.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// A folder.
    Folder(PathBuf),
    /// A bucket; all names begin with the prefix of its address.
    Bucket(BucketShelf, Handle),
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket(shelf, _) => write!(f, "{shelf}"),
        }
    }
}

impl Shelf {
    /// A place in a bucket.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn bucket(handle: &Handle, address: S3Address, clock: SharedClock) -> Result<Self, MediaError> {
        Ok(Self::Bucket(BucketShelf::new(address, clock)?, handle.clone()))
    }

    /// The place of a name, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Bucket(shelf, _) => PathBuf::from(format!("{shelf}{name}")),
        }
    }

    /// A file and its size. In a folder an ordinary one alone; not what a link leads to.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    pub(super) fn open(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), ArchiveError> {
        match self {
            Self::Folder(folder) => {
                let file = open_file(folder, name)?;
                let size = file.metadata().map_err(ArchiveError::file("look at", folder.join(name)))?.len();
                Ok((Box::new(file), size))
            }
            Self::Bucket(shelf, handle) => {
                let size = handle.block_on(shelf.size(name))?.ok_or_else(|| Damage::Missing(name.to_owned()))?;
                Ok((Box::new(shelf.reader(handle, name, size)), size))
            }
        }
    }

    /// All of a file that has at most `most` bytes.
    ///
    /// # Errors
    /// It is not there, or larger.
    pub(super) fn read_whole(&self, name: &str, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let mut file = Limited::new(self.open(name)?.0, most);
        match file.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if too_long(&error) => Err(Damage::Manifest(format!("{name} is larger than {most} bytes")).into()),
            Err(error) => Err(unread(self.path(name), error)),
        }
    }

    /// The size of a file; nothing where there is none.
    ///
    /// # Errors
    /// The store does not say.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, ArchiveError> {
        match self {
            Self::Folder(folder) => Ok(fs::symlink_metadata(folder.join(name)).map(|meta| meta.len()).ok()),
            Self::Bucket(shelf, handle) => Ok(handle.block_on(shelf.size(name))?),
        }
    }

    /// The names of all that lies there.
    ///
    /// # Errors
    /// It can't be listed.
    pub(super) fn names(&self) -> Result<Vec<String>, ArchiveError> {
        match self {
            Self::Folder(folder) => {
                let entries = fs::read_dir(folder).map_err(ArchiveError::file("list", folder))?;
                Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            }
            Self::Bucket(shelf, handle) => {
                Ok(handle.block_on(shelf.list())?.into_iter().map(|Listed { name, bytes: _ }| name).collect())
            }
        }
    }

    /// Writes a small file in one go, so that it is there whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        match self {
            Self::Folder(folder) => write_at_once(folder, name, bytes),
            Self::Bucket(shelf, handle) => Ok(handle.block_on(shelf.put(name, bytes))?),
        }
    }

    /// Leaves a note of how far somebody is, for whoever looks from elsewhere. A note that is lost is followed by the next; in a folder
    /// nobody looks for one.
    pub fn note(&self, name: &str, bytes: &[u8]) {
        match self {
            Self::Folder(_) => {}
            Self::Bucket(shelf, handle) => {
                // Waited for: a note that arrives when all is done would stay for ever.
                if let Err(error) = handle.block_on(shelf.put(name, bytes)) {
                    tracing::debug!(%error, "how far it is could not be noted");
                }
            }
        }
    }

    /// Takes over a part that lies complete in the folder in which it was written.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn take(&self, folder: &Path, part: &Part) -> Result<(), ArchiveError> {
        match self {
            // Written in its place.
            Self::Folder(_) => Ok(()),
            Self::Bucket(shelf, handle) => {
                let path = folder.join(&part.name);
                let mut file = File::open(&path).map_err(ArchiveError::file("open", &path))?;
                shelf.upload(handle, part, &mut file)?;
                fs::remove_file(&path).map_err(ArchiveError::file("remove", &path))
            }
        }
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        match self {
            Self::Folder(folder) => match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(ArchiveError::file("remove", folder.join(name))(error))
                }
                Ok(()) | Err(_) => Ok(()),
            },
            Self::Bucket(shelf, handle) => Ok(handle.block_on(shelf.delete(name))?),
        }
    }
}

/// What could not be read: of the file system or of the store.
pub(super) fn unread(path: PathBuf, error: io::Error) -> ArchiveError {
    match error.downcast::<MediaError>() {
        Ok(error) => error.into(),
        Err(error) => ArchiveError::file("read", path)(error),
    }
}

/// The names in a folder, on disk as well.
pub(super) fn sync(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::file("write", folder))
}

/// Writes a file in one go, so that it is there whole or not at all.
fn write_at_once(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(ArchiveError::file("write", &unfinished))?;
    fs::rename(&unfinished, folder.join(name)).map_err(ArchiveError::file("rename", &unfinished))?;
    sync(folder)
}

/// Opens an ordinary file of an archive's folder; not what a link leads to.
fn open_file(folder: &Path, name: &str) -> Result<File, ArchiveError> {
    let path = folder.join(name);
    // Not blocking: to open a pipe would wait for somebody to write into it.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Damage::Missing(name.to_owned()).into()),
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(Damage::NoFile(name.to_owned()).into());
        }
        Err(error) => return Err(ArchiveError::file("open", path)(error)),
    };
    let ordinary = file.metadata().map_err(ArchiveError::file("look at", &path))?.is_file();
    if ordinary { Ok(file) } else { Err(Damage::NoFile(name.to_owned()).into()) }
}
