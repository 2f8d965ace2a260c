//! Looks for what somebody should look at, and calls the host's webhook about it.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Deps, Handle, JobError};
use crate::desk::alerts::{self, CallWebhook, Told};
use crate::mail::AlertState;
use crate::queue::Job;
use crate::words::Words;

/// For the whole of a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// Judges every rule once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LookForAlerts {}

impl Job for LookForAlerts {
    const NAME: &'static str = "look_for_alerts";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}

impl Handle for LookForAlerts {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let told = Told { mail: deps.alerts.mail.clone(), webhook: deps.alerts.webhook.is_some() };
        let mut tx = deps.db.worker().begin().await?;
        alerts::look(&mut tx, deps.clock.as_ref(), &deps.alerts.limits, &told).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What is sent: `text` is what Slack, Mattermost and their like show, the rest is for programs.
fn body(deps: &Deps, call: &CallWebhook) -> Value {
    let CallWebhook { alert, rule, state, n, since } = call;
    let words = Words::english();
    let at = |path: &str| {
        let mut url = deps.base().clone();
        url.set_path(path);
        String::from(url)
    };
    let (title, page) = (words.t(&format!("alert-rule-{rule}")), at("/staff/alerts"));
    let said = match state {
        AlertState::Began | AlertState::Stands => alerts::sentence(&words, rule, *n),
        AlertState::Over => words.t("mail-alert-over-next"),
    };
    json!({
        "text": format!("{}: {title}. {said} {page}", words.t(&format!("alert-state-{}", state.word()))),
        "host": deps.host_name, "alert": alert, "rule": rule, "state": state, "n": n, "since": since,
        "page": page, "runbook": at(&format!("/staff/runbooks/{rule}")),
    })
}

impl Handle for CallWebhook {
    /// Called again until somebody has taken it. The body names alert and state, so that whoever gets it twice can tell.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        // Taken out of the configuration since it was owed.
        let Some(webhook) = &deps.alerts.webhook else { return Ok(()) };
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        // The address is a secret: it must not stand in an error that is kept with the job.
        let answer = client.post(webhook.expose_secret()).json(&body(deps, &self)).send().await;
        let answer = answer.map_err(reqwest::Error::without_url).context("calling the webhook of alerts (alerts.webhook)")?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(JobError::Retry(anyhow!("the webhook of alerts (alerts.webhook) answered {}", answer.status())))
    }
}
