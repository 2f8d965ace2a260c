//! What an archive brings along for whoever opens it without our software: a guide, a compose file, a script.

use chrono::{DateTime, Utc};

use super::manifest::{Completeness, Database, MediaScope, Source};
use super::names::PartName;

/// What the texts speak of.
pub struct Facts<'a> {
    /// Which server.
    pub source: &'a Source,
    /// What its database was.
    pub database: &'a Database,
    /// What is in the archive.
    pub completeness: &'a Completeness,
    /// As of when.
    pub snapshot: DateTime<Utc>,
}

/// All of them.
pub fn all(facts: &Facts<'_>) -> [(PartName, Vec<u8>); 3] {
    [
        (PartName::Guide, filled(include_str!("texts/RESTORE.md"), facts)),
        (PartName::Compose, filled(include_str!("texts/compose.yaml"), facts)),
        (PartName::Script, filled(include_str!("texts/restore.sh"), facts)),
    ]
}

fn filled(text: &str, facts: &Facts<'_>) -> Vec<u8> {
    let Facts { source, database, completeness, snapshot } = facts;
    let Source { domain, web_domain, mastodon, migrations } = source;
    let rows = |table: &str| database.tables.get(table).copied().unwrap_or_default().to_string();
    let media = match completeness.media {
        MediaScope::WithoutCache => {
            format!(
                "{} files, {} bytes; copies of other servers' files (`cache/`) are left out",
                completeness.objects, completeness.object_bytes
            )
        }
        MediaScope::None => "not in this archive".to_owned(),
    };
    let secrets = if completeness.secrets {
        "in `secrets.age`, encrypted"
    } else {
        "not in this archive: bring your own `.env.production`"
    };
    let newest = migrations.last().map_or("", String::as_str);
    let values = [
        ("{{domain}}", plain(domain)),
        ("{{web_domain}}", plain(web_domain)),
        ("{{release}}", mastodon.as_deref().map_or_else(|| "unknown".to_owned(), plain)),
        ("{{newest_migration}}", plain(newest)),
        ("{{postgres}}", (database.server / 10_000).max(database.client).to_string()),
        ("{{snapshot}}", snapshot.to_rfc3339()),
        ("{{accounts}}", rows("accounts")),
        ("{{users}}", rows("users")),
        ("{{statuses}}", rows("statuses")),
        ("{{media}}", media),
        ("{{secrets}}", secrets.to_owned()),
    ];
    let mut text = text.to_owned();
    for (mark, value) in values {
        text = text.replace(mark, &value);
    }
    text.into_bytes()
}

/// Domains and versions end up in a script: nothing but what such words are made of.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric() || "-._:".contains(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::manifest::tests::sample;

    #[test]
    fn every_mark_is_filled_and_nothing_is_smuggled_into_the_script() {
        let mut manifest = sample();
        manifest.source.domain = "birds.example$(id)\"\n`'".into();
        let facts = Facts {
            source: &manifest.source,
            database: &manifest.database,
            completeness: &manifest.completeness,
            snapshot: manifest.snapshot,
        };
        for (name, text) in all(&facts) {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("{{") && text.ends_with('\n'), "{name}");
            assert!(!text.contains("$(id)") && text.contains("birds.exampleid"), "{name}");
        }
    }
}
