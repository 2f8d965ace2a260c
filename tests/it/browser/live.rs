//! Pages that move by themselves also move where the stream does not get through, and where there is no script at all.

use anyhow::ensure;
use paddock::resource::StepName;
use serde_json::json;

use super::window::Window;
use crate::harness::{PASSWORD, Start, TestApp};

/// A window on the page of a server that is being built.
async fn watching(start: &Start) -> anyhow::Result<(Window, paddock::ids::InstanceId)> {
    let instance = start.app.paid(&start.customer, "birds").await;
    let window = Window::open().await?;
    window.go(&format!("{}/log-in?next=%2Finstances%2F{}", start.app.base(), instance.id).parse()?).await?;
    window.fill("#email", &start.customer.who.email).await?;
    window.fill("#password", PASSWORD).await?;
    Ok((window, instance.id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_stream_the_page_asks_again_and_again() -> anyhow::Result<()> {
    let start = TestApp::start().await;
    let (window, instance) = watching(&start).await?;
    window.tell("Network.enable", json!({})).await?;
    window.tell("Network.setBlockedURLs", json!({"urls": ["*/live"]})).await?;
    window.send().await?;
    window.see(".meter", "Step 2 of 10").await?;
    // As long as the script goes on by its stream it never asks for the page's piece by itself.
    let fetched = "return performance.getEntriesByType('resource').filter((entry) => entry.initiatorType === 'fetch').length";
    window.until("fallback", async || Ok((window.run::<i64>(fetched).await? > 0).then_some(()))).await?;
    window.tell("Network.setBlockedURLs", json!({"urls": []})).await?;
    window.run::<serde_json::Value>("window.neverReloaded = true").await?;
    start.app.observe(instance, &start.app.status(&[StepName::Namespace, StepName::Identity])).await;
    window.see(".meter", "Step 4 of 10").await?;
    start.app.observe(instance, &start.app.status(&StepName::ALL)).await;
    window.see("main", "What to do now").await?;
    ensure!(window.run::<bool>("return window.neverReloaded === true").await?, "the page was loaded again");
    let asked = window.close(Some("ERR_BLOCKED_BY_CLIENT")).await?;
    let live = |kind: &str| asked.iter().filter(|(how, url)| how == kind && url.path().ends_with("/live")).count();
    ensure!(live("EventSource") >= 1 && live("Fetch") >= 3, "{asked:?}");
    start.app.run_jobs().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_the_page_is_loaded_again_until_the_server_is_ready() -> anyhow::Result<()> {
    let start = TestApp::start().await;
    let (window, instance) = watching(&start).await?;
    window.tell("Emulation.setScriptExecutionDisabled", json!({"value": true})).await?;
    window.click("main form button[type=submit]").await?;
    window.see(".meter", "Step 2 of 10").await?;
    start.app.observe(instance, &start.app.status(&[StepName::Namespace, StepName::Identity])).await;
    window.see(".meter", "Step 4 of 10").await?;
    start.app.observe(instance, &start.app.status(&StepName::ALL)).await;
    window.see("main", "What to do now").await?;
    let asked = window.close(None).await?;
    let count = |kind: &str| asked.iter().filter(|(how, url)| how == kind && url.path().starts_with("/instances/")).count();
    ensure!(count("EventSource") + count("Fetch") == 0 && count("Document") >= 3, "{asked:?}");
    start.app.run_jobs().await;
    Ok(())
}
