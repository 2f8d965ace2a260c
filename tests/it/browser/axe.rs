//! Every page, as wide as a phone and as a desk's screen, by day and by night: nothing that axe-core knows to be in somebody's way, nothing
//! wider than the window, and no complaint of the browser.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use paddock::web::{self, Access, Entry};
use serde::Deserialize;

use super::window::Window;
use crate::harness::{Client, Start, TestApp};

/// What the levels A and AA of WCAG 2.2 ask for, as far as a program can tell. Styles are not fetched anew: the policy of the pages forbids it.
const RUN: &str = "return axe.run(document, {
    preload: false,
    resultTypes: ['violations'],
    runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']},
}).then((found) => found.violations.map((one) => ({
    id: one.id,
    help: one.help,
    nodes: one.nodes.slice(0, 5).map((node) => node.target.join(' ') + ': ' + node.failureSummary),
})))";

/// Answers to GET that are no pages of their own: streams, feeds, pieces, ways out and probes.
const NO_PAGES: [&str; 14] = [
    "/account/log.csv",
    "/account/log.json",
    "/healthz",
    "/instances/{id}/archives/live",
    "/instances/{id}/billing/portal",
    "/instances/{id}/live",
    "/instances/{id}/tools/live",
    "/new/address/check",
    "/orders/{id}/live",
    "/readyz",
    "/staff/money.csv",
    "/status.atom",
    "/status.json",
    "/status/live",
];

/// Something in somebody's way.
#[derive(Debug, Deserialize)]
struct Violation {
    id: String,
    help: String,
    nodes: Vec<String>,
}

/// Where `./dev` has put axe-core.
fn axe() -> anyhow::Result<String> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let cache = var("PADDOCK_CACHE").or_else(|| Some(var("XDG_CACHE_HOME")?.join("paddock")));
        cache.or_else(|| Some(var("HOME")?.join(".cache/paddock"))).map(|cache| cache.join("current/axe"))
    };
    let path = var("PADDOCK_AXE").or_else(cache).context("neither PADDOCK_AXE nor HOME is set")?;
    std::fs::read_to_string(&path).with_context(|| format!("{}: ./dev test fetches axe-core", path.display()))
}

/// What stands for `{…}` in a path; `None` where this test has nothing to put in.
struct Ids {
    account: String,
    instance: String,
    order: String,
}

impl Ids {
    fn path(&self, template: &str) -> Option<String> {
        let mut before = "";
        let mut parts = Vec::new();
        for part in template.split('/') {
            parts.push(match (part, before) {
                ("{id}", "instances") => self.instance.clone(),
                ("{id}", "customers") => self.account.clone(),
                ("{id}", "orders") => self.order.clone(),
                ("{topic}", "help") => "mail".to_owned(),
                ("{rule}", "runbooks") => "capacity".to_owned(),
                (part, _) if part.starts_with('{') => return None,
                (part, _) => part.to_owned(),
            });
            before = part;
        }
        Some(parts.join("/"))
    }
}

/// The pages of those who may call them, by the table of routes: what is added there is looked at here.
fn pages(table: &[Entry], ids: &Ids) -> [Vec<String>; 3] {
    let mut found: [Vec<String>; 3] = Default::default();
    for entry in table.iter().filter(|entry| entry.method == http::Method::GET && !entry.path.starts_with("/api/")) {
        if NO_PAGES.contains(&entry.path) {
            continue;
        }
        let Some(path) = ids.path(entry.path) else { continue };
        let who = match entry.access {
            Access::Public | Access::Webhook => 0,
            Access::SignedIn | Access::Member(_) | Access::Fresh(_) => 1,
            Access::Staff(_) | Access::FreshStaff(_) => 2,
        };
        found[who].push(path);
    }
    found
}

/// Looks at a page in every dress; what is wrong with it, in words.
async fn look(window: &Window, app: &TestApp, axe: &str, path: &str) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    window.go(&format!("{}{path}", app.base()).parse()?).await?;
    window.run::<serde_json::Value>(axe).await?;
    for (width, scheme) in Window::dresses() {
        window.dress(width, scheme).await?;
        let violations: Vec<Violation> = window.run(RUN).await.with_context(|| path.to_owned())?;
        let place = format!("{path} at {width}, {scheme}");
        for Violation { id, help, nodes } in violations {
            wrong.push(format!("{place}: {id} ({help})\n    {}", nodes.join("\n    ")));
        }
        let wide: u32 = window.run("return document.documentElement.scrollWidth").await?;
        if wide > width {
            wrong.push(format!("{place}: {wide} wide"));
        }
    }
    Ok(wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_out_by_any_page() -> anyhow::Result<()> {
    let start = TestApp::start().await;
    let Start { app, customer, staff, .. } = &start;
    let server = app.running(customer, "birds").await;
    let order = app.order(customer, "wrens").await;
    let ids = Ids { account: customer.who.account().to_string(), instance: server.id.to_string(), order: order.id.to_string() };
    let axe = axe()?;
    let [public, customers, staffs] = pages(&web::table(app.state.clone()), &ids);
    ensure!(public.len() >= 12 && customers.len() >= 15 && staffs.len() >= 30, "pages are missing in the table of routes");
    let window = Window::open().await?;
    let session = |client: &Client| client.who.browser.clone();
    let mut wrong = Vec::new();
    for (who, paths) in [(None, public), (session(customer), customers), (session(staff), staffs)] {
        window.be(&app.base().parse()?, who.as_deref()).await?;
        for path in paths {
            wrong.extend(look(&window, app, &axe, &path).await?);
        }
    }
    ensure!(wrong.is_empty(), "{} things are in somebody's way:\n{}", wrong.len(), wrong.join("\n"));
    window.close(None).await?;
    app.leave_jobs();
    Ok(())
}
