//! SQL of runs.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::RunState;
use crate::clock::Clock;
use crate::ids::{AccountId, ClusterId, InstanceId, RunId};
use crate::resource::{Action, RunStatus, instant};

/// A run as pages see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Run {
    /// Which.
    pub id: RunId,
    /// Whose.
    pub account_id: AccountId,
    /// On which server.
    pub instance_id: InstanceId,
    /// The action's one word.
    pub kind: String,
    /// What it does.
    pub action: Json<Action>,
    /// Whether it was called off.
    pub cancelled: bool,
    /// How far it is.
    pub state: RunState,
    /// The operator's one word for why.
    pub reason: Option<String>,
    /// The operator's sentence.
    pub message: Option<String>,
    /// How many of the same server come first.
    pub position: Option<i32>,
    /// The end of what it printed.
    pub output: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "id, account_id, instance_id, kind, action, cancelled, state, reason, message, position, output, started_at, finished_at, created_at"
    };
}

pub(super) async fn insert_run(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: RunId,
    (instance, account): (InstanceId, AccountId),
    action: &Action,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into runs (id, account_id, instance_id, kind, action, state, created_at) values ($1, $2, $3, $4, $5, 'requested', $6)",
    )
    .bind(id)
    .bind(account)
    .bind(instance)
    .bind(action.kind())
    .bind(Json(action))
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn last_requested(
    conn: &mut PgConnection,
    instance: InstanceId,
    kind: &str,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("select max(created_at) from runs where instance_id = $1 and kind = $2 and state <> 'cancelled'")
        .bind(instance)
        .bind(kind)
        .fetch_one(conn)
        .await
}

/// Whether it was not called off before and is not over.
pub(super) async fn cancel(conn: &mut PgConnection, id: RunId) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update runs set cancelled = true, generation = generation + 1 where id = $1 and not cancelled and finished_at is null",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A server's run; `None` when it has no such.
pub async fn find_run(conn: &mut PgConnection, instance: InstanceId, id: RunId) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(concat!("select ", columns!(), " from runs where id = $1 and instance_id = $2"))
        .bind(id)
        .bind(instance)
        .fetch_optional(conn)
        .await
}

/// A server's runs, newest first, at most `limit`.
pub async fn list_runs(conn: &mut PgConnection, instance: InstanceId, limit: i64) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as(concat!("select ", columns!(), " from runs where instance_id = $1 order by id desc limit $2"))
        .bind(instance)
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// A part of them: at most `limit` of those that are older than `after`.
pub async fn page_runs(
    conn: &mut PgConnection,
    instance: InstanceId,
    after: Option<RunId>,
    limit: i64,
) -> sqlx::Result<Vec<Run>> {
    let query = concat!(
        "select ",
        columns!(),
        " from runs where instance_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3"
    );
    sqlx::query_as(query).bind(instance).bind(after).bind(limit).fetch_all(conn).await
}

/// Seconds that runs of each kind have taken on this server: the middle of its last five that went well. Kinds it never had are not
/// listed.
pub async fn typical_run_seconds(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Vec<(String, f64)>> {
    sqlx::query_as(
        "select kind, percentile_cont(0.5) within group (order by extract(epoch from finished_at - started_at)::float8)
         from (select kind, started_at, finished_at, row_number() over (partition by kind order by id desc) as nth
               from runs where instance_id = $1 and state = 'succeeded' and started_at is not null) as recent
         where nth <= 5 group by kind",
    )
    .bind(instance)
    .fetch_all(conn)
    .await
}

/// What the fleet writes into a custom resource.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RunToPush {
    /// Which.
    pub id: RunId,
    /// On which server.
    pub instance_id: InstanceId,
    /// What to do.
    pub action: Json<Action>,
    /// Whether it is wanted no more.
    pub cancelled: bool,
    /// The generation that this is.
    pub generation: i64,
    /// The newest that the API server has taken.
    pub pushed_generation: i64,
}

