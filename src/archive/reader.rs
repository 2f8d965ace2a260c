//! Reading an archive: nothing in it is believed before the signature, no name out of it is used but those of [`PartName`] and
//! [`MediaKey`], and no more is read than was announced.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use super::error::{ArchiveError, Damage};
use super::key::MediaKey;
use super::manifest::{self, Manifest, Part};
use super::media::MediaError;
use super::names::{MANIFEST, PartName, SIGNATURE};
use super::shelf::{Shelf, unread};
use super::signature::{self, SignerKey};
use super::stream::{CHUNK, Counted, Limited, decompressor, too_long};
use super::tar::{self, BadTar};
use super::watch::Watch;

/// The largest signature file.
const LARGEST_SIGNATURE: u64 = 4096;
/// The longest line of an index: checksum, two spaces, name, line break.
const LONGEST_LINE: u64 = 64 + 2 + super::key::LONGEST as u64 + 1;

/// An archive whose manifest is what its signer signed. Its parts are not looked at yet.
#[derive(Debug)]
pub struct Archive {
    shelf: Shelf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Who signed it.
    pub signer: SignerKey,
}

/// What is done with each media file: name, size, SHA-256 as the index says, content.
pub type Visit<'a> = &'a mut dyn FnMut(&MediaKey, u64, &str, &mut dyn Read) -> Result<(), ArchiveError>;

impl Archive {
    /// Reads manifest and signature. `wanted` is whom it must be signed by; without, anybody may have.
    ///
    /// # Errors
    /// It is none, or not what was signed.
    pub fn open(folder: &Path, wanted: Option<SignerKey>) -> Result<Self, ArchiveError> {
        Self::open_on(Shelf::Folder(folder.to_owned()), wanted)
    }

