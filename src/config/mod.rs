//! The configuration: one file and the environment, read once at the start. Every fault is named at once, each with its remedy.
//!
//! A file in TOML (`--config`, or `PADDOCK_CONFIG`), over it variables such as `PADDOCK__HTTP__LISTEN` (two underscores for each
//! level). `docs/configuration.md` is generated from [`REFERENCE`].

mod effective;
mod production;
mod reader;
mod sections;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Table;
use url::Url;

pub use effective::{Setting, Shown};
pub use reader::Fault;
use reader::Reader;

use crate::audit::chain::{Public, Signer};
use crate::crypto::HostKey;
use crate::sealing::Recipient;

/// The example that documents every setting; `paddock generate` puts it into docs/configuration.md, and a test reads it.
pub const REFERENCE: &str = include_str!("reference.toml");

/// Whether this is somebody's business or a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Real customers: fakes, default keys and plain http are refused.
    Production,
    /// A machine of one's own: anything that works.
    Trial,
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Production or trial.
    pub mode: Mode,
    /// Who the host is.
    pub host: Host,
    /// Where pages are served.
    pub http: Http,
    /// The database.
    pub database: Database,
    /// MACs for forms and links.
    pub key: HostKey,
    /// Who signs the audit log.
    pub audit: Audit,
    /// Stripe.
    pub stripe: Stripe,
    /// What follows when nobody pays.
    pub standing: Standing,
    /// What one of the host's people may give a customer alone.
    pub giving: Giving,
    /// Hours that a place is kept for whoever is next on the waiting list.
    pub invitation_hours: i64,
    /// How mails leave.
    pub mail: Mail,
    /// What is sold and which releases there are.
    pub catalogue: Catalogue,
    /// Folder of the kubeconfigs of clusters. Which clusters there are stands in the database.
    pub kubeconfigs: Option<PathBuf>,
    /// Names that customers' own domains must point to.
    pub dns: Dns,
    /// Where backups go.
    pub backup: Option<Backup>,
    /// Where customers' archives are fetched from and removed; where it is missing, the operator's store, if this process knows that.
    pub archives: Option<ArchiveStore>,
    /// The operator's public key, to which secrets that customers bring are sealed; without it none are taken.
    pub sealing: Option<Recipient>,
    /// Settings of the operator, read by `operator::Settings` (it could run in another cluster, with this section alone).
    pub operator: Table,
    /// Where figures for Prometheus are served; none when missing.
    pub metrics: Option<SocketAddr>,
    /// What somebody should look at, and who is told.
    pub alerts: Alerts,
}

/// Who the host is.
#[derive(Debug, Clone)]
pub struct Host {
    /// Name on pages and mails.
    pub name: String,
    /// Where the pages are reached from outside, without a trailing slash.
    pub base_url: Url,
    /// Domain below which customers may choose a name. Registrable apart from the one of the pages: cookies.
    pub domain: String,
    /// Where customers reach people.
    pub support: String,
    /// Other companies that have to do with customers' data.
    pub processors: Vec<Processor>,
}

/// Another company that has to do with customers' data, for the page that names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub what: String,
    /// Where.
    pub place: String,
}

impl std::fmt::Display for Processor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, what, place } = self;
        write!(f, "{name} | {what} | {place}")
    }
}

impl std::str::FromStr for Processor {
    type Err = ();

    /// `name | what it does | where`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('|').map(str::trim).collect();
        let [name, what, place] = parts.as_slice() else { return Err(()) };
        let whole = ![name, what, place].into_iter().any(|part| part.is_empty());
        let owned = |part: &&str| (*part).to_owned();
        whole.then(|| Self { name: owned(name), what: owned(what), place: owned(place) }).ok_or(())
    }
}

/// Where pages are served.
#[derive(Debug, Clone)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Ranges of addresses of the proxies in front, whose word about who calls is taken. Nobody else's is.
    pub trusted_proxies: Vec<String>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Postgres URL.
    pub url: SecretString,
    /// The most connections each role may open.
    pub connections: u32,
}

/// Who signs the audit log.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The key; a trial may do without one of its own.
    signer: Option<Signer>,
    /// Whether that is the example's.
    example: bool,
    /// Public halves of keys that signed before.
    former: Vec<Public>,
}

/// Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// Secret key of the API.
    pub api_key: SecretString,
    /// Address of the API; only a trial may change it.
    pub api_url: Option<Url>,
    /// Secrets of the webhook endpoint; two while one is being replaced.
    pub webhook_secrets: Vec<SecretString>,
    /// Minutes that a checkout stays open: 31 to 1,440 (Stripe: 30 minutes to 24 hours).
    pub checkout_minutes: i64,
    /// Seconds between two sweeps of everything that Stripe may know better.
    pub sweep_seconds: i64,
    /// Stripe works out tax, and payment pages ask for address and tax id.
    pub tax: bool,
    /// Payment pages take promo codes.
    pub promotion_codes: bool,
}

/// What follows when nobody pays, in days. What the words mean is in `billing::standing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// From the first unpaid invoice to the pause.
    pub grace_days: u16,
    /// On which of these days a mail is written.
    pub grace_mail_days: Vec<u16>,
    /// From the pause to the ending.
    pub suspended_days: u16,
    /// How long data is kept after that.
    pub ending_days: u16,
    /// On which of these days a mail is written; two at least.
    pub ending_mail_days: Vec<u16>,
    /// The shortest time between a mail and what it announces.
    pub notice_days: u16,
    /// How long the data of a server that staff have ended is kept before they may have it removed without saying why at once.
    pub removal_days: u16,
}

