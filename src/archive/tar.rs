//! The part of tar that archives use: ordinary files in ustar headers, and a pax header for a name that does not fit into one.
//!
//! Written here rather than taken from a library because of what it can't do: no links, no devices, no folders, no sparse files, no
//! record but `path`, so nothing that two programs could understand differently. Any `tar` unpacks it.

use std::io::{self, Read, Write};

use super::key::{BadKey, MediaKey};

/// Tar's unit.
pub const BLOCK: usize = 512;
/// The largest file that a header can say the size of: 8 GiB less one byte.
pub const LARGEST: u64 = 0o77_777_777_777;
/// The largest pax header that a name can need.
const LARGEST_PAX: u64 = 2 * BLOCK as u64 + BLOCK as u64;

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const OWNER: std::ops::Range<usize> = 108..116;
const GROUP: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const TIME: std::ops::Range<usize> = 136..148;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

const FILE: u8 = b'0';
const PAX: u8 = b'x';

/// Writes the header of a file; its bytes and [`padding`] follow.
pub fn write_header(out: &mut impl Write, key: &MediaKey, size: u64) -> io::Result<()> {
    if size > LARGEST {
        return Err(io::Error::other(format!("{key} is larger than 8 GiB")));
    }
    let name = key.as_str().as_bytes();
    if let Some((prefix, name)) = split(name) {
        return out.write_all(&header(prefix, name, size, FILE));
    }
    let record = pax_record(key.as_str());
    let length = u64::try_from(record.len()).map_err(io::Error::other)?;
    out.write_all(&header(b"", b"pax", length, PAX))?;
    out.write_all(&record)?;
    out.write_all(padding(length))?;
    // Programs that don't know pax headers get at least some name.
    let (prefix, name) = (&b""[..], &name[name.len() - NAME.len()..]);
    out.write_all(&header(prefix, name, size, FILE))
}

/// What follows a file of this size.
pub fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { &[] } else { &ZEROS[over..] }
}

/// Writes what ends a tar.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// A name as ustar has it: up to 155 bytes before a slash, up to 100 after it.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.len() {
        return Some((b"", name));
    }
    let at = (0..name.len()).find(|at| name[*at] == b'/' && name.len() - at - 1 <= NAME.len())?;
    (at <= PREFIX.len()).then(|| (&name[..at], &name[at + 1..]))
}

fn pax_record(path: &str) -> Vec<u8> {
    // The length counts its own digits.
    let rest = " path=".len() + path.len() + 1;
    let digits = (1..=20).find(|digits| (rest + digits).to_string().len() == *digits).unwrap_or(4);
    format!("{} path={path}\n", rest + digits).into_bytes()
}