/// Runs on servers of a cluster that its API server has not taken yet, oldest first, at most `limit`.
pub async fn runs_to_push(conn: &mut PgConnection, cluster: ClusterId, limit: i64) -> sqlx::Result<Vec<RunToPush>> {
    sqlx::query_as(
        "select r.id, r.instance_id, r.action, r.cancelled, r.generation, r.pushed_generation
         from runs r join instances i on i.id = r.instance_id
         where i.cluster_id = $1 and r.generation > r.pushed_generation and r.finished_at is null order by r.id limit $2",
    )
    .bind(cluster)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Notes that the API server has taken `generation`.
pub async fn mark_run_pushed(conn: &mut PgConnection, clock: &dyn Clock, id: RunId, generation: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update runs set pushed_generation = greatest(pushed_generation, $2), pushed_at = coalesce(pushed_at, $3)
         where id = $1 and generation >= $2",
    )
    .bind(id)
    .bind(generation)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// A run that was just over.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Finished {
    /// Its kind.
    pub kind: String,
    /// How it went.
    pub state: RunState,
    /// When it began, if it did.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: DateTime<Utc>,
}

/// Takes in what the operator says. What is over stays as it is. Returns the run when it is over by this.
pub async fn observe_run(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: RunId,
    status: &RunStatus,
) -> sqlx::Result<Option<Finished>> {
    type Maybe = Option<DateTime<Utc>>;
    let Some(phase) = status.phase else { return Ok(None) };
    let state = RunState::from(phase);
    let (reason, message) = status.why();
    let finished_at = state.is_over().then(|| status.finished_at.as_ref().map_or_else(|| clock.now(), instant));
    let changed: Option<(String, RunState, Maybe, Maybe)> = sqlx::query_as(
        "update runs set state = $2, reason = $3, message = $4, position = $5, output = $6, started_at = $7, finished_at = $8
         where id = $1 and finished_at is null
           and (state, reason, message, position, started_at) is distinct from ($2, $3, $4, $5, $7)
         returning kind, state, started_at, finished_at",
    )
    .bind(id)
    .bind(state)
    .bind(reason)
    .bind(message)
    .bind(status.position.and_then(|position| i32::try_from(position).ok()))
    .bind(status.output.as_deref())
    .bind(status.started_at.as_ref().map(instant))
    .bind(finished_at)
    .fetch_optional(conn)
    .await?;
    Ok(changed.and_then(|(kind, state, started_at, finished_at)| {
        finished_at.map(|finished_at| Finished { kind, state, started_at, finished_at })
    }))
}

/// The custom resource of a run that is not over is gone: nobody will say any more what became of it. Whether it was not over.
pub async fn run_is_gone(conn: &mut PgConnection, clock: &dyn Clock, id: RunId) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update runs set state = 'failed', reason = 'Deleted', message = 'it was deleted in the cluster; look, then ask for it again',
                position = null, finished_at = $2, removed_at = $2
         where id = $1 and finished_at is null",
    )
    .bind(id)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Runs of a cluster that are not over and whose custom resource its API server has: what a listing that begins now must name.
pub async fn pushed_runs(conn: &mut PgConnection, cluster: ClusterId) -> sqlx::Result<Vec<RunId>> {
    sqlx::query_scalar(
        "select r.id from runs r join instances i on i.id = r.instance_id
         where i.cluster_id = $1 and r.finished_at is null and r.pushed_at is not null",
    )
    .bind(cluster)
    .fetch_all(conn)
    .await
}

/// A run whose custom resource has served its purpose.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct RunToRemove {
    /// Which.
    pub id: RunId,
    /// Whether the API server ever had it.
    pub pushed: bool,
}

/// Runs of a cluster that were over before `until` and whose custom resource may still be there, at most `limit`.
pub async fn runs_to_remove(
    conn: &mut PgConnection,
    cluster: ClusterId,
    until: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<RunToRemove>> {
    sqlx::query_as(
        "select r.id, r.pushed_at is not null as pushed from runs r join instances i on i.id = r.instance_id
         where i.cluster_id = $1 and r.finished_at < $2 and r.removed_at is null order by r.finished_at limit $3",
    )
    .bind(cluster)
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Notes that the custom resource is gone.
pub async fn mark_run_removed(conn: &mut PgConnection, clock: &dyn Clock, id: RunId) -> sqlx::Result<()> {
    sqlx::query("update runs set removed_at = $2 where id = $1 and finished_at is not null")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(())
}
