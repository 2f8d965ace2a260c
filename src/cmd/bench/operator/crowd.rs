//! Custom resources as the fleet writes them, and how many of them are Ready.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::bare::AT_ONCE;
use super::super::learn::FLEET;
use crate::config::Config;
use crate::demo::stage::HOSTS_DOMAIN;
use crate::fleet::resource_size;
use crate::ids::InstanceId;
use crate::instance::StoredSize;
use crate::plan::{Catalogue, Releases};
use crate::resource::{ConditionKind, Majors, MastodonInstance, MastodonInstanceSpec, Mode, Owner, Size, is_true, resource_name};

const PATIENCE: Duration = Duration::from_hours(1);

/// Names of new servers.
pub(super) fn new_names(count: usize) -> Vec<String> {
    (0..count).map(|_| resource_name(InstanceId::new())).collect()
}

/// All servers of a measurement.
pub(super) struct Crowd {
    api: Api<MastodonInstance>,
    size: Size,
    version: String,
    made: usize,
    ready: watch::Receiver<usize>,
    follower: JoinHandle<()>,
}

impl Crowd {
    /// Of the first plan of the catalogue, in its newest release.
    pub fn new(client: &Client, config: &Config) -> anyhow::Result<Self> {
        let catalogue = Catalogue::load(&config.catalogue.plans)?;
        let plan = catalogue.offered().next().context("the catalogue offers no plan")?;
        let size = resource_size(&StoredSize { size: plan.size.clone(), media_gib: plan.limits.media_gib, packs: 0 })?;
        let version = Releases::load(&config.catalogue.releases)?.newest_offered().version.to_string();
        let api: Api<MastodonInstance> = Api::all(client.clone());
        let (tell, ready) = watch::channel(0);
        let follower = tokio::spawn(follow(api.clone(), tell));
        Ok(Self { api, size, version, made: 0, ready, follower })
    }

    /// Writes their custom resources.
    pub async fn apply(&mut self, names: &[String]) -> anyhow::Result<()> {
        let params = PatchParams::apply(FLEET).force();
        stream::iter(names)
            .map(|name| {
                let (api, params, wanted) = (self.api.clone(), params.clone(), self.wanted(name));
                async move { api.patch(name, &params, &Patch::Apply(&wanted)).await.map(drop) }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        self.made += names.len();
        Ok(())
    }

    /// Until every server that was written so far is Ready.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let made = self.made;
        let all = self.ready.wait_for(|ready| *ready >= made);
        tokio::time::timeout(PATIENCE, all).await.context("not all servers are ready")??;
        Ok(())
    }

    /// Both; how long it took.
    pub async fn make(&mut self, names: &[String]) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.apply(names).await?;
        self.wait().await?;
        Ok(began.elapsed())
    }

    fn wanted(&self, name: &str) -> MastodonInstance {
        let label = name.trim_start_matches("ins-");
        let spec = MastodonInstanceSpec {
            domain: format!("{label}.{HOSTS_DOMAIN}"),
            web_domain: None,
            local_domain: None,
            address_confirmed: false,
            mode: Mode::Running {},
            version: self.version.clone(),
            owner: Owner { username: "owner".to_owned(), email: "owner@example.org".to_owned() },
            locale: "en".to_owned(),
            size: self.size.clone(),
            majors: Majors::default(),
            sealed: None,
            holds_data: false,
            removal: None,
        };
        MastodonInstance::new(name, spec)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// Counts who is Ready.
async fn follow(api: Api<MastodonInstance>, tell: watch::Sender<usize>) {
    let mut events = watcher(api, watcher::Config::default().page_size(500)).default_backoff().boxed();
    let mut ready = HashSet::new();
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(instance) | Event::InitApply(instance)) = event else { continue };
        let conditions = instance.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        if is_true(conditions, ConditionKind::Ready) && ready.insert(instance.name_any()) && tell.send(ready.len()).is_err() {
            return;
        }
    }
}
