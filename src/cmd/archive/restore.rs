//! `paddock archive inspect`, `verify` and `restore`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::create::{from_environment, write_secret};
use super::options::{ArchiveOptions, DatabaseOptions, MediaOptions, UnlockOptions, target};
use super::progress::{Teller, size};
use super::store::{PROOF, make_proof};
use crate::archive::manifest::{Manifest, MediaScope};
use crate::archive::names::PROGRESS;
use crate::archive::postgres::Address;
use crate::archive::restore::{self, Compared};
use crate::archive::secrets::{self, Secrets};
use crate::archive::verify::verify as verify_all;
use crate::archive::{Archive, ArchiveError, Damage, PartName};
use crate::demo::rig::{Fault, Postgres, forget};

#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    archive: ArchiveOptions,
    /// Print the manifest as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    archive: ArchiveOptions,
    /// Also restore the database into a Postgres that is made for this and thrown away, and compare.
    #[arg(long)]
    restore: bool,
    #[command(flatten)]
    unlock: UnlockOptions,
    /// Folder of `pg_restore`.
    #[arg(long)]
    pg_bin: Option<PathBuf>,
    /// SHA-256 of the manifest that it must have, in hexadecimal digits: this archive and no other.
    #[arg(long)]
    manifest: Option<String>,
    /// With --restore: try the secrets that are in the environment of this process, as the server itself has them.
    #[arg(long, conflicts_with_all = ["passphrase_file", "key_file"])]
    environment: bool,
}

impl Verify {
    /// Opens it and checks every byte.
    fn checked(&self, handle: &Handle, teller: &Teller) -> Result<Archive, ArchiveError> {
        let archive = self.archive.open(handle)?;
        if let Some(wanted) = &self.manifest
            && !wanted.eq_ignore_ascii_case(&archive.fingerprint()?)
        {
            return Err(Damage::Manifest(format!("its SHA-256 is not {wanted}: it is another archive")).into());
        }
        teller.report_to(archive.shelf());
        verify_all(&archive, teller)?;
        Ok(archive)
    }

    /// What is tried on what is encrypted.
    fn secrets(&self, archive: &Archive) -> Result<Option<Secrets>, ArchiveError> {
        if self.environment { Ok(Some(Secrets::pick(&from_environment()))) } else { unlocked(archive, &self.unlock) }
    }

    /// Whether it takes a database.
    pub fn restores(&self) -> bool {
        self.restore
    }
}

#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    archive: ArchiveOptions,
    #[command(flatten)]
    database: DatabaseOptions,
    #[command(flatten)]
    media: MediaOptions,
    #[command(flatten)]
    unlock: UnlockOptions,
    /// Where the secrets are written, as lines of an `.env` file. Must not exist.
    #[arg(long)]
    env_out: Option<PathBuf>,
    /// Go on with the media alone: the database was restored by an earlier run.
    #[arg(long)]
    media_only: bool,
    /// Restore the database and the secrets alone.
    #[arg(long, conflicts_with = "media_only")]
    without_media: bool,
}

fn say(value: &Value, people: &str) {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        println!("\n{people}");
    } else {
        println!("{value}");
    }
}

pub fn inspect(inspect: &Inspect, handle: &Handle) -> Result<(), ArchiveError> {
    let archive = inspect.archive.open(handle)?;
    let manifest = &archive.manifest;
    if inspect.json {
        println!("{}", String::from_utf8_lossy(&manifest.to_bytes()?));
        return Ok(());
    }
    print!("{}", described(&archive));
    Ok(())
}

fn described(archive: &Archive) -> String {
    let Manifest { program, snapshot, source, database, identity, completeness, parts, .. } = &archive.manifest;
    let rows = |table: &str| database.tables.get(table).copied().unwrap_or_default();
    let media = match completeness.media {
        MediaScope::WithoutCache => {
            format!("{} files, {}; without cache/", completeness.objects, size(completeness.object_bytes))
        }
        MediaScope::None => "not in it".to_owned(),
    };
    let release = source.mastodon.as_deref().unwrap_or("unknown");
    let server = database.server / 10_000;
    format!(
        "{}, at {}\n\
         as of      {}\n\
         Mastodon   {release}, {} migrations\n\
         database   Postgres {server}, {} tables, {} rows; {} accounts, {} people, {} posts\n\
         identity   {} keys of accounts\n\
         media      {media}\n\
         secrets    {}\n\
         left out   {} files that don't fit the format, {} that were deleted meanwhile; Redis, search\n\
         size       {} in {} parts, written by {program}\n\
         signed by  {}\n",
        source.domain,
        source.web_domain,
        snapshot.to_rfc3339(),
        source.migrations.len(),
        database.tables.len(),
        database.tables.values().sum::<u64>(),
        rows("accounts"),
        rows("users"),
        rows("statuses"),
        identity.actors,
        if completeness.secrets { "in it, sealed" } else { "not in it" },
        completeness.left_out_count,
        completeness.vanished,
        size(archive.manifest.bytes()),
        parts.len(),
        archive.signer,
    )
}

/// The secrets of an archive, if there is something to open them with.
fn unlocked(archive: &Archive, unlock: &UnlockOptions) -> Result<Option<Secrets>, ArchiveError> {
    let Some(unlock) = unlock.read()? else { return Ok(None) };
    if !archive.manifest.completeness.secrets {
        return Err(ArchiveError::Given("there are no secrets in this archive to be opened".into()));
    }
    secrets::open(&archive.small(PartName::Secrets, secrets::LARGEST)?, &unlock).map(Some)
}

