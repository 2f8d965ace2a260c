//! Releases → `ConfigMaps`: each cluster's operator learns what may run from one, and the policy that pins the images of pods from another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{FIELD_MANAGER, Nudges};
use crate::capacity::ClusterAccess;
use crate::db::Db;
use crate::plan::Release;
use crate::resource::{CATALOGUE_NAME, IMAGES_NAME, IMAGES_OF_RELEASES, PublishedRelease};
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

/// Writes the `ConfigMaps`, if they are not what they should be: first what may run, then that it is to.
async fn publish(db: &Db, client: &Client, namespace: &str) -> anyhow::Result<()> {
    let mut conn = db.fleet().acquire().await?;
    let releases = rollout::published(&mut conn).await?;
    drop(conn);
    let wanted = data(&releases)?;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    list_images(&api, &releases).await?;
    let there = api.get_opt(CATALOGUE_NAME).await?;
    if there.is_some_and(|there| there.data.as_ref() == Some(&wanted)) {
        return Ok(());
    }
    let versions: Vec<&str> = wanted.keys().map(String::as_str).collect();
    tracing::info!(namespace, versions = versions.join(", "), "releases are published");
    apply(&api, CATALOGUE_NAME, wanted).await
}

/// Adds the images to the list of the chart's policy. Where there is none, nothing is pinned either.
async fn list_images(api: &Api<ConfigMap>, releases: &[Release]) -> anyhow::Result<()> {
    let Some(there) = api.get_opt(IMAGES_NAME).await? else { return Ok(()) };
    let images = releases.iter().flat_map(|release| [release.web.reference(), release.streaming.reference()]);
    let wanted = images.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n");
    if there.data.is_some_and(|data| data.get(IMAGES_OF_RELEASES) == Some(&wanted)) {
        return Ok(());
    }
    apply(api, IMAGES_NAME, BTreeMap::from([(IMAGES_OF_RELEASES.to_owned(), wanted)])).await
}

/// Values of others stay: what is applied is ours alone.
async fn apply(api: &Api<ConfigMap>, name: &str, data: BTreeMap<String, String>) -> anyhow::Result<()> {
    let map = ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some(data),
        ..ConfigMap::default()
    };
    api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&map)).await?;
    Ok(())
}

/// One entry for each version.
fn data(releases: &[Release]) -> anyhow::Result<BTreeMap<String, String>> {
    let entry = |release: &Release| {
        let published = PublishedRelease {
            web: release.web.reference(),
            streaming: release.streaming.reference(),
            min_from: release.min_from,
        };
        Ok((release.version.to_string(), serde_json::to_string(&published)?))
    };
    releases.iter().map(entry).collect()
}
