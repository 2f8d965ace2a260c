//! SQL of instances.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::claim::LocalDomain;
use super::upkeep::Window;
use super::{Intent, OwnMailFacts};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, ArchiveId, ClusterId, InstanceId, StaffId};
use crate::plan::Size;
use crate::resource::InstanceStatus;

/// An instance as pages and jobs see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Instance {
    /// Which.
    pub id: InstanceId,
    /// Whose.
    pub account_id: AccountId,
    /// `LOCAL_DOMAIN`, ASCII.
    pub domain: String,
    /// Whether the name lies under the host's own domain.
    pub hosted: bool,
    /// `WEB_DOMAIN`, when it differs.
    pub web_domain: Option<String>,
    /// Mastodon account of the owner.
    pub owner_username: String,
    /// Where the owner gets the link to set a password.
    pub owner_email: String,
    /// What was bought.
    pub plan_code: String,
    /// Release that is wanted.
    pub mastodon_version: String,
    /// What it should be.
    pub intent: Intent,
    /// Why.
    pub intent_reason: Option<String>,
    /// Counts changes of intent.
    pub generation: i64,
    /// The newest generation that the operator has answered to.
    pub observed_generation: i64,
    /// What the operator last said.
    pub observed: Option<Json<InstanceStatus>>,
    /// When what it says last changed.
    pub observed_at: Option<DateTime<Utc>>,
    /// Where it runs.
    pub cluster_id: ClusterId,
    /// When that cluster last answered; `None`: it never did.
    pub cluster_seen_at: Option<DateTime<Utc>>,
    /// When it may be upgraded; `None`: at any time.
    pub maintenance_window: Option<Json<Window>>,
    /// Whether it gets new releases before the others.
    pub canary: bool,
    /// When the intent last changed.
    pub intent_at: Option<DateTime<Utc>>,
    /// First time that all was ready.
    pub ready_at: Option<DateTime<Utc>>,
    /// With a web domain: who answers at the domain itself.
    pub local_domain: Option<LocalDomain>,
    /// When the customer's own domain was seen to point here.
    pub address_confirmed_at: Option<DateTime<Utc>>,
    /// When that was last looked at.
    pub address_checked_at: Option<DateTime<Utc>>,
    /// When the address was given back.
    pub released_at: Option<DateTime<Utc>>,
    /// The customer's own mail server, when mails leave there.
    pub own_mail: Option<Json<OwnMailFacts>>,
    /// When it was ordered.
    pub created_at: DateTime<Utc>,
}

impl Instance {
    /// Where its pages are.
    pub fn web_host(&self) -> &str {
        self.web_domain.as_deref().unwrap_or(&self.domain)
    }

    /// Whether the customer brings the domain of its pages, so that DNS records of theirs must point here.
    pub fn is_on_own_domain(&self) -> bool {
        !self.hosted || self.web_domain.is_some()
    }

    /// Whether nothing is served yet because those records have not been seen to point here.
    pub fn awaits_records(&self) -> bool {
        self.is_on_own_domain() && self.address_confirmed_at.is_none()
    }

    /// Since when nobody has seen how it is, when that is longer than a moment: its cluster does not answer, or nobody asks.
    pub fn unseen_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cluster_seen_at.filter(|seen| now - *seen > UNSEEN_AFTER)
    }

    /// What the operator last said, if it has said anything.
    pub fn status(&self) -> Option<&InstanceStatus> {
        self.observed.as_ref().map(|status| &status.0)
    }
}

macro_rules! columns {
    () => {
        "id, account_id, domain, hosted, web_domain, owner_username, owner_email, plan_code, mastodon_version, intent, intent_reason, \
         generation, observed_generation, observed, observed_at, intent_at, ready_at, local_domain, \
         address_confirmed_at, address_checked_at, released_at, own_mail, created_at, cluster_id, canary, maintenance_window, \
         (select c.seen_at from clusters c where c.id = cluster_id) as cluster_seen_at"
    };
}

/// The columns of an [`Instance`], for queries that ask for more.
pub const COLUMNS: &str = columns!();

/// The fleet asks each cluster three times a minute whether it answers; what is older than this was missed more than once.
pub const UNSEEN_AFTER: TimeDelta = TimeDelta::minutes(3);

/// An instance that is being ordered.
#[derive(Debug)]
pub struct NewInstance<'a> {
    /// Which.
    pub id: InstanceId,
    /// Whose.
    pub account: AccountId,
    /// Where its place is.
    pub cluster: ClusterId,
    /// `LOCAL_DOMAIN`, ASCII.
    pub domain: &'a str,
    /// What the name looks like.
    pub skeleton: &'a str,
    /// Under the host's domain.
    pub hosted: bool,
    /// `WEB_DOMAIN`.
    pub web_domain: Option<&'a str>,
    /// Mastodon account of the owner.
    pub owner_username: &'a str,
    /// Address of the owner.
    pub owner_email: &'a str,
    /// Language of the server and its owner's mails.
    pub locale: &'a str,
    /// What is bought.
    pub plan_code: &'a str,
    /// The plan's numbers.
    pub size: &'a Size,
    /// GiB that the media bucket is meant to hold.
    pub media_gib: u32,
    /// Release to begin with.
    pub version: &'a str,
}

