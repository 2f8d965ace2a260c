//! `paddock archive create`.

use std::fs::OpenOptions;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::runtime::Handle;

use super::options::{DatabaseOptions, MediaOptions, ShelfOptions, read_passphrase, read_text, source};
use super::progress::{Teller, size};
use crate::archive::draft::{Draft, PART_BYTES, Wanted};
use crate::archive::manifest::MediaScope;
use crate::archive::mastodon::env::{self, Variables};
use crate::archive::mastodon::store::Store;
use crate::archive::postgres::{Address, Program, unpatched};
use crate::archive::secrets::{self, Lock, Secrets};
use crate::archive::signature::SigningKey;
use crate::archive::{Archive, ArchiveError, Shelf};
use crate::clock::{Clock as _, SystemClock};

#[derive(Debug, Args)]
pub struct Create {
    /// Empty, not there yet, or one in which this command was interrupted.
    #[command(flatten)]
    place: ShelfOptions,
    /// `.env.production` of the server: says where database and media are, and holds the secrets.
    #[arg(long)]
    env: Option<PathBuf>,
    /// Take the variables out of the environment of this process instead, as the server itself has them.
    #[arg(long, conflicts_with = "env")]
    environment: bool,
    #[command(flatten)]
    database: DatabaseOptions,
    #[command(flatten)]
    media: MediaOptions,
    /// `LOCAL_DOMAIN` of the server, where no --env says it.
    #[arg(long)]
    domain: Option<String>,
    /// Leave the media out.
    #[arg(long)]
    database_only: bool,
    /// File whose first line is the passphrase that the secrets are sealed with.
    #[arg(long, conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
    /// Public key of age that the secrets are sealed to. May be given more than once.
    #[arg(long)]
    recipient: Vec<String>,
    /// Leave the secrets out. Without them, nobody can go on with this server elsewhere.
    #[arg(long)]
    without_secrets: bool,
    /// Ed25519 key in PEM that signs the archive; else a new one is made for it and thrown away.
    #[arg(long)]
    signing_key: Option<PathBuf>,
    /// MiB of media in a part: what an interruption costs.
    #[arg(long, default_value_t = PART_BYTES >> 20, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    part_size: u64,
}

/// What is needed, read out of options and variables before anything is touched.
struct Plan {
    address: Address,
    domain: String,
    web_domain: Option<String>,
    secrets: Option<(Secrets, Lock)>,
    signing: SigningKey,
}

impl Create {
    fn plan(&self, variables: &Variables) -> Result<Plan, ArchiveError> {
        let given = |text: &str| ArchiveError::Given(text.to_owned());
        let address = match (&self.database.database_url, self.env.is_some() || self.environment) {
            (Some(url), _) => Address::from_url(url)?,
            (None, true) => env::database(variables)?,
            (None, false) => return Err(given("which server? give --env .env.production, or --database-url")),
        };
        let found = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let domain = self.domain.clone().or_else(|| found("LOCAL_DOMAIN"));
        let domain = domain.ok_or_else(|| given("of which domain? give --domain, or LOCAL_DOMAIN in --env"))?;
        let picked = Secrets::pick(variables);
        let secrets = match (self.lock()?, self.without_secrets) {
            (_, true) => None,
            (None, false) => {
                return Err(given(
                    "whom are the secrets for? give --passphrase-file or --recipient, or leave them out with --without-secrets",
                ));
            }
            (Some(lock), false) => {
                let missing = picked.missing();
                if !missing.is_empty() {
                    return Err(ArchiveError::Given(format!(
                        "--env has no {}: is it the server's .env.production?",
                        missing.join(", ")
                    )));
                }
                Some((picked, lock))
            }
        };
        let signing = match &self.signing_key {
            Some(path) => SigningKey::from_pem(read_text(path)?.as_bytes())?,
            None => SigningKey::generate()?,
        };
        Ok(Plan { address, domain, web_domain: found("WEB_DOMAIN"), secrets, signing })
    }

    fn lock(&self) -> Result<Option<Lock>, ArchiveError> {
        if let Some(path) = &self.passphrase_file {
            let passphrase = read_passphrase(path)?;
            if !secrets::is_long_enough(&passphrase) {
                return Err(ArchiveError::Given(
                    "the passphrase has fewer than 12 letters: whoever finds the archive could guess it".into(),
                ));
            }
            return Ok(Some(Lock::Passphrase(passphrase)));
        }
        if self.recipient.is_empty() { Ok(None) } else { Lock::recipients(&self.recipient).map(Some) }
    }
}

