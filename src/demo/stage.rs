//! Everything around the program that is not a server of the rig: a database of its own, a fake Stripe, a mail catcher, and the
//! configuration that ties them together. One for the demo, many for the tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Connection as _;
use url::Url;

use super::mailbox::{Mailbox, MailboxSettings};
use super::rig::{REGION, Rig};
use super::stripe::{FakeStripe, Settings as StripeSettings};
use crate::account::email::EmailAddress;
use crate::account::password::Passwords;
use crate::account::{self, Scope};
use crate::audit::Actor;
use crate::capacity::{self, NewCluster};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::crypto::{self, EXAMPLE_KEY};
use crate::db::Db;
use crate::plan::{self, Amounts, Catalogue, Releases};

/// Who may see the staff's pages.
pub const STAFF_EMAIL: &str = "staff@paddock.test";
/// Their password.
pub const STAFF_PASSWORD: &str = "staff of the demo";
/// Domain under which customers choose a name.
pub const HOSTS_DOMAIN: &str = "meadow.test";
/// What customers' secrets are sealed to, and what opens them.
const OPERATOR_RECIPIENT: &str = "age1jyxwwgs9v6g3my53s6ayptg642uqehfmd8hguyedeamfylxdc4ust7007g";
const OPERATOR_KEY: &str = "AGE-SECRET-KEY-12Q2XDS5335FWGSVLMZL2XQJMZMTLA7XT6AJNPS3C4ECYV46LTFVQ5YFGUK";
/// Name of the one cluster.
const CLUSTER: &str = "demo";
const API_KEY: &str = "sk_test_demo";
const WEBHOOK_SECRET: &str = "whsec_demo";

/// What may differ from stage to stage.
#[derive(Debug, Clone)]
pub struct StageSettings {
    /// Folder for state and the configuration file.
    pub dir: PathBuf,
    /// Name of the database; made when missing.
    pub database: String,
    /// Ports for pages, mails and Stripe that are taken when free, so that addresses stay the same from run to run.
    pub ports: [u16; 3],
    /// Seconds between two comparisons with Stripe.
    pub sweep_seconds: u32,
    /// Servers that the cluster may hold, of whichever plan.
    pub capacity: u32,
    /// As whom the program signs in at the API server: one of the rig's identities.
    pub identity: String,
}

/// A stage, ready for `paddock serve`.
#[derive(Debug)]
pub struct Stage {
    /// The fake Stripe.
    pub stripe: FakeStripe,
    /// The mail catcher.
    pub mailbox: Mailbox,
    /// Its pages.
    pub mailbox_url: Url,
    /// Where the program will serve.
    pub pages: Url,
    /// The configuration.
    pub config: Config,
    /// The same as a file.
    pub config_file: PathBuf,
    /// Name of the cluster's kubeconfig in the folder of kubeconfigs.
    pub kubeconfig: String,
}

fn free_port_near(wanted: u16) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}

