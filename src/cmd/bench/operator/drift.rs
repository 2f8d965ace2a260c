//! What others delete or change, and how long until it is as it was.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use futures::stream::{SelectAll, select_all};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::bare::Recipe;
use super::super::sides::step;
use crate::resource::{instance_id, namespace_name};

/// Kinds that hold no state: whatever becomes of them, they are made again.
const STATELESS: [&str; 6] = ["ConfigMap", "Service", "NetworkPolicy", "HTTPRoute", "Deployment", "ResourceQuota"];
/// A label of ours on every object, and its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/name", "mastodon");
const PATIENCE: Duration = Duration::from_mins(2);

/// An object was written.
struct Arrival {
    at: Instant,
    kind: String,
    instance: String,
    name: String,
    uid: String,
    label: Option<String>,
}

/// News of all objects of ours, from when it was opened.
pub(super) struct Arrivals {
    news: mpsc::UnboundedReceiver<Arrival>,
    follower: JoinHandle<()>,
}

impl Arrivals {
    /// Watches these kinds; returns when all of them have listed what is there.
    pub async fn open(client: &Client, kinds: &[ApiResource]) -> anyhow::Result<Self> {
        let (tell, news) = mpsc::unbounded_channel();
        let (listed, mut all_listed) = mpsc::unbounded_channel();
        let mut events: SelectAll<_> = select_all(kinds.iter().map(|kind| {
            let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), kind);
            let ours = watcher::Config::default().labels("app.kubernetes.io/managed-by=paddock").page_size(500);
            let kind = kind.kind.clone();
            watcher(api, ours).default_backoff().map(move |event| (kind.clone(), event)).boxed()
        }));
        let follower = tokio::spawn(async move {
            while let Some((kind, event)) = events.next().await {
                let object = match event {
                    Ok(Event::Apply(object)) => object,
                    Ok(Event::InitDone) if listed.send(()).is_ok() => continue,
                    Ok(_) | Err(_) => continue,
                };
                let arrival = Arrival {
                    at: Instant::now(),
                    kind,
                    instance: object.labels().get("paddock.host/instance").cloned().unwrap_or_default(),
                    name: object.name_any(),
                    uid: object.uid().unwrap_or_default(),
                    label: object.labels().get(LABEL.0).cloned(),
                };
                if tell.send(arrival).is_err() {
                    return;
                }
            }
        });
        for _ in kinds {
            all_listed.recv().await.context("a watch ended")?;
        }
        Ok(Self { news, follower })
    }

    async fn next(&mut self) -> anyhow::Result<Arrival> {
        let next = tokio::time::timeout(PATIENCE, self.news.recv()).await;
        next.context("nothing was written for two minutes")?.context("the watches ended")
    }

    /// Milliseconds from `began` until `count` different objects of an instance were there.
    pub async fn until(&mut self, instance: &str, count: usize, began: Instant) -> anyhow::Result<i64> {
        let mut there = HashSet::new();
        loop {
            let arrival = self.next().await?;
            if arrival.instance == instance {
                there.insert(arrival.uid);
                if there.len() >= count {
                    return Ok(i64::try_from((arrival.at - began).as_millis())?);
                }
            }
        }
    }

    /// Milliseconds from `began` until an object is there as `right` says.
    async fn mended(&mut self, began: Instant, right: impl Fn(&Arrival) -> bool) -> anyhow::Result<i64> {
        loop {
            let arrival = self.next().await?;
            if right(&arrival) {
                return Ok(i64::try_from(arrival.at.saturating_duration_since(began).as_millis())?);
            }
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// Deletes and changes objects of random servers, one after the other; sorted milliseconds until each was mended.
pub(super) async fn measure(client: &Client, recipe: &Recipe, names: &[String], count: usize) -> anyhow::Result<Vec<i64>> {
    let kinds: Vec<&ApiResource> = recipe.kinds.iter().filter(|kind| STATELESS.contains(&kind.kind.as_str())).collect();
    anyhow::ensure!(kinds.len() == STATELESS.len(), "not all kinds are there");
    let mut arrivals = step("watches of all kinds", Arrivals::open(client, &recipe.kinds)).await?;
    let mut times = Vec::new();
    for number in 0..count {
        let instance = &names[rand::random_range(0..names.len())];
        let kind = kinds[number % kinds.len()];
        let namespace = namespace_name(instance_id(instance).context("not the name of an instance")?);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, kind);
        let ours = kube::api::ListParams::default().labels("app.kubernetes.io/managed-by=paddock");
        let object = api.list(&ours).await?.items.into_iter().next().with_context(|| format!("no {} of ours", kind.kind))?;
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let same = |arrival: &Arrival| arrival.kind == kind.kind && arrival.instance == *instance && arrival.name == name;
        // Every kind is both deleted and changed in turn.
        let time = if (number / kinds.len()).is_multiple_of(2) {
            api.delete(&name, &DeleteParams::background()).await?;
            let began = Instant::now();
            arrivals.mended(began, |arrival| same(arrival) && arrival.uid != uid).await?
        } else {
            let changed = json!({"metadata": {"labels": {LABEL.0: "changed"}}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&changed)).await?;
            let began = Instant::now();
            // What is told first is the change itself.
            arrivals.mended(began, |arrival| same(arrival) && arrival.label.as_deref() == Some("changed")).await?;
            arrivals.mended(began, |arrival| same(arrival) && arrival.label.as_deref() == Some(LABEL.1)).await?
        };
        times.push(time);
    }
    times.sort_unstable();
    Ok(times)
}
