//! `paddock bench`: measurements, each against a peer or the limit in the same run, and each with one line at its end.

mod access;
mod bare;
mod billing;
mod child;
mod door;
mod learn;
mod login;
mod operator;
mod orders;
mod provision;
mod sides;
mod waves;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock as _, SystemClock};

/// What is measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// From a paid order to a running server.
    Provision,
    /// The operator alone: many servers, drift, restart, idleness.
    Operator,
    /// The plan of a rollout.
    Waves,
    /// Stripe's events: how fast they are accepted, and whether the rows agree with Stripe in the end.
    Billing,
    /// What answers, and how long they take, say about what is somebody else's.
    Access,
    /// Wrong passwords by the hundred, and everybody else.
    Login,
}

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Which measurement.
    name: Name,
    /// How many servers (for billing: subscriptions; for access: requests of each kind; for login: seconds): 200 for provision, 1000 for
    /// operator, 10,000 for waves, 2000 for billing and access, and 60 for login, unless it is said.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10000))]
    instances: Option<u32>,
    /// For operator: no controller makes pods.
    #[arg(long)]
    without_pods: bool,
    /// Append the result to docs/benchmarks.md; run it in the checkout.
    #[arg(long)]
    record: bool,
}

/// Runs one. Everything that it started is stopped, also by Ctrl-C and after an error: what is dropped is killed.
pub(super) async fn run(bench: Bench, shutdown: CancellationToken) -> anyhow::Result<()> {
    anyhow::ensure!(!bench.record || !cfg!(debug_assertions), "--record is for release builds: use ./dev bench");
    let dir = std::env::temp_dir().join(format!("paddock-bench-{}", std::process::id()));
    let measured = tokio::select! {
        measured = measure(&bench, &dir) => measured,
        () = shutdown.cancelled() => Err(anyhow::anyhow!("interrupted")),
    };
    if std::env::var_os("PADDOCK_BENCH_KEEP").is_none()
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        tracing::warn!(error = %error, "the measurement's folder could not be removed");
    }
    let line = measured?;
    let recorded = if bench.record { record(&line) } else { Ok(()) };
    // The last of all lines, and there whether or not it could be recorded.
    println!("{line}");
    recorded
}

async fn measure(bench: &Bench, dir: &Path) -> anyhow::Result<String> {
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    match bench.name {
        Name::Provision => Box::pin(provision::measure(dir, bench.instances.unwrap_or(200))).await,
        Name::Billing => Box::pin(billing::measure(dir, bench.instances.unwrap_or(2000))).await,
        Name::Access => Box::pin(access::measure(dir, bench.instances.unwrap_or(2000))).await,
        Name::Login => Box::pin(login::measure(dir, bench.instances.unwrap_or(60))).await,
        Name::Operator => Box::pin(operator::measure(dir, bench.instances.unwrap_or(1000), !bench.without_pods)).await,
        Name::Waves => waves::measure(bench.instances.unwrap_or(10_000)),
    }
}

/// Date, commit and machine go along: a figure without them says nothing.
fn record(line: &str) -> anyhow::Result<()> {
    let path = Path::new("docs/benchmarks.md");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).context("docs/benchmarks.md (run it in the checkout)")?;
    let date = SystemClock.now().format("%Y-%m-%d %H:%M UTC");
    writeln!(file, "\n{date}, commit {}, {}:\n\n    {line}", commit(), machine())?;
    eprintln!("written to {}", path.display());
    Ok(())
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--", "src", "Cargo.lock"]).is_some_and(|changes| !changes.is_empty());
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if changed { format!("{commit} with changes") } else { commit }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model.trim()));
    format!("{cores} cores of {}", model.unwrap_or("an unknown processor"))
}
