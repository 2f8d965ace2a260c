//! The SQL of differences.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Difference, What};
use crate::billing::stripe::{CustomerId, RemoteStatus, RemoteSubscriptionId};
use crate::money::{Currency, Money};
use crate::plan::Interval;

/// Differences that are gone are shown for so long.
const KEPT: TimeDelta = TimeDelta::days(90);

/// A row of ours, as far as Stripe has a say in it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Mirror {
    /// Stripe's id.
    pub stripe_subscription_id: RemoteSubscriptionId,
    /// Stripe's word.
    pub status: RemoteStatus,
    /// The account's customer.
    pub customer: Option<CustomerId>,
    /// Minor units per interval.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// How often it is paid.
    pub billing_interval: Interval,
    /// Until when it is paid for.
    pub current_period_end: DateTime<Utc>,
    /// When it is set to end.
    pub cancel_at: Option<DateTime<Utc>>,
    /// Since when money is owed.
    pub open_invoice_since: Option<DateTime<Utc>>,
    /// When it was last taken in.
    pub synced_at: DateTime<Utc>,
    /// When we first heard of it.
    pub created_at: DateTime<Utc>,
}

impl Mirror {
    /// What is paid each interval.
    pub fn amount(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }
}

/// All our rows of subscriptions.
pub async fn mirrors(conn: &mut PgConnection) -> sqlx::Result<Vec<Mirror>> {
    sqlx::query_as(
        "select s.stripe_subscription_id, s.status, a.stripe_customer_id as customer, s.amount_minor, s.currency, s.billing_interval,
                s.current_period_end, s.cancel_at, s.open_invoice_since, s.synced_at, s.created_at
         from subscriptions s join accounts a on a.id = s.account_id order by s.stripe_subscription_id",
    )
    .fetch_all(conn)
    .await
}

/// A difference as staff see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DifferenceRow {
    /// Stripe's id of the subscription or session.
    pub subject: String,
    /// Which fact.
    pub what: What,
    /// As we had it.
    pub ours: String,
    /// As Stripe had it.
    pub theirs: String,
    /// When it was first seen.
    pub found_at: DateTime<Utc>,
    /// When it was last seen.
    pub seen_at: DateTime<Utc>,
    /// When it was no longer there.
    pub gone_at: Option<DateTime<Utc>>,
}

/// Those that are there, then those that are gone, newest first, at most 200.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<DifferenceRow>> {
    sqlx::query_as(
        "select subject, what, ours, theirs, found_at, seen_at, gone_at from differences
         order by gone_at desc nulls first, found_at desc, id desc limit 200",
    )
    .fetch_all(conn)
    .await
}

/// How many are there.
pub async fn count_open(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from differences where gone_at is null").fetch_one(conn).await
}

/// Notes what a comparison of `compared` things found, and what of it was `left` after everything was taken in. Run it in a transaction.
pub async fn note(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    compared: usize,
    found: &[Difference],
    left: &[Difference],
) -> sqlx::Result<()> {
    let still: BTreeSet<(&str, What)> = left.iter().map(|one| (one.subject.as_str(), one.what)).collect();
    let (subjects, whats): (Vec<&str>, Vec<What>) = still.iter().copied().unzip();
    let open: Vec<(String, What)> = sqlx::query_as(
        "update differences d set gone_at = $3 where gone_at is null
           and not exists (select from unnest($1::text[], $2::text[]) as l(subject, what) where l.subject = d.subject and l.what = d.what)
         returning subject, what",
    )
    .bind(subjects)
    .bind(whats.into_iter().map(stored).collect::<Vec<String>>())
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    for one in left {
        insert(conn, one, now, None).await?;
    }
    let is_noted = |one: &&Difference| open.iter().any(|(subject, what)| *subject == one.subject && *what == one.what);
    for one in found.iter().filter(|one| !still.contains(&(one.subject.as_str(), one.what)) && !is_noted(one)) {
        insert(conn, one, now, Some(now)).await?;
    }
    sqlx::query("delete from differences where gone_at < $1").bind(now - KEPT).execute(&mut *conn).await?;
    sqlx::query("update stripe_reading set compared_at = $1, compared = $2")
        .bind(now)
        .bind(i64::try_from(compared).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
    Ok(())
}

/// As the database writes it.
fn stored(what: What) -> String {
    what.as_str().replace('-', "_")
}

async fn insert(
    conn: &mut PgConnection,
    one: &Difference,
    now: DateTime<Utc>,
    gone_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into differences (subject, what, ours, theirs, found_at, seen_at, gone_at) values ($1, $2, $3, $4, $5, $5, $6)
         on conflict (subject, what) where gone_at is null do update set ours = excluded.ours, theirs = excluded.theirs, seen_at = $5",
    )
    .bind(&one.subject)
    .bind(one.what)
    .bind(&one.ours)
    .bind(&one.theirs)
    .bind(now)
    .bind(gone_at)
    .execute(conn)
    .await?;
    Ok(())
}
