//! SQL of clusters, places and the waiting list.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::waiting::KeepWaitingList;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, ClusterId, InstanceId, OrderId, PlaceId, WaitingId};
use crate::queue;

/// A cluster as staff see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ClusterRow {
    /// Which.
    pub id: ClusterId,
    /// Its name in the configuration.
    pub name: String,
    /// `open` or `closed`.
    pub state: String,
    /// Instances it may hold.
    pub capacity: i32,
    /// Places that are reserved or confirmed.
    pub taken: i64,
}

/// Which cluster it is, and its capacity before; `None` for one that was not known.
pub(super) async fn upsert_cluster(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    name: &str,
    capacity: i32,
) -> sqlx::Result<(ClusterId, Option<i32>)> {
    sqlx::query_as(
        "with before as (select capacity from clusters where name = $2)
         insert into clusters (id, name, state, capacity, created_at) values ($1, $2, 'open', $3, $4)
         on conflict on constraint clusters_name_key do update set capacity = excluded.capacity
         returning id, (select capacity from before)",
    )
    .bind(ClusterId::new())
    .bind(name)
    .bind(capacity)
    .bind(clock.now())
    .fetch_one(conn)
    .await
}

/// All clusters with what is taken of them.
pub async fn list_clusters(conn: &mut PgConnection) -> sqlx::Result<Vec<ClusterRow>> {
    sqlx::query_as(
        "select c.id, c.name, c.state, c.capacity, (select count(*) from places p where p.cluster_id = c.id and p.state <> 'freed') as taken
         from clusters c order by c.name",
    )
    .fetch_all(conn)
    .await
}

/// Reserves a place on a cluster that [`super::cluster_with_room`] returned in the same transaction.
pub async fn reserve(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    account: AccountId,
    instance: InstanceId,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into places (id, cluster_id, account_id, instance_id, state, reserved_until, created_at)
         values ($1, $2, $3, $4, 'reserved', $5, $6)",
    )
    .bind(PlaceId::new())
    .bind(cluster)
    .bind(account)
    .bind(instance)
    .bind(until)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// A payment came: the place is kept. [`sqlx::Error::RowNotFound`] when there is none, which must never be.
pub async fn confirm(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query("update places set state = 'confirmed' where instance_id = $1 and state in ('reserved', 'confirmed')")
        .bind(instance)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Nobody can pay for it any more: the place is free. Only a reserved one can be freed this way.
pub async fn free(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query("update places set state = 'freed' where instance_id = $1 and state = 'reserved'")
        .bind(instance)
        .execute(&mut *conn)
        .await?;
    exactly_one(&done)?;
    nudge(conn).await
}

/// A place may have become free: whoever waits for one is invited, soon.
pub async fn nudge(conn: &mut PgConnection) -> sqlx::Result<()> {
    let waits: bool = sqlx::query_scalar("select somebody_waits()").fetch_one(&mut *conn).await?;
    if waits {
        queue::enqueue(conn, &KeepWaitingList {}, None).await?;
    }
    Ok(())
}

/// Somebody's entry on the waiting list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// Which entry.
    pub id: WaitingId,
    /// What they want.
    pub plan_code: String,
    /// Under which address.
    pub domain: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// How many stand before them, and they: 1 is next.
    pub position: i64,
    /// A place is kept for them until then.
    pub invited_until: Option<DateTime<Utc>>,
}

/// The account's entry, if it waits.
pub async fn waiting_entry(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<Waiting>> {
    sqlx::query_as(
        "select id, plan_code, domain, created_at, waiting_position(id) as position, invited_until from waiting_list
         where account_id = $1 and state in ('waiting', 'invited')",
    )
    .bind(account)
    .fetch_optional(conn)
    .await
}

/// What became of a wish to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// The account did not wait.
    New,
    /// It waited already, for something else: the wish is another one now, the position the same.
    Changed,
    /// It waited already, for the same.
    Same,
}

