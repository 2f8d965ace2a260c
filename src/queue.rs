//! Jobs: work that is owed after a transaction. Enqueued in the transaction that makes it necessary, run by `worker`.
//!
//! A job's payload is ids: the handler loads what it needs, so it may run late and may run twice. Behind it is
//! `graphile_worker`; its tables belong to the log-in user, and every role enqueues through the function `enqueue_job`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgPool};

/// Where the queue's own tables live.
pub const SCHEMA: &str = "graphile_worker";

/// A kind of job.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// How it is called in the queue's tables. Never changes: jobs of the last release must still run.
    const NAME: &'static str;

    /// Two waiting jobs of the same key are one. Every job has one: without it, it would look as if it had been replaced, see
    /// [`forget_replaced`].
    fn key(&self) -> Option<String>;

    /// Jobs of one lane run one after the other. `None`: at any time.
    fn lane(&self) -> Option<String> {
        None
    }
}

/// Owes `job` once the transaction commits; `run_at` at the earliest (now when `None`). A waiting job of the same key is replaced.
pub async fn enqueue<J: Job>(conn: &mut PgConnection, job: &J, run_at: Option<DateTime<Utc>>) -> sqlx::Result<()> {
    let payload = serde_json::to_value(job).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query("select enqueue_job($1, $2::json, $3, $4, $5)")
        .bind(J::NAME)
        .bind(payload)
        .bind(job.key().map(|key| format!("{}:{key}", J::NAME)))
        .bind(job.lane())
        .bind(run_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// A job as staff see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobRow {
    /// The queue's number for it.
    pub id: i64,
    /// [`Job::NAME`].
    pub task: String,
    /// Its ids.
    pub payload: serde_json::Value,
    /// Tries so far.
    pub attempts: i16,
    /// Tries before it is left for a person.
    pub max_attempts: i16,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it is due.
    pub run_at: DateTime<Utc>,
    /// Whether somebody works on it now.
    pub running: bool,
}

impl JobRow {
    /// Whether it has used up its tries and waits for a person.
    pub fn is_dead(&self) -> bool {
        self.attempts >= self.max_attempts
    }
}

/// Takes what is left of its tries from a job that is running: when it fails now, it is left for a person. (The queue's own
/// `permanently_fail_jobs` passes over jobs that somebody works on.) Takes the log-in user's pool.
pub async fn no_more_tries(owner: &PgPool, id: i64) -> sqlx::Result<()> {
    sqlx::query("update graphile_worker._private_jobs set max_attempts = greatest(attempts, 1) where id = $1")
        .bind(id)
        .execute(owner)
        .await?;
    Ok(())
}

/// All jobs that are not done, oldest due first. Takes the log-in user's pool.
pub async fn list(owner: &PgPool) -> sqlx::Result<Vec<JobRow>> {
    sqlx::query_as(
        "select j.id, t.identifier as task, j.payload::jsonb as payload, j.attempts, j.max_attempts, j.last_error, j.run_at,
                j.locked_at is not null as running
         from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
         order by j.run_at, j.id limit 500",
    )
    .fetch_all(owner)
    .await
}

/// How far the queue is behind.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Backlog {
    /// Jobs that are due and wait.
    pub due: i64,
    /// For how many seconds the oldest of them has been due; 0 when there is none.
    pub oldest_seconds: f64,
    /// Jobs that have used up their tries and wait for a person.
    pub dead: i64,
}

/// How far the queue is behind at `now`. Takes the log-in user's pool.
pub async fn backlog(owner: &PgPool, now: DateTime<Utc>) -> sqlx::Result<Backlog> {
    sqlx::query_as(
        "select count(*) filter (where waits) as due,
                coalesce(max(extract(epoch from $1 - run_at)) filter (where waits), 0)::float8 as oldest_seconds,
                count(*) filter (where attempts >= max_attempts and locked_at is null) as dead
         from (select *, attempts < max_attempts and locked_at is null and run_at <= $1 as waits
               from graphile_worker._private_jobs) as jobs",
    )
    .bind(now)
    .fetch_one(owner)
    .await
}

/// Removes jobs that were replaced while they ran and then did not end well. The queue takes key and tries away from a running job when
/// another of its key is enqueued; if its worker then dies, it would stay as a job that failed for good, though the other one does
/// its work. Takes the log-in user's pool; says how many there were.
pub async fn forget_replaced(owner: &PgPool) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from graphile_worker._private_jobs where key is null and locked_at is null and attempts >= max_attempts",
    )
    .execute(owner)
    .await?;
    Ok(done.rows_affected())
}

/// Gives a job all its tries again, the first at `now`. The job's name; `None` when there is no such job, or somebody works on it.
/// Takes a connection of the log-in user.
pub async fn retry(owner: &mut PgConnection, id: i64, now: DateTime<Utc>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select t.identifier from graphile_worker.reschedule_jobs(array[$1]::bigint[], run_at => $2, attempts => 0) as again
         join graphile_worker._private_jobs j on j.id = again.id join graphile_worker._private_tasks t on t.id = j.task_id",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(owner)
    .await
}
