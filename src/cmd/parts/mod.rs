//! Makes the parts of the program out of the configuration.

mod production;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use kube::Client;
use secrecy::ExposeSecret as _;

use self::production::refuse_in_production;
use crate::account::passkey::Passkeys;
use crate::account::password::Passwords;
use crate::archive::shelf::Depot;
use crate::billing;
use crate::billing::stripe::{RealStripe, Stripe, Terms};
use crate::capacity::{self, ClusterAccess};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, BadConfig, Config, Fault, MailTransport, Mode};
use crate::db::Db;
use crate::desk::alerts::Limits;
use crate::instance::dns::{DnsResolver, DnsTarget, Resolver};
use crate::instance::mail_health::Sending;
use crate::instance::sites::{PublicSites, Sites};
use crate::internet::{Outbound, Range, Reach};
use crate::mail::probe::Prober;
use crate::mail::{FileTransport, SmtpSettings, SmtpTransport, Transport};
use crate::plan::{Catalogue, Releases};
use crate::{fleet, operator, sealing, web, worker};

/// Hashes at a time: half the cores, so that pages go on while people log in.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// How long a look-up of a customer's domain may take.
const DNS_PATIENCE: Duration = Duration::from_secs(3);
/// How long a mail server may take for a mail.
const MAIL_PATIENCE: Duration = Duration::from_secs(30);

const NO_OPERATOR: &str = "operator: is missing; write the section [operator], see docs/configuration.md";

/// Everything that more than one part needs.
pub(super) struct Parts {
    config: Config,
    pub db: Db,
    pub clock: SharedClock,
    catalogue: Arc<Catalogue>,
    releases: Arc<Releases>,
    stripe: Arc<dyn Stripe>,
    resolver: Arc<dyn Resolver>,
    /// Each asks one server alone.
    views: Vec<Arc<dyn Resolver>>,
    /// Speaks HTTP to places that customers name.
    outbound: Arc<Outbound>,
    transport: Arc<dyn Transport>,
    operator: Option<operator::Settings>,
    depot: Option<Depot>,
    urls: billing::Urls,
}

/// What was found to be wrong, all of it.
struct Faults(Vec<Fault>);

impl Faults {
    fn note(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Fault { field: field.to_owned(), message: message.into() });
    }

    /// The value, or a note of why there is none.
    fn take<T, E: Into<anyhow::Error>>(&mut self, field: &str, made: Result<T, E>) -> Option<T> {
        made.map_err(|error| self.note(field, format!("{:#}", error.into()))).ok()
    }
}

/// The pools of the configuration.
pub(super) fn database(config: &Config) -> anyhow::Result<Db> {
    Ok(Db::new(config.database.url.expose_secret(), config.database.connections)?)
}

/// Says that all is well, which it is when there are parts.
pub(super) fn check(parts: &Parts) {
    if parts.operator.is_none() {
        println!("there is no section [operator]: web, worker and fleet can run; serve and operator can't");
    }
    println!("the configuration is right: {} plans, {} releases", parts.catalogue.plans().len(), parts.releases.all().len());
}

