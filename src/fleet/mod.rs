//! All clusters: pushes rows into custom resources, pulls their status back into rows.
//!
//! The only part that knows both the database and Kubernetes. Each direction takes no input: it makes the one side equal to the
//! other, whenever it is nudged and now and then without being nudged. Each cluster has a `link` of its own, with its own client: one
//! that is away holds up nobody else, and one that comes back is caught up.

mod access;
mod catalogue;
mod link;
mod pull;
mod push;
mod runs;

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

pub use access::Access;

use self::link::Link;
pub use self::pull::take_in;
pub use self::push::resource_size;
use crate::capacity;
use crate::clock::SharedClock;
use crate::db::Db;
use crate::ids::ClusterId;
use crate::telemetry;

/// Annotation of a custom resource: the generation of the row that it was written from.
const ROW_GENERATION: &str = "paddock.host/row-generation";
/// The one field manager of what fleet writes.
const FIELD_MANAGER: &str = "paddock-fleet";
/// Between two looks at which clusters there are, without a nudge.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Exchanges with every cluster of the database until `shutdown`. A cluster that is added is taken up without a restart, and so is a
/// kubeconfig that was replaced.
pub async fn run(db: Db, clock: SharedClock, access: Access, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut links: BTreeMap<ClusterId, Link> = BTreeMap::new();
    let mut nudges = Nudges::new(&db, "paddock_clusters");
    while !shutdown.is_cancelled() {
        match clusters(&db).await {
            Ok(clusters) => {
                links.retain(|id, _| clusters.iter().any(|cluster| cluster.id == *id));
                for cluster in clusters {
                    let credential = access.credential(cluster.kubeconfig.as_deref());
                    if links.get(&cluster.id).is_some_and(|link| link.is_for(&cluster, &credential)) {
                        continue;
                    }
                    if let Some(old) = links.remove(&cluster.id) {
                        old.end().await;
                    }
                    let id = cluster.id;
                    links.insert(id, Link::begin(&db, &clock, &access, cluster, credential, &shutdown));
                }
            }
            Err(error) => tracing::warn!(error = telemetry::chain(&error), "the database is away; fleet waits for it"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = nudges.next() => {}
        }
    }
    for link in links.into_values() {
        link.end().await;
    }
    Ok(())
}

async fn clusters(db: &Db) -> sqlx::Result<Vec<capacity::ClusterAccess>> {
    let mut conn = db.fleet().acquire().await?;
    capacity::list_cluster_access(&mut conn).await
}

/// Nudges of one kind, as Postgres sends them. They carry nothing: when the connection is lost none come, and one is made again.
struct Nudges {
    pool: PgPool,
    kind: &'static str,
    listener: Option<PgListener>,
}

impl Nudges {
    fn new(db: &Db, kind: &'static str) -> Self {
        Self { pool: db.fleet().clone(), kind, listener: None }
    }

    /// Returns when there was a nudge. May be dropped and called again.
    async fn next(&mut self) {
        loop {
            if self.listener.is_none() {
                self.listener = listen(&self.pool, self.kind).await;
            }
            let Some(listener) = &mut self.listener else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            match listener.recv().await {
                Ok(_) => return,
                Err(_) => self.listener = None,
            }
        }
    }
}

async fn listen(pool: &PgPool, kind: &str) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(pool).await.ok()?;
    listener.listen(kind).await.ok()?;
    Some(listener)
}
