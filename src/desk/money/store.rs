//! SQL of money over all accounts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::billing::Standing;
use crate::billing::figures::monthly;
use crate::billing::giving::Kind;
use crate::ids::InstanceId;
use crate::instance::StoredSize;
use crate::instance::usage::Usage;
use crate::money::{Currency, Money};
use crate::plan::Interval;

/// A server that is paid for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Paying {
    /// Which.
    pub id: InstanceId,
    /// Its address.
    pub domain: String,
    /// Its plan.
    pub plan_code: String,
    /// Its size.
    pub size: Json<StoredSize>,
    /// Minor units per interval.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// How often.
    pub billing_interval: Interval,
    /// Where its subscription stands.
    pub standing: Standing,
    /// An invoice is not paid.
    pub owes: bool,
    media_bytes: Option<i64>,
    database_bytes: Option<i64>,
    measured_at: Option<DateTime<Utc>>,
}

impl Paying {
    /// What is paid each interval.
    pub fn price(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }

    /// A month's part of it.
    pub fn monthly(&self) -> Money {
        monthly(self.price(), self.billing_interval)
    }

    /// What is on it, as it was last measured.
    pub fn usage(&self) -> Option<Usage> {
        let (media_bytes, database_bytes) = self.media_bytes.zip(self.database_bytes)?;
        Some(Usage { media_bytes, database_bytes, measured_at: self.measured_at? })
    }
}

/// What was given of one kind.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Gift {
    /// Of which kind.
    pub kind: Kind,
    /// Of which currency.
    pub currency: Currency,
    /// How often.
    pub count: i64,
    /// How much, in minor units.
    pub minor: i64,
}

/// Every server whose subscription Stripe takes money for, by address.
pub(super) async fn paying(conn: &mut PgConnection) -> sqlx::Result<Vec<Paying>> {
    sqlx::query_as(
        "select i.id, i.domain, i.plan_code, i.size, s.amount_minor, s.currency, s.billing_interval, s.standing,
                s.status = 'past_due' as owes, u.media_bytes, u.database_bytes, u.measured_at
         from subscriptions s join instances i on i.id = s.instance_id left join lateral (
           select media_bytes, database_bytes, measured_at from usage_days
           where instance_id = i.id and measured_at is not null order by day desc limit 1) u on true
         where s.status in ('trialing', 'active', 'past_due') order by i.domain",
    )
    .fetch_all(conn)
    .await
}

/// How many subscriptions there were then, and how many of those are over.
pub(super) async fn churn(conn: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "select count(*), count(*) filter (where ended_at is not null)
         from subscriptions where created_at <= $1 and (ended_at is null or ended_at > $1) and status <> 'incomplete_expired'",
    )
    .bind(since)
    .fetch_one(conn)
    .await
}

/// How many subscriptions stand where.
pub(super) async fn funnel(conn: &mut PgConnection) -> sqlx::Result<Vec<(Standing, i64)>> {
    sqlx::query_as("select standing, count(*) from subscriptions where status <> 'incomplete_expired' group by standing")
        .fetch_all(conn)
        .await
}

/// What staff have given since then, and Stripe did not refuse.
pub(super) async fn gifts(conn: &mut PgConnection, since: DateTime<Utc>) -> sqlx::Result<Vec<Gift>> {
    sqlx::query_as(
        "select kind, currency, count(*) as count, sum(amount_minor)::bigint as minor from givings
         where created_at > $1 and state <> 'void' group by kind, currency order by kind, currency",
    )
    .bind(since)
    .fetch_all(conn)
    .await
}