fn header(prefix: &[u8], name: &[u8], size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put =
        |range: std::ops::Range<usize>, bytes: &[u8]| block[range.start..range.start + bytes.len()].copy_from_slice(bytes);
    put(NAME, name);
    put(MODE, b"0000644\0");
    put(OWNER, b"0000000\0");
    put(GROUP, b"0000000\0");
    put(SIZE, format!("{size:011o}\0").as_bytes());
    // Times of files say nothing: the names do, and the same files give the same bytes.
    put(TIME, b"00000000000\0");
    put(SUM, b"        ");
    put(KIND..KIND + 1, &[kind]);
    put(MAGIC, b"ustar\x0000");
    put(PREFIX, prefix);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// What is wrong with a tar.
#[derive(Debug, thiserror::Error)]
pub enum BadTar {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header is not one that we would write.
    #[error("a header in it is not one of this format: {0}")]
    Header(&'static str),
    /// A name can't be the name of a file.
    #[error("the name {name:?} in it {why}")]
    Name {
        /// The name, cut off where it is long.
        name: String,
        /// What is wrong with it.
        why: BadKey,
    },
}

/// Reads the next header. `None` is the end, after which there is nothing more.
///
/// # Errors
/// Anything that [`write_header`] would not have written.
pub fn read_header(input: &mut impl Read) -> Result<Option<(MediaKey, u64)>, BadTar> {
    let mut block = [0; BLOCK];
    input.read_exact(&mut block)?;
    if block == [0; BLOCK] {
        input.read_exact(&mut block)?;
        let ends = block == [0; BLOCK] && input.read(&mut [0])? == 0;
        return if ends { Ok(None) } else { Err(BadTar::Header("there is something behind the end")) };
    }
    let mut long = None;
    if block[KIND] == PAX {
        let size = number(&block[SIZE])?;
        if size == 0 || size > LARGEST_PAX || block != header(b"", b"pax", size, PAX) {
            return Err(BadTar::Header("a pax header that is none of ours"));
        }
        let length = usize::try_from(size).map_err(|_| BadTar::Header("its size"))?;
        let mut record = vec![0; length + padding(size).len()];
        input.read_exact(&mut record)?;
        let (record, rest) = record.split_at(length);
        let text = std::str::from_utf8(record).map_err(|_| BadTar::Header("a name is not UTF-8"))?;
        let path = text.split_once(" path=").and_then(|(_, path)| path.strip_suffix('\n'));
        let path = path.ok_or(BadTar::Header("a pax record other than path"))?;
        if rest.iter().any(|byte| *byte != 0) || record != pax_record(path) {
            return Err(BadTar::Header("a pax header with more than one path"));
        }
        long = Some(path.to_owned());
        input.read_exact(&mut block)?;
    }
    let text = |range: std::ops::Range<usize>| {
        let bytes = block[range].split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| BadTar::Header("a name is not UTF-8"))
    };
    let size = number(&block[SIZE])?;
    let has_pax = long.is_some();
    let name = match long {
        Some(name) => name,
        None if block[PREFIX.start] == 0 => text(NAME)?.to_owned(),
        None => format!("{}/{}", text(PREFIX)?, text(NAME)?),
    };
    if block[KIND] != FILE {
        return Err(BadTar::Header(kind(block[KIND])));
    }
    let key = MediaKey::new(&name).map_err(|why| BadTar::Name { name: name.chars().take(200).collect(), why })?;
    // Written again, it must be the same: so nothing hides in fields that are not looked at.
    let mut again = Vec::with_capacity(4 * BLOCK);
    write_header(&mut again, &key, size)?;
    if again.len() == BLOCK && has_pax {
        return Err(BadTar::Header("a pax header for a name that needs none"));
    }
    if again[again.len() - BLOCK..] != block {
        return Err(BadTar::Header("fields that this format leaves empty are not, or its checksum is wrong"));
    }
    Ok(Some((key, size)))
}

fn kind(kind: u8) -> &'static str {
    match kind {
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'5' => "a folder",
        b'6' => "a pipe",
        b'x' | b'g' => "a pax header that is out of place",
        _ => "something that is no file",
    }
}

