//! The names of an archive's files: a closed list. What is called anything else is no part of an archive.

use std::fmt;
use std::str::FromStr;

/// The signed list of everything else.
pub const MANIFEST: &str = "manifest.json";
/// The signature under it. It is written last: where it is, the archive is complete.
pub const SIGNATURE: &str = "manifest.sig";
/// What an interrupted creation goes on from. Not in a complete archive.
pub const JOURNAL: &str = "journal.json";
/// How far somebody is with it who works on it elsewhere. Not in a complete archive.
pub const PROGRESS: &str = "progress.json";
/// What the name of a file ends with while it is being written.
pub const UNFINISHED: &str = ".partial";

/// The highest number of a media part.
pub const MOST_MEDIA_PARTS: u32 = 99_999;

/// A file of an archive that the manifest lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartName {
    /// `database.dump.zst`: what `pg_dump -Fc -Z0` wrote, compressed.
    Database,
    /// `media-00001.tar.zst`: files, from 1.
    Media(u32),
    /// `media-00001.sha256`: the checksums of the files in it.
    Index(u32),
    /// `secrets.age`: the lines of `.env.production` that make the server itself.
    Secrets,
    /// `RESTORE.md`.
    Guide,
    /// `compose.yaml`.
    Compose,
    /// `restore.sh`.
    Script,
    /// `SHA256SUMS`: the checksums of all other parts, for `sha256sum -c`.
    Sums,
}

impl PartName {
    /// Whether it is compressed, and has a size beside that of the file.
    pub fn is_compressed(self) -> bool {
        match self {
            Self::Database | Self::Media(_) => true,
            Self::Index(_) | Self::Secrets | Self::Guide | Self::Compose | Self::Script | Self::Sums => false,
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("database.dump.zst"),
            Self::Media(number) => write!(f, "media-{number:05}.tar.zst"),
            Self::Index(number) => write!(f, "media-{number:05}.sha256"),
            Self::Secrets => f.write_str("secrets.age"),
            Self::Guide => f.write_str("RESTORE.md"),
            Self::Compose => f.write_str("compose.yaml"),
            Self::Script => f.write_str("restore.sh"),
            Self::Sums => f.write_str("SHA256SUMS"),
        }
    }
}

/// A name that no part has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a part")]
pub struct NoPart;

impl FromStr for PartName {
    type Err = NoPart;

    fn from_str(text: &str) -> Result<Self, NoPart> {
        let fixed = [Self::Database, Self::Secrets, Self::Guide, Self::Compose, Self::Script, Self::Sums];
        if let Some(name) = fixed.into_iter().find(|name| name.to_string() == text) {
            return Ok(name);
        }
        let rest = text.strip_prefix("media-").ok_or(NoPart)?;
        let (digits, ending) = rest.split_once('.').ok_or(NoPart)?;
        if digits.len() != 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoPart);
        }
        match (digits.parse().map_err(|_| NoPart)?, ending) {
            (0, _) => Err(NoPart),
            (number, "tar.zst") => Ok(Self::Media(number)),
            (number, "sha256") => Ok(Self::Index(number)),
            (_, _) => Err(NoPart),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_no_others_are() {
        for name in ["database.dump.zst", "media-00001.tar.zst", "media-99999.sha256", "secrets.age", "RESTORE.md", "SHA256SUMS"]
        {
            assert_eq!(name.parse::<PartName>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "..",
            "/etc/passwd",
            "../secrets.age",
            "a/secrets.age",
            "media-00000.tar.zst",
            "media-1.tar.zst",
            "media-+0001.tar.zst",
            "media-00001.tar",
            "media-100000.tar.zst",
            "SECRETS.AGE",
            "secrets.age ",
            "manifest.json",
            "manifest.sig",
            "journal.json",
        ] {
            assert_eq!(name.parse::<PartName>(), Err(NoPart), "{name}");
        }
    }
}
