//! Runs: rows → custom resources, and what the operator says of them → rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::FIELD_MANAGER;
use crate::clock::SharedClock;
use crate::db::Db;
use crate::ids::{ClusterId, RunId};
use crate::instance::{self, export, run};
use crate::resource::{MastodonRun, MastodonRunSpec, RunStatus, resource_name, run_id, run_name};
use crate::telemetry;

/// After a failure to write.
const AGAIN: Duration = Duration::from_secs(1);
/// Rows of one round, and requests at a time.
const ROUND: i64 = 200;
const AT_ONCE: usize = 16;
/// How long a custom resource stays after its run was over: for those who look at the cluster. The row is the history.
const KEPT: TimeDelta = TimeDelta::days(7);

/// One round of pushing and tidying up; whether there is more.
pub(super) async fn push(db: &Db, clock: &SharedClock, client: &Client, cluster: ClusterId) -> anyhow::Result<bool> {
    let mut conn = db.fleet().acquire().await?;
    let rows = run::runs_to_push(&mut conn, cluster, ROUND).await?;
    let old = run::runs_to_remove(&mut conn, cluster, clock.now() - KEPT, ROUND).await?;
    drop(conn);
    let full = i64::try_from(rows.len().max(old.len())).unwrap_or(0) == ROUND;
    let pushed = futures::stream::iter(rows).map(|row| push_one(db, clock, client, row)).buffer_unordered(AT_ONCE);
    let pushed: Vec<anyhow::Result<()>> = pushed.collect().await;
    let removed = futures::stream::iter(old).map(|row| remove_one(db, clock, client, row)).buffer_unordered(AT_ONCE);
    let removed: Vec<anyhow::Result<()>> = removed.collect().await;
    pushed.into_iter().chain(removed).collect::<anyhow::Result<()>>()?;
    Ok(full)
}

async fn push_one(db: &Db, clock: &SharedClock, client: &Client, row: run::RunToPush) -> anyhow::Result<()> {
    let run::RunToPush { id, instance_id, action, cancelled, generation, pushed_generation } = row;
    let api: Api<MastodonRun> = Api::all(client.clone());
    let name = run_name(id);
    let there = api.get_metadata_opt(&name).await?;
    if there.is_none() && pushed_generation > 0 {
        // It was there and was deleted: made anew, it would be done a second time.
        let mut conn = db.fleet().acquire().await?;
        run::run_is_gone(&mut conn, clock.as_ref(), id).await?;
        return Ok(());
    }
    let mut wanted =
        MastodonRun::new(&name, MastodonRunSpec { instance: resource_name(instance_id), action: action.0, cancelled });
    // With the UID, so that one that has just been deleted is not made anew.
    wanted.metadata.uid = there.and_then(|there| there.metadata.uid);
    api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&wanted)).await?;
    let mut conn = db.fleet().acquire().await?;
    run::mark_run_pushed(&mut conn, clock.as_ref(), id, generation).await?;
    Ok(())
}

async fn remove_one(db: &Db, clock: &SharedClock, client: &Client, row: run::RunToRemove) -> anyhow::Result<()> {
    let run::RunToRemove { id, pushed } = row;
    if pushed {
        let api: Api<MastodonRun> = Api::all(client.clone());
        match api.delete(&run_name(id), &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut conn = db.fleet().acquire().await?;
    run::mark_run_removed(&mut conn, clock.as_ref(), id).await?;
    Ok(())
}

/// Takes in what the operator says of runs until `shutdown`.
pub(super) async fn pull(db: Db, clock: SharedClock, client: Client, cluster: ClusterId, shutdown: CancellationToken) {
    let api: Api<MastodonRun> = Api::all(client);
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    // Of each run only what was said last matters. What can't be written now stays here; a relist says everything again.
    let mut unwritten: BTreeMap<RunId, Said> = BTreeMap::new();
    // Of a listing under way: what must be in it and was not yet.
    let mut awaited: BTreeSet<RunId> = BTreeSet::new();
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return,
            event = events.next() => Some(event),
            () = tokio::time::sleep(AGAIN), if !unwritten.is_empty() => None,
        };
        match event {
            Some(None) => return,
            // What was deleted while nobody watched shows in a listing alone. What the API server had before it began must be in it.
            Some(Some(Ok(Event::Init))) => match shutdown.run_until_cancelled(pushed(&db, cluster)).await {
                Some(pushed) => awaited = pushed,
                None => return,
            },
            Some(Some(Ok(Event::InitApply(resource)))) => {
                if let Some(id) = run_id(&resource.name_any()) {
                    awaited.remove(&id);
                }
                unwritten.extend(said(&resource));
            }
            Some(Some(Ok(Event::Apply(resource)))) => unwritten.extend(said(&resource)),
            Some(Some(Ok(Event::InitDone))) => {
                unwritten.extend(std::mem::take(&mut awaited).into_iter().map(|id| (id, Said::Gone)));
            }
            Some(Some(Ok(Event::Delete(resource)))) => {
                unwritten.extend(run_id(&resource.name_any()).map(|id| (id, Said::Gone)));
            }
            Some(Some(Err(error))) => {
                tracing::warn!(error = telemetry::chain(&error), "the watch of runs broke off; it begins again");
                tokio::time::sleep(AGAIN).await;
            }
            None => {}
        }
        for (id, said) in std::mem::take(&mut unwritten) {
            if let Err(error) = write(&db, &clock, id, &said).await {
                tracing::warn!(run.id = %id, error = telemetry::chain(&error), "what was seen of a run could not be written; trying again");
                unwritten.insert(id, said);
            }
        }
    }
}

/// What is to be written of a run.
enum Said {
    /// What the operator says.
    Status(Box<RunStatus>),
    /// Its custom resource is gone.
    Gone,
}

fn said(resource: &MastodonRun) -> Option<(RunId, Said)> {
    Some((run_id(&resource.name_any())?, Said::Status(Box::new(resource.status.clone()?))))
}

/// The runs that a listing that begins now must name; waits while the database is away.
async fn pushed(db: &Db, cluster: ClusterId) -> BTreeSet<RunId> {
    loop {
        let look = async { run::pushed_runs(&mut *db.fleet().acquire().await?, cluster).await };
        match look.await {
            Ok(pushed) => return pushed.into_iter().collect(),
            Err(error) => {
                tracing::warn!(error = telemetry::chain(&error), "the database is away; the listing of runs waits for it");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn write(db: &Db, clock: &SharedClock, id: RunId, said: &Said) -> sqlx::Result<()> {
    let mut tx = db.fleet().begin().await?;
    match said {
        Said::Gone => {
            if run::run_is_gone(&mut tx, clock.as_ref(), id).await? {
                export::run_over(&mut tx, clock.as_ref(), id, run::RunState::Failed, &RunStatus::default()).await?;
            }
        }
        Said::Status(status) => {
            if let Some(run::Finished { kind, state, started_at, finished_at }) =
                run::observe_run(&mut tx, clock.as_ref(), id, status).await?
            {
                if let (run::RunState::Succeeded, Some(started_at)) = (state, started_at) {
                    let seconds = (finished_at - started_at).as_seconds_f64();
                    instance::record_step(&mut tx, &format!("run:{kind}"), seconds, finished_at).await?;
                }
                export::run_over(&mut tx, clock.as_ref(), id, state, status).await?;
            }
        }
    }
    tx.commit().await
}
