//! SQL of the queue's list.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};

use super::{OfTask, Show};
use crate::db::slice::{Slice, Sorted, Start};
use crate::queue::JobRow;

/// A page of the jobs that are not done, newest first. Takes the log-in user's pool.
pub async fn list(owner: &PgPool, show: Show, start: Start<i64>) -> sqlx::Result<Slice<JobRow>> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, (select t.identifier from graphile_worker._private_tasks t where t.id = task_id) as task, payload::jsonb as payload,
                attempts, max_attempts, last_error, run_at, locked_at is not null as running
         from graphile_worker._private_jobs where true",
    );
    query.push(match show {
        Show::All => "",
        Show::Dead => " and attempts >= max_attempts and locked_at is null",
        Show::Failing => " and last_error is not null and attempts < max_attempts",
        Show::Running => " and locked_at is not null",
    });
    Sorted { table: "graphile_worker._private_jobs", by: None, downwards: true }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(owner).await?, &start))
}

/// The newest jobs that are not done and whose payload names one of `ids`, at most 50. Takes the log-in user's pool.
pub async fn about(owner: &PgPool, ids: &[String]) -> sqlx::Result<Vec<JobRow>> {
    sqlx::query_as(
        "select j.id, t.identifier as task, j.payload::jsonb as payload, j.attempts, j.max_attempts, j.last_error, j.run_at,
                j.locked_at is not null as running
         from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
         where exists (select from jsonb_each_text(case jsonb_typeof(j.payload::jsonb) when 'object' then j.payload::jsonb else '{}' end) as named
                       where named.value = any($1))
         order by j.id desc limit 50",
    )
    .bind(ids)
    .fetch_all(owner)
    .await
}

/// The jobs that are not done by kind, the names in order. Takes the log-in user's pool.
pub async fn by_task(owner: &PgPool) -> sqlx::Result<Vec<OfTask>> {
    sqlx::query_as(
        "select t.identifier as task, count(*) as \"all\", count(*) filter (where attempts >= max_attempts and locked_at is null) as dead,
                min(run_at) filter (where attempts < max_attempts and locked_at is null) as next
         from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
         group by t.identifier order by t.identifier",
    )
    .fetch_all(owner)
    .await
}

/// [`crate::queue::retry`] of at most this many at a time.
const AT_ONCE: i64 = 1000;

/// Gives the oldest jobs of a kind that were given up all their tries again, the first at `now`. How many. Takes a connection of the log-in
/// user.
pub async fn retry_dead(owner: &mut PgConnection, task: &str, now: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from graphile_worker.reschedule_jobs(
           (select coalesce(array_agg(id), '{}') from
              (select j.id from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
               where t.identifier = $1 and j.attempts >= j.max_attempts and j.locked_at is null order by j.id limit $3) as dead)::bigint[],
           run_at => $2, attempts => 0)",
    )
    .bind(task)
    .bind(now)
    .bind(AT_ONCE)
    .fetch_one(owner)
    .await
}