/// Puts the account on the list; one that waits already keeps its place in it, with the newer wish. Nothing is charged.
pub async fn join_waiting_list(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    plan_code: &str,
    domain: &str,
) -> sqlx::Result<Joined> {
    let same: Option<bool> = sqlx::query_scalar(
        "with before as (select plan_code = $3 and domain = $4 as same from waiting_list where account_id = $2 and state in ('waiting', 'invited'))
         insert into waiting_list (id, account_id, plan_code, domain, state, created_at) values ($1, $2, $3, $4, 'waiting', $5)
         on conflict (account_id) where state in ('waiting', 'invited') do update set plan_code = excluded.plan_code, domain = excluded.domain
         returning (select same from before)",
    )
    .bind(WaitingId::new())
    .bind(account)
    .bind(plan_code)
    .bind(domain)
    .bind(clock.now())
    .fetch_one(conn)
    .await?;
    Ok(match same {
        None => Joined::New,
        Some(false) => Joined::Changed,
        Some(true) => Joined::Same,
    })
}

/// Takes the account that acts off the list; its entry, if it waited.
pub(super) async fn leave(conn: &mut PgConnection) -> sqlx::Result<Option<WaitingId>> {
    sqlx::query_scalar("select leave_waiting_list()").fetch_one(conn).await
}

/// The account that acts has placed this order: if it waited, that is what it waited for. Its entry, if it did.
pub async fn ordered(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Option<WaitingId>> {
    sqlx::query_scalar("select order_from_waiting_list($1)").bind(order).fetch_one(conn).await
}

/// An order that somebody had waited for has ended unpaid: while the invitation's time is not over, they may order again. The entry, if so.
pub(super) async fn invite_again(conn: &mut PgConnection, order: OrderId, now: DateTime<Utc>) -> sqlx::Result<Option<WaitingId>> {
    sqlx::query_scalar(
        "update waiting_list w set state = 'invited', order_id = null
         where order_id = $1 and state = 'ordered' and invited_until > $2
           and not exists (select from waiting_list o where o.account_id = w.account_id and o.state in ('waiting', 'invited'))
         returning id",
    )
    .bind(order)
    .bind(now)
    .fetch_optional(conn)
    .await
}

/// Orders wait until this transaction ends.
pub(super) async fn lock_places(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtext('paddock.places'))").execute(conn).await?;
    Ok(())
}

/// Places that nobody has, and how many of them are kept for people who were invited.
pub(super) async fn room(conn: &mut PgConnection) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as("select places_left(), (select count(*) from waiting_list where state = 'invited')").fetch_one(conn).await
}

/// Somebody for whom a place is kept, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Invited {
    /// The entry.
    pub id: WaitingId,
    /// Whose.
    pub account_id: AccountId,
    /// The server that is waited for.
    pub domain: String,
}

/// Ends invitations whose time is over.
pub(super) async fn lapse(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Invited>> {
    sqlx::query_as(
        "update waiting_list set state = 'lapsed', invited_until = null where state = 'invited' and invited_until <= $1
         returning id, account_id, domain",
    )
    .bind(now)
    .fetch_all(conn)
    .await
}

/// Takes invitations back for which there is no place any more, the newest entries first: they wait again, where they stood.
pub(super) async fn take_back(conn: &mut PgConnection, count: i64) -> sqlx::Result<Vec<Invited>> {
    sqlx::query_as(
        "update waiting_list set state = 'waiting', invited_until = null
         where id in (select id from waiting_list where state = 'invited' order by created_at desc, id desc limit $1)
         returning id, account_id, domain",
    )
    .bind(count)
    .fetch_all(conn)
    .await
}

/// Invites those who have waited longest.
pub(super) async fn invite(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    count: i64,
) -> sqlx::Result<Vec<Invited>> {
    sqlx::query_as(
        "update waiting_list set state = 'invited', invited_at = coalesce(invited_at, $1), invited_until = $2
         where id in (select id from waiting_list where state = 'waiting' order by created_at, id limit $3)
         returning id, account_id, domain",
    )
    .bind(now)
    .bind(until)
    .bind(count)
    .fetch_all(conn)
    .await
}

/// How many were invited since then, and since when that could have been seen.
pub(super) async fn history(conn: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<(i64, DateTime<Utc>)> {
    sqlx::query_as("select served, observed_since from waiting_history($1)").bind(since).fetch_one(conn).await
}

/// How many wait, and since when the first one has, for staff.
pub async fn waiting_total(conn: &mut PgConnection) -> sqlx::Result<(i64, Option<DateTime<Utc>>)> {
    sqlx::query_as("select count(*), min(created_at) from waiting_list where state = 'waiting'").fetch_one(conn).await
}
