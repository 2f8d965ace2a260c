//! SQL of usage.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Day, NotTold, Told, Usage};
use crate::clock::Clock;
use crate::ids::{AccountId, InstanceId};

/// For as long it is kept.
const KEPT: TimeDelta = TimeDelta::days(400);

/// A running server that can be asked.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Server {
    /// Which.
    pub id: InstanceId,
    /// Whose.
    pub account_id: AccountId,
    /// Where its pages are.
    pub host: String,
}

/// At most `limit` running servers behind `after`, in the order of their ids.
pub async fn to_ask(conn: &mut PgConnection, after: Option<InstanceId>, limit: i64) -> sqlx::Result<Vec<Server>> {
    sqlx::query_as(
        "select id, account_id, coalesce(web_domain, domain) as host from instances
         where released_at is null and intent = 'running' and ready_at is not null and ($1::uuid is null or id > $1)
         order by id limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Keeps what a server told, or why it did not: what it told before on the same day stands until it tells something else.
pub async fn keep(
    conn: &mut PgConnection,
    server: &Server,
    outcome: &Result<Told, NotTold>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (told, trouble) = match outcome {
        Ok(told) => (*told, None),
        Err(why) => (Told::default(), Some(why.key())),
    };
    let answered = outcome.as_ref().map_or_else(NotTold::answered, |_| true);
    sqlx::query(
        "insert into usage_days (instance_id, account_id, day, looks, answered, users, active, posts, looked_at, seen_at, trouble)
         values ($1, $2, $3, 1, $4::int, $5, $6, $7, $8, case when $4 = 1 then $8::timestamptz end, $9)
         on conflict (instance_id, day) do update set
           looks = usage_days.looks + 1, answered = usage_days.answered + excluded.answered,
           users = coalesce(excluded.users, usage_days.users), active = coalesce(excluded.active, usage_days.active),
           posts = coalesce(excluded.posts, usage_days.posts), looked_at = excluded.looked_at,
           seen_at = coalesce(excluded.seen_at, usage_days.seen_at), trouble = excluded.trouble",
    )
    .bind(server.id)
    .bind(server.account_id)
    .bind(now.date_naive())
    .bind(i32::from(answered))
    .bind(told.users)
    .bind(told.active)
    .bind(told.posts)
    .bind(now)
    .bind(trouble)
    .execute(conn)
    .await?;
    Ok(())
}

/// The days of a server from `since` on, oldest first.
pub async fn list_days(conn: &mut PgConnection, instance: InstanceId, since: NaiveDate) -> sqlx::Result<Vec<Day>> {
    sqlx::query_as(
        "select day, looks, answered, users, active, posts, media_bytes, database_bytes, queue_seconds, looked_at, seen_at, trouble
         from usage_days where instance_id = $1 and day >= $2 order by day",
    )
    .bind(instance)
    .bind(since)
    .fetch_all(conn)
    .await
}

/// What was last measured of a server; `None` when nothing was.
pub async fn usage_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Usage>> {
    Ok(list_usages(conn, &[id]).await?.pop().map(|(_, usage)| usage))
}

/// What was last measured of each of these servers.
pub async fn list_usages(conn: &mut PgConnection, ids: &[InstanceId]) -> sqlx::Result<Vec<(InstanceId, Usage)>> {
    let rows: Vec<(InstanceId, i64, i64, DateTime<Utc>)> = sqlx::query_as(
        "select distinct on (instance_id) instance_id, media_bytes, database_bytes, measured_at from usage_days
         where instance_id = any($1) and measured_at is not null order by instance_id, day desc",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let usage = |(id, media_bytes, database_bytes, measured_at)| (id, Usage { media_bytes, database_bytes, measured_at });
    Ok(rows.into_iter().map(usage).collect())
}

/// Keeps what was measured with its day, whether the server has been asked on that day or not.
pub(super) async fn put(conn: &mut PgConnection, id: InstanceId, account: AccountId, usage: &Usage) -> sqlx::Result<()> {
    let Usage { media_bytes, database_bytes, measured_at } = usage;
    sqlx::query(
        "insert into usage_days (instance_id, account_id, day, looks, answered, looked_at, media_bytes, database_bytes, measured_at)
         values ($1, $2, $3, 0, 0, $6, $4, $5, $6)
         on conflict (instance_id, day) do update set media_bytes = excluded.media_bytes, database_bytes = excluded.database_bytes,
           measured_at = excluded.measured_at
         where usage_days.measured_at is null or usage_days.measured_at <= excluded.measured_at",
    )
    .bind(id)
    .bind(account)
    .bind(measured_at.date_naive())
    .bind(media_bytes)
    .bind(database_bytes)
    .bind(measured_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets days of more than 400 days ago. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let oldest = (clock.now() - KEPT).date_naive();
    Ok(sqlx::query("delete from usage_days where day < $1").bind(oldest).execute(conn).await?.rows_affected())
}
