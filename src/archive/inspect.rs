//! What an archive is and whether it can be taken in, told from its manifest and signature alone: before a single byte of it is restored, or
//! even fetched. Pure.

use std::collections::BTreeMap;

use super::manifest::{Manifest, MediaScope};
use super::mastodon::release;
use super::signature;

/// What an archive says it is, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What stands behind the `@` of its people.
    pub domain: String,
    /// Where its pages were.
    pub web_domain: String,
    /// Mastodon's release, as far as the schema tells.
    pub mastodon: Option<String>,
    /// Major version of its Postgres.
    pub postgres: u32,
    /// As of when its database is, RFC 3339.
    pub snapshot: String,
    /// What the database took on disk.
    pub database_bytes: u64,
    /// Accounts of all servers that it knows.
    pub accounts: u64,
    /// People who can sign in.
    pub users: u64,
    /// Posts of all servers that it knows.
    pub statuses: u64,
    /// Local accounts with a key to sign with.
    pub actors: u64,
    /// Media files.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Bytes of all parts.
    pub bytes: u64,
    /// How many parts.
    pub parts: usize,
    /// Who signed it.
    pub signer: String,
    /// Names and sizes of its parts.
    pub sizes: BTreeMap<String, u64>,
}

/// Something that stands in the way, or that whoever moves should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not what was signed, or no archive.
    Damaged(String),
    /// It is of a fork, whose tables Mastodon does not have.
    Fork(&'static str),
    /// Its release can't be told: older than all that we know.
    UnknownRelease,
    /// Its release is older than those that can be taken in; this one.
    TooOld(String),
    /// Its Postgres is newer than ours: its major version, and ours.
    NewerPostgres(u32, u32),
    /// The keys that make it the server that it is are not in it.
    NoSecrets,
    /// It has no accounts with a key: nobody on it could be followed on.
    NoActors,
    /// A part is not where the others are.
    MissingPart(String),
    /// A part has another size than was signed: found, and wanted.
    OtherSize(String, u64, u64),
    /// Media are not in it.
    NoMedia,
    /// So many files were left out when it was made.
    LeftOut(u64),
}

impl Problem {
    /// Whether it can't be taken in with this.
    pub fn refuses(&self) -> bool {
        match self {
            Self::Damaged(_)
            | Self::Fork(_)
            | Self::UnknownRelease
            | Self::TooOld(_)
            | Self::NewerPostgres(_, _)
            | Self::NoSecrets
            | Self::NoActors
            | Self::MissingPart(_)
            | Self::OtherSize(_, _, _) => true,
            Self::NoMedia | Self::LeftOut(_) => false,
        }
    }

    /// One word for programs; with `move-in-problem-` in front the key of the words that say so.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "damaged",
            Self::Fork(_) => "fork",
            Self::UnknownRelease => "unknown-release",
            Self::TooOld(_) => "too-old",
            Self::NewerPostgres(_, _) => "newer-postgres",
            Self::NoSecrets => "no-secrets",
            Self::NoActors => "no-actors",
            Self::MissingPart(_) => "missing-part",
            Self::OtherSize(_, _, _) => "other-size",
            Self::NoMedia => "no-media",
            Self::LeftOut(_) => "left-out",
        }
    }

    /// What the words are about; empty where nothing needs naming.
    pub fn detail(&self) -> String {
        match self {
            Self::Damaged(why) => why.clone(),
            Self::Fork(fork) => (*fork).to_owned(),
            Self::TooOld(release) => release.clone(),
            Self::NewerPostgres(theirs, ours) => format!("{theirs} > {ours}"),
            Self::MissingPart(name) => name.clone(),
            Self::OtherSize(name, found, wanted) => format!("{name}: {found} ≠ {wanted}"),
            Self::LeftOut(count) => count.to_string(),
            Self::UnknownRelease | Self::NoSecrets | Self::NoActors | Self::NoMedia => String::new(),
        }
    }
}

