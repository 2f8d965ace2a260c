//! SQL of the reconciler of rollouts.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use crate::db::exactly_one;
use crate::ids::{AccountId, InstanceId, RolloutId};
use crate::instance::Intent;
use crate::instance::upkeep::Window;
use crate::plan::Version;
use crate::resource::InstanceStatus;
use crate::rollout::judge::{ItemState, Over};
use crate::rollout::store::{Columns, RolloutState};
use crate::rollout::wave::{Turn, Waiting};

pub(super) async fn open_rollouts(conn: &mut PgConnection) -> sqlx::Result<Vec<RolloutId>> {
    sqlx::query_scalar("select id from rollouts where ended_at is null order by created_at").fetch_all(conn).await
}

/// Writes new times of those who still wait.
pub(super) async fn retime(conn: &mut PgConnection, id: RolloutId, turns: &[Turn]) -> sqlx::Result<()> {
    let Columns { ids, steps, from: _, due, until } = Columns::of(turns);
    sqlx::query(
        "update rollout_items r set due_at = t.due, window_until = t.until, step = t.step
         from unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[]) as t (id, step, due, until)
         where r.rollout_id = $1 and r.instance_id = t.id and r.state = 'waiting'",
    )
    .bind(id)
    .bind(ids)
    .bind(steps)
    .bind(due)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct WaitingRow {
    instance_id: InstanceId,
    #[sqlx(try_from = "String")]
    from_version: Version,
    step: i32,
    minor: bool,
    told_at: Option<DateTime<Utc>>,
    maintenance_window: Option<Json<Window>>,
}

/// Those who still wait from a step on, by step. `notice` is the time between the mail and the upgrade.
pub(super) async fn waiting(
    conn: &mut PgConnection,
    id: RolloutId,
    first: i32,
    notice: TimeDelta,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(i32, Waiting)>> {
    let rows: Vec<WaitingRow> = sqlx::query_as(
        "select r.instance_id, r.from_version, r.step, r.minor, r.told_at, i.maintenance_window
         from rollout_items r join instances i on i.id = r.instance_id
         where r.rollout_id = $1 and r.state = 'waiting' and r.step >= $2 order by r.step, r.due_at, r.instance_id",
    )
    .bind(id)
    .bind(first)
    .fetch_all(conn)
    .await?;
    let one = |row: WaitingRow| {
        let earliest = if row.minor { row.told_at.unwrap_or(now) + notice } else { now };
        let window = row.maintenance_window.map(|window| window.0);
        (row.step, Waiting { instance: row.instance_id, from: row.from_version, earliest, window })
    };
    Ok(rows.into_iter().map(one).collect())
}

pub(super) async fn set_step(conn: &mut PgConnection, id: RolloutId, step: i32, now: DateTime<Utc>) -> sqlx::Result<()> {
    let done = sqlx::query("update rollouts set step = $2, step_since = $3 where id = $1")
        .bind(id)
        .bind(step)
        .bind(now)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// A server whose turn has begun, with what is seen of it.
#[derive(Debug, FromRow)]
pub(super) struct Begun {
    pub instance_id: InstanceId,
    pub account_id: AccountId,
    pub domain: String,
    pub state: ItemState,
    pub from_version: String,
    pub generation: Option<i64>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub mastodon_version: String,
    pub intent: Intent,
    pub observed_generation: i64,
    pub observed: Option<Json<InstanceStatus>>,
    pub cluster_seen_at: Option<DateTime<Utc>>,
}

/// Those whose turn has begun and is not over, that are watched since it was over (`watched_since`), or that failed.
pub(super) async fn begun(conn: &mut PgConnection, id: RolloutId, watched_since: DateTime<Utc>) -> sqlx::Result<Vec<Begun>> {
    sqlx::query_as(
        "select t.instance_id, i.account_id, i.domain, t.state, t.from_version, t.generation, t.started_at, t.ended_at, i.mastodon_version, i.intent,
           i.observed_generation, i.observed, (select c.seen_at from clusters c where c.id = i.cluster_id) as cluster_seen_at
         from rollout_items t join instances i on i.id = t.instance_id
         where t.rollout_id = $1
           and (t.state in ('upgrading', 'returning', 'failed') or t.state = 'done' and t.ended_at >= $2)
         order by t.instance_id",
    )
    .bind(id)
    .bind(watched_since)
    .fetch_all(conn)
    .await
}

/// A turn comes to an end, or to another one.
pub(super) async fn end_item(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    from: ItemState,
    to: ItemState,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update rollout_items set state = $4, note = $5, ended_at = $6 where rollout_id = $1 and instance_id = $2 and state = $3",
    )
    .bind(id)
    .bind(instance)
    .bind(from)
    .bind(to)
    .bind(note)
    .bind(now)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// The upgrades that are over since somebody last looked at the failures.
pub(super) async fn over(conn: &mut PgConnection, id: RolloutId, since: DateTime<Utc>) -> sqlx::Result<Vec<Over>> {
    sqlx::query_as(
        "select ended_at, state = 'failed' as failed from rollout_items
         where rollout_id = $1 and state in ('done', 'failed') and ended_at > $2",
    )
    .bind(id)
    .bind(since)
    .fetch_all(conn)
    .await
}

/// How many are being changed, and how many began after a time.
pub(super) async fn in_work(conn: &mut PgConnection, id: RolloutId, since: DateTime<Utc>) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "select count(*) filter (where state in ('upgrading', 'returning')), count(*) filter (where started_at > $2)
         from rollout_items where rollout_id = $1",
    )
    .bind(id)
    .bind(since)
    .fetch_one(conn)
    .await
}