/// The numbers that travel to the operator, as the row keeps them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredSize {
    /// The plan's.
    #[serde(flatten)]
    pub size: Size,
    /// GiB of media, those of the packs among them.
    pub media_gib: u32,
    /// Storage packs on top of the plan.
    #[serde(default)]
    pub packs: u32,
}

/// Writes a new instance whose intent is `Absent`. Unique indexes of the table decide whether the address is free.
pub async fn insert(conn: &mut PgConnection, clock: &dyn Clock, new: &NewInstance<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into instances (id, account_id, cluster_id, domain, domain_skeleton, hosted, web_domain, owner_username, owner_email,
                                locale, plan_code, size, mastodon_version, intent, created_at, local_domain)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'absent', $14,
                 case when $7::text is not null then 'elsewhere' end)",
    )
    .bind(new.id)
    .bind(new.account)
    .bind(new.cluster)
    .bind(new.domain)
    .bind(new.skeleton)
    .bind(new.hosted)
    .bind(new.web_domain)
    .bind(new.owner_username)
    .bind(new.owner_email)
    .bind(new.locale)
    .bind(new.plan_code)
    .bind(Json(StoredSize { size: new.size.clone(), media_gib: new.media_gib, packs: 0 }))
    .bind(new.version)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of the wanted names is taken: `domain`, `web_domain`, `look_alike`; `None` when all are free. A hint: the unique indexes
/// decide when the row is written.
pub async fn conflict(
    conn: &mut PgConnection,
    domain: &str,
    web_domain: Option<&str>,
    skeleton: &str,
    hosted: bool,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("select address_conflict($1, $2, $3, $4)")
        .bind(domain)
        .bind(web_domain)
        .bind(skeleton)
        .bind(hosted)
        .fetch_one(conn)
        .await
}

/// The account's own instance; `None` for foreign and missing alike.
pub async fn find_owned(conn: &mut PgConnection, account: AccountId, id: InstanceId) -> sqlx::Result<Option<Instance>> {
    sqlx::query_as(concat!("select ", columns!(), " from instances where id = $1 and account_id = $2"))
        .bind(id)
        .bind(account)
        .fetch_optional(conn)
        .await
}

/// The account's instances, newest first, without those that were never paid.
pub async fn list_owned(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Instance>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from instances where account_id = $1 and released_at is null order by id desc"
    ))
    .bind(account)
    .fetch_all(conn)
    .await
}

/// A part of them: at most `limit` of those that are older than `after`.
pub async fn page_owned(
    conn: &mut PgConnection,
    account: AccountId,
    after: Option<InstanceId>,
    limit: i64,
) -> sqlx::Result<Vec<Instance>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from instances where account_id = $1 and released_at is null and ($2::uuid is null or id < $2) order by id desc limit $3"
    ))
    .bind(account)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Any instance, for staff and jobs.
pub async fn find(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Instance>> {
    sqlx::query_as(concat!("select ", columns!(), " from instances where id = $1")).bind(id).fetch_optional(conn).await
}

/// Instances that should run and are not seen ready, or at which the operator is stuck, oldest first, at most 200, for staff.
pub async fn list_not_ready(conn: &mut PgConnection) -> sqlx::Result<Vec<Instance>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from instances where intent <> 'absent' and released_at is null
          and (intent = 'running' and (ready_at is null or not observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}')
               or observed @> '{\"conditions\": [{\"type\": \"Stalled\", \"status\": \"True\"}]}')
          order by id limit 200"
    ))
    .fetch_all(conn)
    .await
}

/// `LOCAL_DOMAIN` of each of the instances, for staff.
pub async fn domains_of(conn: &mut PgConnection, ids: &[InstanceId]) -> sqlx::Result<Vec<(InstanceId, String)>> {
    sqlx::query_as("select id, domain from instances where id = any($1)").bind(ids).fetch_all(conn).await
}

/// How many instances have which intent, of those whose address is not given back.
pub async fn count_by_intent(conn: &mut PgConnection) -> sqlx::Result<Vec<(Intent, i64)>> {
    sqlx::query_as("select intent, count(*) from instances where released_at is null group by intent order by intent")
        .fetch_all(conn)
        .await
}

