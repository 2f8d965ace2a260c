//! `paddock admin vault`: the keys of the vault, whether it holds what it should, and the way back when all else is lost.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::x25519;
use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use kube::api::{Api, ListParams};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::ConfigFile;
use crate::clock::{SharedClock, SystemClock};
use crate::ids::InstanceId;
use crate::operator::bucket::BucketKey;
use crate::operator::vault::{Opened, S3Vault, Vault, VaultStore, current_name, open_with, sealed_name};
use crate::resource::{MastodonInstance, instance_id, namespace_name};

#[derive(Debug, Subcommand)]
pub(super) enum VaultCommand {
    /// Make the keys of a vault: prints the section of the configuration, writes the recovery key into a file.
    Keygen {
        /// Where the recovery key is written. It must not stay on this machine.
        #[arg(long, default_value = "offline.key")]
        key_file: PathBuf,
        /// The bucket that is to hold the vault.
        #[arg(long, default_value = "paddock-vault")]
        bucket: String,
    },
    /// See whether the vault holds each server's identity, sealed to the keys of the configuration. Changes nothing.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// Name of the cluster whose operator has this configuration; the only one when not given.
        #[arg(long)]
        cluster: Option<String>,
    },
    /// Open a server's identity with the recovery key: prints the lines of its .env file.
    Recover {
        #[command(flatten)]
        file: ConfigFile,
        /// The server, `ins_…`.
        #[arg(long)]
        instance: String,
        /// File with the recovery key (or with the operator's).
        #[arg(long)]
        key_file: PathBuf,
        /// Which of the server's identities; the one it has when not given.
        #[arg(long)]
        fingerprint: Option<String>,
        /// A file that was fetched out of the vault by other means. No configuration is needed then.
        #[arg(long, conflicts_with = "fingerprint")]
        sealed: Option<PathBuf>,
        /// Where to write the lines instead of printing them. Must not exist.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

pub(super) async fn run(command: VaultCommand) -> anyhow::Result<()> {
    match command {
        VaultCommand::Keygen { key_file, bucket } => keygen(&key_file, &bucket),
        VaultCommand::Check { file, cluster } => check(&file, cluster.as_deref()).await,
        VaultCommand::Recover { file, instance, key_file, fingerprint, sealed, out } => {
            let id: InstanceId = instance.parse().map_err(|_| anyhow::anyhow!("--instance: \"{instance}\" is not ins_…"))?;
            let key = read_key(&key_file)?;
            let namespace = namespace_name(id);
            let opened = match sealed {
                Some(path) => open_file(&path, &key, &namespace)?,
                None => open_in_vault(&file, &key, &namespace, fingerprint).await?,
            };
            eprintln!("the identity of {id}, fingerprint {}", opened.identity.fingerprint());
            let lines = opened.identity.to_env();
            match out {
                Some(path) => write_secret(&path, lines.as_bytes()),
                None => std::io::stdout().write_all(lines.as_bytes()).context("printing"),
            }
        }
    }
}

fn keygen(key_file: &Path, bucket: &str) -> anyhow::Result<()> {
    let (operator, offline) = (x25519::Identity::generate(), x25519::Identity::generate());
    let BucketKey { access, secret } = BucketKey::generate();
    let recipient = offline.to_public();
    let kept = Zeroizing::new(format!(
        "# Opens every identity in the vault {bucket}. public key: {recipient}\n{}\n",
        offline.to_string().expose_secret()
    ));
    write_secret(key_file, kept.as_bytes())?;
    println!("[operator.vault]");
    println!("bucket = \"{bucket}\"");
    println!("access_key = \"{access}\"");
    println!("secret_key = \"{}\"", secret.expose_secret());
    println!("operator_key = \"{}\"", operator.to_string().expose_secret());
    println!("recovery_recipient = \"{recipient}\"");
    eprintln!();
    eprintln!("The section above belongs into the operator's configuration, and nowhere else.");
    eprintln!("{} is the recovery key: with it alone every identity can be opened, even when this", key_file.display());
    eprintln!("configuration and the cluster are lost. Print it, or copy it onto two sticks, and keep them in two places,");
    eprintln!("neither of them a machine of the host. Then delete the file here.");
    Ok(())
}

/// The one secret key of age in a file.
fn read_key(path: &Path) -> anyhow::Result<x25519::Identity> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let text = Zeroizing::new(text);
    let line = text.lines().map(str::trim).find(|line| line.starts_with("AGE-SECRET-KEY-"));
    let line = line.with_context(|| format!("{} has no line AGE-SECRET-KEY-…", path.display()))?;
    line.parse().map_err(|why| anyhow::anyhow!("the key in {} can't be used: {why}", path.display()))
}

