//! Writing an archive, so that it can go on after any interruption: a part gets its name when it is whole and on disk, the journal says
//! which parts there are, and the signature comes last.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;
use super::key::MediaKey;
use super::manifest::{self, Completeness, FORMAT, Identity, Manifest, MediaScope, Part, Source, VERSION, whole_seconds};
use super::mastodon::store::Survey;
use super::mastodon::{keys, release};
use super::media::{self, Amount, Found, MediaError};
use super::names::{JOURNAL, MANIFEST, PROGRESS, PartName, SIGNATURE, UNFINISHED};
use super::reader::Archive;
use super::shelf::{Shelf, sync};
use super::signature::SigningKey;
use super::stream::{CHUNK, Counted, Length, compressor};
use super::tar;
use super::texts;
use super::verify::verify;
use super::watch::{Progress, Step, Watch};

/// How many bytes of files a media part gets, if nothing else is said: what an interruption can cost.
pub const PART_BYTES: u64 = 256 * 1024 * 1024;
/// How many names are listed of what was left out.
const NAMES_LEFT_OUT: usize = 100;

/// What is kept between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    program: String,
    domain: String,
    scope: MediaScope,
    began: DateTime<Utc>,
    database: Option<Kept>,
    parts: Vec<Part>,
    media: Media,
}

/// What is known of the database once its part is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    snapshot: DateTime<Utc>,
    database: manifest::Database,
    migrations: Vec<String>,
    identity: Identity,
}

/// How far the media are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Media {
    parts: u32,
    objects: u64,
    bytes: u64,
    vanished: u64,
    left_out: Vec<String>,
    left_out_count: u64,
    last: Option<String>,
    done: bool,
}

/// Which server an archive is to be of, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// Which media.
    pub scope: MediaScope,
    /// What writes it.
    pub program: String,
    /// The present.
    pub now: DateTime<Utc>,
}

/// An archive that is being written.
#[derive(Debug)]
pub struct Draft {
    /// Where files are written; on a shelf that is a folder, the same one.
    folder: PathBuf,
    shelf: Shelf,
    journal: Journal,
    /// Held as long as this lives, so that nobody else writes into the folder. It ends with the process, however that ends.
    _lock: File,
}

/// A file that is being written under a name that is not its last.
struct Unfinished {
    folder: PathBuf,
    name: PartName,
    file: Counted<BufWriter<File>>,
}

