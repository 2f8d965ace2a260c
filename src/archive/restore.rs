//! Restoring an archive that somebody else may have made.
//!
//! A dump is a program of whoever wrote it. It runs through a connection only, of a role that is no superuser, in a database that
//! is empty: so it can't reach beyond that database. Its table of contents is looked through before, and afterwards the catalog: whatever
//! could run once more and is none of Mastodon's is refused by name, and everything is taken away again.

use std::path::Path;

use tokio::runtime::Handle;

use super::error::ArchiveError;
use super::manifest;
use super::mastodon::code::FUNCTION;
use super::mastodon::rails::RailsKey;
use super::mastodon::store::Store;
use super::mastodon::{keys, release};
use super::media::Target;
use super::postgres::{Address, Program, unpatched};
use super::reader::Archive;
use super::secrets::Secrets;
use super::watch::{Progress, Step, Watch};

/// Kinds of entries that a dump of Mastodon's schema has.
const KINDS: [&str; 20] = [
    "TABLE",
    "TABLE DATA",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "INDEX",
    "VIEW",
    "MATERIALIZED VIEW",
    "MATERIALIZED VIEW DATA",
    "SCHEMA",
    "COMMENT",
    "ACL",
    "DEFAULT ACL",
    "ENCODING",
    "STDSTRINGS",
    "STATISTICS DATA",
];
/// How many things are named of those that are refused or differ.
const MOST_NAMED: usize = 20;

/// What a restored database was compared with the archive in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Tables whose rows were counted.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
    /// Sequences that are where they were, or further on.
    pub sequences: u64,
    /// Local accounts whose public key is the one of the archive.
    pub actors: u64,
    /// Of those, accounts whose private key fits its public key.
    pub pairs: u64,
    /// Whether an encrypted column was opened with the secrets; nothing where there was none, or no secrets.
    pub opened: Option<bool>,
}

/// Entries of a table of contents that Mastodon's has not, each as it stands there.
pub fn foreign_entries(list: &[String]) -> Vec<String> {
    let fits = |entry: &str| {
        let of_kind = |kind: &&str| {
            let rest = entry.strip_prefix(*kind).and_then(|rest| rest.strip_prefix(' '));
            rest.is_some_and(|rest| rest.starts_with("public ") || rest.starts_with("- "))
        };
        let function = format!("FUNCTION public {FUNCTION} ");
        entry.starts_with(&function) || KINDS.iter().any(of_kind)
    };
    list.iter()
        // `213; 1259 16390 TABLE public accounts owner`
        .filter_map(|line| line.split_once("; ").map(|(_, rest)| rest.splitn(3, ' ').nth(2).unwrap_or(rest)))
        .filter(|entry| !fits(entry))
        .map(|entry| entry.chars().take(200).collect())
        .collect()
}

/// Restores the database into one that is empty, and compares.
///
/// # Errors
/// The place is not fit, something in the dump is refused, or what was restored differs.
pub fn database(
    handle: &Handle,
    archive: &Archive,
    address: &Address,
    bin: Option<&Path>,
    secrets: Option<&Secrets>,
    watch: &dyn Watch,
) -> Result<Compared, ArchiveError> {
    let manifest::Database { server: source, client, .. } = archive.manifest.database;
    let mut store = Store::connect(handle, address)?;
    let server = store.server()?;
    if server.superuser {
        return Err(ArchiveError::Given(format!(
            "{} is a superuser, and a dump runs what its author wrote: name a role that is none and owns the database",
            address.user
        )));
    }
    if server.version / 10_000 < source / 10_000 {
        let (ours, theirs) = (server.version / 10_000, source / 10_000);
        return Err(ArchiveError::Given(format!(
            "the dump is of Postgres {theirs}, this server is {ours}: it must not be older"
        )));
    }
    if let Some(why) = unpatched(server.version) {
        tracing::warn!("{why}");
    }
    if !store.is_empty()? {
        return Err(ArchiveError::Occupied(format!(
            "the database {} is not empty: make a new one from template0",
            address.database
        )));
    }
    if let Some(fork) = release::fork(&archive.manifest.source.migrations) {
        return Err(ArchiveError::Refused(vec![format!("it is a database of {fork}, not of Mastodon")]));
    }
    store.close();
    let program = Program::find("pg_restore", client, bin)?;
    refuse(foreign_entries(&program.list(archive.database()?.0)?))?;
    let (dump, total) = archive.database()?;
    let restored = program.restore(address, dump, total, watch);
    let mut store = Store::connect(handle, address)?;
    let compared = restored.and_then(|()| {
        refuse(store.foreign_code()?)?;
        watch.progress(Progress { step: Step::Compare, bytes: total, total: Some(total), objects: 0 });
        compare(&mut store, archive, secrets)
    });
    // What is refused does not stay. What only differs does, for somebody to look at.
    if let Err(ArchiveError::Refused(_)) = &compared {
        store.clear()?;
    }
    store.close();
    compared
}

