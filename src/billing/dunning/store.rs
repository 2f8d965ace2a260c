//! SQL of standings: what was told, what staff have given, what is to be looked at.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::billing::standing::{Course, Step};
use crate::billing::stripe::RemoteSubscriptionId;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{ExtensionId, InstanceId, StaffId, SubscriptionId};

/// What the customer was told in one matter, in order.
pub(super) async fn told(
    conn: &mut PgConnection,
    subscription: SubscriptionId,
    episode: DateTime<Utc>,
) -> sqlx::Result<Vec<(Step, DateTime<Utc>)>> {
    let rows: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "select step, told_at from standing_mails where subscription_id = $1 and episode = $2 and step <> 'cancelled' order by told_at",
    )
    .bind(subscription)
    .bind(episode)
    .fetch_all(conn)
    .await?;
    let read = |(step, at): (String, DateTime<Utc>)| {
        step.parse().map(|step| (step, at)).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    rows.into_iter().map(read).collect()
}

/// Notes that a mail is owed in a matter.
pub(super) async fn note_told(
    conn: &mut PgConnection,
    subscription: SubscriptionId,
    episode: DateTime<Utc>,
    step: Step,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    insert(conn, subscription, episode, &step.to_string(), at).await
}

/// Notes that the customer is told of an end that is set; whether they were not told of this one before.
pub(super) async fn note_cancellation(
    conn: &mut PgConnection,
    subscription: SubscriptionId,
    end: DateTime<Utc>,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let before: bool = sqlx::query_scalar(
        "select exists (select from standing_mails where subscription_id = $1 and episode = $2 and step = 'cancelled')",
    )
    .bind(subscription)
    .bind(end)
    .fetch_one(&mut *conn)
    .await?;
    if !before {
        insert(conn, subscription, end, "cancelled", at).await?;
    }
    Ok(!before)
}

async fn insert(
    conn: &mut PgConnection,
    subscription: SubscriptionId,
    episode: DateTime<Utc>,
    step: &str,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("insert into standing_mails (subscription_id, episode, step, told_at) values ($1, $2, $3, $4)")
        .bind(subscription)
        .bind(episode)
        .bind(step)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes where a locked subscription stands; whether it stands elsewhere than before.
pub(super) async fn write_standing(
    conn: &mut PgConnection,
    id: SubscriptionId,
    found: &Course,
    owed_since: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "with before as (select id, standing from subscriptions where id = $1)
         update subscriptions set standing = $2, standing_since = $3, standing_until = $4, review_at = $5, owed_since = $6,
           extended_until = case when $2 = 'good' then null else extended_until end
         from before where subscriptions.id = before.id returning before.standing <> $2",
    )
    .bind(id)
    .bind(found.standing)
    .bind(found.since)
    .bind(found.until)
    .bind(found.review_at)
    .bind(owed_since)
    .fetch_one(conn)
    .await
}

/// Subscriptions that time alone will have changed by now, by Stripe's ids, the longest due first.
pub async fn to_review(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<RemoteSubscriptionId>> {
    sqlx::query_scalar("select stripe_subscription_id from subscriptions where review_at <= $1 order by review_at limit 1000")
        .bind(now)
        .fetch_all(conn)
        .await
}

/// Writes down that staff give time, and that this is to be looked at.
pub(super) async fn insert_extension(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    subscription: SubscriptionId,
    until: DateTime<Utc>,
    reason: &str,
    staff: StaffId,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into extensions (id, subscription_id, until, reason, staff_id, created_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(ExtensionId::new())
    .bind(subscription)
    .bind(until)
    .bind(reason)
    .bind(staff)
    .bind(clock.now())
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query(
        "update subscriptions set extended_until = greatest(extended_until, $2), review_at = $3 where id = $1 and standing <> 'good'",
    )
    .bind(subscription)
    .bind(until)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Time that staff have given.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ExtensionRow {
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// By whom.
    pub staff_id: StaffId,
    /// When they said so.
    pub created_at: DateTime<Utc>,
}

/// What staff have given the customer of a server, newest first.
pub async fn list_extensions(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Vec<ExtensionRow>> {
    sqlx::query_as(
        "select e.until, e.reason, e.staff_id, e.created_at from extensions e join subscriptions s on s.id = e.subscription_id
         where s.instance_id = $1 order by e.created_at desc limit 50",
    )
    .bind(instance)
    .fetch_all(conn)
    .await
}