impl Stage {
    /// Starts Stripe and the mail catcher, writes the configuration, and sets up the database.
    pub async fn open(rig: &Rig, settings: &StageSettings) -> anyhow::Result<Self> {
        let [pages_port, mails_port, stripe_port] = settings.ports;
        std::fs::create_dir_all(&settings.dir).with_context(|| format!("creating {}", settings.dir.display()))?;
        let clock: SharedClock = Arc::new(SystemClock);
        let mail_settings = MailboxSettings { smtp_port: 0, folder: Some(settings.dir.join("mails")), clock: Arc::clone(&clock) };
        let mailbox = Mailbox::start(mail_settings).await.context("starting the mail catcher")?;
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port_near(mails_port)?)).await?;
        let mailbox_url: Url = format!("http://{}/", listener.local_addr()?).parse()?;
        let mailbox_pages = mailbox.router();
        tokio::spawn(async move { axum::serve(listener, mailbox_pages).await });

        let pages: Url = format!("http://127.0.0.1:{}/", free_port_near(pages_port)?).parse()?;
        let stripe = FakeStripe::start(StripeSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port_near(stripe_port)?)),
            api_key: SecretString::from(API_KEY),
            webhook_secret: SecretString::from(WEBHOOK_SECRET),
            webhook_url: Some(pages.join("/hooks/stripe")?),
            clock,
            state_file: Some(settings.dir.join("stripe.json")),
        })
        .await
        .context("starting the fake Stripe")?;

        let vault = vault(&settings.dir)?;
        let text = configuration(rig, settings, &stripe, &mailbox, &pages) + vault.as_str();
        let config_file = settings.dir.join("paddock.toml");
        std::fs::write(&config_file, &text)?;
        let config = Config::from_toml(&text)?;
        let kubeconfig = rig.cluster().kubeconfig_of(&settings.identity);
        let kubeconfig = kubeconfig.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        set_up_database(rig, settings, &config, &kubeconfig).await?;
        Ok(Self { stripe, mailbox, mailbox_url, pages, config, config_file, kubeconfig })
    }
}

fn configuration(rig: &Rig, settings: &StageSettings, stripe: &FakeStripe, mailbox: &Mailbox, pages: &Url) -> String {
    let (access_key, secret_key) = rig.s3().root_credentials();
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    let digest = "0".repeat(64);
    format!(
        r#"# Written by the demo at each start. The secrets in here are known to everybody; production refuses them.
mode = "trial"
host = {{ name = "Meadow Hosting", base_url = "{pages}", domain = "{HOSTS_DOMAIN}", support = "help@paddock.test" }}
http.listen = "127.0.0.1:{port}"
database = {{ url = "{database}", connections = 8 }}
secrets.key = "{EXAMPLE_KEY}"
mail = {{ from = "Meadow Hosting <hello@paddock.test>", smtp = "smtp+plain://{smtp}" }}
catalogue = {{ plans = "{plans}", releases = "{releases}" }}
sealing = {{ operator_recipient = "{OPERATOR_RECIPIENT}" }}
dns = {{ target = "gate.{HOSTS_DOMAIN}", addresses = ["192.0.2.1", "2001:db8::1"], resolvers = ["127.0.0.1:53"] }}

[stripe]
api_key = "{API_KEY}"
api_url = "{stripe}"
webhook_secrets = ["{WEBHOOK_SECRET}"]
sweep_seconds = {sweep_seconds}

[clusters]
kubeconfigs = "{kubeconfigs}"

[operator]
postgres_image = "ghcr.io/cloudnative-pg/postgresql:17.6@sha256:{digest}"
program_image = "registry.example/paddock:demo@sha256:{digest}"
valkey_image = "docker.io/valkey/valkey:8.1@sha256:{digest}"
mail = {{ server = "127.0.0.1", port = {smtp_port}, from = "notifications@{{domain}}", each = {{ domain = "relay.{HOSTS_DOMAIN}", secret = "{EXAMPLE_KEY}" }} }}
sealing = {{ operator_key = "{OPERATOR_KEY}" }}
park = {{ namespace = "paddock", service = "park", port = 80 }}

[operator.address]
wildcard_domain = "{HOSTS_DOMAIN}"
gateway = {{ name = "hosts", namespace = "paddock", section = "https" }}
issuer = {{ name = "simulated" }}
media = {{ addresses = ["192.0.2.10"], port = 80 }}

[operator.storage]
driver = "versitygw"
endpoint = "{s3}"
pod_endpoint = "{s3}"
region = "{REGION}"
access_key = "{access_key}"
secret_key = "{secret_key}"
media_host = "{{bucket}}.media.{HOSTS_DOMAIN}"
"#,
        port = pages.port().unwrap_or(0),
        database = rig.postgres().url(&settings.database),
        stripe = stripe.base_url(),
        smtp = mailbox.smtp_addr(),
        smtp_port = mailbox.smtp_addr().port(),
        plans = catalogue.join("plans.toml").display(),
        releases = catalogue.join("releases.toml").display(),
        sweep_seconds = settings.sweep_seconds,
        kubeconfigs = rig.cluster().kubeconfig().parent().unwrap_or(Path::new(".")).display(),
        s3 = rig.s3().endpoint(),
    )
}

