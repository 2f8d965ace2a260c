//! SQL of webhooks.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::delivery::{Due, Outcome};
use super::{DeliveryState, Endpoint};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, HookDeliveryId, HookEndpointId, HookEventId};

macro_rules! columns {
    () => {
        "id, account_id, url, kinds, seed, old_until, state, failing_since, created_at"
    };
}

/// An account's endpoints, the newest first.
pub async fn list_endpoints(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Endpoint>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from hook_endpoints where account_id = $1 and state <> 'removed' order by id desc"
    ))
    .bind(account)
    .fetch_all(conn)
    .await
}

/// One of an account's endpoints.
pub async fn find_endpoint(conn: &mut PgConnection, account: AccountId, id: HookEndpointId) -> sqlx::Result<Option<Endpoint>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from hook_endpoints where account_id = $1 and id = $2 and state <> 'removed'"
    ))
    .bind(account)
    .bind(id)
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert_endpoint(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: HookEndpointId,
    account: AccountId,
    (url, kinds): (&str, &[String]),
    seed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into hook_endpoints (id, account_id, url, kinds, seed, state, created_at) values ($1, $2, $3, $4, $5, 'on', $6)",
    )
    .bind(id)
    .bind(account)
    .bind(url)
    .bind(kinds)
    .bind(seed)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn update_endpoint(
    conn: &mut PgConnection,
    id: HookEndpointId,
    url: &str,
    kinds: &[String],
) -> sqlx::Result<()> {
    let done = sqlx::query("update hook_endpoints set url = $2, kinds = $3 where id = $1 and state <> 'removed'")
        .bind(id)
        .bind(url)
        .bind(kinds)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// The secret that was is the one before, until `until`.
pub(super) async fn set_seed(conn: &mut PgConnection, id: HookEndpointId, seed: &[u8], until: DateTime<Utc>) -> sqlx::Result<()> {
    let done =
        sqlx::query("update hook_endpoints set old_seed = seed, old_until = $3, seed = $2 where id = $1 and state <> 'removed'")
            .bind(id)
            .bind(seed)
            .bind(until)
            .execute(conn)
            .await?;
    exactly_one(&done)
}

/// Switches an endpoint on (`on`), off (`off`, `failing`) or takes it away (`removed`). What is owed to it is given up unless it is on.
pub(super) async fn set_state(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: HookEndpointId,
    state: &'static str,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update hook_endpoints set state = $2, ended_at = case when $2 = 'on' then null else $3 end,
           failing_since = case when $2 = 'on' then null else failing_since end
         where id = $1 and state <> 'removed'",
    )
    .bind(id)
    .bind(state)
    .bind(clock.now())
    .execute(&mut *conn)
    .await?;
    exactly_one(&done)?;
    if state != "on" {
        let owed = "update hook_deliveries set state = 'given_up' where endpoint_id = $1 and state = 'due'";
        sqlx::query(owed).bind(id).execute(conn).await?;
    }
    Ok(())
}

/// Who of an account wants to be told of a kind of event.
pub(super) async fn listening(conn: &mut PgConnection, account: AccountId, kind: &str) -> sqlx::Result<Vec<HookEndpointId>> {
    sqlx::query_scalar(
        "select id from hook_endpoints
         where account_id = $1 and state = 'on' and (cardinality(kinds) = 0 or $2 = any(kinds)) order by id",
    )
    .bind(account)
    .bind(kind)
    .fetch_all(conn)
    .await
}

