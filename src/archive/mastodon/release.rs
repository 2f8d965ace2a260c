//! Which release a database is of. Only the schema tells, and it does not tell patches apart: within one minor it stays the same.

/// The newest migration of each minor that is not post-deployment (its `db/schema.rb`).
const RELEASES: [(&str, &str); 6] = [
    ("4.2", "20230907150100"),
    ("4.3", "20241007071624"),
    ("4.4", "20250627132728"),
    ("4.5", "20251023210145"),
    ("4.6", "20260611150940"),
    ("4.7", "20260805130216"),
];

/// Migrations of glitch-soc, which Mastodon does not have.
const GLITCH: [&str; 11] = [
    "20170914032032",
    "20171009222537",
    "20171021191900",
    "20171210213213",
    "20180410220657",
    "20180604000556",
    "20180707193142",
    "20190512200918",
    "20220209175231",
    "20260209142401",
    "20260209143307",
];

/// The newest release whose migrations were all begun, such as `4.5`; none for what is older than all.
pub fn release(migrations: &[String]) -> Option<&'static str> {
    let found = RELEASES.iter().rev().find(|(_, newest)| migrations.iter().any(|version| version == newest));
    found.map(|(release, _)| *release)
}

/// The fork that it is of, where that shows.
pub fn fork(migrations: &[String]) -> Option<&'static str> {
    migrations.iter().any(|version| GLITCH.contains(&version.as_str())).then_some("glitch-soc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_told_by_the_schema() {
        let of = |versions: &[&str]| versions.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(release(&of(&["20230907150100", "20250627132728", "20240307180905"])), Some("4.4"));
        assert_eq!(release(&of(&["20160220174730"])), None);
        assert_eq!(fork(&of(&["20171210213213", "20251023210145"])), Some("glitch-soc"));
        assert_eq!(fork(&of(&["20251023210145"])), None);
        assert!(RELEASES.is_sorted_by_key(|(_, newest)| newest));
    }
}
