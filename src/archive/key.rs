//! The names of media files, as an object store has them: `media_attachments/files/109/…/original/0a1b.png`.
//!
//! In an archive they are the names of a tar's members. Whoever unpacks one makes files by these names, so what may be a name is
//! narrow, and checked before anything is done with it.

use std::path::PathBuf;

/// The longest name, in bytes: what S3 allows.
pub const LONGEST: usize = 1024;
/// The longest piece between two slashes, in bytes: what file systems allow.
const LONGEST_PIECE: usize = 255;
/// What other servers' media lie under. They have the originals, so an archive does without.
pub const CACHE: &str = "cache/";

/// A name that is safe to make a file by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaKey(String);

/// Why a text is not such a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Empty, or too long.
    #[error("is empty, or longer than a name may be")]
    Length,
    /// A piece of it leads out of the folder, or nowhere.
    #[error("leads out of the folder, or nowhere")]
    Leads,
    /// It has letters that no name of Mastodon's has and that mean something to programs.
    #[error("has control characters or backslashes in it")]
    Letters,
}

impl MediaKey {
    /// Checks a name.
    ///
    /// # Errors
    /// It could lead somewhere else, or mean something.
    pub fn new(text: &str) -> Result<Self, BadKey> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(BadKey::Length);
        }
        if text.chars().any(|letter| letter.is_control() || letter == '\\') {
            return Err(BadKey::Letters);
        }
        for piece in text.split('/') {
            if matches!(piece, "" | "." | "..") {
                return Err(BadKey::Leads);
            }
            if piece.len() > LONGEST_PIECE {
                return Err(BadKey::Length);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a path below some folder.
    pub fn to_path(&self) -> PathBuf {
        self.0.split('/').collect()
    }
}

impl std::fmt::Display for MediaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for fine in ["a", "media_attachments/files/1/original/x y.png", "é/ü.png", "..a/b..", "a:b", "-rf"] {
            assert_eq!(MediaKey::new(fine).unwrap().as_str(), fine);
        }
        let long = "a".repeat(256);
        for bad in
            ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\\b", "a\nb", "a\0", "a\u{7f}", "a\u{85}b", long.as_str()]
        {
            assert!(MediaKey::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(MediaKey::new(&"a/".repeat(520)), Err(BadKey::Length));
    }

    proptest! {
        #[test]
        fn a_path_made_of_a_name_stays_below(text in "[./a\\\\\u{0}é-]{0,12}") {
            if let Ok(key) = MediaKey::new(&text) {
                let path = key.to_path();
                prop_assert!(path.components().all(|piece| matches!(piece, Component::Normal(_))));
                prop_assert_eq!(path.to_str().unwrap(), text);
            }
        }
    }
}
