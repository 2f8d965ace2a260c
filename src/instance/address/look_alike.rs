//! Names that look like other names. Two texts look alike when their skeletons are equal: UTS 39's, and on top of it what people
//! confuse in ASCII alone.

use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _};

/// What a text looks like. Not for showing; compare it with other skeletons only.
///
/// UTS 39 maps each character to the simplest one that looks the same (Cyrillic а to a, 0 to O, 1 and I to l, m to rn), but takes
/// letters as they are, so case, `i` and `vv` are ours. Hyphens count: `my-cat` and `mycat` are two names.
pub(super) fn skeleton(text: &str) -> String {
    // Lower-case both before and after: some capitals have another look-alike than their small letter, and UTS 39 itself writes O.
    let simplest: String = unicode_security::skeleton(&text.to_lowercase()).collect();
    simplest.to_lowercase().replace(['i', '1', 'ı', '|'], "l").replace('0', "o").replace("vv", "w")
}

/// Whether `text` contains something that looks like `word`.
pub(super) fn contains_look_alike(text: &str, word: &str) -> bool {
    skeleton(text).replace('-', "").contains(&skeleton(word))
}

/// Whether the letters of a label come from alphabets that no language writes together (UTS 39 §5.2: anything beyond "highly
/// restrictive", which allows Latin with Japanese, Chinese or Korean).
pub(super) fn mixes_scripts(label: &str) -> bool {
    !matches!(
        label.detect_restriction_level(),
        RestrictionLevel::ASCIIOnly | RestrictionLevel::SingleScript | RestrictionLevel::HighlyRestrictive
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_has_one_skeleton() {
        let pairs = [("paddock", "раddосk"), ("paddock", "PADD0CK"), ("admin", "adrnin"), ("admin", "adm1n"), ("www", "vvww")];
        for (one, other) in
            pairs.into_iter().chain([("bill", "b1ll"), ("bill", "biIl"), ("modern", "rnodem"), ("strasse", "strasse")])
        {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        for (one, other) in [("my-cat", "mycat"), ("garden", "warden"), ("a", "b")] {
            assert_ne!(skeleton(one), skeleton(other), "{one} {other}");
        }
    }

    #[test]
    fn alphabets_that_go_together() {
        for (label, mixed) in
            [("café", false), ("日本", false), ("日本go", false), ("кот", false), ("pаddock", true), ("αлfa", true)]
        {
            assert_eq!(mixes_scripts(label), mixed, "{label}");
        }
    }
}
