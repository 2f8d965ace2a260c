//! Custom resources → rows: what the operator says of each instance is written into its row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::ROW_GENERATION;
use crate::account;
use crate::clock::SharedClock;
use crate::crash;
use crate::db::Db;
use crate::ids::{ClusterId, InstanceId};
use crate::instance;
use crate::mail::{self, Notice};
use crate::queue;
use crate::resource::{ConditionKind, InstanceStatus, MastodonInstance, instance_id, instant, is_true};
use crate::rollout::{self, jobs::AdvanceRollouts};
use crate::telemetry;

/// After a failure to write.
const AGAIN: Duration = Duration::from_secs(1);

/// What was said of an instance and is not in its row yet.
struct Said {
    row_generation: i64,
    status: InstanceStatus,
}

/// What the watch has told and the database does not know yet. A relist says everything again.
#[derive(Default)]
struct Unwritten {
    /// Of each instance only what was said last matters.
    said: BTreeMap<InstanceId, Said>,
    /// Custom resources that are gone.
    gone: BTreeSet<InstanceId>,
    /// All custom resources that there are, with the generation of the row that each was written from, once a list is complete.
    listed: Option<BTreeMap<InstanceId, i64>>,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.said.is_empty() && self.gone.is_empty() && self.listed.is_none()
    }

    /// Takes an event in; what is being listed is kept in `listing` until it is complete.
    fn take(&mut self, event: Event<MastodonInstance>, listing: &mut BTreeMap<InstanceId, i64>) {
        match event {
            Event::Init => listing.clear(),
            Event::InitApply(resource) => {
                if let Some(id) = instance_id(&resource.name_any()) {
                    listing.insert(id, row_generation(&resource));
                }
                self.note(&resource);
            }
            Event::InitDone => self.listed = Some(std::mem::take(listing)),
            Event::Apply(resource) => self.note(&resource),
            Event::Delete(resource) => self.gone.extend(instance_id(&resource.name_any())),
        }
    }

    fn note(&mut self, resource: &MastodonInstance) {
        if let Some((id, said)) = read(resource) {
            self.said.insert(id, said);
        }
    }

    /// Writes all of it, as far as that is possible now. What can't be written does not stand in the way of the rest.
    async fn write(&mut self, db: &Db, clock: &SharedClock, cluster: ClusterId) {
        for (id, said) in std::mem::take(&mut self.said) {
            if let Err(error) = write(db, clock, cluster, id, &said).await {
                tracing::warn!(instance.id = %id, error = telemetry::chain(&error), "what was seen could not be written; trying again");
                self.said.insert(id, said);
            }
        }
        // A custom resource that somebody deleted is wanted again as long as its row says so.
        for id in std::mem::take(&mut self.gone) {
            if let Err(error) = push_again(db, cluster, id).await {
                tracing::warn!(instance.id = %id, error = telemetry::chain(&error), "a deleted custom resource could not be noted");
                self.gone.insert(id);
            }
        }
        if let Some(listed) = self.listed.take() {
            match push_missing(db, cluster, &listed).await {
                Ok(0) => {}
                Ok(missing) => {
                    tracing::warn!(cluster.id = %cluster, missing, "custom resources are missing or old; they are pushed again");
                }
                Err(error) => {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "what is missing in a cluster could not be noted; trying again"
                    );
                    self.listed = Some(listed);
                }
            }
        }
    }
}

pub(super) async fn run(db: Db, clock: SharedClock, client: Client, cluster: ClusterId, shutdown: CancellationToken) {
    let api: Api<MastodonInstance> = Api::all(client);
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    let (mut unwritten, mut listing) = (Unwritten::default(), BTreeMap::new());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(AGAIN), if !unwritten.is_empty() => {}
            event = events.next() => match event {
                Some(Ok(event)) => unwritten.take(event, &mut listing),
                Some(Err(error)) => {
                    tracing::warn!(
                        cluster.id = %cluster,
                        error = telemetry::chain(&error),
                        "the watch of custom resources broke off; it begins again"
                    );
                    tokio::time::sleep(AGAIN).await;
                }
                None => return,
            },
        }
        unwritten.write(&db, &clock, cluster).await;
    }
}

async fn push_again(db: &Db, cluster: ClusterId, id: InstanceId) -> sqlx::Result<()> {
    let mut conn = db.fleet().acquire().await?;
    instance::push_again(&mut conn, cluster, id).await
}

/// What was pushed and is not there: deleted while nobody watched, or lost with an older copy of the cluster's own database.
async fn push_missing(db: &Db, cluster: ClusterId, listed: &BTreeMap<InstanceId, i64>) -> sqlx::Result<u64> {
    let (ids, generations): (Vec<_>, Vec<_>) = listed.iter().map(|(id, generation)| (id.uuid(), *generation)).unzip();
    let mut conn = db.fleet().acquire().await?;
    instance::push_missing(&mut conn, cluster, &ids, &generations).await
}

fn row_generation(resource: &MastodonInstance) -> i64 {
    resource.annotations().get(ROW_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn read(resource: &MastodonInstance) -> Option<(InstanceId, Said)> {
    let id = instance_id(&resource.name_any())?;
    let status = resource.status.clone()?;
    let answered = status.observed_generation == resource.metadata.generation;
    Some((id, Said { row_generation: if answered { row_generation(resource) } else { 0 }, status }))
}

/// One transaction: the row, and at the first Ready the mail that is owed and the times that the steps took.
async fn write(db: &Db, clock: &SharedClock, cluster: ClusterId, id: InstanceId, said: &Said) -> sqlx::Result<()> {
    let status = serde_json::to_value(&said.status).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let ready = is_true(&said.status.conditions, ConditionKind::Ready);
    let mut tx = db.fleet().begin().await?;
    let first = instance::observe(&mut tx, clock.as_ref(), cluster, id, said.row_generation, &status, ready).await?;
    if rollout::is_under_way(&mut tx, id).await? {
        queue::enqueue(&mut tx, &AdvanceRollouts {}, None).await?;
    }
    if let Some(first) = first {
        for step in &said.status.steps {
            if let Some(finished) = &step.finished_at {
                let (began, ended) = (instant(&step.started_at), instant(finished));
                let seconds = (ended - began).as_seconds_f64();
                instance::record_step(&mut tx, step.name.as_str(), seconds, ended).await?;
            }
        }
        let notice = Notice::ServerReady {
            instance: id,
            web_domain: first.web_domain.unwrap_or_else(|| first.domain.clone()),
            domain: first.domain,
            owner_username: first.owner_username,
            owner_email: first.owner_email,
        };
        let people = account::list_members(&mut tx, first.account_id).await?;
        if let Some(person) = people.first() {
            mail::owe(&mut tx, clock.as_ref(), &person.email, &person.locale, &notice, Some(&format!("ready:{id}"))).await?;
        }
        crash::point("fleet.ready_before_commit");
        metrics::counter!("paddock_instances_ready_total").increment(1);
    }
    tx.commit().await?;
    if ready {
        crash::point("fleet.ready_committed");
    }
    Ok(())
}
