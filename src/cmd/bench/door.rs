//! The door of the pages, for measurements of what stands before it: Postgres with its writes made durable, `paddock web` as a process of its own,
//! and browsers from wherever they like to be.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use url::Url;

use super::billing::{configuration, make_room};
use super::child::Program;
use super::sides::step;
use crate::account;
use crate::account::email::EmailAddress;
use crate::account::password::PasswordHash;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::db::Db;
use crate::demo::rig::{Fault, Postgres};

/// Everybody's who is real.
pub(super) const PASSWORD: &str = "a password of the bench";
/// The longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What runs.
pub(super) struct Door {
    pub db: Db,
    pub config: Config,
    pub pages: Url,
    pub web: Program,
    /// For all browsers: what each keeps is its own.
    pub http: reqwest::Client,
    postgres: Postgres,
}

impl Door {
    /// With room for so many servers.
    pub async fn open(dir: &Path, servers: u32) -> anyhow::Result<Self> {
        let postgres = step("Postgres", async { Ok(Postgres::start(&dir.join("rig"), true).await?) }).await?;
        postgres.create_database("paddock", None).await?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let pages: Url = format!("http://127.0.0.1:{port}/").parse()?;
        // Nobody pays here: there is no Stripe at this address.
        let text = configuration(dir, &postgres, &"http://127.0.0.1:9/".parse()?, &pages);
        let file = dir.join("paddock.toml");
        std::fs::write(&file, &text).with_context(|| format!("writing {}", file.display()))?;
        let config = Config::from_toml(&text)?;
        let db = Db::new(config.database.url.expose_secret(), config.database.connections)?;
        db.migrate().await?;
        make_room(&db, &config, servers).await?;
        let web = Program::start("web", &file, None, Some(pages.join("/readyz")?), &dir.join("web.log")).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(64)
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { db, config, pages, web, http, postgres })
    }

    /// Ends it in order.
    pub async fn close(self) -> anyhow::Result<()> {
        self.web.stop().await?;
        self.postgres.stop(Fault::Clean).await;
        Ok(())
    }

    /// Signs somebody up.
    pub async fn sign_up(&self, email: &str, hash: &PasswordHash) -> anyhow::Result<()> {
        let parsed = EmailAddress::parse(email).map_err(|problem| anyhow::anyhow!("{email}: {problem:?}"))?;
        let mut tx = self.db.auth().begin().await?;
        account::sign_up(&mut tx, &SystemClock, &parsed, hash, "en").await?;
        Ok(tx.commit().await?)
    }

    /// A browser at an address, with its first page.
    pub async fn browser(&self, number: u32) -> anyhow::Result<Browser> {
        let mut browser = Browser {
            http: self.http.clone(),
            pages: self.pages.clone(),
            address: address(number),
            cookies: Vec::new(),
            csrf: String::new(),
        };
        let page = browser.get("/log-in").await?;
        browser.keep(&page);
        let start = "name=\"csrf\" value=\"";
        let token = page.body.split_once(start).and_then(|(_, rest)| rest.split('"').next());
        token.context("the page has no token of forms")?.clone_into(&mut browser.csrf);
        Ok(browser)
    }
}

/// One of the addresses that nobody else has (RFC 2544 §C.2.2), as the proxy in front says it.
fn address(number: u32) -> String {
    std::net::Ipv4Addr::from_bits(u32::from(std::net::Ipv4Addr::new(198, 18, 0, 0)) + number % (1 << 17)).to_string()
}

/// A browser with cookies of its own.
#[derive(Clone)]
pub(super) struct Browser {
    http: reqwest::Client,
    pages: Url,
    address: String,
    cookies: Vec<(String, String)>,
    csrf: String,
}

/// What came back.
pub(super) struct Said {
    pub status: u16,
    pub body: String,
    /// From the first byte sent to the last byte read.
    pub micros: i64,
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// The same one at another address.
    pub fn at(&self, number: u32) -> Self {
        Self { address: address(number), ..self.clone() }
    }

    /// Signed in by this secret.
    pub fn with_session(&self, secret: &str) -> Self {
        let mut browser = self.clone();
        browser.cookies.push(("paddock_session".to_owned(), secret.to_owned()));
        browser
    }

    /// Takes over the cookies of an answer.
    pub fn keep(&mut self, said: &Said) {
        for (name, value) in &said.cookies {
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.clone(), value.clone()));
        }
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Said> {
        self.send(self.http.get(self.pages.join(path)?)).await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Said> {
        let mut all = fields.to_vec();
        all.push(("csrf", &self.csrf));
        self.send(self.http.post(self.pages.join(path)?).form(&all)).await
    }

    /// Logs in.
    pub async fn log_in(&self, email: &str, password: &str) -> anyhow::Result<Said> {
        self.post("/log-in", &[("email", email), ("password", password)]).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Said> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("x-forwarded-for", &self.address).header("cookie", cookies.join("; "));
        let began = Instant::now();
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let set = answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let pair =
            |text: &str| text.split(';').next().and_then(|pair| pair.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned()));
        let cookies = set.filter_map(pair).collect();
        let body = answer.text().await?;
        Ok(Said { status, body, micros: i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX), cookies })
    }
}