/// What was found out. Without facts there is exactly one problem: that it is none of ours, or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it says it is.
    pub facts: Option<Facts>,
    /// What stands in the way, what refuses it first.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Of something that can't even be read.
    fn damaged(why: impl std::fmt::Display) -> Self {
        Self { facts: None, problems: vec![Problem::Damaged(why.to_string())] }
    }

    /// Whether it could be taken in.
    pub fn fits(&self) -> bool {
        !self.problems.iter().any(Problem::refuses)
    }

    /// Notes what lies where its parts should: the size of each that was looked at, nothing for one that is not there.
    pub fn found(&mut self, sizes: &BTreeMap<String, Option<u64>>) {
        let wanted = self.facts.as_ref().map(|facts| facts.sizes.clone()).unwrap_or_default();
        for (name, wanted) in wanted {
            match sizes.get(&name) {
                Some(Some(found)) if *found != wanted => self.problems.push(Problem::OtherSize(name, *found, wanted)),
                Some(None) => self.problems.push(Problem::MissingPart(name)),
                Some(Some(_)) | None => {}
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.problems.sort_by_key(|problem| !problem.refuses());
    }
}

/// The oldest release that can be taken in: from it on one upgrade leads to today's.
const OLDEST: (u32, u32) = (4, 3);

/// Looks at manifest and signature. `postgres`: the major version of the Postgres that it would be restored into.
pub fn inspect(manifest: &[u8], signature: &str, postgres: u32) -> Report {
    let signer = match signature::check(signature, manifest) {
        Ok(signer) => signer.to_string(),
        Err(bad) => return Report::damaged(bad),
    };
    let manifest = match Manifest::from_bytes(manifest) {
        Ok(manifest) if manifest.signer == signer => manifest,
        Ok(_) => return Report::damaged("it names another signer than signed it"),
        Err(damage) => return Report::damaged(damage),
    };
    let problems = problems(&manifest, postgres);
    let bytes = manifest.bytes();
    let Manifest { snapshot, source, database, identity, completeness, parts, .. } = manifest;
    let rows = |table: &str| database.tables.get(table).copied().unwrap_or_default();
    let facts = Facts {
        domain: source.domain,
        web_domain: source.web_domain,
        mastodon: source.mastodon,
        postgres: database.server / 10_000,
        snapshot: snapshot.to_rfc3339(),
        database_bytes: database.bytes,
        accounts: rows("accounts"),
        users: rows("users"),
        statuses: rows("statuses"),
        actors: identity.actors,
        objects: completeness.objects,
        object_bytes: completeness.object_bytes,
        bytes,
        parts: parts.len(),
        signer,
        sizes: parts.into_iter().map(|part| (part.name, part.bytes)).collect(),
    };
    let mut report = Report { facts: Some(facts), problems };
    report.sort();
    report
}

fn problems(manifest: &Manifest, postgres: u32) -> Vec<Problem> {
    let mut found = Vec::new();
    let migrations = &manifest.source.migrations;
    if let Some(fork) = release::fork(migrations) {
        found.push(Problem::Fork(fork));
    }
    // What the schema says, not what the manifest does.
    match release::release(migrations) {
        None => found.push(Problem::UnknownRelease),
        Some(release) if number(release) < OLDEST => found.push(Problem::TooOld(release.to_owned())),
        Some(_) => {}
    }
    let theirs = manifest.database.server / 10_000;
    if theirs > postgres {
        found.push(Problem::NewerPostgres(theirs, postgres));
    }
    if !manifest.completeness.secrets {
        found.push(Problem::NoSecrets);
    }
    if manifest.identity.actors == 0 {
        found.push(Problem::NoActors);
    }
    match manifest.completeness.media {
        MediaScope::None => found.push(Problem::NoMedia),
        MediaScope::WithoutCache => {}
    }
    let gone = manifest.completeness.left_out_count + manifest.completeness.vanished;
    if gone > 0 {
        found.push(Problem::LeftOut(gone));
    }
    found
}

fn number(release: &str) -> (u32, u32) {
    let (major, minor) = release.split_once('.').unwrap_or((release, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::manifest::tests::sample;
    use crate::archive::signature::SigningKey;

    fn report(change: impl FnOnce(&mut Manifest)) -> Report {
        let key = SigningKey::generate().unwrap();
        let mut manifest = sample();
        manifest.signer = key.public().to_string();
        change(&mut manifest);
        let bytes = manifest.to_bytes().unwrap();
        inspect(&bytes, &key.sign(&bytes), 17)
    }

    fn words(report: &Report) -> Vec<&'static str> {
        report.problems.iter().map(Problem::word).collect()
    }

    #[test]
    fn one_that_fits_is_told_what_it_is() {
        let report = report(|_| {});
        assert!(report.fits() && report.problems.is_empty(), "{report:?}");
        let facts = report.facts.unwrap();
        assert_eq!((facts.domain.as_str(), facts.mastodon.as_deref(), facts.accounts), ("birds.example", Some("4.5"), 3));
    }

    #[test]
    fn what_can_not_be_taken_in_is_refused_by_name() {
        let older = report(|manifest| manifest.source.migrations = vec!["20230907150100".into()]);
        assert_eq!((words(&older), older.fits()), (vec!["too-old"], false));
        let fork = report(|manifest| manifest.source.migrations = vec!["20171210213213".into(), "20251023210145".into()]);
        assert_eq!((words(&fork), fork.problems[0].detail().as_str()), (vec!["fork"], "glitch-soc"));
        assert_eq!(words(&report(|manifest| manifest.source.migrations = vec!["20160220174730".into()])), ["unknown-release"]);
        assert_eq!(words(&report(|manifest| manifest.database.server = 180_001)), ["newer-postgres"]);
        let more = report(|manifest| {
            manifest.completeness.left_out_count = 2;
            manifest.identity.actors = 0;
        });
        assert_eq!((words(&more), more.fits()), (vec!["no-actors", "left-out"], false));
    }

    #[test]
    fn what_is_forged_is_damaged_and_nothing_of_it_is_told() {
        let key = SigningKey::generate().unwrap();
        let bytes = sample().to_bytes().unwrap();
        // Signed by somebody else than it names.
        let forged = inspect(&bytes, &key.sign(&bytes), 17);
        assert_eq!((words(&forged), forged.facts), (vec!["damaged"], None));
        let other = inspect(b"{}", &key.sign(&bytes), 17);
        assert_eq!((words(&other), other.facts), (vec!["damaged"], None));
    }

    #[test]
    fn parts_that_are_missing_or_of_another_size_are_named() {
        let mut report = report(|_| {});
        let (name, size) = report.facts.as_ref().unwrap().sizes.iter().next().map(|(name, size)| (name.clone(), *size)).unwrap();
        report.found(&[(name.clone(), Some(size))].into());
        assert!(report.fits());
        report.found(&[(name.clone(), Some(size + 1)), ("secrets.age".to_owned(), None)].into());
        assert_eq!(words(&report), ["other-size", "missing-part"]);
    }
}