fn refuse(mut found: Vec<String>) -> Result<(), ArchiveError> {
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(MOST_NAMED);
    found.truncate(MOST_NAMED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    Err(ArchiveError::Refused(found))
}

/// Compares a database with what an archive says of it.
fn compare(store: &mut Store, archive: &Archive, secrets: Option<&Secrets>) -> Result<Compared, ArchiveError> {
    let survey = store.survey()?;
    let (wanted, manifest) = (&archive.manifest.database, &archive.manifest);
    let mut differs = Vec::new();
    for table in wanted.tables.keys().chain(survey.database.tables.keys().filter(|table| !wanted.tables.contains_key(*table))) {
        let (found, said) = (survey.database.tables.get(table), wanted.tables.get(table));
        if found != said {
            let count = |rows: Option<&u64>| rows.map_or_else(|| "no such table".to_owned(), |rows| format!("{rows} rows"));
            differs.push(format!("{table} has {}, the archive says {}", count(found), count(said)));
        }
    }
    for (sequence, said) in &wanted.sequences {
        let found = survey.database.sequences.get(sequence).copied().flatten();
        if found < *said {
            differs.push(format!("the sequence {sequence} is at {found:?}, the archive says {said:?}"));
        }
    }
    if survey.migrations != manifest.source.migrations {
        differs.push("its migrations are others than the archive says".to_owned());
    }
    let (actors, digest) = keys::digest(&survey.pairs);
    if (actors, digest.as_str()) != (manifest.identity.actors, manifest.identity.actors_sha256.as_str()) {
        differs.push("the public keys of its accounts are others than the archive says".to_owned());
    }
    let get = |name: &str| secrets.and_then(|secrets| secrets.get(name));
    let key = match (get("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY"), get("ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT")) {
        (Some(primary), Some(salt)) => RailsKey::new(primary, salt),
        (_, _) => None,
    };
    let mut pairs = 0;
    for pair in &survey.pairs {
        match keys::check(pair, key.as_ref()) {
            Ok(()) => pairs += 1,
            // Without secrets nothing can be said of them.
            Err(keys::BadPair::Sealed) if secrets.is_none() => {}
            Err(bad) => differs.push(format!("the account {} {bad}", pair.username)),
        }
    }
    let sample = store.encrypted_sample()?;
    let opened = key.as_ref().zip(sample).map(|(key, sample)| key.open(&sample));
    if let Some(Err(closed)) = &opened {
        differs.push(format!("users' second factors do not open: {closed}"));
    }
    if !differs.is_empty() {
        let more = differs.len().saturating_sub(MOST_NAMED);
        differs.truncate(MOST_NAMED);
        if more > 0 {
            differs.push(format!("and {more} more"));
        }
        return Err(ArchiveError::Differs(differs));
    }
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    Ok(Compared {
        tables: length(survey.database.tables.len()),
        rows: survey.database.tables.values().sum(),
        sequences: length(wanted.sequences.len()),
        actors,
        pairs,
        opened: opened.map(|opened| opened.is_ok()),
    })
}

/// Restores the media. What is there already and is the same is left, so this goes on after an interruption.
///
/// # Errors
/// They can't be unpacked or written, or something else is there.
pub fn media(archive: &Archive, target: &mut dyn Target, watch: &dyn Watch) -> Result<u64, ArchiveError> {
    let total = archive.manifest.completeness.object_bytes;
    let (mut objects, mut bytes) = (0, 0);
    archive.files(watch, &mut |key, size, sha256, body| {
        target.put(key, size, sha256, body)?;
        (objects, bytes) = (objects + 1, bytes + size);
        watch.progress(Progress { step: Step::Media, bytes, total: Some(total), objects });
        Ok(())
    })?;
    target.finish()?;
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_mastodons_schema_does_not_have_are_named() {
        let lines = |entries: &[&str]| entries.iter().map(|entry| format!("213; 1259 16390 {entry}")).collect::<Vec<_>>();
        let fine = [
            "TABLE public accounts mastodon",
            "TABLE DATA public accounts mastodon",
            "SEQUENCE OWNED BY public accounts_id_seq mastodon",
            "FK CONSTRAINT public users fk_1 mastodon",
            "FUNCTION public timestamp_id(text) mastodon",
            "COMMENT - SCHEMA public pg_database_owner",
            "SCHEMA - public pg_database_owner",
            "MATERIALIZED VIEW DATA public instances mastodon",
        ];
        assert_eq!(foreign_entries(&lines(&fine)), [""; 0]);
        for bad in [
            "FUNCTION public timestamp_id(text, text) mastodon",
            "FUNCTION public evil() mastodon",
            "TRIGGER public accounts t mastodon",
            "EVENT TRIGGER - e postgres",
            "RULE public accounts r mastodon",
            "TABLE evil accounts mastodon",
            "TABLE ATTACH public a b",
            "EXTENSION - dblink ",
            "BLOB - 16400 mastodon",
            "DOMAIN public d mastodon",
            "CAST - CAST (integer AS text) ",
            "ROW SECURITY public accounts mastodon",
            "POLICY public accounts p mastodon",
        ] {
            assert_eq!(foreign_entries(&lines(&[bad])), [bad]);
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let Err(ArchiveError::Refused(named)) = refuse(vec!["x".to_owned(); 30]) else { panic!("it was not refused") };
        assert_eq!((named.len(), named[20].as_str()), (21, "and 10 more"));
        assert!(refuse(Vec::new()).is_ok());
    }
}