impl Parts {
    /// Reads the configuration and builds everything that needs no network; what is wrong with either is named all at once.
    pub fn open((config, faults): (Option<Config>, Vec<Fault>)) -> Result<Self, BadConfig> {
        let read = faults.len();
        let mut faults = Faults(faults);
        let Some(config) = config else { return Err(BadConfig(faults.0)) };
        let catalogue = faults.take("catalogue.plans", Catalogue::load(&config.catalogue.plans));
        let releases = faults.take("catalogue.releases", Releases::load(&config.catalogue.releases));
        if config.mode == Mode::Production
            && let Some(releases) = &releases
        {
            faults.take("catalogue.releases", releases.require_verified());
        }
        let stripe = faults.take("stripe", RealStripe::new(&config.stripe.api_key, config.stripe.api_url.as_ref()));
        let resolver = faults.take("dns.resolvers", resolver(&config.dns.resolvers));
        let views = faults.take("dns.resolvers", views(&config.dns.resolvers));
        let reach = if config.mode == Mode::Production { Reach::Internet } else { Reach::Anywhere };
        let outbound = resolver.clone().and_then(|resolver| faults.take("dns.resolvers", Outbound::new(resolver, reach)));
        let transport = faults.take("mail.smtp", transport(&config.mail.transport));
        let db = faults.take("database.url", database(&config));
        let operator = read_operator(&config, releases.as_ref(), &mut faults);
        let clock: SharedClock = Arc::new(SystemClock);
        let depot = faults.take("archives", depot(&config, operator.as_ref(), Arc::clone(&clock))).flatten();
        let (
            Some(catalogue),
            Some(releases),
            Some(stripe),
            Some(resolver),
            Some(views),
            Some(outbound),
            Some(transport),
            Some(db),
            [],
        ) = (catalogue, releases, stripe, resolver, views, outbound, transport, db, faults.0.as_slice())
        else {
            // A setting that could not be read has its fault already; what was built without it has nothing to add.
            let mut made = faults.0.split_off(read);
            made.retain(|fault| faults.0.iter().all(|known| known.field != fault.field));
            faults.0.extend(made);
            faults.0.sort();
            return Err(BadConfig(faults.0));
        };
        Ok(Self {
            db,
            clock,
            depot,
            catalogue: Arc::new(catalogue),
            releases: Arc::new(releases),
            stripe: Arc::new(stripe),
            resolver,
            views,
            outbound: Arc::new(outbound),
            transport,
            operator,
            urls: billing::Urls {
                base: config.host.base_url.clone(),
                terms: Terms { tax: config.stripe.tax, codes: config.stripe.promotion_codes },
            },
            config,
        })
    }

    /// What customers' own domains must point to.
    fn dns_target(&self) -> DnsTarget {
        let dns = &self.config.dns;
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for address in &dns.addresses {
            match address {
                std::net::IpAddr::V4(address) => ipv4.push(*address),
                std::net::IpAddr::V6(address) => ipv6.push(*address),
            }
        }
        DnsTarget { host: dns.target.clone(), ipv4, ipv6 }
    }

    pub fn web_state(&self, nudges: web::Nudges) -> web::AppState {
        let config = &self.config;
        let payment = config.stripe.api_url.as_ref().map(|url| url.origin().ascii_serialization());
        web::AppState::new(web::App {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            key: config.key.clone(),
            passwords: Passwords::new(hashes_at_once()),
            passkeys: Passkeys::new(&config.host.base_url, &config.host.name),
            stripe: Arc::clone(&self.stripe),
            webhook_secrets: config.stripe.webhook_secrets.clone(),
            catalogue: Arc::clone(&self.catalogue),
            resolver: Arc::clone(&self.resolver),
            dns_target: self.dns_target(),
            sites: self.sites(),
            sending: self.sending(),
            sealing: config.sealing.clone(),
            prober: prober(config),
            host: config.host.clone(),
            settings: config.effective(),
            urls: self.urls.clone(),
            checkout_minutes: config.stripe.checkout_minutes,
            dates: billing::Dates::from(&config.standing),
            giving: billing::giving::Limits { billing: config.giving.billing, admin: config.giving.admin },
            payment_origin: payment.unwrap_or_else(|| "https://checkout.stripe.com".to_owned()),
            trial: config.mode == Mode::Trial,
            trusted_proxies: config.http.trusted_proxies.clone(),
            depot: self.depot.clone(),
            limits: web::Limits::default(),
            nudges,
        })
    }

    fn sites(&self) -> Arc<dyn Sites> {
        Arc::new(PublicSites(Arc::clone(&self.outbound)))
    }

    /// The relay's sender is a setting of the operator's.
    fn sending(&self) -> Sending {
        let from = self.config.operator.get("mail").and_then(|mail| mail.get("from")).and_then(|from| from.as_str());
        Sending { from: from.map(str::to_owned), dkim_selector: self.config.dns.dkim_selector.clone() }
    }