pub(super) async fn insert_event(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: HookEventId,
    account: AccountId,
    kind: &str,
    payload: &str,
) -> sqlx::Result<()> {
    sqlx::query("insert into hook_events (id, account_id, kind, payload, at) values ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(account)
        .bind(kind)
        .bind(payload)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn insert_delivery(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    endpoint: HookEndpointId,
    event: HookEventId,
) -> sqlx::Result<HookDeliveryId> {
    let id = HookDeliveryId::new();
    sqlx::query(
        "insert into hook_deliveries (id, account_id, endpoint_id, event_id, state, due_at, created_at)
         values ($1, $2, $3, $4, 'due', $5, $5)",
    )
    .bind(id)
    .bind(account)
    .bind(endpoint)
    .bind(event)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(id)
}

pub(super) async fn owe_again(conn: &mut PgConnection, clock: &dyn Clock, id: HookDeliveryId) -> sqlx::Result<()> {
    let done = sqlx::query("update hook_deliveries set state = 'due', attempts = 0, due_at = $2 where id = $1")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// A delivery on an endpoint's list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DeliveryRow {
    /// Which.
    pub id: HookDeliveryId,
    /// Of which event.
    pub event_id: HookEventId,
    /// What that was.
    pub kind: String,
    /// The body of its requests.
    pub payload: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Tries since it was owed or last replayed.
    pub attempts: i32,
    /// When it is tried next, while it is due.
    pub due_at: DateTime<Utc>,
    /// When it happened.
    pub at: DateTime<Utc>,
}

macro_rules! deliveries {
    () => {
        "select d.id, d.event_id, e.kind, e.payload, d.state, d.attempts, d.due_at, e.at
         from hook_deliveries d join hook_events e on e.id = d.event_id where d.endpoint_id = $1 "
    };
}

/// Deliveries to an endpoint, the newest first: at most `limit` of those that are older than `after`.
pub async fn deliveries(
    conn: &mut PgConnection,
    endpoint: HookEndpointId,
    after: Option<HookDeliveryId>,
    limit: i64,
) -> sqlx::Result<Vec<DeliveryRow>> {
    sqlx::query_as(concat!(deliveries!(), "and ($2::uuid is null or d.id < $2) order by d.id desc limit $3"))
        .bind(endpoint)
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// One of them.
pub async fn find_delivery(
    conn: &mut PgConnection,
    endpoint: HookEndpointId,
    id: HookDeliveryId,
) -> sqlx::Result<Option<DeliveryRow>> {
    sqlx::query_as(concat!(deliveries!(), "and d.id = $2")).bind(endpoint).bind(id).fetch_optional(conn).await
}

/// A try.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TryRow {
    /// Of which delivery.
    pub delivery_id: HookDeliveryId,
    /// When.
    pub at: DateTime<Utc>,
    /// Status of the answer, if there was one.
    pub status: Option<i32>,
    /// Why there was none.
    pub error: Option<String>,
    /// How long it took.
    pub millis: i32,
}

/// The tries of these deliveries, the oldest first.
pub async fn tries(conn: &mut PgConnection, deliveries: &[HookDeliveryId]) -> sqlx::Result<Vec<TryRow>> {
    sqlx::query_as("select delivery_id, at, status, error, millis from hook_tries where delivery_id = any($1) order by id")
        .bind(deliveries)
        .fetch_all(conn)
        .await
}

/// Of each endpoint, at a time.
const OF_EACH: i64 = 4;

pub(super) async fn take(conn: &mut PgConnection, now: DateTime<Utc>, until: DateTime<Utc>, most: i64) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as(
        "with ranked as (
           select d.id, d.due_at, row_number() over (partition by d.endpoint_id order by d.due_at, d.id) as nth
           from hook_deliveries d join hook_endpoints p on p.id = d.endpoint_id
           where d.state = 'due' and d.due_at <= $1 and p.state = 'on'
         ), taken as (
           select d.id from hook_deliveries d
           where d.id in (select id from ranked where nth <= $4 order by due_at, id limit $3) and d.state = 'due' and d.due_at <= $1
           for update skip locked
         )
         update hook_deliveries d set attempts = d.attempts + 1, due_at = $2
         from taken, hook_endpoints p, hook_events e
         where d.id = taken.id and p.id = d.endpoint_id and e.id = d.event_id
         returning d.id, d.endpoint_id, d.account_id, d.event_id, d.attempts, p.url, e.payload, p.seed, p.old_seed, p.old_until",
    )
    .bind(now)
    .bind(until)
    .bind(most)
    .bind(OF_EACH)
    .fetch_all(conn)
    .await
}

pub(super) async fn insert_try(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    due: &Due,
    outcome: &Outcome,
    millis: i32,
) -> sqlx::Result<()> {
    let (status, error) = match outcome {
        Outcome::Answered(status) => (Some(i32::from(*status)), None),
        Outcome::Failed(why) => (None, Some(why.as_str())),
    };
    sqlx::query("insert into hook_tries (account_id, delivery_id, at, status, error, millis) values ($1, $2, $3, $4, $5, $6)")
        .bind(due.account_id)
        .bind(due.id)
        .bind(now)
        .bind(status)
        .bind(error)
        .bind(millis)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn mark_well(conn: &mut PgConnection, id: HookEndpointId) -> sqlx::Result<()> {
    sqlx::query("update hook_endpoints set failing_since = null where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// Since when the endpoint has taken nothing; `None` when it is switched off or was taken away meanwhile.
pub(super) async fn mark_failing(
    conn: &mut PgConnection,
    id: HookEndpointId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "update hook_endpoints set failing_since = coalesce(failing_since, $2) where id = $1 and state = 'on'
         returning failing_since",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(conn)
    .await
}

pub(super) async fn mark_delivered(conn: &mut PgConnection, id: HookDeliveryId) -> sqlx::Result<()> {
    sqlx::query("update hook_deliveries set state = 'delivered' where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// What was given up meanwhile, because its endpoint was switched off, stays so.
pub(super) async fn mark_failed(conn: &mut PgConnection, id: HookDeliveryId, again: Option<DateTime<Utc>>) -> sqlx::Result<()> {
    sqlx::query(
        "update hook_deliveries set state = case when $2::timestamptz is null then 'given_up' else state end,
           due_at = coalesce($2, due_at)
         where id = $1 and state = 'due'",
    )
    .bind(id)
    .bind(again)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn forget_old(conn: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from hook_events e where e.at < $1
           and not exists (select from hook_deliveries d where d.event_id = e.id and d.state = 'due')",
    )
    .bind(before)
    .execute(&mut *conn)
    .await?;
    sqlx::query("delete from hook_endpoints where state = 'removed' and ended_at < $1").bind(before).execute(conn).await?;
    Ok(done.rows_affected())
}
