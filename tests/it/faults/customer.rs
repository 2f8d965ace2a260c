//! A customer who does what people do when a page does not come: reload, look at the list of servers, and go on from there.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use paddock::demo::journey::{Browser, Journey};

use super::LOOK;
use super::world::World;

/// How long a customer tries before they call.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody with a browser.
pub struct Customer {
    pub journey: Journey,
    browser: Browser,
    /// What went wrong last.
    trouble: Option<anyhow::Error>,
    /// How often something went wrong.
    pub troubles: usize,
}

impl Customer {
    /// Somebody whom the host does not know yet.
    pub fn new(world: &World, name: &str) -> anyhow::Result<Self> {
        let journey = Journey {
            pages: world.stage.pages.clone(),
            mailbox: world.stage.mailbox_url.clone(),
            email: format!("{name}@example.org"),
            password: "a password for the fault tests".to_owned(),
            name: name.to_owned(),
        };
        Ok(Self { browser: Browser::new(journey.pages.clone())?, journey, trouble: None, troubles: 0 })
    }

    pub fn email(&self) -> &str {
        &self.journey.email
    }

    /// Signs up, orders, pays and waits until the server is ready, whatever happens on the way.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        let outcome = tokio::time::timeout(PATIENCE, async {
            self.sign_up().await?;
            while !self.has_logged_in().await {
                self.pause().await;
            }
            loop {
                match self.go_on().await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => self.note(error),
                }
                self.pause().await;
            }
        });
        let page = |browser: &Browser| format!("{}: {}", browser.url(), browser.text("main").unwrap_or_default());
        outcome.await.unwrap_or_else(|_| {
            let last = self.trouble.take().map(|error| format!("{error:#}"));
            anyhow::bail!(
                "not ready after {} s; last trouble: {}; the page: {}",
                PATIENCE.as_secs(),
                last.unwrap_or_default(),
                page(&self.browser)
            )
        })
    }

    fn note(&mut self, error: anyhow::Error) {
        self.troubles += 1;
        self.trouble = Some(error);
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    /// Until the mail with the link is there.
    async fn sign_up(&mut self) -> anyhow::Result<()> {
        loop {
            let patience = match self.journey.sign_up(&mut self.browser).await {
                // "Look into your mail": it may take its time.
                Ok(()) => Duration::from_secs(40),
                // Perhaps it has worked all the same, and the mail waits until another worker takes it over.
                Err(error) => {
                    self.note(error);
                    Duration::from_secs(14)
                }
            };
            let end = Instant::now() + patience;
            while Instant::now() < end {
                if self.journey.mails().await?.iter().any(|mail| mail.links.iter().any(|link| link.contains("/verify/"))) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Follows the link and logs in. Whoever has done the one already and does it again is none the worse.
    async fn has_logged_in(&mut self) -> bool {
        if let Err(error) = self.journey.prove_address(&mut self.browser).await {
            self.note(error);
        }
        self.log_in().await.unwrap_or_else(|error| {
            self.note(error);
            false
        })
    }

    async fn log_in(&mut self) -> anyhow::Result<bool> {
        // In full: we may be at Stripe's.
        self.browser.open(self.journey.pages.join("/instances")?.as_str()).await?;
        if self.browser.url().path() != "/instances" {
            self.journey.log_in(&mut self.browser).await?;
        }
        Ok(self.browser.url().path() == "/instances")
    }

    /// Does whatever is next, going by the list of servers. Whether the server is ready.
    async fn go_on(&mut self) -> anyhow::Result<bool> {
        if !self.log_in().await? {
            return Ok(false);
        }
        if let Some(server) = self.link("/instances/ins_")? {
            self.browser.open(&server).await?;
            return Ok(self.browser.html().contains("/auth/password/new"));
        }
        match self.link("/orders/")? {
            None => {
                self.journey.choose(&mut self.browser).await.context("choosing")?;
                self.journey.order(&mut self.browser).await.context("ordering")?;
            }
            Some(order) => {
                self.browser.open(&order).await?;
                // Without the button it is paid or about to be: the list will say so.
                let Ok(form) = self.browser.form(&format!("{order}/pay")) else { return Ok(false) };
                self.browser.submit(form, &[]).await?;
            }
        }
        if self.browser.url().origin() != self.journey.pages.origin() {
            self.journey.pay(&mut self.browser).await.context("paying")?;
        }
        Ok(false)
    }

    fn link(&self, start: &str) -> anyhow::Result<Option<String>> {
        let page = scraper::Html::parse_document(self.browser.html());
        let links = scraper::Selector::parse("main a").map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(page.select(&links).filter_map(|link| link.attr("href")).find(|href| href.starts_with(start)).map(str::to_owned))
    }
}