impl Unfinished {
    fn create(folder: &Path, name: PartName) -> Result<Self, ArchiveError> {
        let path = folder.join(format!("{name}{UNFINISHED}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(ArchiveError::file("create", &path))?;
        Ok(Self { folder: folder.to_owned(), name, file: Counted::new(BufWriter::with_capacity(CHUNK, file)) })
    }

    /// Makes sure that it is on disk, and gives it its name.
    fn finish(self, unpacked: Option<u64>, objects: Option<u64>) -> Result<Part, ArchiveError> {
        let Self { folder, name, file } = self;
        let (file, bytes, sha256) = file.finish();
        let from = folder.join(format!("{name}{UNFINISHED}"));
        let failed = ArchiveError::file("write", &from);
        file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&from, folder.join(name.to_string())).map_err(ArchiveError::file("rename", &from))?;
        sync(&folder)?;
        Ok(Part { name: name.to_string(), bytes, sha256, unpacked, objects })
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft {
    /// Begins an archive in a folder that is empty or not there, or goes on with one that was begun there.
    ///
    /// # Errors
    /// There is something else in it.
    pub fn open(folder: &Path, wanted: Wanted) -> Result<Self, ArchiveError> {
        Self::open_on(Shelf::Folder(folder.to_owned()), folder, wanted)
    }

    /// The same on any shelf. A part is written in the folder and put on the shelf when it is complete, so that the folder never holds more
    /// than the database or one part of media.
    ///
    /// # Errors
    /// There is something else on it.
    pub fn open_on(shelf: Shelf, folder: &Path, wanted: Wanted) -> Result<Self, ArchiveError> {
        let Wanted { domain, scope, program, now } = wanted;
        fs::create_dir_all(folder).map_err(ArchiveError::file("make", folder))?;
        let occupied = |why: &str| ArchiveError::Occupied(format!("{shelf} {why}"));
        let lock = File::open(folder).map_err(ArchiveError::file("open", folder))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(occupied("is being written into by another process")),
            Err(TryLockError::Error(error)) => return Err(ArchiveError::file("lock", folder)(error)),
        }
        let names = shelf.names()?;
        let has = |name: &str| names.iter().any(|found| found == name);
        if has(SIGNATURE) {
            return Err(occupied("holds a finished archive: name another folder"));
        }
        let journal = if has(JOURNAL) {
            let text = shelf.read_whole(JOURNAL, manifest::LARGEST)?;
            let journal: Journal = serde_json::from_slice(&text).map_err(|_| {
                occupied("holds an archive that another version of this program has begun: remove it to begin anew")
            })?;
            if journal.domain != domain || journal.scope != scope {
                return Err(occupied(&format!(
                    "holds an archive of {} that was begun: remove it to begin another",
                    journal.domain
                )));
            }
            journal
        } else if names.iter().all(|name| name == PROGRESS) {
            Journal {
                program,
                domain,
                scope,
                began: whole_seconds(now),
                database: None,
                parts: Vec::new(),
                media: Media::default(),
            }
        } else {
            return Err(occupied("is not empty: name another folder"));
        };
        for part in &journal.parts {
            if shelf.size(&part.name)? != Some(part.bytes) {
                return Err(occupied(&format!("lacks {} as it was written: remove it to begin anew", part.name)));
            }
        }
        let draft = Self { folder: folder.to_owned(), shelf, journal, _lock: lock };
        draft.keep()?;
        Ok(draft)
    }

    fn keep(&self) -> Result<(), ArchiveError> {
        let text = serde_json::to_vec(&self.journal).map_err(|error| ArchiveError::Given(error.to_string()))?;
        self.shelf.write(JOURNAL, &text)
    }

    /// Whether the database is written already.
    pub fn has_database(&self) -> bool {
        self.journal.database.is_some()
    }

    /// Writes the database: `dump` writes what `pg_dump` of this major version says. An interrupted dump begins anew, for it is of one
    /// moment.
    ///
    /// # Errors
    /// It can't be written, or what `dump` says.
    pub fn write_database(
        &mut self,
        survey: Survey,
        client: u32,
        vapid_public_key: Option<String>,
        dump: impl FnOnce(&mut dyn Write) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let file = Unfinished::create(&self.folder, PartName::Database)?;
        let failed = || ArchiveError::file("write", self.folder.join(PartName::Database.to_string()));
        let mut packed = Length { inner: compressor(file).map_err(failed())?, bytes: 0 };
        dump(&mut packed)?;
        let Length { inner, bytes } = packed;
        let part = inner.finish().map_err(failed())?.finish(Some(bytes), None)?;
        self.shelf.take(&self.folder, &part)?;
        let Survey { at, database, migrations, pairs, table_bytes: _ } = survey;
        let (actors, actors_sha256) = keys::digest(&pairs);
        self.journal.database = Some(Kept {
            snapshot: whole_seconds(at),
            database: manifest::Database { client, ..database },
            migrations,
            identity: Identity { actors, actors_sha256, vapid_public_key },
        });
        self.journal.parts.push(part);
        self.keep()
    }

    /// Writes media, from where it was interrupted.
    ///
    /// # Errors
    /// They can't be read or written, or it was told to stop.
    pub fn write_media(
        &mut self,
        source: &mut dyn media::Source,
        part_bytes: u64,
        watch: &dyn Watch,
    ) -> Result<(), ArchiveError> {
        if self.journal.media.done || self.journal.scope == MediaScope::None {
            return Ok(());
        }
        watch.progress(Progress { step: Step::Survey, bytes: 0, total: None, objects: 0 });
        let Amount { objects: _, bytes: total } = source.measure()?;
        source.start_after(self.journal.media.last.as_deref());
        let mut pending = source.next()?;
        while let Some(found) = pending {
            pending = self.write_part(found, source, part_bytes, total, watch)?;
        }
        self.journal.media.done = true;
        self.keep()
    }

    /// Writes one media part that begins with `first`; returns what comes after it.
    fn write_part(
        &mut self,
        first: Found,
        source: &mut dyn media::Source,
        part_bytes: u64,
        total: u64,
        watch: &dyn Watch,
    ) -> Result<Option<Found>, ArchiveError> {
        // The journal changes only once the part is there: until then it is as if nothing had been read.
        let mut media = self.journal.media.clone();
        let number = media.parts + 1;
        let failed = || ArchiveError::file("write", self.folder.join(PartName::Media(number).to_string()));
        let mut index = Unfinished::create(&self.folder, PartName::Index(number))?;
        let packed = compressor(Unfinished::create(&self.folder, PartName::Media(number))?).map_err(failed())?;
        let mut packed = Length { inner: packed, bytes: 0 };
        let mut objects = 0;
        let mut next = Some(first);
        while let Some(found) = next {
            if watch.stopped() {
                return Err(ArchiveError::Stopped);
            }
            match found {
                Found::File { key, size, body: _ } if size > tar::LARGEST => media.leave_out(&key.to_string()),
                Found::File { key, size, mut body } => {
                    let sha256 = copy_file(&key, size, &mut body, &mut packed)?;
                    writeln!(index, "{sha256}  {key}").map_err(failed())?;
                    (media.objects, media.bytes, objects) = (media.objects + 1, media.bytes + size, objects + 1);
                    media.last = Some(key.to_string());
                    let bytes = media.bytes;
                    watch.progress(Progress { step: Step::Media, bytes, total: Some(total.max(bytes)), objects: media.objects });
                }
                Found::Vanished(key) => {
                    media.vanished += 1;
                    media.last = Some(key.to_string());
                }
                Found::Unfit(name) => media.leave_out(&name),
            }
            next = source.next()?;
            if packed.bytes >= part_bytes {
                break;
            }
        }
        if objects > 0 {
            tar::write_end(&mut packed).map_err(failed())?;
            let Length { inner, bytes } = packed;
            let part = inner.finish().map_err(failed())?.finish(Some(bytes), Some(objects))?;
            let index = index.finish(None, Some(objects))?;
            for part in [&part, &index] {
                self.shelf.take(&self.folder, part)?;
            }
            self.journal.parts.extend([part, index]);
            media.parts = number;
        }
        self.journal.media = media;
        self.keep()?;
        Ok(next)
    }

    /// Completes the archive: guide and script, a re-read of everything, manifest and signature. `secrets` is what was sealed.
    ///
    /// # Errors
    /// It can't be written, or what was written reads differently.
    pub fn finish(
        self,
        signing: &SigningKey,
        secrets: Option<&[u8]>,
        web_domain: Option<&str>,
        now: DateTime<Utc>,
        watch: &dyn Watch,
    ) -> Result<Archive, ArchiveError> {
        let Self { folder, shelf, journal, _lock } = self;
        let Journal { program, domain, scope, began, database, mut parts, media } = journal;
        let kept = database.ok_or_else(|| ArchiveError::Given("the database is not written yet".into()))?;
        let Kept { snapshot, database, migrations, identity } = kept;
        let source = Source {
            web_domain: web_domain.unwrap_or(&domain).to_owned(),
            domain,
            mastodon: release::release(&migrations).map(str::to_owned),
            migrations,
        };
        let Media { parts: _, objects, bytes: object_bytes, vanished, left_out, left_out_count, last: _, done: _ } = media;
        let completeness =
            Completeness { media: scope, secrets: secrets.is_some(), objects, object_bytes, vanished, left_out, left_out_count };
        let facts = texts::Facts { source: &source, database: &database, completeness: &completeness, snapshot };
        let mut small: BTreeMap<PartName, Vec<u8>> = texts::all(&facts).into_iter().collect();
        small.extend(secrets.map(|sealed| (PartName::Secrets, sealed.to_vec())));
        for (name, bytes) in small {
            parts.push(write_small(&shelf, name, &bytes)?);
        }
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        let lines: Vec<String> = parts.iter().map(|part| format!("{}  {}\n", part.sha256, part.name)).collect();
        parts.push(write_small(&shelf, PartName::Sums, lines.concat().as_bytes())?);
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        let manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            program,
            began,
            snapshot,
            ended: whole_seconds(now),
            signer: signing.public().to_string(),
            source,
            database,
            identity,
            completeness,
            parts,
        };
        let bytes = manifest.to_bytes()?;
        // Read as whoever receives it will: what we would refuse is not handed out.
        let archive = Archive::unsigned(shelf.clone(), Manifest::from_bytes(&bytes)?, signing.public());
        verify(&archive, watch)?;
        shelf.write(MANIFEST, &bytes)?;
        shelf.write(SIGNATURE, signing.sign(&bytes).as_bytes())?;
        // What an interruption left is of no use any more.
        for entry in fs::read_dir(&folder).map_err(ArchiveError::file("list", &folder))?.flatten() {
            if entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path()).map_err(ArchiveError::file("remove", entry.path()))?;
            }
        }
        shelf.remove(JOURNAL)?;
        shelf.remove(PROGRESS)?;
        Ok(archive)
    }
}

