//! The configuration: one file and the environment, read once at the start. Every fault is named at once, each with its remedy.
//!
//! A file in TOML (`--config`, or `PADDOCK_CONFIG`), over it variables such as `PADDOCK__HTTP__LISTEN` (two underscores for each
//! level). `docs/configuration.md` is generated from [`REFERENCE`].

mod effective;
mod reader;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use toml::Table;
use url::Url;

pub use effective::{Setting, Shown};
pub use reader::Fault;
use reader::Reader;

use crate::audit::chain::{Public, Signer};
use crate::crypto::{EXAMPLE_KEY, HostKey};
use crate::internet;
use crate::sealing::{self, Recipient};

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
        let config = read(&mut reader);
        reader.finish();
        if let Some(config) = &config
            && config.mode == Mode::Production
        {
            faults.extend(production_faults(config));
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

/// Reads every section even when one is faulty. `None` only where a value without a neutral stand-in is missing (its fault is noted).
fn read(root: &mut Reader<'_>) -> Option<Config> {
    let mode = match root.text("mode", "production").as_str() {
        "trial" => Mode::Trial,
        "production" | "" => Mode::Production,
        other => {
            root.fault("mode", format!("is \"{other}\"; it is \"production\" or \"trial\""));
            Mode::Production
        }
    };
    let host = root.section("host", read_host);
    let http = root.section("http", read_http);
    let database = root.section("database", |database| Database {
        url: database.secret("url", "write url = \"postgres://user:password@host/paddock\""),
        connections: u32::try_from(database.number("connections", 10, 2, 200)).unwrap_or(10),
    });
    let key = root.section("secrets", read_key);
    let audit = root.section("audit", read_audit);
    let stripe = root.section("stripe", read_stripe);
    let standing = root.section("standing", read_standing);
    let giving = root.section("giving", |giving| {
        let mut most =
            |key: &'static str, usual: u32| u32::try_from(giving.number(key, usual.into(), 0, 1_000_000)).unwrap_or(usual);
        Giving { billing: most("billing_most", 100), admin: most("admin_most", 1000) }
    });
    let invitation_hours = root.section("waiting", |waiting| waiting.number("invitation_hours", 48, 1, 720));
    let mail = root.section("mail", read_mail);
    let catalogue = root.section("catalogue", |catalogue| Catalogue {
        plans: catalogue.path("plans", "catalogue/plans.toml"),
        releases: catalogue.path("releases", "catalogue/releases.toml"),
    });
    let kubeconfigs = root.section("clusters", |clusters| clusters.optional_text("kubeconfigs").map(PathBuf::from));
    let dns = root.section("dns", read_dns);
    let backup = if root.has("backup") { root.section("backup", read_backup) } else { None };
    let archives = if root.has("archives") { root.section("archives", read_archives) } else { None };
    let sealing = root.section("sealing", |sealing| {
        let text = sealing.optional_text("operator_recipient")?;
        text.parse().map_err(|error: sealing::BadKey| sealing.fault("operator_recipient", error.to_string())).ok()
    });
    let operator = root.table("operator");
    let metrics = root.section("metrics", |metrics| metrics.has("listen").then(|| metrics.socket("listen", "127.0.0.1:9090")));
    let alerts = root.section("alerts", read_alerts);
    Some(Config {
        mode,
        host: host?,
        http,
        database,
        key,
        audit,
        stripe,
        standing,
        giving,
        invitation_hours,
        mail: mail?,
        catalogue,
        kubeconfigs,
        dns,
        backup,
        archives,
        sealing,
        operator,
        metrics,
        alerts,
    })
}

fn read_archives(archives: &mut Reader<'_>) -> Option<ArchiveStore> {
    let endpoint = archives.url("endpoint", "https://s3.example");
    let region = archives.text("region", "us-east-1");
    let access_key = archives.text("access_key", "GK…");
    let secret_key = archives.secret("secret_key", "write secret_key = \"…\"");
    Some(ArchiveStore { endpoint: endpoint?, region, access_key, secret_key })
}

fn read_host(host: &mut Reader<'_>) -> Option<Host> {
    let name = host.text("name", "Meadow Hosting");
    let base_url = host.url("base_url", "https://paddock.example");
    let domain = host.text("domain", "meadow.social").to_ascii_lowercase();
    if !domain.is_empty() && !plausible_domain(&domain) {
        host.fault("domain", format!("\"{domain}\" is not a domain name such as meadow.social"));
    }
    let support = host.text("support", "help@paddock.example");
    let mut processors = Vec::new();
    for text in host.list("processors") {
        match text.parse::<Processor>() {
            Ok(processor) => processors.push(processor),
            Err(()) => host.fault("processors", format!("\"{text}\" is not of the form \"name | what it does | where\"")),
        }
    }
    Some(Host { name, base_url: base_url?, domain, support, processors })
}

fn read_http(http: &mut Reader<'_>) -> Http {
    let listen = http.socket("listen", "127.0.0.1:8080");
    let trusted_proxies = http.list("trusted_proxies");
    for range in &trusted_proxies {
        let base = range.split_once('/').and_then(|(base, _)| base.parse().ok());
        if !base.is_some_and(|base| internet::contains(range, base)) {
            http.fault("trusted_proxies", format!("\"{range}\" is not a range of addresses such as 10.0.0.0/8 or fd00::/8"));
        }
    }
    Http { listen, trusted_proxies }
}

fn read_key(secrets: &mut Reader<'_>) -> HostKey {
    let text = secrets.secret("key", "make one with: openssl rand -hex 32");
    let text = text.expose_secret();
    let mut bytes = [0; 32];
    if !text.is_empty() && hex::decode_to_slice(text, &mut bytes).is_err() {
        secrets.fault("key", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32");
    }
    HostKey::new(bytes)
}

fn read_audit(audit: &mut Reader<'_>) -> Audit {
    let (text, mut seed) = (audit.optional_text("signing_key"), [0; 32]);
    let signer = text.as_ref().and_then(|text| {
        let read = hex::decode_to_slice(text, &mut seed);
        read.map_err(|_| audit.fault("signing_key", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32")).ok()
    });
    let mut former = Vec::new();
    for text in audit.list("former_signers") {
        match text.parse::<Public>() {
            Ok(public) => former.push(public),
            Err(error) => audit.fault("former_signers", format!("\"{text}\" {error}")),
        }
    }
    let example = text.is_some_and(|text| text == EXAMPLE_KEY) || seed.iter().all(|byte| *byte == seed[0]);
    Audit { signer: signer.map(|()| Signer::new(&seed)), example, former }
}

fn read_stripe(stripe: &mut Reader<'_>) -> Stripe {
    let secrets = stripe.list("webhook_secrets");
    if secrets.is_empty() {
        stripe.fault("webhook_secrets", "is missing; write the endpoint's signing secret: webhook_secrets = [\"whsec_…\"]");
    }
    Stripe {
        api_key: stripe.secret("api_key", "write the secret key from Stripe's dashboard: api_key = \"sk_…\""),
        api_url: if stripe.has("api_url") { stripe.url("api_url", "http://127.0.0.1:12111") } else { None },
        webhook_secrets: secrets.into_iter().map(SecretString::from).collect(),
        checkout_minutes: stripe.number("checkout_minutes", 60, 31, 1440),
        sweep_seconds: stripe.number("sweep_seconds", 86_400, 1, 86_400),
        tax: stripe.flag("tax", false),
        promotion_codes: stripe.flag("promotion_codes", true),
    }
}

fn read_standing(standing: &mut Reader<'_>) -> Standing {
    let days = |reader: &mut Reader<'_>, key, default: u16, low| {
        u16::try_from(reader.number(key, default.into(), low, 3650)).unwrap_or(default)
    };
    let read = Standing {
        grace_days: days(standing, "grace_days", 14, 3),
        grace_mail_days: standing.days("grace_mail_days", &[0, 3, 7, 12]),
        suspended_days: days(standing, "suspended_days", 16, 0),
        ending_days: days(standing, "ending_days", 30, 7),
        ending_mail_days: standing.days("ending_mail_days", &[0, 23]),
        notice_days: days(standing, "notice_days", 3, 1),
        removal_days: days(standing, "removal_days", 30, 0),
    };
    for (key, mails, most) in [
        ("grace_mail_days", &read.grace_mail_days, read.grace_days),
        ("ending_mail_days", &read.ending_mail_days, read.ending_days),
    ] {
        let ascends = mails.array_windows().all(|[one, next]| one < next);
        if mails.first() != Some(&0) || !ascends || mails.last().is_some_and(|last| *last >= most) {
            standing.fault(key, format!("must begin with 0, ascend, and end before day {most}"));
        }
    }
    if read.ending_mail_days.len() < 2 {
        standing.fault("ending_mail_days", "names fewer than two; nothing is destroyed before two mails were written");
    }
    read
}

fn read_mail(mail: &mut Reader<'_>) -> Option<Mail> {
    let from = mail.text("from", "Meadow Hosting <hello@paddock.example>");
    if !from.is_empty() && from.parse::<lettre::message::Mailbox>().is_err() {
        mail.fault("from", format!("\"{from}\" is not a sender such as Meadow Hosting <hello@paddock.example>"));
    }
    let (smtp, folder) = (mail.optional_text("smtp"), mail.optional_text("folder"));
    let transport = match (smtp, folder) {
        (Some(smtp), None) => Some(MailTransport::Smtp(SecretString::from(smtp))),
        (None, Some(folder)) => Some(MailTransport::Folder(PathBuf::from(folder))),
        (Some(_), Some(_)) => {
            mail.fault("folder", "stands beside mail.smtp; keep one of them");
            None
        }
        (None, None) => {
            mail.fault("smtp", "is missing; write for example smtp = \"smtps://user:password@mail.paddock.example\"");
            None
        }
    };
    transport.map(|transport| Mail { from, transport })
}

fn read_alerts(alerts: &mut Reader<'_>) -> Alerts {
    let mail = alerts.optional_text("mail");
    if mail.as_ref().is_some_and(|mail| mail.parse::<lettre::Address>().is_err()) {
        alerts.fault("mail", "is not an address such as staff@paddock.example");
    }
    let webhook = if alerts.has("webhook") { alerts.url("webhook", "https://chat.example/hooks/0123") } else { None };
    Alerts {
        mail,
        webhook: webhook.map(|url| SecretString::from(String::from(url))),
        order_minutes: alerts.number("order_minutes", 60, 5, 10_080),
        unproven_hours: alerts.number("unproven_hours", 48, 1, 720),
        certificate_days: alerts.number("certificate_days", 14, 1, 60),
        capacity_percent: alerts.number("capacity_percent", 15, 1, 90),
    }
}

fn read_dns(dns: &mut Reader<'_>) -> Dns {
    let target = dns.text("target", "gate.meadow.social").to_ascii_lowercase();
    let addresses = dns.list("addresses");
    let mut read = Vec::new();
    for text in &addresses {
        match text.parse() {
            Ok(address) => read.push(address),
            Err(_) => dns.fault("addresses", format!("\"{text}\" is not an IP address")),
        }
    }
    if addresses.is_empty() {
        dns.fault("addresses", "is missing; write the gateway's addresses: addresses = [\"192.0.2.1\", \"2001:db8::1\"]");
    }
    let mut resolvers = Vec::new();
    for text in dns.list("resolvers") {
        match text.parse() {
            Ok(address) => resolvers.push(address),
            Err(_) => dns.fault("resolvers", format!("\"{text}\" is not an address and port such as 9.9.9.9:53")),
        }
    }
    Dns { target, addresses: read, resolvers, dkim_selector: dns.optional_text("dkim_selector") }
}

fn read_backup(backup: &mut Reader<'_>) -> Option<Backup> {
    let endpoint = backup.url("endpoint", "https://s3.example");
    let bucket = backup.text("bucket", "paddock-backup");
    Some(Backup { endpoint: endpoint?, bucket })
}

/// What a business must not run with.
fn production_faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: &str| faults.push(Fault { field: field.to_owned(), message: message.to_owned() });
    if config.host.base_url.scheme() != "https" {
        fault("host.base_url", "must begin with https:// in production");
    }
    if share_a_site(config.host.base_url.host_str().unwrap_or_default(), &config.host.domain) {
        fault(
            "host.domain",
            "belongs to the same registered domain as the pages (host.base_url): customers' servers could set cookies for them; \
             use a separate domain",
        );
    }
    if config.http.trusted_proxies.is_empty() {
        fault(
            "http.trusted_proxies",
            "names none; the gateway in front is then taken for every visitor, and a few wrong passwords close the log-in to all: \
             trusted_proxies = [\"10.0.0.0/8\"]",
        );
    }
    if config.key.is_default() {
        fault("secrets.key", "is the example's; make your own with: openssl rand -hex 32");
    }
    if config.audit.signer.is_none() {
        fault("audit.signing_key", "is missing; make one with: openssl rand -hex 32");
    } else if config.audit.example {
        fault("audit.signing_key", "is the example's; make your own with: openssl rand -hex 32");
    }
    let api_key = config.stripe.api_key.expose_secret();
    if config.stripe.api_url.is_some() {
        fault("stripe.api_url", "points away from Stripe; take it out (a fake is for trials only)");
    }
    if !(api_key.starts_with("sk_live_") || api_key.starts_with("rk_live_")) {
        fault("stripe.api_key", "is not a live key (sk_live_… or rk_live_…); test keys and the fake's key take no money");
    }
    if config
        .stripe
        .webhook_secrets
        .iter()
        .any(|secret| !secret.expose_secret().starts_with("whsec_") || secret.expose_secret().len() < 24)
    {
        fault("stripe.webhook_secrets", "holds something that is not a signing secret of Stripe's dashboard (whsec_…)");
    }
    match &config.mail.transport {
        MailTransport::Folder(_) => fault("mail.folder", "sends nothing; write mail.smtp = \"smtps://…\" instead"),
        MailTransport::Smtp(url) if url.expose_secret().starts_with("smtp+plain:") => {
            fault("mail.smtp", "is without encryption; write smtps://… or smtp://… (STARTTLS)");
        }
        MailTransport::Smtp(_) => {}
    }
    if config.dns.resolvers.len() < 2 {
        fault(
            "dns.resolvers",
            "names fewer than two; a customer's domain counts as pointing here only when two resolvers say so: \
             resolvers = [\"9.9.9.9:53\", \"1.1.1.1:53\"]",
        );
    }
    if config.alerts.webhook.as_ref().is_some_and(|webhook| !webhook.expose_secret().starts_with("https:")) {
        fault("alerts.webhook", "must begin with https:// in production");
    }
    if config.backup.is_none() {
        fault("backup", "is missing; name where backups go: [backup] with endpoint and bucket");
    }
    if config.backup.as_ref().is_some_and(|backup| backup.endpoint.scheme() != "https") {
        fault("backup.endpoint", "must begin with https:// in production");
    }
    faults
}

/// Whether a server below one of the names could set cookies that the other gets: one lies below the other, or both lie below a
/// domain that somebody registered. Two labels in common are such a domain, but for the usual registries of countries (`co.uk`).
fn share_a_site(one: &str, other: &str) -> bool {
    const REGISTRIES: [&str; 9] = ["ac", "co", "com", "edu", "go", "gov", "ne", "net", "org"];
    let pairs = one.rsplit('.').zip(other.rsplit('.'));
    let common: Vec<&str> = pairs.take_while(|(one, other)| one == other).map(|(one, _)| one).collect();
    match common.as_slice() {
        [] | [_] => one == other,
        [country, registry] if country.len() == 2 && REGISTRIES.contains(registry) => false,
        _ => true,
    }
}

fn plausible_domain(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