    pub fn worker_deps(&self) -> Arc<worker::Deps> {
        Arc::new(worker::Deps {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            stripe: Arc::clone(&self.stripe),
            transport: Arc::clone(&self.transport),
            catalogue: Arc::clone(&self.catalogue),
            dates: billing::Dates::from(&self.config.standing),
            invitation: TimeDelta::hours(self.config.invitation_hours),
            releases: Arc::clone(&self.releases),
            urls: self.urls.clone(),
            views: self.views.clone(),
            dns_target: self.dns_target(),
            outbound: Arc::clone(&self.outbound),
            sites: self.sites(),
            key: self.config.key.clone(),
            audit_signer: self.config.audit_signer(),
            mail_from: self.config.mail.from.clone(),
            host_name: self.config.host.name.clone(),
            support: self.config.host.support.clone(),
            depot: self.depot.clone(),
            alerts: self.alerts(),
        })
    }

    fn alerts(&self) -> worker::Alerts {
        let config::Alerts { mail, webhook, order_minutes, unproven_hours, certificate_days, capacity_percent } =
            &self.config.alerts;
        worker::Alerts {
            limits: Limits {
                order: TimeDelta::minutes(*order_minutes),
                unproven: TimeDelta::hours(*unproven_hours),
                certificate: TimeDelta::days(*certificate_days),
                capacity: *capacity_percent,
            },
            mail: mail.clone().unwrap_or_else(|| self.config.host.support.clone()),
            webhook: webhook.clone(),
        }
    }

    /// The section `[operator]`, with the images of the release catalogue.
    ///
    /// # Errors
    /// There is no such section.
    pub fn operator_settings(&self) -> anyhow::Result<operator::Settings> {
        self.operator.clone().context(NO_OPERATOR)
    }

    /// How clusters are reached.
    pub fn access(&self) -> fleet::Access {
        fleet::Access::new(self.config.kubeconfigs.clone())
    }

    /// A client for each cluster that the database has, by name.
    pub async fn clients(&self) -> anyhow::Result<Vec<(ClusterAccess, Client)>> {
        let all = capacity::list_cluster_access(&mut *self.db.owner().acquire().await?).await?;
        let access = self.access();
        let mut clients = Vec::new();
        for cluster in all {
            let client = access.client(cluster.kubeconfig.as_deref()).await;
            let client = client.with_context(|| format!("cluster {}", cluster.name))?;
            clients.push((cluster, client));
        }
        Ok(clients)
    }

    /// What is sold.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn stripe(&self) -> &dyn Stripe {
        self.stripe.as_ref()
    }

    pub fn resolver(&self) -> &dyn Resolver {
        self.resolver.as_ref()
    }
}

/// Where customers' archives are: what the configuration says, or else the operator's own store.
fn depot(config: &Config, operator: Option<&operator::Settings>, clock: SharedClock) -> anyhow::Result<Option<Depot>> {
    let (endpoint, region, access_key, secret_key) = match (&config.archives, operator) {
        (Some(store), _) => {
            let config::ArchiveStore { endpoint, region, access_key, secret_key } = store.clone();
            (endpoint, region, access_key, secret_key)
        }
        (None, Some(operator::Settings { storage, .. })) => {
            (storage.endpoint.clone(), storage.region.clone(), storage.access_key.clone(), storage.secret_key.clone())
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Depot::new(endpoint, region, access_key, secret_key, clock)?))
}

fn resolver(servers: &[SocketAddr]) -> anyhow::Result<Arc<dyn Resolver>> {
    Ok(Arc::new(DnsResolver::new(servers, DNS_PATIENCE)?))
}

/// A resolver for each server, which asks that one alone; the system's own when there is none.
fn views(servers: &[SocketAddr]) -> anyhow::Result<Vec<Arc<dyn Resolver>>> {
    if servers.is_empty() {
        return Ok(vec![resolver(servers)?]);
    }
    servers.chunks(1).map(resolver).collect()
}

/// What the walls around servers let out for mail; a trial has no walls, and its mail servers are on this machine.
fn prober(config: &Config) -> Prober {
    let business = config.mode == Mode::Production;
    Prober {
        only_public: business,
        own: own_addresses(config),
        ports: if business { vec![465, 587] } else { Vec::new() },
        authorities: Vec::new(),
        hello: config.host.base_url.host_str().unwrap_or("localhost").to_owned(),
        places: Prober::places(),
    }
}

