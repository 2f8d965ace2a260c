//! A browser without a screen: follows redirects, keeps cookies, fills in forms as they stand on the page.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use scraper::{ElementRef, Html, Selector};
use url::Url;

/// A window with one page in it.
#[derive(Debug)]
pub struct Browser {
    client: reqwest::Client,
    url: Url,
    page: String,
}

/// A form of the page, with the values that it would send as it stands.
#[derive(Debug, Clone)]
pub struct Form {
    action: Url,
    post: bool,
    fields: Vec<(String, String)>,
    named: BTreeMap<String, String>,
}

fn selector(css: &str) -> anyhow::Result<Selector> {
    Selector::parse(css).map_err(|error| anyhow::anyhow!("{css}: {error}"))
}

impl Browser {
    /// An empty window. `start` is where relative addresses begin.
    pub fn new(start: Url) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(std::time::Duration::from_secs(30)).build()?;
        Ok(Self { client, url: start, page: String::new() })
    }

    /// Where we are.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The page's HTML.
    pub fn html(&self) -> &str {
        &self.page
    }

    /// The text of all elements that `css` selects.
    pub fn text(&self, css: &str) -> anyhow::Result<String> {
        let page = Html::parse_document(&self.page);
        let texts: Vec<String> = page.select(&selector(css)?).map(|element| element.text().collect::<String>()).collect();
        Ok(texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Opens an address, absolute or relative to where we are. Anything but a 2xx in the end is an error.
    pub async fn open(&mut self, address: &str) -> anyhow::Result<()> {
        let url = self.url.join(address).with_context(|| format!("{address} is not an address"))?;
        let request = self.client.get(url).header("accept", "text/html");
        self.load(request).await
    }

    /// The form whose action is `action` (path only, or the whole address).
    pub fn form(&self, action: &str) -> anyhow::Result<Form> {
        let page = Html::parse_document(&self.page);
        let forms = selector("form")?;
        for element in page.select(&forms) {
            let target = self.url.join(element.attr("action").unwrap_or_default())?;
            if target.path() == action || target.as_str() == action {
                return read_form(element, target);
            }
        }
        bail!("{} has no form for {action}; the page says: {}", self.url, self.text("main")?)
    }

    /// Sends a form with these values over those that stand in it. A field that the form does not have is an error: a browser could not
    /// send it.
    pub async fn submit(&mut self, form: Form, values: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut fields = form.fields;
        for (name, value) in values {
            if !form.named.contains_key(*name) {
                bail!("the form for {} has no field {name}; it has {:?}", form.action, form.named.keys());
            }
            fields.retain(|(field, _)| field != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let request =
            if form.post { self.client.post(form.action).form(&fields) } else { self.client.get(form.action).query(&fields) };
        self.load(request.header("accept", "text/html")).await
    }

    async fn load(&mut self, request: reqwest::RequestBuilder) -> anyhow::Result<()> {
        let response = request.send().await.context("no answer")?;
        let (status, url) = (response.status(), response.url().clone());
        self.page = response.text().await?;
        self.url = url;
        if !status.is_success() {
            bail!("{} answered {status}: {}", self.url, self.text("main")?);
        }
        Ok(())
    }
}

fn read_form(element: ElementRef<'_>, action: Url) -> anyhow::Result<Form> {
    let post = element.attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
    let (mut fields, mut named) = (Vec::new(), BTreeMap::new());
    for input in element.select(&selector("input, select, textarea, button")?) {
        let Some(name) = input.attr("name").map(str::to_owned) else { continue };
        let kind = input.attr("type").unwrap_or("text").to_ascii_lowercase();
        let value = input.attr("value").unwrap_or_default().to_owned();
        named.insert(name.clone(), kind.clone());
        let chosen = input.attr("checked").is_some();
        if input.value().name() == "button" || kind == "submit" || (matches!(kind.as_str(), "radio" | "checkbox") && !chosen) {
            continue;
        }
        fields.push((name, value));
    }
    Ok(Form { action, post, fields, named })
}
