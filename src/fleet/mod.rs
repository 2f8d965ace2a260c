//! All clusters: pushes rows into custom resources, pulls their status back into rows.
//!
//! The only part that knows both the database and Kubernetes. Each direction takes no input: it makes the one side equal to the
//! other, whenever it is nudged and now and then without being nudged.

mod pull;
mod push;
mod runs;

use kube::Client;
use tokio_util::sync::CancellationToken;

pub use self::pull::take_in;
pub use self::push::resource_size;
use crate::capacity;
use crate::clock::SharedClock;
use crate::config;
use crate::db::Db;
use crate::ids::ClusterId;

/// Annotation of a custom resource: the generation of the row that it was written from.
const ROW_GENERATION: &str = "paddock.host/row-generation";
/// The one field manager of what fleet writes.
const FIELD_MANAGER: &str = "paddock-fleet";

/// Makes the clusters of the configuration known to the database. Safe at every start.
async fn register(db: &Db, clock: &SharedClock, clusters: &[(config::Cluster, Client)]) -> sqlx::Result<Vec<ClusterId>> {
    let mut ids = Vec::new();
    for (cluster, _) in clusters {
        let mut tx = db.fleet().begin().await?;
        ids.push(capacity::put_cluster(&mut tx, clock.as_ref(), &cluster.name, cluster.capacity).await?);
        tx.commit().await?;
    }
    Ok(ids)
}

/// Exchanges with every cluster until `shutdown`. A cluster or database that is away is waited for; the others go on.
pub async fn run(
    db: Db,
    clock: SharedClock,
    clusters: Vec<(config::Cluster, Client)>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let ids = loop {
        match register(&db, &clock, &clusters).await {
            Ok(ids) => break ids,
            Err(error) => tracing::warn!(error = crate::telemetry::chain(&error), "the database is away; fleet waits for it"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    };
    let mut parts = tokio::task::JoinSet::new();
    for (id, (_, client)) in ids.into_iter().zip(clusters) {
        parts.spawn(push::run(db.clone(), clock.clone(), client.clone(), id, shutdown.clone()));
        parts.spawn(runs::pull(db.clone(), clock.clone(), client.clone(), id, shutdown.clone()));
        parts.spawn(pull::run(db.clone(), clock.clone(), client, id, shutdown.clone()));
    }
    while let Some(ended) = parts.join_next().await {
        ended?;
    }
    Ok(())
}