/// Since when the oldest of the servers that were never ready has been building; `None` when none is being built.
pub async fn building_since(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select min(intent_at) from instances where intent = 'running' and ready_at is null and released_at is null",
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn account_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<AccountId> {
    sqlx::query_scalar("select account_id from instances where id = $1").bind(id).fetch_one(conn).await
}

/// Whether anything changed. Errors when the instance is in none of the states `from`.
pub(super) async fn update_intent(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    intent: Intent,
    reason: &str,
    from: &[&str],
) -> sqlx::Result<bool> {
    let now: Intent = sqlx::query_scalar(
        "select intent from instances
             where id = $1 and released_at is null and removal_confirmed_at is null and intent = any($2) for update",
    )
    .bind(id)
    .bind(from)
    .fetch_one(&mut *conn)
    .await?;
    if now == intent {
        return Ok(false);
    }
    let done = sqlx::query(
        "update instances set intent = $2, intent_reason = $3, intent_at = $4, generation = generation + 1,
           removal_reason = null, removal_early_reason = null, removal_requested_at = null, removal_requested_by = null where id = $1",
    )
    .bind(id)
    .bind(intent)
    .bind(reason)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)?;
    Ok(true)
}

/// How large a server is meant to be.
pub async fn size_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<StoredSize> {
    let size: Json<StoredSize> = sqlx::query_scalar("select size from instances where id = $1").bind(id).fetch_one(conn).await?;
    Ok(size.0)
}

/// Another plan and size, whatever state the server is in, unless it is gone.
pub(super) async fn update_plan(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    plan_code: &str,
    size: &StoredSize,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set plan_code = $2, size = $3, generation = generation + 1, intent_at = $4
         where id = $1 and released_at is null and removal_confirmed_at is null and intent <> 'absent'",
    )
    .bind(id)
    .bind(plan_code)
    .bind(Json(size))
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Sets or takes away the customer's own mail server. Errors when the server is over.
pub(super) async fn update_own_mail(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    own: Option<(&OwnMailFacts, &str)>,
) -> sqlx::Result<()> {
    let (facts, sealed) = own.unzip();
    let done = sqlx::query(
        "update instances set own_mail = $2, own_mail_sealed = $3, own_mail_at = $4, generation = generation + 1
         where id = $1 and released_at is null and intent in ('running', 'suspended')",
    )
    .bind(id)
    .bind(facts.map(Json))
    .bind(sealed)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// A server whose mails may leave through the host's relay.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Mailing {
    /// Which.
    pub id: InstanceId,
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// What was bought.
    pub plan_code: String,
}

/// Every server that is or may again be running, by age: for the relay's list of logins.
pub async fn list_mailing(conn: &mut PgConnection) -> sqlx::Result<Vec<Mailing>> {
    sqlx::query_as(
        "select id, domain, plan_code from instances where released_at is null and intent in ('running', 'suspended') order by id",
    )
    .fetch_all(conn)
    .await
}

/// Gives the address of a never-paid instance back.
pub async fn release(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query("update instances set released_at = $2 where id = $1 and intent = 'absent' and released_at is null")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// What the fleet writes into a custom resource.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ToPush {
    /// Which.
    pub id: InstanceId,
    /// The generation that this is.
    pub generation: i64,
    /// What it should be.
    pub intent: Intent,
    /// Why.
    pub intent_reason: Option<String>,
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// `WEB_DOMAIN`.
    pub web_domain: Option<String>,
    /// With a web domain: who answers at the domain itself.
    pub local_domain: Option<LocalDomain>,
    /// The customer's own domain was seen to point here.
    pub address_confirmed: bool,
    /// Owner's Mastodon account.
    pub owner_username: String,
    /// Owner's address.
    pub owner_email: String,
    /// Language.
    pub locale: String,
    /// Release.
    pub mastodon_version: String,
    /// Numbers of the plan.
    pub size: Json<StoredSize>,
    /// The customer's own mail server, sealed to the operator's key.
    pub own_mail_sealed: Option<String>,
    /// Another major release of PostgreSQL, asked for by name.
    pub postgres_major: Option<i16>,
    /// The same of Valkey.
    pub valkey_major: Option<i16>,
    /// It was seen ready, or with its tables: it must never be made anew.
    pub holds_data: bool,
    /// Why everything of it is to be destroyed, once that is confirmed.
    pub removal_reason: Option<String>,
    /// Who asked for that.
    pub removal_requested_by: Option<StaffId>,
    /// Who confirmed it.
    pub removal_confirmed_by: Option<StaffId>,
    /// The proven archive because of which it may go.
    pub removal_archive: Option<ArchiveId>,
    /// SHA-256 of that archive's manifest.
    pub removal_manifest: Option<String>,
}