    /// The same, wherever it lies.
    ///
    /// # Errors
    /// It is none, or not what was signed.
    pub fn open_on(shelf: Shelf, wanted: Option<SignerKey>) -> Result<Self, ArchiveError> {
        let signed = match shelf.read_whole(SIGNATURE, LARGEST_SIGNATURE) {
            Err(ArchiveError::Damaged(Damage::Missing(_))) => return Err(Damage::Unfinished.into()),
            other => String::from_utf8(other?).map_err(|_| Damage::from(signature::BadSignature::Form))?,
        };
        let bytes = shelf.read_whole(MANIFEST, manifest::LARGEST)?;
        let found = signature::check(&signed, &bytes).map_err(Damage::from)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(Damage::Signer { found, wanted }.into());
        }
        let manifest = Manifest::from_bytes(&bytes)?;
        if manifest.signer != found.to_string() {
            return Err(Damage::Manifest("it names another signer than signed it".into()).into());
        }
        Ok(Self { shelf, manifest, signer: found })
    }

    /// An archive that is being written and not signed yet.
    pub(super) fn unsigned(shelf: Shelf, manifest: Manifest, signer: SignerKey) -> Self {
        Self { shelf, manifest, signer }
    }

    /// Where it lies.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What tells it from every other: the SHA-256 of its manifest, in hexadecimal digits.
    ///
    /// # Errors
    /// A number in it does not fit.
    pub fn fingerprint(&self) -> Result<String, ArchiveError> {
        Ok(hex::encode(crate::crypto::sha256(&self.manifest.to_bytes()?)))
    }

    /// A part as it is, of the size that the manifest says.
    fn raw(&self, name: PartName) -> Result<(Box<dyn Read + Send>, &Part), ArchiveError> {
        let part = self.manifest.part(name)?;
        let (file, found) = self.shelf.open(&part.name)?;
        if found != part.bytes {
            return Err(Damage::Size { name: part.name.clone(), found, wanted: part.bytes }.into());
        }
        Ok((file, part))
    }

    /// A part that is small enough for memory, checked.
    ///
    /// # Errors
    /// It is not what was written, or not small.
    pub fn small(&self, name: PartName, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let (_, part) = self.raw(name)?;
        let bytes = self.shelf.read_whole(&part.name, most)?;
        if hex::encode(crate::crypto::sha256(&bytes)) == part.sha256 {
            Ok(bytes)
        } else {
            Err(Damage::Hash(part.name.clone()).into())
        }
    }

    /// What the dump of the database unpacks to. Check it first: a stream tells of damage only where it comes to it.
    ///
    /// # Errors
    /// It is not there.
    pub fn database(&self) -> Result<(impl Read + Send + use<>, u64), ArchiveError> {
        let (file, part) = self.raw(PartName::Database)?;
        let bytes = part.unpacked.unwrap_or_default();
        let unpacker = decompressor(file).map_err(ArchiveError::file("unpack", self.shelf.path(&part.name)))?;
        Ok((Limited::new(unpacker, bytes), bytes))
    }

    /// Checks one part against the manifest; a compressed one is unpacked as well. `read` is told how many bytes were read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, name: PartName, watch: &dyn Watch, read: &mut dyn FnMut(u64)) -> Result<(), ArchiveError> {
        match name {
            PartName::Database => self.unpack(name, watch, read, |dump, part| {
                let mut magic = Vec::new();
                dump.take(5).read_to_end(&mut magic)?;
                if magic != *b"PGDMP" {
                    return Err(Inner::Damage(Damage::Packed {
                        name: part.name.clone(),
                        why: "it is no dump of pg_dump -Fc".into(),
                    }));
                }
                drain(dump, watch)
            }),
            PartName::Media(number) => self.files_of(number, &mut None, watch, read, &mut |_, _, _, _| Ok(())),
            PartName::Index(_) | PartName::Secrets | PartName::Guide | PartName::Compose | PartName::Script | PartName::Sums => {
                let (file, part) = self.raw(name)?;
                let mut file = Counted::new(file);
                copy_told(&mut file, watch, read).map_err(|error| self.inner(error, part))?;
                if file.finish().2 == part.sha256 { Ok(()) } else { Err(Damage::Hash(part.name.clone()).into()) }
            }
        }
    }

    /// Goes through all media files, in the order of their names.
    ///
    /// # Errors
    /// What is wrong with them, or what `visit` says.
    pub fn files(&self, watch: &dyn Watch, visit: Visit<'_>) -> Result<(), ArchiveError> {
        let mut previous = None;
        for number in 1..=u32::try_from(self.manifest.media_parts().count()).unwrap_or(u32::MAX) {
            self.files_of(number, &mut previous, watch, &mut |_| {}, visit)?;
        }
        Ok(())
    }

    /// Goes through the files of one part, with its index beside it.
    pub(super) fn files_of(
        &self,
        number: u32,
        previous: &mut Option<MediaKey>,
        watch: &dyn Watch,
        read: &mut dyn FnMut(u64),
        visit: Visit<'_>,
    ) -> Result<(), ArchiveError> {
        let (index, listed) = self.raw(PartName::Index(number))?;
        let index_name = listed.name.clone();
        let mut index = BufReader::new(Counted::new(index));
        self.unpack(PartName::Media(number), watch, read, |mut files, part| {
            let differs = |why: String| Inner::Damage(Damage::Index { part: part.name.clone(), why });
            let mut count = 0_u64;
            loop {
                let line = index_line(&mut index, &index_name)?;
                let found = tar::read_header(&mut files).map_err(|error| bad_tar(error, part))?;
                let ended = [line.is_none(), found.is_none()];
                let (Some((sha256, key)), Some((found, size))) = (line, found) else {
                    // Both must end together; which of the two has more does not matter.
                    if ended != [true; 2] || [listed.objects, part.objects] != [Some(count); 2] {
                        return Err(differs("it, its index and the manifest count its files differently".into()));
                    }
                    return Ok(());
                };
                if key != found {
                    return Err(differs(format!("it has {found} where its index has {key}")));
                }
                if previous.as_ref().is_some_and(|previous| *previous >= found) {
                    return Err(differs(format!("{found} is in it twice or out of order")));
                }
                let mut body = Counted::new((&mut *files).take(size));
                visit(&found, size, &sha256, &mut body).map_err(Inner::Archive)?;
                // What the visitor left.
                copy_told(&mut body, watch, &mut |_| {})?;
                let (_, bytes, hash) = body.finish();
                if bytes != size {
                    return Err(Inner::Io(io::ErrorKind::UnexpectedEof.into()));
                }
                if hash != sha256 {
                    return Err(Inner::Damage(Damage::Content { part: part.name.clone(), key: found.to_string() }));
                }
                let mut padding = vec![0; tar::padding(size).len()];
                files.read_exact(&mut padding)?;
                if padding.iter().any(|byte| *byte != 0) {
                    return Err(differs(format!("behind {found} there is something where nothing may be")));
                }
                *previous = Some(found);
                count += 1;
            }
        })?;
        let mut index = index.into_inner();
        copy_told(&mut index, watch, &mut |_| {}).map_err(|error| self.inner(error, listed))?;
        if index.finish().2 == listed.sha256 { Ok(()) } else { Err(Damage::Hash(listed.name.clone()).into()) }
    }

    /// Unpacks a part for `work`, to its end. If anything is wrong, whether its bytes are what was written is said first.
    fn unpack(
        &self,
        name: PartName,
        watch: &dyn Watch,
        read: &mut dyn FnMut(u64),
        work: impl FnOnce(&mut dyn Read, &Part) -> Result<(), Inner>,
    ) -> Result<(), ArchiveError> {
        let (file, part) = self.raw(name)?;
        let unpacked = part.unpacked.unwrap_or_default();
        let mut file = Counted::new(Told { inner: file, read });
        let outcome = (|| {
            let mut content = Limited::new(decompressor(&mut file)?, unpacked);
            work(&mut content, part)?;
            // The end has been seen; what is behind it is counted all the same.
            copy_told(&mut content, watch, &mut |_| {})?;
            if content.passed() == unpacked { Ok(()) } else { Err(Inner::Short) }
        })();
        if let Err(Inner::Stopped) = outcome {
            return Err(ArchiveError::Stopped);
        }
        copy_told(&mut file, watch, &mut |_| {}).map_err(|error| self.inner(error, part))?;
        if file.finish().2 != part.sha256 {
            return Err(Damage::Hash(part.name.clone()).into());
        }
        outcome.map_err(|error| self.inner(error, part))
    }

    fn inner(&self, error: Inner, part: &Part) -> ArchiveError {
        let (name, wanted) = (part.name.clone(), part.unpacked.unwrap_or_default());
        match error {
            Inner::Stopped => ArchiveError::Stopped,
            Inner::Archive(error) => error,
            Inner::Damage(damage) => damage.into(),
            Inner::Short => Damage::Unpacked { name, more: false, wanted }.into(),
            Inner::Io(error) if too_long(&error) => Damage::Unpacked { name, more: true, wanted }.into(),
            // What the operating system or the object store says is no damage; what the decompressor says is.
            Inner::Io(error) if error.raw_os_error().is_some() || is_of_store(&error) => unread(self.shelf.path(&name), error),
            Inner::Io(error) => Damage::Packed { name, why: error.to_string() }.into(),
        }
    }
}