/// A number of octal digits, ended by a zero byte.
fn number(field: &[u8]) -> Result<u64, BadTar> {
    let bad = BadTar::Header("a size that is no octal number");
    let text = std::str::from_utf8(field).ok().and_then(|text| text.strip_suffix('\0'));
    let text = text.filter(|text| text.bytes().all(|byte| (b'0'..=b'7').contains(&byte))).ok_or(bad)?;
    u64::from_str_radix(text, 8).map_err(|_| BadTar::Header("a size that is no octal number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_read_could_have_been_written(at in 0..3 * BLOCK, byte: u8, name in "[a-z/\u{fc}]{1,130}", size in 0..LARGEST) {
            let Ok(key) = MediaKey::new(&name) else { return Ok(()) };
            let mut tar = Vec::new();
            write_header(&mut tar, &key, size).unwrap();
            let end = tar.len();
            tar[at % end] = byte;
            let mut rest = &tar[..];
            if let Ok(Some((key, size))) = read_header(&mut rest) {
                let mut again = Vec::new();
                write_header(&mut again, &key, size).unwrap();
                prop_assert_eq!(&again, &tar[..end - rest.len()]);
            }
        }
    }

    fn written(key: &str, size: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, &MediaKey::new(key).unwrap(), size).unwrap();
        out
    }

    #[test]
    fn names_of_every_length_come_back() {
        let deep = "media_attachments/files/109/234/567/890/123/456/original";
        for name in [
            "a".to_owned(),
            "b".repeat(100),
            format!("{deep}/{}.jpeg", "c".repeat(60)),
            format!("{}/{}", "d".repeat(155), "e".repeat(100)),
            format!("{}/{}", "d".repeat(156), "e".repeat(100)),
            "f".repeat(101),
            format!("{deep}/{}", "ü".repeat(120)),
            vec!["g".repeat(255); 4].join("/"),
        ] {
            let mut tar = written(&name, 7);
            tar.extend(b"content");
            tar.extend(padding(7));
            write_end(&mut tar).unwrap();
            let mut rest = &tar[..];
            let (key, size) = read_header(&mut rest).unwrap().unwrap();
            assert_eq!((key.as_str(), size), (name.as_str(), 7));
            rest = &rest[BLOCK..];
            assert!(read_header(&mut rest).unwrap().is_none(), "{name}");
        }
        assert_eq!((padding(0).len(), padding(1).len(), padding(512).len()), (0, 511, 0));
        assert!(write_header(&mut Vec::new(), &MediaKey::new("a").unwrap(), LARGEST + 1).is_err());
    }

    #[test]
    fn what_is_no_plain_file_is_refused_by_name() {
        let sealed = |change: &dyn Fn(&mut [u8])| {
            let mut block = written("a/b", 0);
            change(&mut block);
            block[SUM].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            read_header(&mut &block[..]).unwrap_err().to_string()
        };
        for (kind, said) in
            [(b'1', "hard link"), (b'2', "symbolic link"), (b'3', "device"), (b'5', "folder"), (b'6', "pipe"), (b'g', "pax")]
        {
            let error = sealed(&|block: &mut [u8]| block[KIND] = kind);
            assert!(error.contains(said), "{error}");
        }
        assert!(sealed(&|block| block[..4].copy_from_slice(b"/etc")).contains("\"/etc\" in it leads out of the folder"));
        assert!(sealed(&|block| block[..4].copy_from_slice(b"../a")).contains("leads out of the folder"));
        assert!(sealed(&|block| block[157] = b'x').contains("leaves empty"), "a link's target");
        assert!(sealed(&|block| block[SIZE.start] = 0x80).contains("octal"), "a size in base 256");
        let mut wrong = written("a", 0);
        wrong[SUM.start] ^= 1;
        assert!(read_header(&mut &wrong[..]).unwrap_err().to_string().contains("checksum"));
        let mut trailing = vec![0; 2 * BLOCK];
        trailing.push(1);
        assert!(read_header(&mut &trailing[..]).unwrap_err().to_string().contains("behind the end"));
        assert!(read_header(&mut &[0; BLOCK][..]).is_err(), "cut off");
    }

    #[test]
    fn a_pax_header_says_the_path_and_nothing_else() {
        let name = "p".repeat(120);
        let plain = written(&name, 3);
        for record in ["20 size=99999999999\n", "131 path=q\n", "12 path=../a\n", "18 linkpath=/etc/x\n"] {
            let mut tar = plain.clone();
            let length = u64::try_from(record.len()).unwrap();
            tar[..BLOCK].copy_from_slice(&header(b"", b"pax", length, PAX));
            tar[BLOCK..2 * BLOCK].fill(0);
            tar[BLOCK..BLOCK + record.len()].copy_from_slice(record.as_bytes());
            assert!(read_header(&mut &tar[..]).is_err(), "{record}");
        }
        // A short name has no need of one: two ways to say the same are one too many.
        let mut needless = header(b"", b"pax", 9, PAX).to_vec();
        needless.extend(b"9 path=a\n");
        needless.resize(2 * BLOCK, 0);
        needless.extend(written("a", 0));
        let error = read_header(&mut &needless[..]).unwrap_err().to_string();
        assert!(error.contains("needs none"), "{error}");
    }
}
