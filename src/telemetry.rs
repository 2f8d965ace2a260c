//! Logs and figures of this process.

mod scrub;

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use scrub::{Scrubbing, scrub};

/// Starts logging to standard error: lines for people on a terminal, JSON elsewhere. `quiet` is for commands that tell people
/// themselves how they get on: then only trouble is logged. No line holds what [`scrub`] knows as a secret. `RUST_LOG` overrides what is logged.
pub fn start_logging(quiet: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        let ours = if quiet { "warn,stripe=error" } else { "info" };
        EnvFilter::new(format!("{ours},graphile_worker=warn,sqlx=warn,kube=warn,kube_client=off,hyper=warn,tower_http=warn"))
    });
    let people = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = people.then(|| tracing_subscriber::fmt::layer().with_writer(|| Scrubbing(std::io::stderr())));
    let json = (!people)
        .then(|| tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| Scrubbing(std::io::stderr())));
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(json).try_init();
}

/// Serves figures in Prometheus' text format at `listen`.
pub fn start_metrics(listen: SocketAddr) -> anyhow::Result<()> {
    metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(listen).install()?;
    Ok(())
}

/// An error with its causes on one line, for logs. Errors of this crate say in `Display` what failed and in `source` why.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
