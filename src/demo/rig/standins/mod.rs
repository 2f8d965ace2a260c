//! What plays the parts that need a kubelet, machines or the internet: CloudNativePG, the volume provisioner, whoever runs our Jobs, the
//! Gateway's controller as far as listener sets go, and cert-manager.
//!
//! Each part is one task. A part does what its real counterpart would make visible to us, no more, and writes as a field
//! manager of its own.

mod archives;
mod backups;
mod barman;
mod certificates;
mod databases;
mod jobs;
mod listeners;
mod majors;
mod migrations;
mod namespaces;
mod runs;
mod schedules;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Postgres, RigError, Work};

pub(super) use databases::database_name;

/// How many objects of a kind are worked on at a time.
const AT_A_TIME: usize = 16;
const ATTEMPTS: u32 = 60;

/// The running stand-ins; they end when this is dropped.
#[derive(Debug)]
pub struct Standins {
    tasks: Vec<JoinHandle<()>>,
}

impl Standins {
    /// Starts all of them on the current runtime.
    pub(super) fn start(client: &Client, postgres: &Arc<Postgres>, work: Work) -> Self {
        let databases = databases::Databases::new(client.clone(), Arc::clone(postgres), work);
        let mut tasks = vec![
            tokio::spawn(databases.run()),
            tokio::spawn(backups::run(client.clone(), Arc::clone(postgres), work)),
            tokio::spawn(schedules::run(client.clone())),
            tokio::spawn(volumes::run(client.clone())),
            tokio::spawn(listeners::run(client.clone())),
            tokio::spawn(certificates::run(client.clone())),
        ];
        if work == Work::Real {
            tasks.push(tokio::spawn(jobs::Jobs::new(client.clone(), Arc::clone(postgres)).run()));
        }
        Self { tasks }
    }
}

impl Drop for Standins {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a watch saw.
#[derive(Debug)]
enum Seen<K> {
    /// It is there, new or changed.
    There(K),
    /// It is gone.
    Gone(K),
}

/// Calls `handle` for each object of a watch, several at a time, again while it fails. Ends with the task.
async fn follow<K, F>(api: Api<K>, config: watcher::Config, handle: impl Fn(Arc<Seen<K>>) -> F)
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    F: Future<Output = Result<(), RigError>>,
{
    let events = watcher(api, config).default_backoff().filter_map(async |event| match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => Some(Seen::There(object)),
        Ok(Event::Delete(object)) => Some(Seen::Gone(object)),
        Ok(Event::Init | Event::InitDone) => None,
        Err(error) => {
            tracing::debug!(%error, "a watch of the rig was interrupted");
            None
        }
    });
    events
        .for_each_concurrent(AT_A_TIME, async |seen| {
            let (Seen::There(object) | Seen::Gone(object)) = &seen;
            let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
            let seen = Arc::new(seen);
            for attempt in 0..ATTEMPTS {
                match handle(Arc::clone(&seen)).await {
                    Ok(()) => return,
                    Err(error) if is_gone(&error) => return,
                    Err(error) if attempt + 1 == ATTEMPTS => tracing::warn!(%error, name, "the rig gives up on an object"),
                    Err(error) => tracing::debug!(%error, name, "the rig tries again"),
                }
                sleep(Duration::from_millis(250)).await;
            }
        })
        .await;
}

/// The object, or its namespace, was deleted meanwhile: nothing is left to do.
fn is_gone(error: &RigError) -> bool {
    let RigError::Kube { source, .. } = error else { return false };
    matches!(&**source, kube::Error::Api(status) if status.code == 404 || (status.code == 403 && status.message.contains("being terminated")))
}
