//! SQL of the figures.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{BACKED_UP_WITHIN, Figure, UNPROVEN_AFTER};
use crate::clock::Clock;
use crate::money::Currency;

/// For as long their history is kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// What one look at the tables counts; see [`Figure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    pub waiting: i64,
    pub unwell: i64,
    pub past_due: i64,
    pub unproven: i64,
    pub behind: i64,
    pub certificates: i64,
    pub incidents: i64,
    pub money: i64,
}

/// Each from an index that holds what is counted and little else. While no release is offered, none is behind.
pub(super) async fn count(
    conn: &mut PgConnection,
    newest: Option<&str>,
    currency: Currency,
    now: DateTime<Utc>,
) -> sqlx::Result<Counts> {
    sqlx::query_as(
        "select
           (select count(*) from orders where state in ('placed', 'open')) as waiting,
           (select count(*) from (
              select id from instances where released_at is null and intent = 'running' and ready_at is not null
                and not observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}'
              union select id from instances where released_at is null and intent <> 'absent'
                and observed @> '{\"conditions\": [{\"type\": \"Stalled\", \"status\": \"True\"}]}'
              union select id from instances where outrun_generation is not null) as unwell) as unwell,
           (select count(*) from subscriptions where open_invoice_since is not null) as past_due,
           (select count(*) from instances where released_at is null and intent = 'running' and ready_at < $1
              and not coalesce(observed @> '{\"conditions\": [{\"type\": \"RestoreProven\", \"status\": \"True\"}]}', false)) as unproven,
           (select count(*) from instances
              where released_at is null and intent in ('running', 'suspended') and mastodon_version <> $2) as behind,
           (select count(*) from instances where released_at is null and intent = 'running' and ready_at is not null
              and observed @> '{\"conditions\": [{\"type\": \"CertificateReady\", \"status\": \"False\"}]}') as certificates,
           (select count(*) from incidents where over_at is null) as incidents,
           (select coalesce(sum(amount_minor), 0)::bigint from orders where paid_at >= $3 and currency = $4) as money",
    )
    .bind(now - UNPROVEN_AFTER)
    .bind(newest)
    .bind(now.date_naive().and_time(NaiveTime::MIN).and_utc())
    .bind(currency)
    .fetch_one(conn)
    .await
}

/// Servers that should run, have been ready for a while, and whose databases are not backed up as they should be.
pub async fn count_not_backed_up(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select count(*) from instances where released_at is null and intent = 'running' and ready_at < $1
           and observed @> '{\"conditions\": [{\"type\": \"BackedUp\", \"status\": \"False\"}]}'",
    )
    .bind(now - BACKED_UP_WITHIN)
    .fetch_one(conn)
    .await
}

pub(super) async fn put(conn: &mut PgConnection, all: &[(Figure, i64)], hour: DateTime<Utc>) -> sqlx::Result<()> {
    let (names, values): (Vec<&str>, Vec<i64>) = all.iter().map(|(figure, value)| (figure.word(), *value)).unzip();
    sqlx::query(
        "insert into figures (name, at, value) select name, $3, value from unnest($1::text[], $2::bigint[]) as all_of_them (name, value)
         on conflict (name, at) do update set value = excluded.value",
    )
    .bind(names)
    .bind(values)
    .bind(hour)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn since(conn: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<Vec<(String, DateTime<Utc>, i64)>> {
    sqlx::query_as("select name, at, value from figures where at >= $1 order by at").bind(since).fetch_all(conn).await
}

/// Forgets figures of more than 90 days ago. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from figures where at < $1").bind(clock.now() - KEPT).execute(conn).await?;
    Ok(done.rows_affected())
}