/// A server whose turn is to begin.
#[derive(Debug, FromRow)]
pub(super) struct Turned {
    pub instance_id: InstanceId,
    #[sqlx(try_from = "String")]
    pub from_version: Version,
    pub maintenance_window: Option<Json<Window>>,
    pub window_until: DateTime<Utc>,
}

/// Those of a step whose turn has come, first come first: well, seen, and told long enough ago.
pub(super) async fn turned(
    conn: &mut PgConnection,
    id: RolloutId,
    step: i32,
    times: &Times,
    limit: i64,
) -> sqlx::Result<Vec<Turned>> {
    sqlx::query_as(
        "select t.instance_id, t.from_version, i.maintenance_window, t.window_until
         from rollout_items t join instances i on i.id = t.instance_id join clusters c on c.id = i.cluster_id
         where t.rollout_id = $1 and t.step = $2 and t.state = 'waiting' and t.due_at <= $3
           and i.intent = 'running' and i.mastodon_version = t.from_version
           and i.observed ->> 'version' = t.from_version
           and i.observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}'
           and (c.seen_at is null or c.seen_at > $4)
           and (not t.minor or t.told_at <= $5)
         order by t.due_at, t.instance_id limit $6",
    )
    .bind(id)
    .bind(step)
    .bind(times.now)
    .bind(times.seen_since)
    .bind(times.told_until)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// What decides whether a turn may begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The present.
    pub now: DateTime<Utc>,
    /// A cluster that has not answered since is away.
    pub seen_since: DateTime<Utc>,
    /// A customer who was told about a new minor before this was told long enough ago.
    pub told_until: DateTime<Utc>,
}

/// Puts a turn off: its window is not open.
pub(super) async fn put_off(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    due: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("update rollout_items set due_at = $3 where rollout_id = $1 and instance_id = $2 and state = 'waiting'")
        .bind(id)
        .bind(instance)
        .bind(due)
        .execute(conn)
        .await?;
    Ok(())
}

