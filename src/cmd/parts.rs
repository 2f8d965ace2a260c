//! Makes the parts of the program out of the configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;
use tower::util::MapRequestLayer;

use crate::account::password::Passwords;
use crate::billing::{self, stripe::RealStripe, stripe::Stripe};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config, MailTransport, Mode};
use crate::db::Db;
use crate::instance::dns::{DnsResolver, DnsTarget, Resolver};
use crate::mail::{FileTransport, SmtpSettings, SmtpTransport, Transport};
use crate::plan::{Catalogue, Releases};
use crate::{operator, web, worker};

/// Hashes at a time: half the cores, so that pages go on while people log in.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// How long a look-up of a customer's domain may take.
const DNS_PATIENCE: Duration = Duration::from_secs(3);
/// How long a mail server may take for a mail.
const MAIL_PATIENCE: Duration = Duration::from_secs(30);

/// Everything that more than one part needs.
pub(super) struct Parts {
    config: Config,
    pub db: Db,
    pub clock: SharedClock,
    catalogue: Arc<Catalogue>,
    releases: Arc<Releases>,
    stripe: Arc<dyn Stripe>,
    urls: billing::Urls,
}

/// The pools of the configuration.
pub(super) fn database(config: &Config) -> anyhow::Result<Db> {
    Ok(Db::new(config.database.url.expose_secret(), config.database.connections)?)
}

/// Reads what the configuration names and builds what needs no network; every part of it that is wrong is named.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let parts = Parts::new(config.clone())?;
    parts.operator_settings()?;
    parts.transport()?;
    println!(
        "the configuration is right: {} plans, {} releases, {} cluster(s)",
        parts.catalogue.plans().len(),
        parts.releases.all().len(),
        config.clusters.len()
    );
    Ok(())
}

async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<kube::Client> {
    let config = match kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file).with_context(|| format!("reading {}", file.display()))?;
            kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::incluster()?,
    };
    Ok(ClientBuilder::try_from(config)?.with_layer(&MapRequestLayer::new(counted)).build())
}

/// Counts what is asked of the API server: what a pass costs there is the first thing to look at when it is busy.
fn counted(request: http::Request<kube::client::Body>) -> http::Request<kube::client::Body> {
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let verb = if watches { "WATCH".to_owned() } else { request.method().as_str().to_owned() };
    metrics::counter!("paddock_kube_requests_total", "verb" => verb).increment(1);
    request
}

impl Parts {
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let catalogue = Catalogue::load(&config.catalogue.plans).context("catalogue.plans")?;
        let releases = Releases::load(&config.catalogue.releases).context("catalogue.releases")?;
        if config.mode == Mode::Production {
            releases.require_verified().context("catalogue.releases")?;
        }
        let stripe = RealStripe::new(&config.stripe.api_key, config.stripe.api_url.as_ref()).context("stripe")?;
        Ok(Self {
            db: database(&config)?,
            clock: Arc::new(SystemClock),
            catalogue: Arc::new(catalogue),
            releases: Arc::new(releases),
            stripe: Arc::new(stripe),
            urls: billing::Urls { base: config.host.base_url.clone() },
            config,
        })
    }

    pub fn web_state(&self, nudges: web::Nudges) -> anyhow::Result<web::AppState> {
        let config = &self.config;
        let resolver: Arc<dyn Resolver> =
            Arc::new(DnsResolver::new(&config.dns.resolvers, DNS_PATIENCE).context("dns.resolvers")?);
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for address in &config.dns.addresses {
            match address {
                std::net::IpAddr::V4(address) => ipv4.push(*address),
                std::net::IpAddr::V6(address) => ipv6.push(*address),
            }
        }
        let payment = config.stripe.api_url.as_ref().map(|url| url.origin().ascii_serialization());
        Ok(web::AppState::new(web::App {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            key: config.key.clone(),
            passwords: Passwords::new(hashes_at_once()),
            stripe: Arc::clone(&self.stripe),
            webhook_secrets: config.stripe.webhook_secrets.clone(),
            catalogue: Arc::clone(&self.catalogue),
            releases: Arc::clone(&self.releases),
            resolver,
            dns_target: DnsTarget { host: config.dns.target.clone(), ipv4, ipv6 },
            host: config.host.clone(),
            urls: self.urls.clone(),
            checkout_minutes: config.stripe.checkout_minutes,
            payment_origin: payment.unwrap_or_else(|| "https://checkout.stripe.com".to_owned()),
            trial: config.mode == Mode::Trial,
            nudges,
        }))
    }

    fn transport(&self) -> anyhow::Result<Arc<dyn Transport>> {
        Ok(match &self.config.mail.transport {
            MailTransport::Smtp(url) => {
                let settings = SmtpSettings::from_url(url.expose_secret(), MAIL_PATIENCE).context("mail.smtp")?;
                Arc::new(SmtpTransport::new(&settings).context("mail.smtp")?)
            }
            MailTransport::Folder(folder) => Arc::new(FileTransport::new(folder.clone())),
        })
    }

    pub fn worker_deps(&self) -> anyhow::Result<Arc<worker::Deps>> {
        Ok(Arc::new(worker::Deps {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            stripe: Arc::clone(&self.stripe),
            transport: self.transport()?,
            catalogue: Arc::clone(&self.catalogue),
            urls: self.urls.clone(),
            key: self.config.key.clone(),
            mail_from: self.config.mail.from.clone(),
            host_name: self.config.host.name.clone(),
            support: self.config.host.support.clone(),
        }))
    }

    /// The section `[operator]`, with the images of the release catalogue.
    pub fn operator_settings(&self) -> anyhow::Result<operator::Settings> {
        let mut table = self.config.operator.clone();
        let releases: toml::Table = self
            .releases
            .all()
            .iter()
            .map(|release| {
                let mut images = toml::Table::new();
                images.insert("web".to_owned(), release.web.reference().into());
                images.insert("streaming".to_owned(), release.streaming.reference().into());
                (release.version.to_string(), images.into())
            })
            .collect();
        table.insert("releases".to_owned(), releases.into());
        table.try_into().map_err(|error: toml::de::Error| anyhow::anyhow!("operator: {}", error.message()))
    }

    /// A client for each cluster: by its kubeconfig, or by the pod's own service account.
    pub async fn clients(&self) -> anyhow::Result<Vec<(config::Cluster, kube::Client)>> {
        let mut clients = Vec::new();
        for cluster in &self.config.clusters {
            let client = connect(cluster.kubeconfig.as_deref())
                .await
                .with_context(|| format!("connecting to cluster {}", cluster.name))?;
            clients.push((cluster.clone(), client));
        }
        Ok(clients)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }
}
