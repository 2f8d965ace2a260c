//! The exchange with one cluster: a client of its own, and what is done with it side by side.

use std::time::Duration;

use kube::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Credential};
use super::{catalogue, pull, push, runs};
use crate::capacity::{self, ClusterAccess};
use crate::clock::SharedClock;
use crate::db::Db;
use crate::telemetry;

/// Between two questions whether the API server answers.
const BEAT_EVERY: Duration = Duration::from_secs(20);
/// The same while it does not.
const BEAT_AGAIN: Duration = Duration::from_secs(5);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running exchange. Dropping it ends it.
pub(super) struct Link {
    cluster: ClusterAccess,
    /// What the client was made of.
    credential: Credential,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Link {
    pub fn begin(
        db: &Db,
        clock: &SharedClock,
        access: &Access,
        cluster: ClusterAccess,
        credential: Credential,
        shutdown: &CancellationToken,
    ) -> Self {
        let stop = shutdown.child_token();
        let task = tokio::spawn(run(db.clone(), SharedClock::clone(clock), access.clone(), cluster.clone(), stop.clone()));
        Self { cluster, credential, stop, task }
    }

    /// Whether it runs and is what it would be now.
    pub fn is_for(&self, cluster: &ClusterAccess, credential: &Credential) -> bool {
        // A kubeconfig that can't be read at this moment is no reason to end what works.
        let same = *credential == Credential::Unreadable || *credential == self.credential;
        !self.task.is_finished() && self.cluster == *cluster && same
    }

    pub async fn end(mut self) {
        self.stop.cancel();
        // One that panicked has said so itself.
        let _ended = (&mut self.task).await;
    }
}

/// Until `stop`, or until there is no client: then it is begun again.
async fn run(db: Db, clock: SharedClock, access: Access, cluster: ClusterAccess, stop: CancellationToken) {
    let client = match access.client(cluster.kubeconfig.as_deref()).await {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(cluster.name = cluster.name, error = format!("{error:#}"), "a cluster can't be reached");
            return trouble(&db, &cluster, &format!("{error:#}")).await;
        }
    };
    tokio::join!(
        push::run(db.clone(), SharedClock::clone(&clock), client.clone(), cluster.id, stop.clone()),
        runs::pull(db.clone(), SharedClock::clone(&clock), client.clone(), cluster.id, stop.clone()),
        pull::run(db.clone(), SharedClock::clone(&clock), client.clone(), cluster.id, stop.clone()),
        catalogue::run(db.clone(), client.clone(), cluster.clone(), stop.clone()),
        beat(db, clock, client, cluster, stop.clone()),
    );
}

/// Notes whether the API server answers, so that pages can say since when nobody has seen what they show.
async fn beat(db: Db, clock: SharedClock, client: Client, cluster: ClusterAccess, stop: CancellationToken) {
    let mut well = None;
    loop {
        let answer = tokio::time::timeout(PATIENCE, client.apiserver_version()).await;
        let failed = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(telemetry::chain(&error)),
            Err(_) => Some(format!("its API server did not answer within {} s", PATIENCE.as_secs())),
        };
        if well != Some(failed.is_none()) {
            match &failed {
                None => tracing::info!(cluster.name = cluster.name, "the cluster answers"),
                Some(why) => tracing::warn!(cluster.name = cluster.name, error = why, "the cluster does not answer"),
            }
        }
        well = Some(failed.is_none());
        metrics::gauge!("paddock_cluster_answers", "cluster" => cluster.name.clone()).set(if failed.is_none() {
            1.0
        } else {
            0.0
        });
        let pause = match failed {
            None => {
                if let Err(error) = seen(&db, &clock, &cluster).await {
                    tracing::warn!(
                        cluster.name = cluster.name,
                        error = telemetry::chain(&error),
                        "could not note that a cluster answers"
                    );
                }
                BEAT_EVERY
            }
            Some(why) => {
                trouble(&db, &cluster, &why).await;
                BEAT_AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn seen(db: &Db, clock: &SharedClock, cluster: &ClusterAccess) -> sqlx::Result<()> {
    let mut conn = db.fleet().acquire().await?;
    capacity::note_seen(&mut conn, clock.as_ref(), cluster.id).await
}

async fn trouble(db: &Db, cluster: &ClusterAccess, why: &str) {
    let noted = async {
        let mut conn = db.fleet().acquire().await?;
        capacity::note_trouble(&mut conn, cluster.id, why).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(cluster.name = cluster.name, error = telemetry::chain(&error), "could not note that a cluster is away");
    }
}