/// How much one person may give one customer in 30 days, in whole units of the catalogue's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Giving {
    /// With the scope `billing`.
    pub billing: u32,
    /// With the scope `admin`.
    pub admin: u32,
}

/// How mails leave.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Sender.
    pub from: String,
    /// Way out.
    pub transport: MailTransport,
}

/// Ways out for mails.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// An SMTP server: `smtps://user:password@host:465`, `smtp://host:587` (STARTTLS), `smtp+plain://127.0.0.1:1025`.
    Smtp(SecretString),
    /// A folder, one file each; for a trial.
    Folder(PathBuf),
}

/// What somebody should look at, and who is told. What the words mean is in `desk::alerts`.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// Who is written to; `None`: `host.support`.
    pub mail: Option<String>,
    /// What is called beside; its address is a secret.
    pub webhook: Option<SecretString>,
    /// A paid order is a server after so many minutes.
    pub order_minutes: i64,
    /// A server has a proven backup after so many hours.
    pub unproven_hours: i64,
    /// A certificate is good for more than so many days.
    pub certificate_days: i64,
    /// Hundredths of the promised that should be left.
    pub capacity_percent: i64,
}

/// What is sold and which releases there are.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// File of plans.
    pub plans: PathBuf,
    /// File of Mastodon releases.
    pub releases: PathBuf,
}

/// What customers' own domains must point to, and whom we ask.
#[derive(Debug, Clone)]
pub struct Dns {
    /// Name for CNAME records.
    pub target: String,
    /// Addresses for records at the top of a domain, IPv4 and IPv6.
    pub addresses: Vec<std::net::IpAddr>,
    /// Resolvers to ask, each by itself; the system's when empty.
    pub resolvers: Vec<SocketAddr>,
    /// Under which name the key stands with which the servers' relay signs.
    pub dkim_selector: Option<String>,
}

/// Where backups go.
#[derive(Debug, Clone)]
pub struct Backup {
    /// S3 endpoint.
    pub endpoint: Url,
    /// Bucket of the control plane's own backups.
    pub bucket: String,
}

/// Where customers' archives are fetched from.
#[derive(Debug, Clone)]
pub struct ArchiveStore {
    /// S3 endpoint.
    pub endpoint: Url,
    /// The region that requests name.
    pub region: String,
    /// A key that may list, read and delete below `archives/` in the backup buckets of all servers.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
}

/// Faults of a configuration, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} fault(s):\n{}", .0.len(), .0.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct BadConfig(pub Vec<Fault>);

impl Config {
    /// Who signs the audit log: in a trial without a key of its own, one that follows from the host's key.
    pub fn audit_signer(&self) -> Signer {
        self.audit.signer.clone().unwrap_or_else(|| Signer::new(&self.key.mac("audit", b"")))
    }

    /// Whose signatures under the audit log count.
    pub fn audit_signers(&self) -> Vec<Public> {
        std::iter::once(self.audit_signer().public()).chain(self.audit.former.iter().copied()).collect()
    }

    /// Reads the file (if any) and the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, BadConfig> {
        sound(Self::read(file))
    }

    /// The same, for whoever has more to check: what could be read, and everything that is wrong.
    pub fn read(file: Option<&Path>) -> (Option<Self>, Vec<Fault>) {
        let unreadable = |error: &dyn std::fmt::Display| {
            let field = file.map_or_else(|| "environment".to_owned(), |file| file.display().to_string());
            (None, vec![Fault { field, message: format!("can't be read: {error}") }])
        };
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            // Read here, because the library would replace what is not UTF-8, in the middle of a secret as well.
            match std::fs::read_to_string(file) {
                Ok(text) => builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml)),
                Err(error) => return unreadable(&error),
            }
        }
        let environment = config::Environment::with_prefix("PADDOCK").prefix_separator("__").separator("__");
        let tree = builder.add_source(environment).build().and_then(config::Config::try_deserialize::<Table>);
        match tree {
            Ok(tree) => Self::from_tree(&tree),
            Err(error) => unreadable(&error),
        }
    }

    /// Reads a text in TOML.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, BadConfig> {
        sound(Self::read_toml(text))
    }

    /// The same, for whoever has more to check: what could be read, and everything that is wrong.
    pub fn read_toml(text: &str) -> (Option<Self>, Vec<Fault>) {
        match text.parse::<Table>() {
            Ok(tree) => Self::from_tree(&tree),
            Err(error) => {
                let message = format!("is not TOML: {}", error.message());
                (None, vec![Fault { field: "configuration".to_owned(), message }])
            }
        }
    }

    fn from_tree(tree: &Table) -> (Option<Self>, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut reader = Reader::new("", tree, &mut faults);
        let config = sections::read(&mut reader);
        reader.finish();
        if let Some(config) = &config
            && config.mode == Mode::Production
        {
            faults.extend(production::production_faults(config));
        }
        faults.sort();
        (config, faults)
    }
}

fn sound((config, faults): (Option<Config>, Vec<Fault>)) -> Result<Config, BadConfig> {
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        Some(_) | None => Err(BadConfig(faults)),
    }
}
