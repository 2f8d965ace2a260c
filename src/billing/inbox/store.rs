//! The SQL of the inbox.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{BATCH, Received};
use crate::billing::stripe::{EventHint, EventId};

/// How far Stripe was read.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Reading {
    /// The event up to which its list was read.
    pub events_cursor: Option<EventId>,
    /// When the list was last read.
    pub events_read_at: Option<DateTime<Utc>>,
    /// When everything was last compared.
    pub compared_at: Option<DateTime<Utc>>,
    /// Subscriptions and sessions that were.
    pub compared: i64,
}

/// How far Stripe was read.
pub async fn reading(conn: &mut PgConnection) -> sqlx::Result<Reading> {
    sqlx::query_as("select events_cursor, events_read_at, compared_at, compared from stripe_reading").fetch_one(conn).await
}

/// Events that were kept and not yet handed on.
pub async fn waiting(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from stripe_events where handled_at is null").fetch_one(conn).await
}

/// Keeps events as they came, in one statement; those that came before are left as they are.
pub async fn keep(conn: &mut PgConnection, mut events: Vec<Received>) -> sqlx::Result<()> {
    // In one order everywhere: two processes that keep the same events never wait for each other crosswise.
    events.sort_by(|one, other| one.id.cmp(&other.id));
    let (mut ids, mut kinds, mut versions, mut bodies, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Received { id, kind, api_version, raw, at } in events {
        ids.push(String::from(id));
        kinds.push(kind);
        versions.push(api_version);
        bodies.push(raw);
        times.push(at);
    }
    sqlx::query(
        "insert into stripe_events (id, kind, api_version, payload, received_at)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[]) on conflict (id) do nothing",
    )
    .bind(ids)
    .bind(kinds)
    .bind(versions)
    .bind(bodies)
    .bind(times)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps an event that the list tells of. `false`: it is known.
pub(super) async fn keep_listed(conn: &mut PgConnection, event: &EventHint, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let told = serde_json::to_vec(event).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let done = sqlx::query(
        "insert into stripe_events (id, kind, api_version, payload, received_at, source, handled_at)
         values ($1, $2, $3, $4, $5, 'list', $5) on conflict (id) do nothing",
    )
    .bind(&event.id)
    .bind(&event.kind)
    .bind(event.api_version.as_deref().unwrap_or_default())
    .bind(told)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The bodies of events that were not handed on, oldest first, which they are from now on.
pub(super) async fn take_unhandled(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar(
        "update stripe_events set handled_at = $1
         where id in (select id from stripe_events where handled_at is null order by received_at limit $2 for update skip locked)
         returning payload",
    )
    .bind(now)
    .bind(i64::from(BATCH))
    .fetch_all(conn)
    .await
}

/// `None` notes only that it was read.
pub(super) async fn move_cursor(conn: &mut PgConnection, to: Option<&EventId>, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("update stripe_reading set events_cursor = coalesce($1, events_cursor), events_read_at = $2")
        .bind(to)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn forget_cursor(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("update stripe_reading set events_cursor = null").execute(conn).await?;
    Ok(())
}
