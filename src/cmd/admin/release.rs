//! `paddock admin release`.

use anyhow::Context as _;
use clap::Subcommand;

use super::ACTOR;
use crate::clock::SystemClock;
use crate::cmd::{ConfigFile, parts};
use crate::config::Mode;
use crate::plan::{self, ListedRelease, Release, Version};
use crate::rollout;

#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum Act {
    /// Add a release, or put one that nobody runs in the place of the one of the same version.
    Add {
        #[command(flatten)]
        file: ConfigFile,
        /// Such as 4.7.5.
        version: String,
        /// Image of web and workers: `ghcr.io/mastodon/mastodon:v4.7.5@sha256:…`
        #[arg(long)]
        web: String,
        /// Image of streaming: `ghcr.io/mastodon/mastodon-streaming:v4.7.5@sha256:…`
        #[arg(long)]
        streaming: String,
        /// The oldest version that may go straight to it.
        #[arg(long)]
        min_from: String,
        /// What staff should know before an upgrade.
        #[arg(long)]
        notes: String,
        /// What changes for customers, in a sentence or two for them.
        #[arg(long, default_value = "")]
        changes: String,
        /// It closes a hole: it is rolled out faster.
        #[arg(long)]
        security: bool,
        /// New servers may start with it.
        #[arg(long)]
        offered: bool,
        /// Somebody has looked the digests up in the registry.
        #[arg(long)]
        verified: bool,
    },
    /// All releases, newest first.
    List(ConfigFile),
    /// Nothing new comes to it any more; what runs it runs on.
    Withdraw {
        #[command(flatten)]
        file: ConfigFile,
        /// Which.
        version: String,
        /// Why, for staff.
        #[arg(long)]
        because: String,
    },
}

pub(super) async fn run(act: Act) -> anyhow::Result<()> {
    match act {
        Act::Add { file, version, web, streaming, min_from, notes, changes, security, offered, verified } => {
            let texts = [
                ("version", version),
                ("web", web),
                ("streaming", streaming),
                ("min_from", min_from),
                ("notes", notes),
                ("changes", changes),
            ];
            let flags = [("security", security), ("offered", offered), ("digest_verified", verified)];
            let texts = texts.map(|(field, text)| (field.to_owned(), toml::Value::from(text)));
            let flags = flags.map(|(field, flag)| (field.to_owned(), toml::Value::from(flag)));
            let release = Release::read(texts.into_iter().chain(flags).collect())?;
            let config = file.load()?;
            let mut tx = parts::database(&config)?.owner().begin().await?;
            let business = config.mode == Mode::Production;
            let new = rollout::add_release(&mut tx, &SystemClock, ACTOR, &release, business).await?;
            tx.commit().await?;
            println!("{} {}", release.version, if new { "is added" } else { "is changed" });
            Ok(())
        }
        Act::List(file) => {
            let db = parts::database(&file.load()?)?;
            for listed in plan::list_releases(&mut *db.owner().acquire().await?).await? {
                println!("{}", line(&listed));
            }
            Ok(())
        }
        Act::Withdraw { file, version, because } => {
            let version: Version = version.parse().with_context(|| format!("\"{version}\""))?;
            anyhow::ensure!(!because.trim().is_empty(), "--because: say why");
            let mut tx = parts::database(&file.load()?)?.owner().begin().await?;
            rollout::withdraw(&mut tx, &SystemClock, ACTOR, version, because.trim()).await?;
            tx.commit().await?;
            println!("{version} is withdrawn");
            Ok(())
        }
    }
}

/// A release as people read it.
fn line(listed: &ListedRelease) -> String {
    let ListedRelease { release, added_at: _, withdrawn_at, withdrawn_because } = listed;
    let mut words = vec![format!("from {}", release.min_from)];
    let states = [
        (release.offered, "new servers start with it"),
        (release.security, "closes a hole"),
        (!release.digest_verified, "digests not verified"),
    ];
    words.extend(states.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word.to_owned()));
    if let (Some(at), Some(because)) = (withdrawn_at, withdrawn_because) {
        words.push(format!("withdrawn on {}: {because}", at.format("%Y-%m-%d")));
    }
    format!(
        "{:8} {}\n         {}\n         {}",
        release.version.to_string(),
        words.join(", "),
        release.web.reference(),
        release.streaming.reference()
    )
}