/// A turn begins, if the rollout is still `rollout` and the server still `from`: whoever stops a rollout stops it at once.
pub(super) async fn begin_item(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    rollout: RolloutState,
    from: ItemState,
    to: ItemState,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let open: Option<RolloutId> = sqlx::query_scalar("select id from rollouts where id = $1 and state = $2 for share")
        .bind(id)
        .bind(rollout)
        .fetch_optional(&mut *conn)
        .await?;
    if open.is_none() {
        return Ok(false);
    }
    let done = sqlx::query(
        "update rollout_items set state = $4, started_at = $5, ended_at = null, note = null
         where rollout_id = $1 and instance_id = $2 and state = $3",
    )
    .bind(id)
    .bind(instance)
    .bind(from)
    .bind(to)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_generation(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    generation: i64,
) -> sqlx::Result<()> {
    let done = sqlx::query("update rollout_items set generation = $3 where rollout_id = $1 and instance_id = $2")
        .bind(id)
        .bind(instance)
        .bind(generation)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Those who wait although they should not run any more, or something else: they have no turn.
pub(super) async fn leave_out_changed(conn: &mut PgConnection, id: RolloutId, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update rollout_items t set state = 'left_out', ended_at = $2,
           note = case when i.intent = 'running' then 'it runs another release by now' else 'it is not to run any more' end
         from instances i
         where t.rollout_id = $1 and i.id = t.instance_id and t.state = 'waiting' and t.due_at <= $2
           and (i.intent <> 'running' or i.mastodon_version <> t.from_version)",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn to_return(conn: &mut PgConnection, id: RolloutId, limit: i64) -> sqlx::Result<Vec<(InstanceId, String)>> {
    sqlx::query_as(
        "select instance_id, from_version from rollout_items where rollout_id = $1 and state = 'to_return' order by instance_id limit $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Somebody who is to be told about a new minor.
#[derive(Debug, FromRow)]
pub(super) struct Untold {
    pub instance_id: InstanceId,
    pub account_id: AccountId,
    pub from_version: String,
    pub due_at: DateTime<Utc>,
    pub domain: String,
}

pub(super) async fn untold(
    conn: &mut PgConnection,
    id: RolloutId,
    due_before: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Untold>> {
    sqlx::query_as(
        "select t.instance_id, t.account_id, t.from_version, t.due_at, i.domain
         from rollout_items t join instances i on i.id = t.instance_id
         where t.rollout_id = $1 and t.state = 'waiting' and t.minor and t.told_at is null and t.due_at <= $2
         order by t.due_at, t.instance_id limit $3 for update of t",
    )
    .bind(id)
    .bind(due_before)
    .bind(limit)
    .fetch_all(conn)
    .await
}

pub(super) async fn mark_told(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let done = sqlx::query("update rollout_items set told_at = $4, due_at = $3 where rollout_id = $1 and instance_id = $2")
        .bind(id)
        .bind(instance)
        .bind(due)
        .bind(now)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// What is left to do in a step and the steps behind it, and when its last turn ended.
#[derive(Debug, Clone, Copy, FromRow)]
pub(super) struct StepState {
    /// Wait in this step.
    pub waiting: i64,
    /// Wait and could begin now, or later by themselves.
    pub startable: i64,
    /// Are being upgraded, in any step.
    pub upgrading: i64,
    /// Wait in later steps.
    pub later: i64,
    /// When the last turn of this step ended.
    pub ended_at: Option<DateTime<Utc>>,
}

pub(super) async fn step_state(conn: &mut PgConnection, id: RolloutId, step: i32, times: &Times) -> sqlx::Result<StepState> {
    sqlx::query_as(
        "select count(*) filter (where t.state = 'waiting' and t.step = $2) as waiting,
           count(*) filter (where t.state = 'waiting' and t.step = $2 and (t.due_at > $3 or (
             i.observed ->> 'version' = t.from_version
             and i.observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}'
             and (c.seen_at is null or c.seen_at > $4)))) as startable,
           count(*) filter (where t.state = 'upgrading') as upgrading,
           count(*) filter (where t.state = 'waiting' and t.step > $2) as later,
           max(t.ended_at) filter (where t.step = $2 and t.state in ('done', 'failed')) as ended_at
         from rollout_items t join instances i on i.id = t.instance_id join clusters c on c.id = i.cluster_id
         where t.rollout_id = $1",
    )
    .bind(id)
    .bind(step)
    .bind(times.now)
    .bind(times.seen_since)
    .fetch_one(conn)
    .await
}

/// Those of a step who could not begin have their turn in a later one.
pub(super) async fn move_on(conn: &mut PgConnection, id: RolloutId, from: i32, to: i32) -> sqlx::Result<()> {
    sqlx::query("update rollout_items set step = $3 where rollout_id = $1 and step = $2 and state = 'waiting'")
        .bind(id)
        .bind(from)
        .bind(to)
        .execute(conn)
        .await?;
    Ok(())
}
