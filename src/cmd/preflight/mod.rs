//! `paddock preflight`: looks at a cluster and its surroundings before the first customer, and says for each fault what to do.
//!
//! Every check runs, none stops another. It needs the rights of the host's staff in the cluster (it asks for a token of the operator's
//! account and makes a namespace that it removes again), so it runs where `kubectl` does, with the configuration of `serve` or `operator`.

mod cluster;
mod database;
mod gateway;
mod mail;
mod payment;
mod probe;
mod report;
mod walls;

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use futures::future::{LocalBoxFuture, join_all};
use kube::Client;

use self::report::{Check, Report};
use super::ConfigFile;
use super::parts::Parts;
use crate::config::BadConfig;
use crate::operator::Settings;

/// How long one area may take.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub(super) struct Preflight {
    #[command(flatten)]
    file: ConfigFile,
    /// Name of the cluster's kubeconfig in the folder of kubeconfigs (clusters.kubeconfigs). Without it: the cluster that `kubectl` works in.
    #[arg(long)]
    cluster: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Namespace of the release.
    #[arg(long, default_value = "paddock")]
    namespace: String,
    /// Name of the release.
    #[arg(long, default_value = "paddock")]
    release: String,
    /// Start no pods: whether network policies are enforced is not looked at.
    #[arg(long)]
    no_pods: bool,
}

/// What is looked at.
struct Surroundings {
    parts: Parts,
    client: Client,
    /// How to reach the cluster as somebody else.
    kube: kube::Config,
    operator: Settings,
    namespace: String,
    release: String,
    pods: bool,
}

pub(super) async fn run(preflight: Preflight) -> anyhow::Result<()> {
    let json = preflight.json;
    let report = Report::new(look(preflight).await?);
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    if report.faults > 0 {
        bail!("{} of {} checks found a fault", report.faults, report.checks.len());
    }
    Ok(())
}

async fn look(preflight: Preflight) -> anyhow::Result<Vec<Check>> {
    let Preflight { file, cluster, json: _, namespace, release, no_pods } = preflight;
    let parts = match file.parts() {
        Ok(parts) => parts,
        // Without the configuration there is nothing to look at.
        Err(error) => return Ok(configuration(&error)),
    };
    let operator = match parts.operator_settings() {
        Ok(settings) => settings,
        Err(error) => return Ok(vec![Check::fault("configuration", format!("{error:#}"), "preflight looks at what it says")]),
    };
    let mut checks = vec![Check::ok("configuration", format!("{} releases", operator.releases.len()))];
    let kube = match &cluster {
        Some(kubeconfig) => parts.access().config(Some(kubeconfig)).await,
        None => kube::Config::infer().await.map_err(anyhow::Error::from),
    };
    let surroundings = match kube.and_then(|kube| Ok((Client::try_from(kube.clone())?, kube))) {
        Ok((client, kube)) => Surroundings { parts, client, kube, operator, namespace, release, pods: !no_pods },
        Err(error) => {
            let remedy = "name its kubeconfig (--cluster), or run it where kubectl works";
            checks.push(Check::fault("cluster", format!("{error:#}"), remedy));
            return Ok(checks);
        }
    };
    let areas: Vec<(&'static str, LocalBoxFuture<'_, Vec<Check>>)> = vec![
        ("cluster", Box::pin(cluster::look(&surroundings))),
        ("gateway", Box::pin(gateway::look(&surroundings))),
        ("walls", Box::pin(walls::look(&surroundings))),
        ("mail", Box::pin(mail::look(&surroundings))),
        ("database", Box::pin(database::look(&surroundings))),
        ("payment", Box::pin(payment::look(&surroundings))),
    ];
    let looked = areas.into_iter().map(|(name, area)| async move {
        let late = || {
            let found = format!("no answer within {} minutes", PATIENCE.as_secs() / 60);
            vec![Check::fault(name, found, "see what it waits for, and run it again")]
        };
        tokio::time::timeout(PATIENCE, area).await.unwrap_or_else(|_| late())
    });
    checks.extend(join_all(looked).await.into_iter().flatten());
    Ok(checks)
}

/// A fault for each fault of the configuration.
fn configuration(error: &anyhow::Error) -> Vec<Check> {
    match error.downcast_ref::<BadConfig>() {
        Some(BadConfig(faults)) => {
            faults.iter().map(|fault| Check::fault("configuration", fault.to_string(), "see docs/configuration.md")).collect()
        }
        None => vec![Check::fault("configuration", format!("{error:#}"), "see docs/configuration.md")],
    }
}