/// Instances of a cluster whose intent its API server has not taken yet, oldest change first, at most `limit`.
pub async fn to_push(conn: &mut PgConnection, cluster: ClusterId, limit: i64) -> sqlx::Result<Vec<ToPush>> {
    sqlx::query_as(
        "select id, generation, intent, intent_reason, domain, web_domain, local_domain, address_confirmed_at is not null as address_confirmed,
                owner_username, owner_email, locale, mastodon_version, size, own_mail_sealed, postgres_major, valkey_major,
                ready_at is not null or coalesce((observed ->> 'databaseInitialised')::boolean, false) as holds_data,
                removal_reason, removal_requested_by, removal_confirmed_by, removal_archive,
                (select manifest from archives where archives.id = removal_archive) as removal_manifest
         from instances where cluster_id = $1 and generation > pushed_generation order by intent_at limit $2",
    )
    .bind(cluster)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Notes that the API server has taken `generation`. A newer one that was pushed meanwhile stays.
pub async fn mark_pushed(conn: &mut PgConnection, id: InstanceId, generation: i64) -> sqlx::Result<()> {
    sqlx::query("update instances set pushed_generation = greatest(pushed_generation, $2) where id = $1 and generation >= $2")
        .bind(id)
        .bind(generation)
        .execute(conn)
        .await?;
    Ok(())
}

/// The custom resource is gone, or older than it was, though the row wants one: it is pushed again, soon. Of a resource in another
/// cluster than the row's nothing is concluded.
pub async fn push_again(conn: &mut PgConnection, cluster: ClusterId, id: InstanceId) -> sqlx::Result<()> {
    sqlx::query(
        "with again as (update instances set pushed_generation = 0
                        where id = $2 and cluster_id = $1 and intent <> 'absent' and released_at is null returning id)
         select pg_notify('paddock_fleet', '') from again",
    )
    .bind(cluster)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// What a cluster's API server must have by now: instances with the generation that it has taken.
pub async fn pushed(conn: &mut PgConnection, cluster: ClusterId) -> sqlx::Result<BTreeMap<InstanceId, i64>> {
    let rows: Vec<(InstanceId, i64)> = sqlx::query_as(
        "select id, pushed_generation from instances
         where cluster_id = $1 and intent <> 'absent' and released_at is null and pushed_generation > 0",
    )
    .bind(cluster)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Whom to tell and what about, when an instance was seen ready for the first time.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FirstReady {
    /// Whose.
    pub account_id: AccountId,
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// `WEB_DOMAIN`.
    pub web_domain: Option<String>,
    /// Owner's Mastodon account.
    pub owner_username: String,
    /// Owner's address.
    pub owner_email: String,
}

pub(super) async fn write_observed(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    id: InstanceId,
    observed_generation: i64,
    status: &Value,
    ready: bool,
) -> sqlx::Result<Option<FirstReady>> {
    sqlx::query(
        // An answer to what the row has never asked is none to the row: see `outrun`.
        "update instances set observed = $2, observed_at = $3,
           observed_generation = greatest(observed_generation, case when $4 <= generation then $4 else 0 end)
         where id = $1 and cluster_id = $5
           and (observed is distinct from $2 or observed_generation < $4 and $4 <= generation)",
    )
    .bind(id)
    .bind(status)
    .bind(clock.now())
    .bind(observed_generation)
    .bind(cluster)
    .execute(&mut *conn)
    .await?;
    if !ready {
        return Ok(None);
    }
    sqlx::query_as(
        "update instances set ready_at = $2 where id = $1 and cluster_id = $3 and ready_at is null
         returning account_id, domain, web_domain, owner_username, owner_email",
    )
    .bind(id)
    .bind(clock.now())
    .bind(cluster)
    .fetch_optional(conn)
    .await
}

/// Remembers how long a step took, and counts anew how long it usually takes: the middle of the last hundred times.
pub async fn record_step(conn: &mut PgConnection, step: &str, seconds: f64, finished_at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("insert into step_times (step, seconds, finished_at) values ($1, $2, $3)")
        .bind(step)
        .bind(seconds)
        .bind(finished_at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into typical_times (step, seconds)
         select $1, percentile_cont(0.5) within group (order by seconds)
         from (select seconds from step_times where step = $1 order by finished_at desc limit 100) as recent
         on conflict (step) do update set seconds = excluded.seconds",
    )
    .bind(step)
    .execute(conn)
    .await?;
    Ok(())
}

/// Seconds that each step usually takes; steps never seen are not listed.
pub async fn typical_seconds(conn: &mut PgConnection) -> sqlx::Result<Vec<(String, f64)>> {
    sqlx::query_as("select step, seconds from typical_times").fetch_all(conn).await
}

/// Forgets how long steps took, but for the newest two hundred times of each. Returns how many.
pub async fn forget_old_steps(conn: &mut PgConnection) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from step_times
         using (select id, row_number() over (partition by step order by finished_at desc, id desc) as nth from step_times) as old
         where step_times.id = old.id and old.nth > 200",
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
