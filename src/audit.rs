//! The audit log: every change writes who did what to what, in the transaction that makes the change.

pub mod chain;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use crate::clock::Clock;
use crate::db::slice::{Slice, Sorted, Start};
use crate::ids::{AccountId, PersonId, StaffId};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A customer.
    Person(PersonId),
    /// One of the host's own people.
    Staff(StaffId),
    /// The program itself: which part of it.
    System(&'static str),
}

impl Actor {
    fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Staff(_) => "staff",
            Self::System(_) => "system",
        }
    }

    fn id(self) -> String {
        match self {
            Self::Person(id) => id.to_string(),
            Self::Staff(id) => id.to_string(),
            Self::System(part) => part.to_owned(),
        }
    }
}

/// Writes one entry. `account` is whose business it is (`None`: the host's own), `subject` the id of what changed.
pub async fn record(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: Option<AccountId>,
    action: &str,
    subject: &str,
    detail: Value,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into audit_events (at, account_id, actor_kind, actor_id, action, subject, detail) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(clock.now())
    .bind(account)
    .bind(actor.kind())
    .bind(actor.id())
    .bind(action)
    .bind(subject)
    .bind(detail)
    .execute(conn)
    .await?;
    Ok(())
}

/// One entry as it is read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// `person`, `staff` or `system`.
    pub actor_kind: String,
    /// Their id, or the part of the program.
    pub actor_id: String,
    /// What was done.
    pub action: String,
    /// Id of what changed.
    pub subject: String,
    /// What else is worth knowing.
    pub detail: Value,
}

/// Newest entries of an account, at most `limit`; only those about one of `subjects`, unless there are none.
pub async fn list(conn: &mut PgConnection, account: AccountId, subjects: &[String], limit: i64) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as(
        "select at, actor_kind, actor_id, action, subject, detail from audit_events
         where account_id = $1 and (subject = any($2) or cardinality($2) = 0) order by id desc limit $3",
    )
    .bind(account)
    .bind(subjects)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// How often an action was written for an account since `since`: where trying again and again has to end some time.
pub async fn count(conn: &mut PgConnection, account: AccountId, action: &str, since: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from audit_events where account_id = $1 and action = $2 and at > $3")
        .bind(account)
        .bind(action)
        .bind(since)
        .fetch_one(conn)
        .await
}

/// Whoever asks for the same account and action waits until the transaction ends: what is counted and then written is counted once.
pub async fn one_by_one(conn: &mut PgConnection, account: AccountId, action: &str) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('paddock.audit:' || $1 || ':' || $2::text, 0))")
        .bind(action)
        .bind(account)
        .execute(conn)
        .await?;
    Ok(())
}

/// An entry of an account's own log, as its members see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Its place in the [chain](chain); none before the job has come to it.
    pub place: Option<i64>,
    /// Its hash there.
    pub hash: Option<Vec<u8>>,
    /// The entry.
    #[sqlx(flatten)]
    pub entry: Entry,
}

impl Kept {
    /// What else is worth knowing, for the account's members. What staff and program note besides is about the host (clusters, notes of
    /// staff to one another), except where staff look into the account itself.
    pub fn detail(&self) -> Option<&Value> {
        let theirs = self.entry.actor_kind == "person" || self.entry.action.starts_with(ACCESS);
        theirs.then_some(&self.entry.detail)
    }
}

/// How the names of what staff do begin when they look into a customer's account.
pub const ACCESS: &str = "access.";

const KEPT: &str =
    "select id, place, hash, at, actor_kind, actor_id, action, subject, detail from audit_events where account_id = ";

/// One page of an account's log, newest first.
pub async fn page(conn: &mut PgConnection, account: AccountId, start: Start<i64>) -> sqlx::Result<Slice<Kept>> {
    let mut query = QueryBuilder::<Postgres>::new(KEPT);
    query.push_bind(account);
    Sorted { table: "audit_events", by: None, downwards: true }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}

/// Entries of an account's log behind the one with the number `after`, oldest first, at most `limit`.
pub async fn behind(conn: &mut PgConnection, account: AccountId, after: i64, limit: i64) -> sqlx::Result<Vec<Kept>> {
    let mut query = QueryBuilder::<Postgres>::new(KEPT);
    query.push_bind(account).push(" and id > ").push_bind(after).push(" order by id limit ").push_bind(limit);
    query.build_query_as().fetch_all(conn).await
}
