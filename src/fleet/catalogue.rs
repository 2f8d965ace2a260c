//! Releases → ConfigMap: each cluster's operator, and the policy that pins the images of pods, learn from it what may run.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{FIELD_MANAGER, Nudges};
use crate::capacity::ClusterAccess;
use crate::db::Db;
use crate::plan::Release;
use crate::resource::{CATALOGUE_NAME, PublishedRelease};
use crate::rollout;

/// Without a nudge.
const EVERY: Duration = Duration::from_mins(5);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);

pub(super) async fn run(db: Db, client: Client, cluster: ClusterAccess, shutdown: CancellationToken) {
    let mut nudges = Nudges::new(&db, "paddock_releases");
    loop {
        let pause = match publish(&db, &client, &cluster.namespace).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(
                    cluster.name = cluster.name,
                    error = format!("{error:#}"),
                    "releases could not be published; trying again"
                );
                AGAIN
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = nudges.next() => {}
        }
    }
}

/// Writes the ConfigMap, if it is not what it should be.
async fn publish(db: &Db, client: &Client, namespace: &str) -> anyhow::Result<()> {
    let mut conn = db.fleet().acquire().await?;
    let releases = rollout::published(&mut conn).await?;
    drop(conn);
    let wanted = data(&releases)?;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let there = api.get_opt(CATALOGUE_NAME).await?;
    if there.is_some_and(|there| there.data.as_ref() == Some(&wanted)) {
        return Ok(());
    }
    let versions: Vec<&str> = wanted.keys().map(String::as_str).collect();
    tracing::info!(namespace, versions = versions.join(", "), "releases are published");
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(CATALOGUE_NAME.to_owned()), ..ObjectMeta::default() },
        data: Some(wanted),
        ..ConfigMap::default()
    };
    api.patch(CATALOGUE_NAME, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&map)).await?;
    Ok(())
}

/// One entry for each version.
fn data(releases: &[Release]) -> anyhow::Result<BTreeMap<String, String>> {
    let entry = |release: &Release| {
        let published = PublishedRelease {
            web: release.web.reference(),
            streaming: release.streaming.reference(),
            min_from: release.min_from.to_string(),
        };
        Ok((release.version.to_string(), serde_json::to_string(&published)?))
    };
    releases.iter().map(entry).collect()
}
