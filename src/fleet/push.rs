//! Rows → custom resources: every row whose generation is newer than what the API server has taken is applied.

use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::{FIELD_MANAGER, Nudges, ROW_GENERATION, runs};
use crate::clock::SharedClock;
use crate::crash;
use crate::db::Db;
use crate::ids::ClusterId;
use crate::instance::{self, Intent, StoredSize, ToPush, claim};
use crate::resource::{
    CacheSize, DatabaseSize, LocalDomain, Majors, MastodonInstance, MastodonInstanceSpec, Mode, Owner, Removal, SchedulerSize,
    Sealed, Size, StreamingSize, WebSize, WorkerSize, resource_name,
};

/// Without a nudge.
const EVERY: Duration = Duration::from_secs(10);
/// After a failure, and after a row of them: a cluster that is away is not hammered, and soon caught up when it comes back.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(10);
/// Rows of one round, and requests at a time.
const ROUND: i64 = 200;
const AT_ONCE: usize = 16;

pub(super) async fn run(db: Db, clock: SharedClock, client: Client, cluster: ClusterId, shutdown: CancellationToken) {
    let mut nudges = Nudges::new(&db, "paddock_fleet");
    let mut again = AGAIN;
    loop {
        // A run is for a server that is there already, so it comes behind; neither keeps the other up.
        let (servers, runs) = (push(&db, &clock, &client, cluster).await, runs::push(&db, &clock, &client, cluster).await);
        let pause = match servers.and_then(|full| Ok(runs? || full)) {
            Ok(full) => {
                again = AGAIN;
                if full { Duration::ZERO } else { EVERY }
            }
            Err(error) => {
                tracing::warn!(cluster.id = %cluster, error = format!("{error:#}"), "rows could not be pushed; trying again");
                let pause = again;
                again = (again * 2).min(AGAIN_AT_MOST);
                pause
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            // While the cluster does not answer, what is new for it waits like the rest.
            () = nudges.next(), if again == AGAIN => {}
        }
    }
}

/// One round; whether there is more.
async fn push(db: &Db, clock: &SharedClock, client: &Client, cluster: ClusterId) -> anyhow::Result<bool> {
    let mut conn = db.fleet().acquire().await?;
    let rows = instance::to_push(&mut conn, cluster, ROUND).await?;
    drop(conn);
    let full = i64::try_from(rows.len()).unwrap_or(0) == ROUND;
    let outcomes: Vec<anyhow::Result<()>> = futures::stream::iter(rows)
        .map(|row| push_one(db, clock, client, cluster, row))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(full)
}

async fn push_one(db: &Db, clock: &SharedClock, client: &Client, cluster: ClusterId, row: ToPush) -> anyhow::Result<()> {
    let (id, generation) = (row.id, row.generation);
    let api: Api<MastodonInstance> = Api::all(client.clone());
    let there = api.get_metadata_opt(&resource_name(id)).await?;
    let known = there.as_ref().and_then(|there| there.annotations().get(ROW_GENERATION)?.parse::<i64>().ok()).unwrap_or(0);
    if known > generation {
        // Another fleet was faster, with a row that has gone on; or the row was put back, with all of the database, behind what the
        // cluster knows. In no case has the cluster taken what this row says.
        let mut tx = db.fleet().begin().await?;
        if instance::note_outrun(&mut tx, clock.as_ref(), cluster, id, known).await? {
            tracing::warn!(instance.id = %id, row = generation, cluster = known, "the cluster knows a later intent than the database");
        }
        tx.commit().await?;
        return Ok(());
    }
    if known < generation {
        crash::point("fleet.before_apply");
        let mut wanted = custom_resource(&row)?;
        // A second fleet may have written a newer generation since we looked: then this is a conflict and comes round again. (Where
        // nothing is yet there is nothing to name, and nothing newer than the first generation.)
        wanted.metadata.resource_version = there.and_then(|there| there.metadata.resource_version);
        api.patch(&resource_name(id), &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&wanted)).await?;
        crash::point("fleet.applied");
    }
    let mut conn = db.fleet().acquire().await?;
    instance::mark_pushed(&mut conn, id, generation).await?;
    crash::point("fleet.noted");
    Ok(())
}

