//! SQL of rollouts.

use chrono::{DateTime, Utc};
use sqlx::types::{Json, Uuid};
use sqlx::{FromRow, PgConnection};

use super::judge::ItemState;
use super::policy::Policy;
use super::wave::{Candidate, Turn};
use crate::db::exactly_one;
use crate::ids::{ClusterId, InstanceId, RolloutId, StaffId};
use crate::instance::Intent;
use crate::instance::upkeep::Window;
use crate::plan::{Release, Version};

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RolloutState {
    /// Servers have their turns.
    Running,
    /// Nobody begins until it is resumed.
    Paused,
    /// Everybody has had their turn.
    Finished,
    /// Ended by staff.
    Aborted,
    /// Servers are being brought back.
    Returning,
    /// They are back.
    Returned,
}

impl RolloutState {
    /// The word in the database and in keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
            Self::Returning => "returning",
            Self::Returned => "returned",
        }
    }

    /// Whether something is still to be done.
    pub fn is_open(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Returning => true,
            Self::Finished | Self::Aborted | Self::Returned => false,
        }
    }
}

/// A rollout.
#[derive(Debug, Clone, FromRow)]
pub struct Rollout {
    /// Which.
    pub id: RolloutId,
    /// Of which release.
    #[sqlx(try_from = "String")]
    pub version: Version,
    /// Where it stands.
    pub state: RolloutState,
    /// How it goes.
    #[sqlx(json)]
    pub policy: Policy,
    /// The step that is being done, from 0.
    pub step: i32,
    /// When that began.
    pub step_since: DateTime<Utc>,
    /// Why it is not running, or was paused last.
    pub reason: Option<String>,
    /// Failures before this were looked at.
    pub resumed_at: DateTime<Utc>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

macro_rules! rollouts {
    ($rest:literal) => {
        concat!(
            "select id, version, state, policy, step, step_since, reason, resumed_at, created_at, ended_at from rollouts ",
            $rest
        )
    };
}

/// All rollouts, newest first, at most 100.
pub async fn list_rollouts(conn: &mut PgConnection) -> sqlx::Result<Vec<Rollout>> {
    sqlx::query_as(rollouts!("order by created_at desc limit 100")).fetch_all(conn).await
}

/// A rollout.
pub async fn find_rollout(conn: &mut PgConnection, id: RolloutId) -> sqlx::Result<Option<Rollout>> {
    sqlx::query_as(rollouts!("where id = $1")).bind(id).fetch_optional(conn).await
}

pub(super) async fn lock_rollout(conn: &mut PgConnection, id: RolloutId) -> sqlx::Result<Option<Rollout>> {
    sqlx::query_as(rollouts!("where id = $1 for update")).bind(id).fetch_optional(conn).await
}

/// How many rollouts are paused: somebody must look.
pub async fn count_paused(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from rollouts where state = 'paused'").fetch_one(conn).await
}

/// Changes of releases and beginnings of rollouts take turns until the transaction ends.
pub(super) async fn lock_releases(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtext('paddock.releases'))").execute(conn).await?;
    Ok(())
}

/// Whether a server should run it or runs it, or is on its way there or back.
pub(super) async fn is_in_use(conn: &mut PgConnection, version: Version) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (select 1 from instances where released_at is null and (mastodon_version = $1 or observed ->> 'version' = $1))
             or exists (select 1 from rollouts where ended_at is null and version = $1)
             or exists (select 1 from rollout_items where from_version = $1 and state in ('to_return', 'returning'))",
    )
    .bind(version.to_string())
    .fetch_one(conn)
    .await
}

pub(super) async fn is_rolling_out(conn: &mut PgConnection, version: Version) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select 1 from rollouts where ended_at is null and version = $1)")
        .bind(version.to_string())
        .fetch_one(conn)
        .await
}

/// The releases that the operators of all clusters must know: those that something new may come to, and those that somebody runs.
pub async fn published(conn: &mut PgConnection) -> sqlx::Result<Vec<Release>> {
    sqlx::query_as(
        "select version, web, streaming, min_from, schema, notes, changes, security, offered, digest_verified from releases r
         where withdrawn_at is null
            or exists (select 1 from instances i
                       where i.released_at is null and (i.mastodon_version = r.version or i.observed ->> 'version' = r.version))
         order by string_to_array(version, '.')::int[]",
    )
    .fetch_all(conn)
    .await
}

#[derive(FromRow)]
struct CandidateRow {
    id: InstanceId,
    #[sqlx(try_from = "String")]
    mastodon_version: Version,
    plan_code: String,
    cluster_id: ClusterId,
    maintenance_window: Option<Json<Window>>,
    canary: bool,
    intent: Intent,
    well: bool,
    busy: bool,
}

