//! Media in a folder: `public/system` of a Mastodon that keeps them itself.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::super::key::{CACHE, MediaKey};
use super::super::stream::Counted;
use super::{Amount, Found, MediaError, Source, Target};

/// Something in a folder, under its name from the top.
struct Entry {
    /// Ends with a slash if it is a folder: so the order of entries is the order of the names below them.
    name: String,
    path: PathBuf,
    /// Whether the name is no text.
    unfit: bool,
}

impl Entry {
    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// Files of a folder, in the order of their names.
#[derive(Default)]
pub struct FolderSource {
    root: PathBuf,
    after: Option<String>,
    /// What is still to be looked at, the next one last in the last.
    open: Vec<VecDeque<Entry>>,
    begun: bool,
}

impl std::fmt::Debug for FolderSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderSource").field("root", &self.root).finish_non_exhaustive()
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MediaError {
    let path = path.display().to_string();
    move |source| MediaError::File { what, path, source }
}

impl FolderSource {
    /// The files of this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..Self::default() }
    }

    /// What is in a folder, sorted. Links are followed for the folder itself only: a link below it could lead anywhere.
    fn list(folder: &Path, name: &str) -> Result<VecDeque<Entry>, MediaError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
            let entry = entry.map_err(failed("list", folder))?;
            let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
            let unfit = entry.file_name().to_str().is_none() || !(kind.is_dir() || kind.is_file());
            let own = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
            let slash = if kind.is_dir() { "/" } else { "" };
            entries.push(Entry { name: format!("{name}{own}{slash}"), path: entry.path(), unfit });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries.into())
    }

    /// The next file, unopened.
    fn step(&mut self) -> Result<Option<Entry>, MediaError> {
        if !self.begun {
            self.begun = true;
            self.open = vec![Self::list(&self.root, "")?];
        }
        loop {
            let Some(level) = self.open.last_mut() else { return Ok(None) };
            let Some(entry) = level.pop_front() else {
                self.open.pop();
                continue;
            };
            let passed = self.after.as_deref().is_some_and(|after| {
                if entry.is_folder() {
                    entry.name.as_str() < after && !after.starts_with(&entry.name)
                } else {
                    entry.name.as_str() <= after
                }
            });
            if passed || entry.name == CACHE {
                continue;
            }
            if entry.is_folder() && !entry.unfit {
                match Self::list(&entry.path, &entry.name) {
                    Ok(level) => self.open.push(level),
                    // Mastodon takes away folders that have become empty.
                    Err(MediaError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            return Ok(Some(entry));
        }
    }
}

impl Source for FolderSource {
    fn measure(&mut self) -> Result<Amount, MediaError> {
        let mut all = Self::new(&self.root);
        let mut amount = Amount::default();
        while let Some(Entry { name: _, path, unfit: _ }) = all.step()? {
            if let Ok(meta) = fs::symlink_metadata(&path) {
                amount.objects += 1;
                amount.bytes += meta.len();
            }
        }
        Ok(amount)
    }

    fn start_after(&mut self, after: Option<&str>) {
        *self = Self { after: after.map(str::to_owned), ..Self::new(&self.root) };
    }

    fn next(&mut self) -> Result<Option<Found>, MediaError> {
        let Some(Entry { name, path, unfit }) = self.step()? else { return Ok(None) };
        let key = match MediaKey::new(&name) {
            Ok(key) if !unfit => key,
            Ok(_) | Err(_) => return Ok(Some(Found::Unfit(name))),
        };
        // O_NOFOLLOW: between the look and here nobody puts a link in its place.
        let opened = fs::OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Found::Vanished(key))),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let size = file.metadata().map_err(failed("look at", &path))?.len();
        Ok(Some(Found::File { key, size, body: Box::new(file) }))
    }
}

/// A folder that media are restored into.
#[derive(Debug)]
pub struct FolderTarget {
    root: PathBuf,
}

impl FolderTarget {
    /// This folder, which is made when it is not there.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, MediaError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(failed("make", &root))?;
        Ok(Self { root })
    }

    /// Makes the folders above a file; none of them may be a link.
    fn make_folders(&self, key: &MediaKey) -> Result<PathBuf, MediaError> {
        let path = self.root.join(key.to_path());
        let mut folder = self.root.clone();
        for piece in key.to_path().parent().into_iter().flat_map(Path::components) {
            folder.push(piece);
            match fs::symlink_metadata(&folder) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => return Err(failed("make", &folder)(io::Error::other("something that is no folder is there"))),
                Err(_) => fs::create_dir(&folder).map_err(failed("make", &folder))?,
            }
        }
        Ok(path)
    }
}