impl Media {
    fn leave_out(&mut self, name: &str) {
        self.left_out_count += 1;
        self.last = Some(name.to_owned());
        if self.left_out.len() < NAMES_LEFT_OUT {
            self.left_out.push(name.chars().filter(|letter| !letter.is_control()).take(1024).collect());
        }
    }
}

fn write_small(shelf: &Shelf, name: PartName, bytes: &[u8]) -> Result<Part, ArchiveError> {
    shelf.write(&name.to_string(), bytes)?;
    let size = u64::try_from(bytes.len()).map_err(|_| ArchiveError::Given(format!("{name} is too large")))?;
    let sha256 = hex::encode(crate::crypto::sha256(bytes));
    Ok(Part { name: name.to_string(), bytes: size, sha256, unpacked: None, objects: None })
}

/// Writes one file into a tar; returns its SHA-256.
fn copy_file(key: &MediaKey, size: u64, body: &mut dyn Read, out: &mut impl Write) -> Result<String, ArchiveError> {
    let failed = |source| ArchiveError::Media(MediaError::File { what: "copy", path: key.to_string(), source });
    tar::write_header(out, key, size).map_err(failed)?;
    let mut body = Counted::new(body.take(size));
    io::copy(&mut body, out).map_err(failed)?;
    let (_, bytes, sha256) = body.finish();
    if bytes != size {
        return Err(failed(io::Error::other(format!("it ended after {bytes} of {size} bytes; run the command again"))));
    }
    out.write_all(tar::padding(size)).map_err(failed)?;
    Ok(sha256)
}
