//! SQL of clusters, places and the waiting list.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::cluster::NewCluster;
use super::place::{Ahead, OpenCluster, besides};
use super::waiting::KeepWaitingList;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, ClusterId, InstanceId, OrderId, PlaceId, WaitingId};
use crate::plan::Amounts;
use crate::queue;

/// Whether a cluster gets new servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ClusterState {
    /// It does.
    Open,
    /// It runs what it has and gets nothing new.
    Drained,
}

/// A cluster as the fleet and staff see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ClusterRow {
    /// Which.
    pub id: ClusterId,
    /// Its name, for good.
    pub name: String,
    /// Where it stands.
    pub region: String,
    /// Name of a file in the folder of kubeconfigs; `None`: the pod's own service account.
    pub kubeconfig: Option<String>,
    /// Where its operator runs.
    pub namespace: String,
    /// Whether it gets new servers.
    pub state: ClusterState,
    /// What it has.
    #[sqlx(json)]
    pub has: Amounts,
    /// What is reserved or in use of it.
    #[sqlx(json)]
    pub taken: Amounts,
    /// Servers that have a place on it.
    pub servers: i64,
    /// When its API server last answered.
    pub seen_at: Option<DateTime<Utc>>,
    /// Why it did not, the last time that it was asked.
    pub trouble: Option<String>,
}

impl ClusterRow {
    /// As placement sees it, were it open.
    pub fn open(&self) -> OpenCluster {
        OpenCluster { id: self.id, has: self.has, taken: self.taken, seen_at: self.seen_at, troubled: self.trouble.is_some() }
    }

    /// How many more servers that need so much it gets, whoever waits for them.
    pub fn left(&self, needs: &Amounts, now: DateTime<Utc>) -> i64 {
        match self.state {
            ClusterState::Open => self.open().room(needs, now),
            ClusterState::Drained => 0,
        }
    }
}

macro_rules! clusters {
    ($which:literal) => {
        concat!(
            "select c.id, c.name, c.region, c.kubeconfig, c.namespace, c.state, c.seen_at, c.trouble,
               jsonb_build_object('services', c.services, 'pods', c.pods, 'custom_resources', c.custom_resources, 'memory_mib',
                 c.memory_mib, 'cpu_milli', c.cpu_milli, 'volumes', c.volumes, 'volume_gib', c.volume_gib) as has,
               taken.amounts as taken, taken.servers
             from clusters c cross join lateral (
               select count(*) as servers, jsonb_build_object('services', coalesce(sum(services), 0), 'pods', coalesce(sum(pods), 0),
                 'custom_resources', coalesce(sum(custom_resources), 0), 'memory_mib', coalesce(sum(memory_mib), 0),
                 'cpu_milli', coalesce(sum(cpu_milli), 0), 'volumes', coalesce(sum(volumes), 0),
                 'volume_gib', coalesce(sum(volume_gib), 0)) as amounts
               from places p where p.cluster_id = c.id and p.state <> 'freed') as taken ",
            $which
        )
    };
}

/// All clusters with what is taken of them, by name.
pub async fn list_clusters(conn: &mut PgConnection) -> sqlx::Result<Vec<ClusterRow>> {
    sqlx::query_as(clusters!("order by c.name")).fetch_all(conn).await
}

/// The cluster of a name, or of an id's text.
pub async fn find_cluster(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<ClusterRow>> {
    let id: Option<ClusterId> = name.parse().ok();
    sqlx::query_as(clusters!("where c.name = $1 or c.id = $2")).bind(name).bind(id).fetch_optional(conn).await
}

pub(super) async fn insert_cluster(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: ClusterId,
    new: &NewCluster,
) -> sqlx::Result<()> {
    let NewCluster { name, region, kubeconfig, namespace, has } = new;
    let Amounts { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } = has;
    sqlx::query(
        "insert into clusters (id, name, region, kubeconfig, namespace, state, services, pods, custom_resources, memory_mib, cpu_milli,
                               volumes, volume_gib, trouble, created_at)
         values ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10, $11, $12, 'the fleet has not reached it yet', $13)",
    )
    .bind(id)
    .bind(name)
    .bind(region)
    .bind(kubeconfig)
    .bind(namespace)
    .bind(services)
    .bind(pods)
    .bind(custom_resources)
    .bind(memory_mib)
    .bind(cpu_milli)
    .bind(volumes)
    .bind(volume_gib)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// How the fleet gets at a cluster.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ClusterAccess {
    /// Which.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// Name of a file in the folder of kubeconfigs; `None`: the pod's own service account.
    pub kubeconfig: Option<String>,
    /// Where its operator runs.
    pub namespace: String,
}

/// All clusters, for the fleet.
pub async fn list_cluster_access(conn: &mut PgConnection) -> sqlx::Result<Vec<ClusterAccess>> {
    sqlx::query_as("select id, name, kubeconfig, namespace from clusters order by name").fetch_all(conn).await
}