impl Target for FolderTarget {
    fn put(&mut self, key: &MediaKey, size: u64, sha256: &str, body: &mut dyn Read) -> Result<(), MediaError> {
        let path = self.make_folders(key)?;
        if let Ok(meta) = fs::symlink_metadata(&path) {
            let mut hashed = Counted::new(io::sink());
            let same = meta.is_file()
                && meta.len() == size
                && fs::File::open(&path).and_then(|mut file| io::copy(&mut file, &mut hashed)).is_ok()
                && hashed.finish().2 == sha256;
            return if same { Ok(()) } else { Err(MediaError::Taken(path.display().to_string())) };
        }
        // Under another name first: what has its name is whole.
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(".paddock-partial");
        let unfinished = PathBuf::from(unfinished);
        fs::remove_file(&unfinished).ok();
        let created = fs::OpenOptions::new().write(true).create_new(true).open(&unfinished);
        let mut file = created.map_err(failed("create", &unfinished))?;
        let written = io::copy(&mut body.take(size), &mut file);
        if written.map_err(failed("write", &unfinished))? != size {
            return Err(failed("write", &path)(io::ErrorKind::UnexpectedEof.into()));
        }
        fs::rename(&unfinished, &path).map_err(failed("rename", &unfinished))
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("paddock-media-test-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(source: &mut FolderSource) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(found) = source.next().unwrap() {
            names.push(match found {
                Found::File { key, .. } | Found::Vanished(key) => key.as_str().to_owned(),
                Found::Unfit(name) => format!("!{name}"),
            });
        }
        names
    }

    #[test]
    fn files_come_in_the_order_of_their_names_and_from_any_point() {
        let root = folder("source");
        let all = ["a-b/x", "a/b/c", "a/b-c", "a/d", "b", "c/\u{fc}"];
        for name in all.iter().copied().chain(["cache/x/y", "back\\slash"]) {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", root.join("a/link")).unwrap();
        let mut source = FolderSource::new(&root);
        let expected = ["a-b/x", "a/b-c", "a/b/c", "a/d", "!a/link", "b", "!back\\slash", "c/\u{fc}"];
        assert_eq!(names(&mut source), expected);
        assert_eq!(source.measure().unwrap().objects, 8);
        for (at, after) in expected.iter().enumerate() {
            source.start_after(Some(after.trim_start_matches('!')));
            assert_eq!(names(&mut source), expected[at + 1..], "after {after}");
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_is_there_is_neither_overwritten_nor_followed() {
        let root = folder("target");
        let mut target = FolderTarget::new(root.join("in")).unwrap();
        let key = |name: &str| MediaKey::new(name).unwrap();
        let hash = |text: &[u8]| hex::encode(Sha256::digest(text));
        target.put(&key("a/b"), 2, &hash(b"hi"), &mut &b"hi"[..]).unwrap();
        target.put(&key("a/b"), 2, &hash(b"hi"), &mut &b"hi"[..]).expect("the same again");
        let error = target.put(&key("a/b"), 2, &hash(b"ho"), &mut &b"ho"[..]).unwrap_err();
        assert!(matches!(error, MediaError::Taken(_)), "{error}");
        assert!(target.put(&key("a/b/c"), 2, &hash(b"hi"), &mut &b"hi"[..]).is_err(), "below a file");
        assert!(target.put(&key("short"), 3, &hash(b"hi"), &mut &b"hi"[..]).is_err(), "fewer bytes than said");
        fs::create_dir(root.join("out")).unwrap();
        std::os::unix::fs::symlink(root.join("out"), root.join("in/link")).unwrap();
        assert!(target.put(&key("link/x"), 2, &hash(b"hi"), &mut &b"hi"[..]).is_err(), "through a link");
        assert_eq!(fs::read_dir(root.join("out")).unwrap().count(), 0);
        assert_eq!(fs::read(root.join("in/a/b")).unwrap(), b"hi");
        fs::remove_dir_all(&root).unwrap();
    }
}