pub fn run(create: &Create, handle: &Handle, teller: &Teller) -> Result<(), ArchiveError> {
    let variables = match (&create.env, create.environment) {
        (Some(path), _) => env::parse(&read_text(path)?),
        (None, true) => from_environment(),
        (None, false) => Variables::new(),
    };
    let Plan { address, domain, web_domain, secrets, signing } = create.plan(&variables)?;
    let scope = if create.database_only { MediaScope::None } else { MediaScope::WithoutCache };
    let place = match (create.media.place()?, scope) {
        (_, MediaScope::None) => None,
        (Some(place), MediaScope::WithoutCache) => Some(place),
        (None, MediaScope::WithoutCache) => Some(env::media(&variables)?.ok_or_else(|| {
            ArchiveError::Given(
                "where are the media? give --media FOLDER, --s3-bucket, or S3_… in --env; or --database-only".into(),
            )
        })?),
    };
    let program = format!("paddock {}", env!("CARGO_PKG_VERSION"));
    let shelf = create.place.shelf(handle)?;
    let folder = match &shelf {
        Shelf::Folder(folder) => folder.clone(),
        // One for each archive, so that two at once are not in each other's way.
        Shelf::Bucket(_, _) => {
            let name = hex::encode(&crate::crypto::sha256(shelf.to_string().as_bytes())[..8]);
            std::env::temp_dir().join(format!("paddock-archive-{name}"))
        }
    };
    teller.report_to(&shelf);
    let mut draft = Draft::open_on(shelf, &folder, Wanted { domain, scope, program, now: SystemClock.now() })?;
    if !draft.has_database() {
        let vapid = secrets.as_ref().and_then(|(secrets, _)| secrets.get("VAPID_PUBLIC_KEY")).map(str::to_owned);
        write_database(&mut draft, &address, create.database.pg_bin.as_deref(), vapid, handle, teller)?;
    }
    if let Some(place) = place {
        draft.write_media(&mut *source(place, handle)?, create.part_size << 20, teller)?;
    }
    let sealed = secrets.map(|(secrets, lock)| secrets::seal(&secrets, lock)).transpose()?;
    let archive = draft.finish(&signing, sealed.as_deref(), web_domain.as_deref(), SystemClock.now(), teller)?;
    if let Shelf::Bucket(_, _) = archive.shelf() {
        // Nothing is in it any more; where something is, it is left.
        let _left = std::fs::remove_dir(&folder);
    }
    tell(&archive)
}

fn write_database(
    draft: &mut Draft,
    address: &Address,
    bin: Option<&std::path::Path>,
    vapid: Option<String>,
    handle: &Handle,
    teller: &Teller,
) -> Result<(), ArchiveError> {
    let mut store = Store::connect(handle, address)?;
    let server = store.server()?;
    if server.superuser {
        tracing::warn!("{} is a superuser: name the role that owns the database, for a dump runs what is in it", address.user);
    }
    if let Some(why) = unpatched(server.version) {
        tracing::warn!("{why}");
    }
    if !store.is_mastodon()? {
        return Err(ArchiveError::Given(format!("the database {} is not Mastodon's: it lacks its tables", address.database)));
    }
    let pg_dump = Program::find("pg_dump", server.version / 10_000, bin)?;
    let snapshot = store.hold()?;
    let survey = store.survey()?;
    let about = survey.table_bytes;
    draft.write_database(survey, pg_dump.major, vapid, |mut out| pg_dump.dump(address, &snapshot, &mut out, about, teller))?;
    store.let_go()?;
    store.close();
    Ok(())
}

fn tell(archive: &Archive) -> Result<(), ArchiveError> {
    let manifest = &archive.manifest;
    let (bytes, complete) = (manifest.bytes(), &manifest.completeness);
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        println!("\nThe archive is complete and was read back: {} in {} files.", size(bytes), manifest.parts.len() + 2);
        println!("signed by {}", archive.signer);
        if complete.left_out_count + complete.vanished > 0 {
            println!(
                "not in it: {} files that don't fit the format, {} that were deleted meanwhile",
                complete.left_out_count, complete.vanished
            );
        }
        println!("check it anywhere: paddock archive verify {} --signer {}", archive.shelf(), archive.signer);
    } else {
        println!(
            "{}",
            json!({
                "event": "complete", "folder": archive.shelf().to_string(), "signer": archive.signer.to_string(), "bytes": bytes,
                "objects": complete.objects, "left_out": complete.left_out_count, "vanished": complete.vanished,
                "parts": manifest.parts.len(), "manifest": archive.fingerprint()?, "snapshot": manifest.snapshot,
            })
        );
    }
    Ok(())
}

/// The variables of this process.
pub fn from_environment() -> Variables {
    // One that is no text is none of Mastodon's.
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// A key that is written where nobody else can read it, and never over something.
pub fn write_secret(path: &std::path::Path, text: &str) -> Result<(), ArchiveError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(ArchiveError::file("create", path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(ArchiveError::file("write", path))
}
