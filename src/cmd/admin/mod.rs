//! `paddock admin`: what only the host's own people do, at the machine itself.

pub(super) mod audit;
mod cluster;
mod fuse;
mod plans;
mod release;
mod usage;

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{ConfigFile, mail_map, parts, vault};
use crate::account::email::EmailAddress;
use crate::account::password::{self, Passwords};
use crate::account::{self, Scope};
use crate::audit::Actor;
use crate::clock::SystemClock;
use crate::operator::settings::{Address, Issuer, MediaBackend};

#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Add a member of staff, or set their password and scopes. The password is read from standard input.
    Staff {
        #[command(flatten)]
        file: ConfigFile,
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// What they may do; may be given several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<ScopeName>,
    },
    /// Forget the second factor of a member of staff who has lost it: their sessions end, and the next log-in sets up another.
    StaffSecondFactor {
        #[command(flatten)]
        file: ConfigFile,
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// Yes, forget it.
        #[arg(long, required = true)]
        forget: bool,
    },
    /// Print as values of the chart which images servers may run, who signs for their domains, and where media and backups are:
    /// helm … -f images.yaml
    Images {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// The vault that keeps the servers' identities.
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Write a list for the host's mail relay: who may log in, how much each may send, or which sender belongs to whom.
    MailMap(mail_map::MailMap),
    /// Print a server's login at the host's mail relay, or check a password that is read from standard input.
    MailCredential(mail_map::MailCredential),
    /// The fuse on mass destruction, in each cluster.
    #[command(subcommand)]
    Fuse(fuse::FuseCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Clusters: what each has, and whether it gets new servers.
    #[command(subcommand)]
    Cluster(cluster::Act),
    /// Releases of Mastodon that can run.
    #[command(subcommand)]
    Release(release::Act),
    /// Plans and prices at Stripe.
    #[command(subcommand)]
    Plans(plans::Act),
    /// Note how much is on a server, as it was measured: a smaller plan is only had where that fits.
    Usage(usage::Measured),
}

/// Who acts, in the audit log.
const ACTOR: Actor = Actor::System("paddock admin");

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ScopeName {
    Support,
    Billing,
    Operations,
    Admin,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Support => Self::Support,
            ScopeName::Billing => Self::Billing,
            ScopeName::Operations => Self::Operations,
            ScopeName::Admin => Self::Admin,
        }
    }
}

fn parse_email(text: &str) -> anyhow::Result<EmailAddress> {
    EmailAddress::parse(text).map_err(|_| anyhow::anyhow!("--email: \"{text}\" is not an e-mail address"))
}

pub(super) async fn run(admin: Admin) -> anyhow::Result<()> {
    match admin {
        Admin::Fuse(command) => fuse::run(command).await,
        Admin::Audit(command) => audit::run(command).await,
        Admin::Staff { file, email, scopes } => {
            let email = parse_email(&email)?;
            if std::io::stdin().is_terminal() {
                eprintln!("New password, then Enter:");
            }
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("reading the password from standard input")?;
            let password = line.trim_end_matches(['\r', '\n']).to_owned().into();
            if let Err(bad) = password::check(&password) {
                bail!("the password {bad}: between {} and {} characters", password::LENGTH.start(), password::LENGTH.end());
            }
            let hash = Passwords::new(1).hash(password).await?;
            let db = parts::database(&file.load()?)?;
            let scopes: Vec<Scope> = scopes.into_iter().map(Scope::from).collect();
            let mut tx = db.owner().begin().await?;
            let id = account::put_staff(&mut tx, &SystemClock, &email, &hash, &scopes).await?;
            tx.commit().await?;
            println!("{id}");
            Ok(())
        }
        Admin::StaffSecondFactor { file, email, forget: _ } => {
            let email = parse_email(&email)?;
            let db = parts::database(&file.load()?)?;
            let mut tx = db.owner().begin().await?;
            account::forget_staff_factor(&mut tx, &SystemClock, &email).await?;
            tx.commit().await?;
            Ok(())
        }
        Admin::Images { file } => {
            let settings = file.parts()?.operator_settings()?;
            println!("operator:\n  images:");
            for image in settings.images() {
                println!("    - {image}");
            }
            let Address { wildcard_domain: _, gateway: _, issuer: Issuer { name, kind, group }, media } = &settings.address;
            let MediaBackend { addresses, port, host: _ } = media;
            // JSON is YAML.
            println!("  issuer: {}", json!({"name": name, "kind": kind, "group": group}));
            println!("  media: {}", json!({"addresses": addresses, "port": port}));
            println!("  backups: {}", json!({"endpoint": settings.storage.pod_address()}));
            Ok(())
        }
        Admin::Vault(command) => vault::run(command).await,
        Admin::MailMap(map) => mail_map::print(&map).await,
        Admin::MailCredential(credential) => mail_map::credential(&credential),
        Admin::Cluster(act) => cluster::run(act).await,
        Admin::Release(act) => release::run(act).await,
        Admin::Plans(act) => plans::run(act).await,
        Admin::Usage(measured) => usage::run(measured).await,
    }
}
