//! Follows the catalogue of releases that the fleet publishes. A change is in force at once: no restart, and every instance is looked at
//! again, since what it waits for may be known now.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error;
use super::instance::Context;
use super::settings::Release;
use crate::resource::{CATALOGUE_NAME, MastodonInstance, PublishedRelease, read_catalogue};

/// Until `term` ends. `known` is told once the catalogue was looked for: what is missing, or can't be read, is not waited for.
pub async fn follow(
    context: Arc<Context>,
    instances: Store<MastodonInstance>,
    wake: mpsc::UnboundedSender<String>,
    known: oneshot::Sender<()>,
    term: CancellationToken,
) {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.settings.namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={CATALOGUE_NAME}"));
    let mut events = watcher(api, only).default_backoff().boxed();
    let mut known = Some(known);
    let mut listed = None;
    while let Some(Some(event)) = term.run_until_cancelled(events.next()).await {
        let map = match event {
            Ok(Event::Init) => {
                listed = None;
                continue;
            }
            Ok(Event::InitApply(map)) => {
                listed = Some(map);
                continue;
            }
            Ok(Event::InitDone) => listed.take(),
            Ok(Event::Apply(map)) => Some(map),
            Ok(Event::Delete(_)) => None,
            Err(error) => {
                tracing::warn!(error = %error::chain(&error), "the watch of the catalogue stumbled and is taken up again");
                tell(&mut known);
                continue;
            }
        };
        let releases = map.and_then(|map| read(&map));
        let first = known.is_some();
        if context.set_releases(releases) && !first {
            tracing::info!("the catalogue of releases has changed");
            for instance in instances.state() {
                if wake.send(instance.name_any()).is_err() {
                    return;
                }
            }
        }
        tell(&mut known);
    }
}

fn tell(known: &mut Option<oneshot::Sender<()>>) {
    if let Some(known) = known.take() {
        // Nobody waits any more when the term has ended meanwhile.
        let _ended = known.send(());
    }
}

/// What may run; nothing when none of it is right, for then the settings are the better guess.
fn read(map: &ConfigMap) -> Option<BTreeMap<String, Release>> {
    let (good, bad) = read_catalogue(map.data.as_ref()?);
    for fault in bad {
        tracing::error!(error = %fault, "an entry of the catalogue is passed over");
    }
    let release = |PublishedRelease { web, streaming, min_from }| Release { web, streaming, min_from };
    let releases: BTreeMap<_, _> = good.into_iter().map(|(version, published)| (version, release(published))).collect();
    (!releases.is_empty()).then_some(releases)
}