/// The custom resource of a row: a pure function.
fn custom_resource(row: &ToPush) -> anyhow::Result<MastodonInstance> {
    let spec = MastodonInstanceSpec {
        domain: row.domain.clone(),
        web_domain: row.web_domain.clone(),
        local_domain: row.local_domain.map(|local| match local {
            claim::LocalDomain::Served => LocalDomain::Served,
            claim::LocalDomain::Elsewhere => LocalDomain::Elsewhere,
        }),
        address_confirmed: row.address_confirmed,
        mode: match row.intent {
            // A row is pushed only once its intent has been something else, and nothing leads back.
            Intent::Absent => anyhow::bail!("instance {} should be absent and must not be pushed", row.id),
            Intent::Running => Mode::Running {},
            Intent::Suspended => Mode::Suspended { reason: row.intent_reason.clone().unwrap_or_else(|| "unknown".to_owned()) },
            Intent::Archived => Mode::Archived {},
        },
        version: row.mastodon_version.clone(),
        owner: Owner { username: row.owner_username.clone(), email: row.owner_email.clone() },
        locale: row.locale.clone(),
        size: resource_size(&row.size)?,
        majors: Majors {
            postgres: row.postgres_major.map(u16::try_from).transpose()?,
            valkey: row.valkey_major.map(u16::try_from).transpose()?,
        },
        sealed: row.own_mail_sealed.clone().map(|mail| Sealed { mail: Some(mail) }),
        holds_data: row.holds_data,
        removal: removal(row),
    };
    let mut resource = MastodonInstance::new(&resource_name(row.id), spec);
    resource.annotations_mut().insert(ROW_GENERATION.to_owned(), row.generation.to_string());
    Ok(resource)
}

/// Why everything of it may be destroyed: once that is confirmed.
fn removal(row: &ToPush) -> Option<Removal> {
    if let (Some(id), Some(manifest_sha256)) = (row.removal_archive, row.removal_manifest.clone()) {
        return Some(Removal::Archive { id: id.to_string(), manifest_sha256 });
    }
    let (reason, by, second) = (row.removal_reason.clone()?, row.removal_requested_by?, row.removal_confirmed_by?);
    Some(Removal::StaffOverride { reason, by: by.to_string(), second: second.to_string() })
}

/// The plan's numbers in the words of the custom resource.
///
/// # Errors
/// A number that the custom resource has no room for.
pub fn resource_size(stored: &StoredSize) -> anyhow::Result<Size> {
    let StoredSize { size, media_gib, packs: _ } = stored;
    Ok(Size {
        web: WebSize {
            replicas: size.web.replicas.try_into()?,
            concurrency: size.web.concurrency.try_into()?,
            threads: size.web.threads.try_into()?,
            memory_mib: size.web.memory_mib,
            cpu_milli: size.web.cpu_milli,
        },
        streaming: StreamingSize {
            replicas: size.streaming.replicas.try_into()?,
            db_pool: size.streaming.db_pool.try_into()?,
            memory_mib: size.streaming.memory_mib,
            cpu_milli: size.streaming.cpu_milli,
        },
        sidekiq: WorkerSize {
            replicas: size.sidekiq.replicas.try_into()?,
            concurrency: size.sidekiq.concurrency.try_into()?,
            memory_mib: size.sidekiq.memory_mib,
            cpu_milli: size.sidekiq.cpu_milli,
        },
        scheduler: SchedulerSize {
            concurrency: size.scheduler.concurrency.try_into()?,
            memory_mib: size.scheduler.memory_mib,
            cpu_milli: size.scheduler.cpu_milli,
        },
        database: DatabaseSize {
            instances: size.database.instances.try_into()?,
            storage_gib: size.database.storage_gib,
            storage_most_gib: size.database.storage_most_gib,
            memory_mib: size.database.memory_mib,
            cpu_milli: size.database.cpu_milli,
        },
        cache: CacheSize { memory_mib: size.cache.memory_mib, storage_gib: size.cache.storage_gib },
        media_gib: *media_gib,
    })
}