/// The host's own public addresses, as far as the configuration names them: the Gateway's, its proxies', and what the walls around
/// servers keep from them.
fn own_addresses(config: &Config) -> Vec<Range> {
    let walls = config.operator.get("network").and_then(|network| network.get("cluster")?.as_array());
    let walls = walls.into_iter().flatten().filter_map(toml::Value::as_str);
    // What is no range is a fault that is told of its own setting.
    let named = config.http.trusted_proxies.iter().map(String::as_str).chain(walls).filter_map(|range| range.parse().ok());
    config.dns.addresses.iter().copied().map(Range::from).chain(named).collect()
}

fn transport(settings: &MailTransport) -> anyhow::Result<Arc<dyn Transport>> {
    Ok(match settings {
        MailTransport::Smtp(url) => Arc::new(SmtpTransport::new(&SmtpSettings::from_url(url.expose_secret(), MAIL_PATIENCE)?)?),
        MailTransport::Folder(folder) => Arc::new(FileTransport::new(folder.clone())),
    })
}

/// Reads and checks the section `[operator]`; none when it is missing, for most parts do without.
fn read_operator(config: &Config, releases: Option<&Releases>, faults: &mut Faults) -> Option<operator::Settings> {
    if config.operator.is_empty() {
        return None;
    }
    let mut table = config.operator.clone();
    table.insert("releases".to_owned(), releases.map(images).unwrap_or_default().into());
    let settings: operator::Settings = match table.try_into() {
        Ok(settings) => settings,
        Err(error) => {
            // It names the section in a line of its own.
            faults.note("operator", error.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
            return None;
        }
    };
    // Without a catalogue there is a fault already, and nothing to check.
    if releases.is_some() {
        for fault in settings.faults() {
            faults.note(&format!("operator.{}", fault.field), fault.message);
        }
    }
    if settings.address.wildcard_domain != config.host.domain {
        let message = format!(
            "is {:?} and host.domain is {:?}; they must be the same",
            settings.address.wildcard_domain, config.host.domain
        );
        faults.note("operator.address.wildcard_domain", message);
    }
    if let (Some(recipient), Some(Ok(key))) = (&config.sealing, settings.operator_key().map(sealing::Key::new))
        && key.recipient() != *recipient
    {
        faults.note(
            "sealing.operator_recipient",
            "is not the public half of the operator's key: what is sealed to it could never be opened",
        );
    }
    if config.mode == Mode::Production {
        refuse_in_production(&settings, faults);
    }
    Some(settings)
}

/// The section `[operator]` as it is, whatever is wrong beside it.
pub(super) fn operator_section((config, faults): (Option<Config>, Vec<Fault>)) -> anyhow::Result<operator::Settings> {
    let Some(config) = config else { return Err(BadConfig(faults).into()) };
    let mut faults = Faults(Vec::new());
    match read_operator(&config, None, &mut faults) {
        Some(settings) => Ok(settings),
        None if config.operator.is_empty() => anyhow::bail!(NO_OPERATOR),
        None => Err(BadConfig(faults.0).into()),
    }
}

fn images(releases: &Releases) -> toml::Table {
    let images = |release: &crate::plan::Release| {
        let named = [
            ("web", release.web.reference()),
            ("streaming", release.streaming.reference()),
            ("min_from", release.min_from.to_string()),
        ];
        toml::Table::from_iter(named.map(|(name, image)| (name.to_owned(), image.into())))
    };
    releases.all().iter().map(|release| (release.version.to_string(), images(release).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn faults(text: &str) -> Vec<String> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        match Parts::open(Config::read_toml(text)) {
            Ok(_) => Vec::new(),
            Err(BadConfig(faults)) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn assert_names(found: &[String], expected: &[(&str, &str)]) {
        for (setting, remedy) in expected {
            let named = found.iter().any(|fault| fault.starts_with(&format!("{setting}: ")) && fault.contains(remedy));
            assert!(named, "{setting} {remedy} in {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
    }

    #[tokio::test]
    async fn the_documented_example_can_be_built_with_and_without_operator() {
        assert_eq!(faults(config::REFERENCE), Vec::<String>::new());
        let (without, _) = config::REFERENCE.split_once("[operator]").unwrap();
        assert_eq!(faults(without), Vec::<String>::new());
        let parts = Parts::open(Config::read_toml(without)).unwrap();
        assert!(parts.operator_settings().unwrap_err().to_string().starts_with("operator: is missing"));
    }

    #[tokio::test]
    async fn several_faults_are_all_named_at_once() {
        let text = config::REFERENCE
            .replacen("catalogue/plans.toml", "catalogue/no-plans.toml", 1)
            .replacen("catalogue/releases.toml", "catalogue/no-releases.toml", 1)
            .replacen("smtp+plain://127.0.0.1:1025", "post://127.0.0.1:1025", 1)
            .replacen("driver = \"versitygw\"", "driver = \"abacus\"", 1);
        let expected =
            [("catalogue.plans", "no-plans"), ("catalogue.releases", "no-releases"), ("mail.smtp", ""), ("operator", "abacus")];
        assert_names(&faults(&text), &expected);
        let unpinned = config::REFERENCE.replacen("postgresql:17.6@sha256:0", "postgresql:17.6@sha256:", 1);
        assert_names(&faults(&unpinned), &[("operator.postgres_image", "must name an image by digest")]);
        let other = config::REFERENCE.replacen("wildcard_domain = \"meadow.social\"", "wildcard_domain = \"meadow.example\"", 1);
        assert_names(&faults(&other), &[("operator.address.wildcard_domain", "they must be the same")]);
    }

    #[tokio::test]
    async fn faults_of_the_configuration_and_of_what_it_names_come_together() {
        let text = config::REFERENCE
            .replacen("connections = 10", "connections = 0", 1)
            .replacen("catalogue/plans.toml", "catalogue/no-plans.toml", 1)
            .replacen("valkey:8.1@sha256:0", "valkey:8.1@sha256:", 1)
            .replacen("postgresql:17.6@sha256:0", "postgresql:@sha256:", 1);
        let expected = [
            ("catalogue.plans", "no-plans"),
            ("database.connections", "must lie between"),
            ("operator.postgres_image", "must carry the version"),
            ("operator.postgres_image", "by digest"),
            ("operator.valkey_image", "by digest"),
        ];
        assert_names(&faults(&text), &expected);
    }

    #[tokio::test]
    async fn without_a_vault_there_is_no_operator() {
        let (before, rest) = config::REFERENCE.split_once("[operator.vault]").unwrap();
        let (_, after) = rest.split_once("# The relay for mails").unwrap();
        let missing = format!("{before}\n# The relay for mails{after}");
        let keygen = "paddock admin vault keygen";
        let expected = [
            ("operator.vault.bucket", "write for example bucket ="),
            ("operator.vault.access_key", keygen),
            ("operator.vault.secret_key", keygen),
            ("operator.vault.operator_key", keygen),
            ("operator.vault.recovery_recipient", keygen),
        ];
        assert_names(&faults(&missing), &expected);

        let line = |name: &str| config::REFERENCE.lines().find(|line| line.starts_with(name)).unwrap();
        let with = |name: &str, value: &str| config::REFERENCE.replacen(line(name), &format!("{name} = \"{value}\""), 1);
        let found = faults(&with("operator_key", "0123"));
        assert_names(&found, &[("operator.vault.operator_key", "AGE-SECRET-KEY-1")]);
        let found = faults(&with("recovery_recipient", operator::vault::EXAMPLE_KEY));
        assert_names(&found, &[("operator.vault.recovery_recipient", "is not a public key")]);
        assert!(!found.concat().contains(operator::vault::EXAMPLE_KEY), "a key in the wrong place is not shown");
        let own = operator::vault::EXAMPLE_KEY.parse::<age::x25519::Identity>().unwrap().to_public().to_string();
        assert_names(&faults(&with("recovery_recipient", &own)), &[("operator.vault.recovery_recipient", "kept offline")]);
        let shared =
            config::REFERENCE.replacen("access_key = \"administrator\"", "access_key = \"GK0123456789abcdef01234567\"", 1);
        assert_names(&faults(&shared), &[("operator.vault.access_key", "a key of its own")]);
    }

    #[tokio::test]
    async fn a_store_is_told_what_it_lacks() {
        let driver = |driver: &str, more: &str| {
            config::REFERENCE.replacen("driver = \"versitygw\"", &format!("driver = \"{driver}\"\n{more}\n"), 1)
        };
        let garage = [
            ("operator.storage.admin_endpoint", "admin API"),
            ("operator.storage.admin_token", "Garage's configuration"),
            ("operator.storage.access_key", "paddock admin vault keygen"),
        ];
        assert_names(&faults(&driver("garage", "")), &garage);
        assert_names(
            &faults(&driver("versitygw", "admin_token = \"t\"")),
            &[("operator.storage.admin_endpoint", "are Garage's")],
        );
        let misplaced = faults(&driver("versitygw", "accept_shared_key = \"administrator\""));
        assert_names(&misplaced, &[("operator.storage.accept_shared_key", "take it out")]);
        assert_names(&faults(&driver("static", "")), &[]);

        // In production one key for all has to be named.
        let production = |more: &str| {
            let mut noted = Faults(Vec::new());
            let config = Config::from_toml(&driver("static", more)).unwrap();
            read_operator(&Config { mode: Mode::Production, ..config }, None, &mut noted).unwrap();
            noted.0.iter().map(ToString::to_string).filter(|fault| fault.contains("accept_shared_key")).collect::<Vec<_>>()
        };
        assert_names(&production(""), &[("operator.storage.accept_shared_key", "read and delete what all others have")]);
        assert_names(&production("accept_shared_key = \"other\""), &[("operator.storage.accept_shared_key", "is missing")]);
        assert_names(&production("accept_shared_key = \"administrator\""), &[]);
    }

    #[tokio::test]
    async fn production_refuses_an_operator_that_is_for_trials() {
        let line = |name: &str| config::REFERENCE.lines().find(|line| line.starts_with(name)).unwrap();
        let (api_server, backup_store) = (line("api_server"), line("backup_store"));
        let text = config::REFERENCE
            .replacen("mode = \"trial\"", "mode = \"production\"", 1)
            .replacen("http://127.0.0.1:8080", "https://paddock.example", 1)
            .replacen("0123456789abcdef0123456789abcdef", "6b1f0c93e7d24a58b1f0c93e7d24a586", 1)
            .replacen("sk_test_fake", "sk_live_51Habcdefghijklmnop", 1)
            .replacen("api_url = \"http://127.0.0.1:12111\"", "", 1)
            .replacen("whsec_fake", "whsec_abcdefghijklmnopqrstuvwxyz012345", 1)
            .replacen("smtp+plain://127.0.0.1:1025", "smtps://paddock:secret@mail.paddock.example", 1)
            .replacen("endpoint = \"https://s3.example\"         #", "endpoint = \"http://s3.example\" #", 1)
            .replacen("postgresql:17.6", "postgresql:16.9", 1)
            .replacen(api_server, "", 1)
            .replacen(backup_store, "", 1);
        let expected = [
            ("catalogue.releases", ""),
            ("operator.storage.endpoint", "must begin with https://"),
            ("operator.vault.secret_key", "paddock admin vault keygen"),
            ("operator.vault.operator_key", "paddock admin vault keygen"),
            ("operator.vault.recovery_recipient", "paddock admin vault keygen"),
            ("operator.postgres_image", "digest of zeros"),
            ("operator.program_image", "digest of zeros"),
            ("operator.valkey_image", "digest of zeros"),
            ("operator.postgres_image", "17 or newer"),
            ("operator.sealing.operator_key", "make your own"),
            ("operator.mail.each.secret", "make your own"),
            ("operator.network.api_server", "write api_server = "),
            ("operator.network.backup_store", "operator.storage.pod_endpoint"),
        ];
        assert_names(&faults(&text), &expected);
    }
}
