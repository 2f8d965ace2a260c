//! `paddock bench`: measurements, each against a peer or the limit in the same run.

use clap::Args;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Which: provision.
    #[arg(value_parser = ["provision"])]
    name: String,
    /// Append the result to docs/benchmarks.md.
    #[arg(long)]
    record: bool,
}

pub(super) async fn run(_bench: Bench, _shutdown: CancellationToken) -> anyhow::Result<()> {
    anyhow::bail!("the measurement comes with the operator")
}