/// What goes wrong within a part.
enum Inner {
    Stopped,
    Archive(ArchiveError),
    Damage(Damage),
    /// It ends before what was announced.
    Short,
    Io(io::Error),
}

impl From<io::Error> for Inner {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn bad_tar(error: BadTar, part: &Part) -> Inner {
    let name = part.name.clone();
    match error {
        BadTar::Io(error) => Inner::Io(error),
        BadTar::Header(why) => Inner::Damage(Damage::Packed { name, why: why.to_owned() }),
        BadTar::Name { name: found, why } => Inner::Damage(Damage::Name { part: name, name: found, why }),
    }
}

/// The next line of an index: checksum and name.
fn index_line(index: &mut impl io::BufRead, name: &str) -> Result<Option<(String, MediaKey)>, Inner> {
    let bad = |why: &str| Inner::Damage(Damage::Index { part: name.to_owned(), why: why.to_owned() });
    let mut line = Vec::new();
    index.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(line).map_err(|_| bad("a line is not UTF-8"))?;
    let text = text.strip_suffix('\n').ok_or_else(|| bad("a line does not end, or is too long"))?;
    let (sha256, key) = text.split_once("  ").ok_or_else(|| bad("a line is no checksum and name"))?;
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(bad("a line is no checksum and name"));
    }
    let key = MediaKey::new(key);
    let shown = || text[66..].chars().take(200).collect();
    let key = key.map_err(|why| Inner::Damage(Damage::Name { part: name.to_owned(), name: shown(), why }))?;
    Ok(Some((sha256.to_owned(), key)))
}

/// Tells how much is read.
struct Told<'a, R> {
    inner: R,
    read: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.read)(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

fn drain(from: &mut dyn Read, watch: &dyn Watch) -> Result<(), Inner> {
    let mut from = from;
    copy_told(&mut from, watch, &mut |_| {})
}

fn copy_told(from: &mut impl Read, watch: &dyn Watch, told: &mut dyn FnMut(u64)) -> Result<(), Inner> {
    let mut buffer = vec![0; CHUNK];
    loop {
        if watch.stopped() {
            return Err(Inner::Stopped);
        }
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => told(u64::try_from(read).unwrap_or(0)),
        }
    }
}

/// Whether an error is the object store's.
fn is_of_store(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<MediaError>())
}