/// Whether that changed anything.
pub(super) async fn set_cluster_state(conn: &mut PgConnection, id: ClusterId, state: ClusterState) -> sqlx::Result<bool> {
    let done =
        sqlx::query("update clusters set state = $2 where id = $1 and state <> $2").bind(id).bind(state).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_cluster_capacity(conn: &mut PgConnection, id: ClusterId, has: &Amounts) -> sqlx::Result<()> {
    let Amounts { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } = has;
    let done = sqlx::query(
        "update clusters set services = $2, pods = $3, custom_resources = $4, memory_mib = $5, cpu_milli = $6, volumes = $7,
                             volume_gib = $8 where id = $1",
    )
    .bind(id)
    .bind(services)
    .bind(pods)
    .bind(custom_resources)
    .bind(memory_mib)
    .bind(cpu_milli)
    .bind(volumes)
    .bind(volume_gib)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// The API server of a cluster has answered. For the fleet.
pub async fn note_seen(conn: &mut PgConnection, clock: &dyn Clock, id: ClusterId) -> sqlx::Result<()> {
    let done = sqlx::query("update clusters set seen_at = $2, trouble = null where id = $1")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// The API server of a cluster has not answered. For the fleet.
pub async fn note_trouble(conn: &mut PgConnection, id: ClusterId, why: &str) -> sqlx::Result<()> {
    let done = sqlx::query("update clusters set trouble = $2 where id = $1").bind(id).bind(why).execute(conn).await?;
    exactly_one(&done)
}

#[derive(sqlx::FromRow)]
struct OpenRow {
    id: ClusterId,
    #[sqlx(json)]
    has: Amounts,
    #[sqlx(json)]
    taken: Amounts,
    seen_at: Option<DateTime<Utc>>,
    trouble: Option<String>,
}

async fn open(conn: &mut PgConnection, reserving: bool) -> sqlx::Result<Vec<OpenCluster>> {
    let rows: Vec<OpenRow> = sqlx::query_as("select * from open_clusters($1)").bind(reserving).fetch_all(conn).await?;
    let cluster = |OpenRow { id, has, taken, seen_at, trouble }: OpenRow| OpenCluster {
        id,
        has,
        taken,
        seen_at,
        troubled: trouble.is_some(),
    };
    Ok(rows.into_iter().map(cluster).collect())
}

/// The clusters that take new servers, whoever they are for. Other orders and invitations wait until this transaction ends.
pub(super) async fn lock_open_clusters(conn: &mut PgConnection) -> sqlx::Result<Vec<OpenCluster>> {
    open(conn, true).await
}

#[derive(sqlx::FromRow)]
struct AheadRow {
    #[sqlx(json)]
    needs: Amounts,
    invited: bool,
}

/// Without what is kept for others, and for all who stand before the account on the waiting list.
async fn left(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    clusters: Vec<OpenCluster>,
    whose: Option<AccountId>,
) -> sqlx::Result<Vec<OpenCluster>> {
    let rows: Vec<AheadRow> = sqlx::query_as("select needs, invited from waiting_ahead($1)").bind(whose).fetch_all(conn).await?;
    let ahead: Vec<Ahead> = rows.into_iter().map(|AheadRow { needs, invited }| Ahead { needs, invited }).collect();
    Ok(besides(clusters, &ahead, clock.now()))
}

/// The clusters that take new servers, as far as this account may have them: what is kept for others, and for all who stand before it on the
/// waiting list, counts as taken. Without an account: for whoever comes new. A hint for pages; only what [`open_clusters_to_reserve`] says
/// can be relied upon.
pub async fn open_clusters(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    whose: Option<AccountId>,
) -> sqlx::Result<Vec<OpenCluster>> {
    let clusters = open(conn, false).await?;
    left(conn, clock, clusters, whose).await
}

/// The same, exactly: other orders and invitations wait until this transaction ends, so a place that is reserved in it exists.
pub async fn open_clusters_to_reserve(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    whose: AccountId,
) -> sqlx::Result<Vec<OpenCluster>> {
    let clusters = open(conn, true).await?;
    left(conn, clock, clusters, Some(whose)).await
}

/// Reserves a place on a cluster that was chosen out of [`open_clusters_to_reserve`] in the same transaction.
pub async fn reserve(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    account: AccountId,
    instance: InstanceId,
    needs: &Amounts,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    let Amounts { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } = needs;
    sqlx::query(
        "insert into places (id, cluster_id, account_id, instance_id, state, reserved_until, created_at, services, pods,
                             custom_resources, memory_mib, cpu_milli, volumes, volume_gib)
         values ($1, $2, $3, $4, 'reserved', $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(PlaceId::new())
    .bind(cluster)
    .bind(account)
    .bind(instance)
    .bind(until)
    .bind(clock.now())
    .bind(services)
    .bind(pods)
    .bind(custom_resources)
    .bind(memory_mib)
    .bind(cpu_milli)
    .bind(volumes)
    .bind(volume_gib)
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

/// Whether the place of a server may become so large, as far as this account may have it; a hint for pages.
pub async fn has_room_to_grow(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    whose: AccountId,
    instance: InstanceId,
    needs: &Amounts,
) -> sqlx::Result<bool> {
    let clusters = open_clusters(conn, clock, Some(whose)).await?;
    fits_in_place(conn, clock, &clusters, instance, needs).await
}

/// Makes the place of a server of the account that acts as large as `needs`, where it is smaller; `false` when its cluster has no room for that,
/// or gets nothing new. Other orders wait until this transaction ends.
pub async fn widen(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    whose: AccountId,
    instance: InstanceId,
    needs: &Amounts,
) -> sqlx::Result<bool> {
    let clusters = open_clusters_to_reserve(conn, clock, whose).await?;
    if !fits_in_place(conn, clock, &clusters, instance, needs).await? {
        return Ok(false);
    }
    sqlx::query("select widen_place($1, $2)").bind(instance).bind(sqlx::types::Json(needs)).execute(conn).await?;
    Ok(true)
}

async fn fits_in_place(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    clusters: &[OpenCluster],
    instance: InstanceId,
    needs: &Amounts,
) -> sqlx::Result<bool> {
    let (cluster, has): (ClusterId, sqlx::types::Json<Amounts>) = sqlx::query_as(
        "select cluster_id, jsonb_build_object('services', services, 'pods', pods, 'custom_resources', custom_resources, 'memory_mib',
           memory_mib, 'cpu_milli', cpu_milli, 'volumes', volumes, 'volume_gib', volume_gib)
         from places where instance_id = $1 and state = 'confirmed'",
    )
    .bind(instance)
    .fetch_one(conn)
    .await?;
    let more = Amounts::each(|dimension| (needs.of(dimension) - has.of(dimension)).max(0));
    let room = || clusters.iter().find(|one| one.id == cluster).is_some_and(|one| one.room(&more, clock.now()) > 0);
    // What becomes smaller fits anywhere.
    Ok(more == Amounts::default() || room())
}

/// The place of a server is so large from now on. What becomes free by that goes to whoever waits.
pub async fn set_place(conn: &mut PgConnection, instance: InstanceId, needs: &Amounts) -> sqlx::Result<()> {
    let Amounts { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } = needs;
    sqlx::query(
        "update places set services = $2, pods = $3, custom_resources = $4, memory_mib = $5, cpu_milli = $6, volumes = $7, volume_gib = $8
         where instance_id = $1 and state <> 'freed'",
    )
    .bind(instance)
    .bind(services)
    .bind(pods)
    .bind(custom_resources)
    .bind(memory_mib)
    .bind(cpu_milli)
    .bind(volumes)
    .bind(volume_gib)
    .execute(&mut *conn)
    .await?;
    nudge(conn).await
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
    needs: &Amounts,
    domain: &str,
) -> sqlx::Result<Joined> {
    let same: Option<bool> = sqlx::query_scalar(
        "with before as (select plan_code = $3 and domain = $4 as same from waiting_list where account_id = $2 and state in ('waiting', 'invited'))
         insert into waiting_list (id, account_id, plan_code, domain, state, created_at, needs) values ($1, $2, $3, $4, 'waiting', $5, $6)
         on conflict (account_id) where state in ('waiting', 'invited')
           do update set plan_code = excluded.plan_code, domain = excluded.domain, needs = excluded.needs
         returning (select same from before)",
    )
    .bind(WaitingId::new())
    .bind(account)
    .bind(plan_code)
    .bind(domain)
    .bind(clock.now())
    .bind(sqlx::types::Json(needs))
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

/// An entry that waits, or for which a place is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct OnList {
    pub id: WaitingId,
    #[sqlx(json)]
    pub needs: Amounts,
    pub invited: bool,
}

/// Those who wait or are invited, whoever has waited longest in front.
pub(super) async fn on_list(conn: &mut PgConnection) -> sqlx::Result<Vec<OnList>> {
    sqlx::query_as(
        "select id, needs, state = 'invited' as invited from waiting_list where state in ('waiting', 'invited') order by created_at, id",
    )
    .fetch_all(conn)
    .await
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

/// Takes invitations back: these wait again, where they stood.
pub(super) async fn take_back(conn: &mut PgConnection, entries: &[WaitingId]) -> sqlx::Result<Vec<Invited>> {
    sqlx::query_as(
        "update waiting_list set state = 'waiting', invited_until = null where id = any($1) and state = 'invited'
         returning id, account_id, domain",
    )
    .bind(entries)
    .fetch_all(conn)
    .await
}

/// Invites these.
pub(super) async fn invite(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    entries: &[WaitingId],
) -> sqlx::Result<Vec<Invited>> {
    sqlx::query_as(
        "update waiting_list set state = 'invited', invited_at = coalesce(invited_at, $2), invited_until = $3
         where id = any($1) and state = 'waiting'
         returning id, account_id, domain",
    )
    .bind(entries)
    .bind(now)
    .bind(until)
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
