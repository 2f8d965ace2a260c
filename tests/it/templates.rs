//! Words and templates: what is named exists, and what exists is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder whose names end so, by path from the root.
fn files(folder: &str, endings: &[&str]) -> BTreeMap<String, String> {
    fn walk(dir: &Path, endings: &[&str], found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, endings, found);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|has| has == *ending)) {
                found.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root().join(folder), endings, &mut found);
    found
}

/// Every key of the locale files, with the file that has it.
fn keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (path, text) in files("locales/en", &["ftl"]) {
        for line in text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())) {
            if let Some((key, _)) = line.split_once('=') {
                let before = keys.insert(key.trim().to_owned(), path.clone());
                assert_eq!(before, None, "{} is twice: in {path} and elsewhere", key.trim());
            }
        }
    }
    keys
}

/// What looks for words: templates and code.
fn readers() -> BTreeMap<String, String> {
    let mut all = files("templates", &["html", "txt"]);
    all.extend(files("src", &["rs"]));
    all
}

/// The texts in quotes of a file.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2).chain(line.split('"').step_by(2).skip(1)))
}

#[test]
fn every_word_that_is_asked_for_is_there() {
    let keys = keys();
    let mut missing = BTreeSet::new();
    for (path, text) in readers() {
        for call in [
            "w.t(\"",
            "words.t(\"",
            "english().t(\"",
            ".t1(\"",
            ".t2(\"",
            "words.with(\"",
            "w.with(\"",
            "words.count(\"",
            "w.count(\"",
            ".said(\"",
        ] {
            for (at, _) in text.match_indices(call) {
                let key = text[at + call.len()..].split('"').next().unwrap_or_default();
                if !keys.contains_key(key) && key != "no-such-key" {
                    missing.insert(format!("{path}: {key}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "words that the locale files do not have: {missing:#?}");
}

#[test]
fn every_word_is_used() {
    let readers = readers();
    let (mut families, mut used): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    for text in readers.values() {
        for literal in literals(text) {
            used.insert(literal.to_owned());
            // `format!("phase-{word}-text")`: what stands in front of the brace is how the family begins.
            if let Some((start, _)) = literal.split_once('{')
                && start.len() > 3
                && start.ends_with('-')
                && start.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
            {
                families.insert(start.to_owned());
            }
        }
    }
    let messages = files("locales/en", &["ftl"]).into_values().collect::<String>();
    let unused: Vec<String> = keys()
        .into_iter()
        .filter(|(key, _)| !used.contains(key) && !families.iter().any(|family| key.starts_with(family)))
        .filter(|(key, _)| !messages.contains(&format!("{{ {key} }}")))
        .map(|(key, path)| format!("{path}: {key}"))
        .collect();
    assert!(unused.is_empty(), "words that nobody asks for: {unused:#?}\nfamilies are {families:?}");
}

#[test]
fn every_template_is_rendered() {
    let readers = readers();
    let unused: Vec<String> = files("templates", &["html", "txt"])
        .into_keys()
        .map(|path| path.trim_start_matches("templates/").to_owned())
        .filter(|path| !readers.values().any(|text| text.contains(&format!("\"{path}\""))))
        .collect();
    // Mails are named by a macro, as folder and file.
    let unused: Vec<_> = unused.into_iter().filter(|path| !path.starts_with("mail/")).collect();
    assert!(unused.is_empty(), "templates that nothing renders: {unused:#?}");
}

#[test]
fn every_mail_has_its_three_templates() {
    let templates = files("templates/mail", &["html", "txt"]);
    for notice in paddock::mail::Notice::samples() {
        for part in ["subject.txt", "body.txt", "body.html"] {
            let path = format!("templates/mail/{}/{part}", notice.kind());
            assert!(templates.contains_key(&path), "{path} is missing");
        }
    }
    let kinds: BTreeSet<_> = paddock::mail::Notice::samples().iter().map(|notice| notice.kind().to_owned()).collect();
    let folders: BTreeSet<_> = templates
        .keys()
        .filter_map(|path| path.strip_prefix("templates/mail/")?.split_once('/'))
        .map(|(folder, _)| folder.to_owned())
        .collect();
    assert_eq!(folders, kinds);
}