/// Every server that runs or is suspended.
pub(super) async fn candidates(conn: &mut PgConnection) -> sqlx::Result<Vec<Candidate>> {
    let rows: Vec<CandidateRow> = sqlx::query_as(
        "select id, mastodon_version, plan_code, cluster_id, maintenance_window, canary, intent,
           coalesce(observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}'
             and observed ->> 'version' = mastodon_version, false) as well,
           exists (select 1 from rollout_items t where t.instance_id = i.id
                   and t.state in ('waiting', 'upgrading', 'to_return', 'returning')) as busy
         from instances i where intent in ('running', 'suspended') and released_at is null",
    )
    .fetch_all(conn)
    .await?;
    let candidate = |row: CandidateRow| Candidate {
        instance: row.id,
        version: row.mastodon_version,
        plan: row.plan_code,
        cluster: row.cluster_id,
        window: row.maintenance_window.map(|window| window.0),
        canary: row.canary,
        runs: row.intent == Intent::Running,
        well: row.well,
        busy: row.busy,
    };
    Ok(rows.into_iter().map(candidate).collect())
}

pub(super) async fn insert_rollout(
    conn: &mut PgConnection,
    id: RolloutId,
    release: &Release,
    policy: &Policy,
    staff: StaffId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into rollouts (id, version, state, policy, step, step_since, resumed_at, started_by, created_at)
         values ($1, $2, 'running', $3, 0, $4, $4, $5, $4)",
    )
    .bind(id)
    .bind(release.version.to_string())
    .bind(Json(policy))
    .bind(now)
    .bind(staff.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

fn number(step: usize) -> i32 {
    i32::try_from(step).unwrap_or(i32::MAX)
}

/// Turns as columns, which is how Postgres takes many at once.
pub(super) struct Columns {
    pub ids: Vec<Uuid>,
    pub steps: Vec<i32>,
    pub from: Vec<String>,
    pub due: Vec<DateTime<Utc>>,
    pub until: Vec<DateTime<Utc>>,
}

impl Columns {
    pub fn of(turns: &[Turn]) -> Self {
        Self {
            ids: turns.iter().map(|turn| turn.instance.uuid()).collect(),
            steps: turns.iter().map(|turn| number(turn.step)).collect(),
            from: turns.iter().map(|turn| turn.from.to_string()).collect(),
            due: turns.iter().map(|turn| turn.at).collect(),
            until: turns.iter().map(|turn| turn.window_until).collect(),
        }
    }
}

pub(super) async fn insert_items(conn: &mut PgConnection, id: RolloutId, to: Version, turns: &[Turn]) -> sqlx::Result<()> {
    let minor: Vec<bool> = turns.iter().map(|turn| !turn.from.same_minor(to)).collect();
    let Columns { ids, steps, from, due, until } = Columns::of(turns);
    sqlx::query(
        "insert into rollout_items (rollout_id, instance_id, account_id, step, state, from_version, minor, due_at, window_until)
         select $1, t.id, i.account_id, t.step, 'waiting', t.origin, t.minor, t.due, t.until
         from unnest($2::uuid[], $3::int[], $4::text[], $5::boolean[], $6::timestamptz[], $7::timestamptz[])
           as t (id, step, origin, minor, due, until)
         join instances i on i.id = t.id",
    )
    .bind(id)
    .bind(ids)
    .bind(steps)
    .bind(from)
    .bind(minor)
    .bind(due)
    .bind(until)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_state(
    conn: &mut PgConnection,
    id: RolloutId,
    state: RolloutState,
    reason: Option<&str>,
    ended: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    let done = sqlx::query("update rollouts set state = $2, reason = coalesce($3, reason), ended_at = $4 where id = $1")
        .bind(id)
        .bind(state)
        .bind(reason)
        .bind(ended)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

pub(super) async fn set_resumed(conn: &mut PgConnection, id: RolloutId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let done = sqlx::query("update rollouts set resumed_at = $2 where id = $1").bind(id).bind(now).execute(conn).await?;
    exactly_one(&done)
}

pub(super) async fn leave_out_waiting(
    conn: &mut PgConnection,
    id: RolloutId,
    note: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update rollout_items set state = 'left_out', note = $2, ended_at = $3 where rollout_id = $1 and state = 'waiting'",
    )
    .bind(id)
    .bind(note)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn leave_out_one(
    conn: &mut PgConnection,
    id: RolloutId,
    instance: InstanceId,
    note: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update rollout_items set state = 'left_out', note = $3, ended_at = $4
         where rollout_id = $1 and instance_id = $2 and state = 'waiting'",
    )
    .bind(id)
    .bind(instance)
    .bind(note)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A release that servers of the rollout would go back to and that was withdrawn.
pub(super) async fn withdrawn_origin(conn: &mut PgConnection, id: RolloutId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select distinct t.from_version from rollout_items t left join releases r on r.version = t.from_version
         where t.rollout_id = $1 and not t.minor and t.state in ('upgrading', 'done', 'failed')
           and (r.version is null or r.withdrawn_at is not null) limit 1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

pub(super) async fn mark_to_return(conn: &mut PgConnection, id: RolloutId, version: Version) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "update rollout_items t set state = 'to_return', note = null
         from instances i
         where t.rollout_id = $1 and i.id = t.instance_id and i.mastodon_version = $2 and i.intent = 'running'
           and not t.minor and t.state in ('upgrading', 'done', 'failed')
           and not exists (select 1 from rollout_items o where o.instance_id = t.instance_id and o.rollout_id <> t.rollout_id
                           and o.state in ('waiting', 'upgrading', 'to_return', 'returning'))",
    )
    .bind(id)
    .bind(version.to_string())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// How many of a step stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct StepCount {
    /// The step, from 0.
    pub step: i32,
    /// Where.
    pub state: ItemState,
    /// How many.
    pub count: i64,
    /// When the first of them is due.
    pub first_due: DateTime<Utc>,
    /// When the last of them is due.
    pub last_due: DateTime<Utc>,
}

/// How many servers of each step of a rollout stand where.
pub async fn counts(conn: &mut PgConnection, id: RolloutId) -> sqlx::Result<Vec<StepCount>> {
    sqlx::query_as(
        "select step, state, count(*) as count, min(due_at) as first_due, max(due_at) as last_due
         from rollout_items where rollout_id = $1 group by step, state order by step, state",
    )
    .bind(id)
    .fetch_all(conn)
    .await
}

/// A server of a rollout, for staff.
#[derive(Debug, Clone, FromRow)]
pub struct Item {
    /// Which.
    pub instance_id: InstanceId,
    /// Its address.
    pub domain: String,
    /// Its step, from 0.
    pub step: i32,
    /// Where it stands.
    pub state: ItemState,
    /// What it ran before.
    pub from_version: String,
    /// When it is to begin.
    pub due_at: DateTime<Utc>,
    /// When its turn began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its turn ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed or was left out.
    pub note: Option<String>,
}

macro_rules! items {
    ($rest:literal) => {
        concat!(
            "select t.instance_id, i.domain, t.step, t.state, t.from_version, t.due_at, t.started_at, t.ended_at, t.note
             from rollout_items t join instances i on i.id = t.instance_id where t.rollout_id = $1 and ",
            $rest
        )
    };
}

/// Who is being upgraded, and who is next.
pub async fn list_next(conn: &mut PgConnection, id: RolloutId, limit: i64) -> sqlx::Result<Vec<Item>> {
    sqlx::query_as(items!(
        "t.state in ('upgrading', 'returning', 'to_return', 'waiting') order by t.started_at is null, t.step, t.due_at, t.instance_id limit $2"
    ))
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Who failed or was left out, the last first.
pub async fn list_failed(conn: &mut PgConnection, id: RolloutId, limit: i64) -> sqlx::Result<Vec<Item>> {
    sqlx::query_as(items!("t.state in ('failed', 'left_out') order by t.state, t.ended_at desc, t.instance_id limit $2"))
        .bind(id)
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// The upgrade that a server waits for, or that is being made.
#[derive(Debug, Clone, FromRow)]
pub struct Due {
    /// Where it stands.
    pub state: ItemState,
    /// To what.
    #[sqlx(try_from = "String")]
    pub version: Version,
    /// From what.
    pub from_version: String,
    /// Whether it is a new minor.
    pub minor: bool,
    /// When it is to begin.
    pub due_at: DateTime<Utc>,
    /// How long the window is waited for.
    pub window_until: DateTime<Utc>,
    /// What customers are told about the release.
    pub changes: String,
    /// Whether it closes a hole.
    pub security: bool,
    /// Whether the rollout is paused.
    pub paused: bool,
}

/// The upgrade of a server that is planned or under way, if there is one.
pub async fn due_of(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Due>> {
    sqlx::query_as(
        "select t.state, r.version, t.from_version, t.minor, t.due_at, t.window_until, e.changes, e.security, r.state = 'paused' as paused
         from rollout_items t join rollouts r on r.id = t.rollout_id join releases e on e.version = r.version
         where t.instance_id = $1 and t.state in ('waiting', 'upgrading', 'returning')",
    )
    .bind(instance)
    .fetch_optional(conn)
    .await
}

/// Whether a server is being changed by a rollout, so that news of it are worth a look.
pub async fn is_under_way(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (select 1 from rollout_items where instance_id = $1 and state in ('upgrading', 'returning'))",
    )
    .bind(instance)
    .fetch_one(conn)
    .await
}

/// How many servers should run which release.
pub async fn count_by_version(conn: &mut PgConnection) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select mastodon_version, count(*) from instances where intent in ('running', 'suspended') and released_at is null group by 1",
    )
    .fetch_all(conn)
    .await
}
