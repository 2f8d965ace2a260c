//! The main job, done by itself the way somebody with a browser would: `./dev demo --check`, and the flows of the tests.

mod browser;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use url::Url;

pub use browser::{Browser, Form};

/// How long a server may take to be ready before the check gives up; the figure is printed, not judged.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where the journey takes place, and who takes it.
#[derive(Debug, Clone)]
pub struct Journey {
    /// The pages.
    pub pages: Url,
    /// The mail catcher.
    pub mailbox: Url,
    /// Address to sign up with.
    pub email: String,
    /// Password to choose.
    pub password: String,
    /// Name under the host's domain.
    pub name: String,
}

/// What the journey led to.
#[derive(Debug)]
pub struct Arrived {
    /// Path of the instance's page.
    pub instance: String,
    /// Address of the new server.
    pub address: String,
    /// Each step with how long it took.
    pub steps: Vec<(&'static str, Duration)>,
}

/// A mail, as the catcher's JSON has it.
#[derive(Debug, Clone, Deserialize)]
pub struct CaughtMail {
    /// Recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Links in its text.
    pub links: Vec<String>,
}

/// Prints and keeps how long each step took.
struct Steps<'a> {
    done: Vec<(&'static str, Duration)>,
    began: Instant,
    tell: &'a mut dyn FnMut(&str, Duration),
}

impl Steps<'_> {
    fn done(&mut self, step: &'static str) {
        let took = self.began.elapsed();
        (self.tell)(step, took);
        self.done.push((step, took));
        self.began = Instant::now();
    }
}

impl Journey {
    /// From sign-up to a running server. `tell` hears of each step as it is done.
    pub async fn go(&self, tell: &mut (dyn FnMut(&str, Duration) + Send)) -> anyhow::Result<Arrived> {
        let mut browser = Browser::new(self.pages.clone())?;
        let mut steps = Steps { done: Vec::new(), began: Instant::now(), tell };

        self.sign_up(&mut browser).await.context("signing up")?;
        steps.done("signed up");
        self.prove_address(&mut browser).await.context("proving the address")?;
        steps.done("address proven by the mail's link");
        self.log_in(&mut browser).await.context("logging in")?;
        steps.done("logged in");
        self.choose(&mut browser).await.context("choosing address, owner and plan")?;
        steps.done("address, owner and plan chosen");
        self.order(&mut browser).await.context("ordering")?;
        steps.done("ordered: address and place are reserved");
        self.pay(&mut browser).await.context("paying")?;
        steps.done("paid with the test card");
        let (instance, address) = self.watch(&mut browser).await.context("watching the server being built")?;
        steps.done("the server is ready");
        self.wait_for_mail("/instances/").await.context("waiting for the mail that says so")?;
        steps.done("the mail that says so has come");
        Ok(Arrived { instance, address, steps: steps.done })
    }

    /// Signs up.
    pub async fn sign_up(&self, browser: &mut Browser) -> anyhow::Result<()> {
        browser.open("/sign-up").await?;
        let form = browser.form("/sign-up")?;
        browser.submit(form, &[("email", &self.email), ("password", &self.password)]).await
    }

    /// Follows the link of the verification mail and presses its button.
    pub async fn prove_address(&self, browser: &mut Browser) -> anyhow::Result<()> {
        let link = self.wait_for_mail("/verify/").await?;
        browser.open(&link).await?;
        let form = browser.form(browser.url().path())?;
        browser.submit(form, &[]).await
    }

    /// Logs in.
    pub async fn log_in(&self, browser: &mut Browser) -> anyhow::Result<()> {
        browser.open("/log-in").await?;
        let form = browser.form("/log-in")?;
        browser.submit(form, &[("email", &self.email), ("password", &self.password)]).await
    }

    /// Answers the questions of the order path.
    pub async fn choose(&self, browser: &mut Browser) -> anyhow::Result<()> {
        browser.open("/new/address").await?;
        let form = browser.form("/new/address")?;
        browser.submit(form, &[("kind", "hosted"), ("name", &self.name)]).await?;
        let form = browser.form("/new/owner")?;
        browser.submit(form, &[("owner_name", "keeper"), ("owner_email", &self.email)]).await?;
        let form = browser.form("/new/plan")?;
        let plan = plans(browser)?.into_iter().next().context("the page offers no plan")?;
        browser.submit(form, &[("plan", &plan), ("period", "month")]).await
    }

    /// Presses the button that orders; ends on the page to pay on.
    pub async fn order(&self, browser: &mut Browser) -> anyhow::Result<()> {
        let form = browser.form("/orders")?;
        browser.submit(form, &[]).await?;
        if browser.url().origin() == self.pages.origin() {
            bail!("ordering led to {} instead of the page to pay on: {}", browser.url(), browser.text("main")?);
        }
        Ok(())
    }

    /// Pays with the card that works; ends back with us.
    pub async fn pay(&self, browser: &mut Browser) -> anyhow::Result<()> {
        self.try_card(browser, "4242 4242 4242 4242").await?;
        if browser.url().origin() != self.pages.origin() {
            bail!("paying did not lead back: {}", browser.text("body")?);
        }
        Ok(())
    }

    /// Types a card number into the checkout page and presses "pay".
    pub async fn try_card(&self, browser: &mut Browser, number: &str) -> anyhow::Result<()> {
        let form = browser.form(browser.url().path())?;
        browser.submit(form, &[("number", number), ("expiry", "12/34"), ("cvc", "123")]).await
    }

    /// Reloads until the server is ready, as somebody without JavaScript would.
    pub async fn watch(&self, browser: &mut Browser) -> anyhow::Result<(String, String)> {
        let end = Instant::now() + PATIENCE;
        loop {
            browser.open("/instances").await?;
            let page = scraper::Html::parse_document(browser.html());
            let links =
                scraper::Selector::parse("main a[href^='/instances/ins_']").map_err(|error| anyhow::anyhow!("{error}"))?;
            let found = page.select(&links).next().and_then(|link| link.attr("href")).map(str::to_owned);
            if let Some(path) = found {
                drop(page);
                browser.open(&path).await?;
                if browser.html().contains("/auth/password/new") {
                    return Ok((path, browser.text("h1")?));
                }
            }
            if Instant::now() > end {
                bail!("not ready after {} s; the page says: {}", PATIENCE.as_secs(), browser.text("main")?);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The first link that contains `part` in a mail to us, waiting for it.
    pub async fn wait_for_mail(&self, part: &str) -> anyhow::Result<String> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let link = self.mails().await?.into_iter().flat_map(|mail| mail.links).find(|link| link.contains(part));
            if let Some(link) = link {
                return Ok(link);
            }
            if Instant::now() > end {
                bail!("no mail to {} with a link to {part} came within 30 s", self.email);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All mails to us.
    pub async fn mails(&self) -> anyhow::Result<Vec<CaughtMail>> {
        let all: Vec<CaughtMail> = reqwest::get(self.mailbox.join("/mails.json")?).await?.json().await?;
        Ok(all.into_iter().filter(|mail| mail.to.contains(&self.email)).collect())
    }
}

/// The plans that the page offers, as the values of its radio buttons.
fn plans(browser: &Browser) -> anyhow::Result<Vec<String>> {
    let page = scraper::Html::parse_document(browser.html());
    let radios = scraper::Selector::parse("input[name='plan']").map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(page.select(&radios).filter_map(|radio| radio.attr("value")).map(str::to_owned).collect())
}
