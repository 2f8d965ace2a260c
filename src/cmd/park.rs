//! `paddock park`: needs no configuration, no database and no cluster, so that it answers whatever else is down.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::park;

/// Answers until `shutdown`.
pub(super) async fn run(listen: SocketAddr, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| format!("listening on {listen} (--listen)"))?;
    tracing::info!(park.listen = %listener.local_addr()?, "answers for paused servers");
    Ok(park::serve(listener, shutdown).await?)
}
