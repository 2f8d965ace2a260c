//! A window of a real Chromium, driven through chromedriver. Both end with the test.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{By, CapabilitiesHelper as _, ChromiumLikeCapabilities as _, DesiredCapabilities, Key, WebDriver};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use url::{Host, Url};

const PATIENCE: Duration = Duration::from_mins(1);

/// Chromium asks its maker for updates and the like on its own; none of that may be mistaken for what a page asks for. As root there is
/// no sandbox, and containers have a small `/dev/shm`.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// Each picture is taken as wide as a phone and as a desk's screen…
const WIDTHS: [u32; 2] = [360, 1280];
/// … by day and by night.
const SCHEMES: [&str; 2] = ["light", "dark"];

/// A window.
pub struct Window {
    driver: WebDriver,
    /// Ended by the kernel when this is dropped, and Chromium with it.
    _chromedriver: Child,
    shots: Option<PathBuf>,
}

impl Window {
    /// An empty one.
    pub async fn open() -> anyhow::Result<Self> {
        let (chromedriver, port) = start().await?;
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        wanted.set("goog:loggingPrefs", json!({"browser": "ALL", "performance": "ALL"}))?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted)
            .await
            .context("opening Chromium (apt-get install chromium chromium-driver)")?;
        let shots = std::env::var_os("PADDOCK_SHOTS").map(PathBuf::from);
        if let Some(folder) = &shots {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { driver, _chromedriver: chromedriver, shots })
    }

    /// Opens an address.
    pub async fn go(&self, address: &Url) -> anyhow::Result<()> {
        Ok(self.driver.goto(address.as_str()).await?)
    }

    /// Where we are.
    pub async fn url(&self) -> anyhow::Result<Url> {
        Ok(self.driver.current_url().await?)
    }

    /// Types into whatever has the focus.
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        Ok(self.driver.action_chain().send_keys(keys).perform().await?)
    }

    /// Presses one key.
    pub async fn key(&self, key: Key) -> anyhow::Result<()> {
        Ok(self.driver.action_chain().send_keys(key).perform().await?)
    }

    /// Empties a field and types into it.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        let field = self.driver.find(By::Css(css)).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Clicks.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        Ok(self.driver.find(By::Css(css)).await?.click().await?)
    }

    /// Presses the button that sends the form of the page, and waits for the next page.
    pub async fn send(&self) -> anyhow::Result<()> {
        self.run::<Value>("window.thisPage = true").await?;
        self.click("main form button[type=submit], main form button.wide").await?;
        self.until("another page", async || Ok(self.run::<bool>("return !window.thisPage").await?.then_some(()))).await
    }

    /// What a script says in the page.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> anyhow::Result<T> {
        Ok(self.driver.execute(script, Vec::new()).await?.convert()?)
    }

    /// What the page, or the part of it, says.
    pub async fn text(&self, css: &str) -> anyhow::Result<String> {
        self.run(&format!("return Array.from(document.querySelectorAll('{css}'), (found) => found.innerText).join(' ')")).await
    }

    /// Waits until a part of the page says this.
    pub async fn see(&self, css: &str, text: &str) -> anyhow::Result<()> {
        self.until(&format!("“{text}” in {css}"), async || Ok(self.text(css).await?.contains(text).then_some(()))).await
    }

    /// Looks again and again until there is something to see.
    pub async fn until<T: Debug>(&self, what: &str, look: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            // While a page is being left its scripts fail.
            let seen = look().await;
            if let Ok(Some(found)) = seen {
                return Ok(found);
            }
            if Instant::now() > end {
                let page = self.text("body").await.unwrap_or_default();
                bail!("no {what} within {PATIENCE:?} ({seen:?}); {} says: {page}", self.url().await?);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Pictures of the whole page, `<name>-<width>-<scheme>.png`, when `PADDOCK_SHOTS` names a folder for them.
    pub async fn shot(&self, name: &str) -> anyhow::Result<()> {
        let Some(folder) = &self.shots else { return Ok(()) };
        for width in WIDTHS {
            let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
            self.tell("Emulation.setDeviceMetricsOverride", size).await?;
            for scheme in SCHEMES {
                let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
                self.tell("Emulation.setEmulatedMedia", media).await?;
                let page = self.tell("Page.getLayoutMetrics", json!({})).await?["cssContentSize"].clone();
                let clip = json!({"x": 0, "y": 0, "width": width, "height": page["height"], "scale": 1});
                let picture = self.tell("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip})).await?;
                let bytes = STANDARD.decode(picture["data"].as_str().context("no picture")?)?;
                std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), bytes)?;
            }
        }
        self.tell("Emulation.setEmulatedMedia", json!({"features": []})).await?;
        self.tell("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        Ok(())
    }

    /// From now on the window is as wide as this, in a scheme of colours.
    pub async fn dress(&self, width: u32, scheme: &str) -> anyhow::Result<()> {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
        self.tell("Emulation.setDeviceMetricsOverride", size).await?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// Every width with every scheme.
    pub fn dresses() -> impl Iterator<Item = (u32, &'static str)> {
        WIDTHS.into_iter().flat_map(|width| SCHEMES.into_iter().map(move |scheme| (width, scheme)))
    }

    /// From now on somebody's session goes along to this address; nobody's where there is no secret.
    pub async fn be(&self, pages: &Url, session: Option<&str>) -> anyhow::Result<()> {
        self.tell("Network.clearBrowserCookies", json!({})).await?;
        if let Some(secret) = session {
            let cookie = json!({"name": "paddock_session", "value": secret, "url": pages.as_str(), "httpOnly": true});
            self.tell("Network.setCookie", cookie).await?;
        }
        Ok(())
    }

    /// How wide the page is where the window is as wide as a phone, in CSS pixels: more than 360, and it has to be pushed about.
    pub async fn width_on_a_phone(&self) -> anyhow::Result<u32> {
        let size = json!({"width": WIDTHS[0], "height": 800, "deviceScaleFactor": 1, "mobile": true});
        self.tell("Emulation.setDeviceMetricsOverride", size).await?;
        let wide = self.run("return document.documentElement.scrollWidth").await?;
        self.tell("Emulation.clearDeviceMetricsOverride", json!({})).await?;
        Ok(wide)
    }

    /// Something that only the browser's own protocol can do: <https://chromedevtools.github.io/devtools-protocol/>.
    pub async fn tell(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.driver.cdp().send_raw(command, parameters).await.with_context(|| command.to_owned())
    }

    /// Fails on anything that the browser complained about (scripts, the content security policy, missing files), but for complaints
    /// that hold `expected`, and on any request that left this machine. Closes the window; says what was asked for and how: `Fetch`,
    /// `EventSource`, `Document` and so on.
    pub async fn close(self, expected: Option<&str>) -> anyhow::Result<Vec<(String, Url)>> {
        let mut complaints: Vec<String> = self.driver.browser_log().await?.into_iter().map(|entry| entry.message).collect();
        complaints.retain(|complaint| !expected.is_some_and(|expected| complaint.contains(expected)));
        ensure!(complaints.is_empty(), "the browser complains: {complaints:#?}");
        let mut asked = Vec::new();
        for entry in self.driver.get_log("performance").await? {
            let event: Value = serde_json::from_str(&entry.message)?;
            if event["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = event["message"]["params"]["request"]["url"].as_str().context("a request without an address")?;
            let url: Url = url.parse()?;
            let here = match url.host() {
                None => true,
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                Some(Host::Domain(name)) => name == "localhost",
            };
            ensure!(here, "a page asked for {url}");
            asked.push((event["message"]["params"]["type"].as_str().unwrap_or_default().to_owned(), url));
        }
        ensure!(asked.len() > 5, "the browser's log of requests is empty");
        self.driver.quit().await?;
        Ok(asked)
    }
}

/// Starts chromedriver on a port that it chooses.
async fn start() -> anyhow::Result<(Child, u16)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().context("chromedriver does not start: apt-get install chromium chromium-driver")?;
    let output = child.stdout.take().context("chromedriver has no output")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let port = port.trim_end_matches('.').parse().with_context(|| line.clone())?;
            // What it goes on to say would fill the pipe.
            tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
            return Ok((child, port));
        }
    }
    bail!("chromedriver ended before it served: apt-get install chromium chromium-driver")
}