pub fn verify(verify: &Verify, handle: &Handle, teller: &Teller) -> Result<(), ArchiveError> {
    let archive = verify.checked(handle, teller)?;
    let opened = unlocked(&archive, &verify.unlock)?.is_some();
    let Manifest { parts, completeness, .. } = &archive.manifest;
    say(
        &json!({
            "event": "verified", "signer": archive.signer.to_string(), "parts": parts.len(), "objects": completeness.objects,
            "bytes": archive.manifest.bytes(), "secrets_opened": opened,
        }),
        &format!(
            "Every byte is what {} has signed: {} parts, {} media files.",
            archive.signer,
            parts.len(),
            completeness.objects
        ),
    );
    Ok(())
}

/// Checks every byte, then restores the database into a Postgres that lives as long as this.
pub async fn verify_by_restoring(verify: Verify, teller: Teller) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("paddock-proof-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let outcome = prove(verify, teller, &folder).await;
    forget(&folder).context("taking the throw-away Postgres away")?;
    outcome
}

async fn prove(verify: Verify, teller: Teller, folder: &std::path::Path) -> anyhow::Result<()> {
    let postgres = Postgres::start(folder, false).await.context("starting a throw-away Postgres")?;
    let outcome = prove_in(verify, teller, &postgres).await;
    postgres.stop(Fault::Clean).await;
    outcome
}

async fn prove_in(verify: Verify, teller: Teller, postgres: &Postgres) -> anyhow::Result<()> {
    let password = hex::encode(crate::crypto::random::<16>());
    make_proof(&postgres.url("postgres"), &password).await?;
    let address = Address {
        host: "127.0.0.1".into(),
        port: postgres.port(),
        user: PROOF.into(),
        password: SecretString::from(password),
        database: PROOF.into(),
        ssl_mode: "disable".into(),
        root_certificate: None,
    };
    let handle = Handle::current();
    super::blocking(move || {
        let archive = verify.checked(&handle, &teller)?;
        let secrets = verify.secrets(&archive)?;
        let compared = restore::database(&handle, &archive, &address, verify.pg_bin.as_deref(), secrets.as_ref(), &teller)?;
        archive.shelf().remove(PROGRESS)?;
        drop(teller);
        let mut event = outcome("proven", compared, Some(archive.manifest.completeness.objects));
        event["manifest"] = archive.fingerprint()?.into();
        say(&event, &sentence("Proven by restoring", compared));
        Ok(())
    })
    .await
}

fn outcome(event: &str, compared: Compared, objects: Option<u64>) -> Value {
    json!({"event": event, "compared": compared, "objects": objects})
}

fn sentence(what: &str, compared: Compared) -> String {
    let Compared { tables, rows, sequences, actors, pairs, opened } = compared;
    let opened = match opened {
        Some(_) => ", and the secrets open what is encrypted",
        None => "",
    };
    format!(
        "{what}: {rows} rows in {tables} tables, {sequences} sequences, {actors} public keys; {pairs} private keys fit theirs{opened}."
    )
}

pub fn restore(options: Restore, handle: &Handle, teller: &Teller) -> Result<(), ArchiveError> {
    let given = |text: &str| ArchiveError::Given(text.to_owned());
    let Restore { archive, database, media, unlock, env_out, media_only, without_media } = options;
    // Everything that can be wrong with what was given is said before the long work.
    let address = match (&database.database_url, media_only) {
        (_, true) => None,
        (Some(url), false) => Some(Address::from_url(url)?),
        (None, false) => return Err(given("into which database? give --database-url, or --media-only")),
    };
    if let Some(path) = env_out.as_deref().filter(|path| path.exists()) {
        return Err(ArchiveError::Occupied(format!("{} is there already", path.display())));
    }
    let archive = archive.open(handle)?;
    let wanted = archive.manifest.completeness.media;
    let place = match (media.place()?, wanted, without_media) {
        (_, MediaScope::None, _) | (_, MediaScope::WithoutCache, true) => None,
        (Some(place), MediaScope::WithoutCache, false) => Some(place),
        (None, MediaScope::WithoutCache, false) => {
            return Err(given("where to with the media? give --media FOLDER, --s3-bucket, or --without-media"));
        }
    };
    verify_all(&archive, teller)?;
    let secrets = unlocked(&archive, &unlock)?;
    if env_out.is_some() && secrets.is_none() {
        return Err(given("--env-out needs --passphrase-file or --key-file"));
    }
    let mut place = place.map(|place| target(place, handle)).transpose()?;
    let compared = address
        .map(|address| restore::database(handle, &archive, &address, database.pg_bin.as_deref(), secrets.as_ref(), teller))
        .transpose()?;
    let objects = place.as_mut().map(|place| restore::media(&archive, &mut **place, teller)).transpose()?;
    if let Some((path, secrets)) = env_out.zip(secrets) {
        write_secret(&path, &secrets.to_env()?)?;
    }
    let event = json!({"event": "restored", "compared": compared, "objects": objects});
    let database = compared.map_or_else(|| "Restored.".to_owned(), |compared| sentence("Restored and compared", compared));
    let media = objects.map_or_else(String::new, |objects| format!(" {objects} media files, each by its checksum."));
    say(&event, &format!("{database}{media}\nStop the old server before the new one starts; then: tootctl feeds build."));
    Ok(())
}