/// The section of the vault. Its keys are made at the first start and kept: what was sealed has to open the next time.
fn vault(dir: &Path) -> anyhow::Result<String> {
    let kept = dir.join("vault.toml");
    if let Ok(text) = std::fs::read_to_string(&kept) {
        return Ok(text);
    }
    let (operator, offline) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let text = format!(
        r#"
[operator.vault]
bucket = "paddock-vault"
access_key = "GK{}"
secret_key = "{}"
operator_key = "{}"
recovery_recipient = "{}"
"#,
        hex::encode(crypto::random::<12>()),
        hex::encode(crypto::random::<32>()),
        operator.to_string().expose_secret(),
        offline.to_public(),
    );
    std::fs::write(dir.join("offline.key"), format!("{}\n", offline.to_string().expose_secret()))?;
    std::fs::write(&kept, &text).with_context(|| format!("writing {}", kept.display()))?;
    Ok(text)
}

/// The database, its tables and releases, its cluster, and somebody who may see the staff's pages.
async fn set_up_database(rig: &Rig, settings: &StageSettings, config: &Config, kubeconfig: &str) -> anyhow::Result<()> {
    let url = config.database.url.expose_secret();
    if sqlx::PgConnection::connect(url).await.is_err() {
        rig.postgres().create_database(&settings.database, None).await?;
    }
    let db = Db::new(url, config.database.connections)?;
    db.migrate().await?;
    let mut tx = db.owner().begin().await?;
    plan::seed_releases(&mut tx, &SystemClock, &Releases::load(&config.catalogue.releases)?).await?;
    add_cluster(&mut tx, kubeconfig, settings, &Catalogue::load(&config.catalogue.plans)?).await?;
    tx.commit().await?;
    let email = EmailAddress::parse(STAFF_EMAIL).map_err(|problem| anyhow::anyhow!("{STAFF_EMAIL}: {problem:?}"))?;
    let hash = Passwords::new(1).hash(STAFF_PASSWORD.into()).await?;
    let mut tx = db.owner().begin().await?;
    account::put_staff(&mut tx, &SystemClock, &email, &hash, &[Scope::Admin]).await?;
    tx.commit().await?;
    Ok(())
}

async fn add_cluster(
    conn: &mut sqlx::PgConnection,
    kubeconfig: &str,
    settings: &StageSettings,
    catalogue: &Catalogue,
) -> anyhow::Result<()> {
    if let Some(kept) = capacity::find_cluster(conn, CLUSTER).await? {
        anyhow::ensure!(
            kept.kubeconfig.as_deref() == Some(kubeconfig),
            "what was kept is of an older version; forget it: ./dev demo --fresh"
        );
        return Ok(());
    }
    // As much of everything as the greediest plan takes.
    let sizes: Vec<Amounts> = catalogue.offered().map(|plan| plan.size.footprint()).collect();
    let most = Amounts::each(|dimension| sizes.iter().map(|size| size.of(dimension)).max().unwrap_or(0));
    let new = NewCluster {
        name: CLUSTER.to_owned(),
        region: "this machine".to_owned(),
        kubeconfig: Some(kubeconfig.to_owned()),
        namespace: "paddock".to_owned(),
        has: capacity::enough_for(&most, settings.capacity.into()),
    };
    let id = capacity::add_cluster(conn, &SystemClock, Actor::System("demo"), &new).await?;
    // The rig has just heard it answer: the first orders need not wait for the fleet to hear it too.
    capacity::note_seen(conn, &SystemClock, id).await?;
    Ok(())
}
