//! `tests/asvs.toml` names each item of OWASP's ASVS 5.0 at levels 1 and 2, and what it names exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Level and way of each item.
fn items() -> BTreeMap<String, (i64, String, String)> {
    let file: toml::Table = toml::from_str(&fs::read_to_string(root().join("tests/asvs.toml")).unwrap()).unwrap();
    let items = file["items"].as_table().unwrap();
    let one = |(id, item): (&String, &toml::Value)| {
        let item = item.as_table().unwrap();
        let level = item["level"].as_integer().unwrap();
        let ways: Vec<_> = item.iter().filter(|(name, _)| *name != "level").collect();
        assert_eq!(ways.len(), 1, "{id} must have exactly one of test, doc, open and not");
        let (way, text) = (ways[0].0.clone(), ways[0].1.as_str().unwrap().to_owned());
        assert!(["test", "doc", "open", "not"].contains(&way.as_str()), "{id}: what is {way}?");
        assert!(text.len() > 8, "{id} says nothing");
        (id.clone(), (level, way, text))
    };
    items.iter().map(one).collect()
}

#[test]
fn every_item_is_mapped_and_no_other() {
    let list = fs::read_to_string(root().join("tests/asvs_items.txt")).unwrap();
    let wanted: BTreeMap<String, i64> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').map(|(id, level)| (id.to_owned(), level.parse().unwrap())).unwrap())
        .collect();
    let count = |level: i64| wanted.values().filter(|of| **of == level).count();
    assert_eq!((count(1), count(2)), (70, 183), "as many as ASVS 5.0.0 has");
    let mapped: BTreeMap<String, i64> = items().into_iter().map(|(id, (level, _, _))| (id, level)).collect();
    let missing: Vec<_> = wanted.keys().filter(|id| !mapped.contains_key(*id)).collect();
    let unknown: Vec<_> = mapped.keys().filter(|id| !wanted.contains_key(*id)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not mapped: {missing:?}; not an item: {unknown:?}");
    assert_eq!(mapped, wanted, "a level is not that of the standard");
}

/// Whether a file has a test of this name.
fn has_test(file: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    let lines: Vec<&str> = text.lines().collect();
    let is_it = |line: &str| line.trim_start().trim_start_matches("async ").starts_with(&format!("fn {name}("));
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[at.saturating_sub(3)..at].iter();
        is_it(line) && above.clone().any(|line| line.trim() == "#[test]" || line.trim().starts_with("#[tokio::test"))
    })
}

/// Headings of a page, as they are linked to.
fn headings(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        kept.chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .map(|l| if l == ' ' { '-' } else { l })
            .collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#'))).collect()
}

#[test]
fn what_it_names_exists() {
    for (id, (_, way, text)) in items() {
        match way.as_str() {
            "test" => {
                let (file, name) = text.split_once("::").unwrap_or_else(|| panic!("{id}: {text} is not file.rs::test"));
                let path = if file.starts_with("src/") { root().join(file) } else { root().join("tests/it").join(file) };
                assert!(has_test(&path, name), "{id}: there is no test {text}");
            }
            "doc" => {
                let (file, heading) = text.split_once('#').unwrap_or_else(|| panic!("{id}: {text} is not page.md#heading"));
                assert!(headings(&root().join(file)).iter().any(|found| found == heading), "{id}: there is no {text}");
            }
            _ => {}
        }
    }
}

#[test]
fn the_readers_see_what_is_there() {
    let here = root().join("tests/it/asvs.rs");
    assert!(has_test(&here, "the_readers_see_what_is_there") && !has_test(&here, "no_such_test") && !has_test(&here, "items"));
    assert!(!has_test(&root().join("tests/it/no_such_file.rs"), "items"));
    assert!(headings(&root().join("docs/security.md")).contains(&"ways-in".to_owned()));
}
