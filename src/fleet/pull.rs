//! Custom resources → rows: what the operator says of each instance is written into its row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::ROW_GENERATION;
use crate::account::{self, hook};
use crate::clock::{Clock, SharedClock};
use crate::crash;
use crate::db::Db;
use crate::ids::{ClusterId, InstanceId};
use crate::instance;
use crate::mail::{self, Notice};
use crate::queue;
use crate::resource::{ConditionKind, InstanceStatus, MastodonInstance, instance_id, instant, is_true, resource_name};
use crate::rollout::{self, jobs::AdvanceRollouts};
use crate::telemetry;

/// After a failure to write.
const AGAIN: Duration = Duration::from_secs(1);

/// What was said of an instance and is not in its row yet.
struct Said {
    /// The generation of the row that the custom resource was made from.
    known: i64,
    /// The same, once the operator has answered to it.
    answered: i64,
    status: InstanceStatus,
    /// Tells the custom resource from a later one of its name.
    uid: Option<String>,
}

pub(super) async fn run(db: Db, clock: SharedClock, client: Client, cluster: ClusterId, shutdown: CancellationToken) {
    let api: Api<MastodonInstance> = Api::all(client);
    let mut events = std::pin::pin!(watcher::watcher(api.clone(), watcher::Config::default()));
    // Of each instance only what was said last matters. What can't be written now stays here; a relist says everything again.
    let mut unwritten: BTreeMap<InstanceId, Said> = BTreeMap::new();
    // Of a listing under way: what must be in it, and what is not. Then those that are to be pushed again.
    let (mut awaited, mut missing) = (BTreeMap::new(), BTreeSet::new());
    loop {
        let more = tokio::select! {
            () = shutdown.cancelled() => return,
            event = events.next() => event.map(Some),
            () = tokio::time::sleep(AGAIN), if !unwritten.is_empty() || !missing.is_empty() => Some(None),
        };
        match more.map(Option::transpose) {
            Some(Ok(None)) => {}
            // What was deleted or put back to an older state while nobody watched shows in a listing alone. What the API server had
            // taken before it began must be in it.
            Some(Ok(Some(Event::Init))) => match shutdown.run_until_cancelled(pushed(&db, cluster)).await {
                Some(pushed) => awaited = pushed,
                None => return,
            },
            Some(Ok(Some(Event::InitApply(resource)))) => {
                if let Some(id) = instance_id(&resource.name_any())
                    && awaited.get(&id).is_some_and(|generation| row_generation(&resource) >= *generation)
                {
                    awaited.remove(&id);
                }
                unwritten.extend(read(&resource));
            }
            Some(Ok(Some(Event::InitDone))) => missing.extend(std::mem::take(&mut awaited).into_keys()),
            Some(Ok(Some(Event::Apply(resource)))) => unwritten.extend(read(&resource)),
            // A custom resource that somebody deleted is wanted again as long as its row says so.
            Some(Ok(Some(Event::Delete(resource)))) => missing.extend(instance_id(&resource.name_any())),
            Some(Err(error)) => {
                tracing::warn!(error = telemetry::chain(&error), "the watch of custom resources broke off; it begins again");
                tokio::time::sleep(AGAIN).await;
            }
            None => return,
        }
        for id in std::mem::take(&mut missing) {
            if let Err(error) = push_again(&db, cluster, id).await {
                tracing::warn!(instance.id = %id, error = telemetry::chain(&error), "a missing custom resource could not be noted; trying again");
                missing.insert(id);
            }
        }
        // One that can't be written does not stand in the way of the others.
        for (id, said) in std::mem::take(&mut unwritten) {
            let written = match write(&db, &clock, cluster, id, &said).await {
                Ok(()) => finish_removal(&db, &clock, &api, cluster, id, &said).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = written {
                tracing::warn!(instance.id = %id, error = format!("{error:#}"), "what was seen could not be written; trying again");
                unwritten.insert(id, said);
            }
        }
    }
}

async fn push_again(db: &Db, cluster: ClusterId, id: InstanceId) -> sqlx::Result<()> {
    let mut conn = db.fleet().acquire().await?;
    instance::push_again(&mut conn, cluster, id).await
}

/// What the API server has taken so far; waits while the database is away.
async fn pushed(db: &Db, cluster: ClusterId) -> BTreeMap<InstanceId, i64> {
    loop {
        let look = async { instance::pushed(&mut *db.fleet().acquire().await?, cluster).await };
        match look.await {
            Ok(pushed) => return pushed,
            Err(error) => tracing::warn!(error = telemetry::chain(&error), "the database is away; the listing waits for it"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The generation of the row that a custom resource was made from.
fn row_generation(resource: &MastodonInstance) -> i64 {
    resource.annotations().get(ROW_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn read(resource: &MastodonInstance) -> Option<(InstanceId, Said)> {
    let id = instance_id(&resource.name_any())?;
    let status = resource.status.clone()?;
    let known = row_generation(resource);
    let answered = if status.observed_generation == resource.metadata.generation { known } else { 0 };
    Some((id, Said { known, answered, status, uid: resource.uid() }))
}

async fn write(db: &Db, clock: &SharedClock, cluster: ClusterId, id: InstanceId, said: &Said) -> sqlx::Result<()> {
    let ready = is_true(&said.status.conditions, ConditionKind::Ready);
    let mut tx = db.fleet().begin().await?;
    // A database that was restored shows by this, also where nothing is to be pushed.
    if instance::note_outrun(&mut tx, clock.as_ref(), cluster, id, said.known).await? {
        tracing::warn!(instance.id = %id, cluster = said.known, "the cluster knows a later intent than the database");
    }
    if take_in(&mut tx, clock.as_ref(), cluster, id, said.answered, &said.status).await? {
        crash::point("fleet.ready_before_commit");
        metrics::counter!("paddock_instances_ready_total").increment(1);
    }
    tx.commit().await?;
    if ready {
        crash::point("fleet.ready_committed");
    }
    Ok(())
}

/// Writes what the operator of a cluster says of an instance into its row; at the first Ready also the mail that is owed and the times that the
/// steps took. A rollout that changes it has a look. `row_generation`: which intent it answers. Returns whether this was the first Ready.
///
/// # Errors
/// Those of the database.
pub async fn take_in(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    id: InstanceId,
    row_generation: i64,
    status: &InstanceStatus,
) -> sqlx::Result<bool> {
    let ready = is_true(&status.conditions, ConditionKind::Ready);
    let json = serde_json::to_value(status).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let first = instance::observe(conn, clock, cluster, id, row_generation, &json, ready).await?;
    if rollout::is_under_way(conn, id).await? {
        queue::enqueue(conn, &AdvanceRollouts {}, None).await?;
    }
    let Some(first) = first else { return Ok(false) };
    for step in &status.steps {
        if let Some(finished) = &step.finished_at {
            let (began, ended) = (instant(&step.started_at), instant(finished));
            instance::record_step(conn, step.name.as_str(), (ended - began).as_seconds_f64(), ended).await?;
        }
    }
    let event = hook::Event::ServerReady { instance: id, domain: first.domain.clone() };
    hook::happened(conn, clock, first.account_id, &event).await?;
    let notice = Notice::ServerReady {
        instance: id,
        web_domain: first.web_domain.unwrap_or_else(|| first.domain.clone()),
        domain: first.domain,
        owner_username: first.owner_username,
        owner_email: first.owner_email,
    };
    if let Some(person) = account::list_members(conn, first.account_id).await?.first() {
        mail::owe(conn, clock, &person.email, &person.locale, &notice, Some(&format!("ready:{id}"))).await?;
    }
    Ok(true)
}

/// Nothing of a removed server is left: address and place are given back, then its custom resource goes. In this order, so that one
/// whose deletion is not noticed is not made anew.
async fn finish_removal(
    db: &Db,
    clock: &SharedClock,
    api: &Api<MastodonInstance>,
    cluster: ClusterId,
    id: InstanceId,
    said: &Said,
) -> anyhow::Result<()> {
    if said.status.removal.as_ref().is_none_or(|removal| removal.finished_at.is_none()) {
        return Ok(());
    }
    let mut tx = db.fleet().begin().await?;
    // What another cluster says of it is not about it.
    if instance::find(&mut tx, id).await?.is_none_or(|instance| instance.cluster_id != cluster) {
        return Ok(());
    }
    if instance::finish_removal(&mut tx, clock.as_ref(), id).await? {
        tracing::info!(instance.id = %id, "is removed; its address and its place are free");
    }
    let released = instance::find(&mut tx, id).await?.is_some_and(|instance| instance.released_at.is_some());
    tx.commit().await?;
    if !released {
        tracing::warn!(instance.id = %id, "was removed although its row does not say so; its custom resource stays");
        return Ok(());
    }
    let exactly = Preconditions { uid: said.uid.clone(), resource_version: None };
    match api.delete(&resource_name(id), &DeleteParams::default().preconditions(exactly)).await {
        Ok(_) => Ok(()),
        // Gone already, or another one by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