/// Writes what nobody else may read, and never over anything.
fn write_secret(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.with_context(|| format!("creating {} (an existing file is never replaced)", path.display()))?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(|| format!("writing {}", path.display()))
}

fn open_file(path: &Path, key: &x25519::Identity, namespace: &str) -> anyhow::Result<Opened> {
    let sealed = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let opened = open_with(key, &sealed).with_context(|| format!("opening {}", path.display()))?;
    ensure!(opened.namespace == namespace, "{} holds the identity of {}, not of {namespace}", path.display(), opened.namespace);
    Ok(opened)
}

async fn open_in_vault(
    file: &ConfigFile,
    key: &x25519::Identity,
    namespace: &str,
    fingerprint: Option<String>,
) -> anyhow::Result<Opened> {
    let settings = file.operator()?;
    let clock: SharedClock = Arc::new(SystemClock);
    let store = S3Vault::connect(&settings, None, &clock)?;
    store.ready().await?;
    let fingerprint = match fingerprint {
        Some(fingerprint) => fingerprint,
        None => match store.get(&current_name(namespace)).await? {
            Some(current) => String::from_utf8_lossy(&current).trim().to_owned(),
            None => bail!("the vault does not say which identity is the server's{}", others(&store, namespace).await?),
        },
    };
    let name = sealed_name(namespace, &fingerprint);
    let Some(sealed) = store.get(&name).await? else {
        bail!("{name} is not in the vault{}", others(&store, namespace).await?);
    };
    let opened = open_with(key, &sealed).and_then(|opened| opened.of(namespace, &fingerprint));
    opened.with_context(|| format!("opening {name}"))
}

/// What else there is, for messages.
async fn others(store: &S3Vault, namespace: &str) -> anyhow::Result<String> {
    let names = store.list(&format!("{namespace}/")).await?;
    let found: Vec<&str> = names.iter().filter_map(|name| name.split_once('/')?.1.strip_suffix(".age")).collect();
    Ok(if found.is_empty() {
        "; it holds none of this server".to_owned()
    } else {
        format!("; it holds these, one of which --fingerprint may name: {}", found.join(", "))
    })
}

async fn check(file: &ConfigFile, cluster: Option<&str>) -> anyhow::Result<()> {
    let parts = file.parts()?;
    let vault = Vault::connect(&parts.operator_settings()?, None, &parts.clock)?;
    let mut clients = parts.clients().await?;
    clients.retain(|(known, _)| cluster.is_none_or(|name| known.name == name));
    let (cluster, client) = match clients.pop() {
        Some(found) if clients.is_empty() => found,
        Some(_) => bail!("there are several clusters; say with --cluster whose operator has this configuration"),
        None => bail!("there is no such cluster; paddock admin cluster list names them"),
    };
    let all: Api<MastodonInstance> = Api::all(client);
    let (mut held, mut faults) = (0_usize, Vec::new());
    let mut page = ListParams::default().limit(500);
    loop {
        let list = all.list(&page).await.with_context(|| format!("listing the servers of cluster {}", cluster.name))?;
        for instance in &list.items {
            let Some(id) = instance.metadata.name.as_deref().and_then(instance_id) else { continue };
            let status = instance.status.clone().unwrap_or_default();
            match status.identity_fingerprint {
                Some(fingerprint) => match vault.prove(&namespace_name(id), &fingerprint).await {
                    Ok(()) => held += 1,
                    Err(error) => faults.push(format!("{id}: {:#}", anyhow::Error::from(error))),
                },
                None if status.database_initialised => faults.push(format!("{id}: holds data, and its identity is not known")),
                None => {}
            }
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    println!("{held} identities are in the vault, and the operator's key opens them");
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} are not as they should be:\n  {}", faults.len(), faults.join("\n  "))
}
