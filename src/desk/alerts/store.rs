//! SQL of alerts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::rule::{CERTIFICATE_SEEN, STORM, WEBHOOK_LATE};
use super::{Facts, Limits, Open, Rule, Verdict};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AlertId, InstanceId, StaffId};
use crate::mail::AlertState;
use crate::queue::Job;

/// Those that are over are shown for so long.
const KEPT: TimeDelta = TimeDelta::days(365);

/// Calls the host's webhook about an alert. Each is told in the words that held when it was owed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallWebhook {
    /// About which.
    pub alert: AlertId,
    /// [`Rule::word`].
    pub rule: String,
    /// What became of it.
    pub state: AlertState,
    /// What the rule counts.
    pub n: i64,
    /// When it began.
    pub since: DateTime<Utc>,
}

impl Job for CallWebhook {
    const NAME: &'static str = "call_webhook";
    fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.alert, self.state.word()))
    }
    /// One after the other: an end must not be told before its beginning.
    fn lane(&self) -> Option<String> {
        Some(self.alert.to_string())
    }
}

/// An alert.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Alert {
    /// Which.
    pub id: AlertId,
    /// [`Rule::word`]; one that there is no more stays readable.
    pub rule: String,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// What the rule counts, as it was last seen.
    pub n: i64,
    /// Since when its rule has been quiet.
    pub quiet_since: Option<DateTime<Utc>>,
    /// When it was over.
    pub over_at: Option<DateTime<Utc>>,
    /// The day of it that was told last.
    pub told_day: i64,
    /// Since when somebody looks after it.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who.
    pub acknowledged_by: Option<StaffId>,
}

impl Alert {
    /// What its course depends on.
    pub fn course(&self) -> Open {
        let acknowledged = self.acknowledged_at.is_some();
        Open { began_at: self.began_at, quiet_since: self.quiet_since, acknowledged, told_day: self.told_day }
    }
}

/// What a rule said last.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Judged {
    /// [`Rule::word`].
    pub rule: String,
    /// [`Verdict::word`].
    pub verdict: String,
    /// Since when; none where it was never known.
    pub since: Option<DateTime<Utc>>,
    /// What the rule counts.
    pub n: i64,
    /// When it was judged.
    pub looked_at: DateTime<Utc>,
}

/// Two that look at once would both begin the same alert.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtext('paddock.alerts'))").execute(conn).await?;
    Ok(())
}

/// All but what is known of clusters.
pub(super) async fn read(conn: &mut PgConnection, limits: &Limits, now: DateTime<Utc>) -> sqlx::Result<Facts> {
    sqlx::query_as(
        "select
           (select min(checkout_expires_at) from orders where state in ('placed', 'open')) as unsettled,
           (select min(o.paid_at) from instances i join orders o on o.instance_id = i.id and o.state = 'paid'
              where i.released_at is null and i.intent = 'running' and i.ready_at is null
                and (i.address_confirmed_at is not null or i.hosted and i.web_domain is null)) as unbuilt,
           (select count(*) from instances where released_at is null and intent = 'running' and ready_at < $1
              and not coalesce(observed @> '{\"conditions\": [{\"type\": \"RestoreProven\", \"status\": \"True\"}]}', false)) as unproven,
           certificates.ending as certificates_ending, certificates.unseen as certificates_unseen, certificates.seen as certificates_seen,
           certificates.running,
           (select count(*) from subscriptions where open_invoice_since is not null) as past_due,
           (select value from figures where name = 'past-due' and at <= $4 order by at desc limit 1) as past_due_before,
           (select count(*) from instances i, jsonb_array_elements(i.observed -> 'conditions') as c
              where i.released_at is null and i.intent = 'running' and i.ready_at is not null
                and not i.observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}'
                and not i.observed @> '{\"conditions\": [{\"type\": \"Upgrading\", \"status\": \"True\"}]}'
                and c ->> 'type' = 'Ready' and (c ->> 'lastTransitionTime')::timestamptz > $5) as fell,
           (select count(*) from stripe_events where source = 'list' and received_at < $6
              and received_at > coalesce((select max(received_at) from stripe_events where source = 'webhook'), '-infinity')) as missed,
           (select events_read_at from stripe_reading) as list_read_at
         from (select count(*) as running, count(*) filter (where c.until < $2) as ending,
                      count(*) filter (where coalesce(c.seen_at, i.ready_at) < $3) as unseen,
                      min(coalesce(c.seen_at, i.ready_at)) filter (where coalesce(c.seen_at, i.ready_at) < $3) as seen
               from instances i left join certificates c on c.instance_id = i.id
               where i.released_at is null and i.intent = 'running' and i.ready_at is not null) as certificates",
    )
    .bind(now - limits.unproven)
    .bind(now + limits.certificate)
    .bind(now - CERTIFICATE_SEEN)
    .bind(now - TimeDelta::days(1))
    .bind(now - STORM)
    .bind(now - WEBHOOK_LATE)
    .fetch_one(conn)
    .await
}

/// Notes what a rule says. As long as it says the same it has been so since it first did; what was never known has no beginning.
pub(super) async fn keep_verdict(conn: &mut PgConnection, rule: Rule, verdict: Verdict, now: DateTime<Utc>) -> sqlx::Result<()> {
    let (known, n) = match verdict {
        Verdict::Quiet => (Some(now), 0),
        Verdict::Firing { n } => (Some(now), n),
        Verdict::Unknown { since } => (since, 0),
    };
    sqlx::query(
        "insert into alert_rules (rule, verdict, since, n, looked_at) values ($1, $2, $3, $4, $5)
         on conflict (rule) do update set verdict = excluded.verdict, n = excluded.n, looked_at = excluded.looked_at,
           since = case when alert_rules.verdict = excluded.verdict and excluded.verdict <> 'unknown' then alert_rules.since
                        else excluded.since end",
    )
    .bind(rule.word())
    .bind(verdict.word())
    .bind(known)
    .bind(n)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// What every rule said last.
pub async fn judged(conn: &mut PgConnection) -> sqlx::Result<Vec<Judged>> {
    sqlx::query_as("select rule, verdict, since, n, looked_at from alert_rules").fetch_all(conn).await
}

macro_rules! alerts {
    ($rest:literal) => {
        concat!(
            "select id, rule, began_at, n, quiet_since, over_at, told_day, acknowledged_at, acknowledged_by from alerts ",
            $rest
        )
    };
}

/// Those that are not over, oldest first.
pub async fn list_open(conn: &mut PgConnection) -> sqlx::Result<Vec<Alert>> {
    sqlx::query_as(alerts!("where over_at is null order by began_at, id")).fetch_all(conn).await
}

/// How many are not over.
pub async fn count_open(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from alerts where over_at is null").fetch_one(conn).await
}

/// The newest of those that are over, at most `limit`.
pub async fn list_over(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Alert>> {
    sqlx::query_as(alerts!("where over_at is not null order by over_at desc, id limit $1")).bind(limit).fetch_all(conn).await
}

pub(super) async fn insert(conn: &mut PgConnection, id: AlertId, rule: Rule, n: i64, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("insert into alerts (id, rule, began_at, n) values ($1, $2, $3, $4)")
        .bind(id)
        .bind(rule.word())
        .bind(now)
        .bind(n)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn go_on(conn: &mut PgConnection, id: AlertId, n: i64, told_day: Option<i64>) -> sqlx::Result<()> {
    let query =
        "update alerts set n = $2, quiet_since = null, told_day = coalesce($3, told_day) where id = $1 and over_at is null";
    let done = sqlx::query(query).bind(id).bind(n).bind(told_day).execute(conn).await?;
    exactly_one(&done)
}

pub(super) async fn quieten(conn: &mut PgConnection, id: AlertId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let query = "update alerts set quiet_since = $2 where id = $1 and over_at is null and quiet_since is null";
    exactly_one(&sqlx::query(query).bind(id).bind(now).execute(conn).await?)
}

pub(super) async fn end(conn: &mut PgConnection, id: AlertId, now: DateTime<Utc>) -> sqlx::Result<()> {
    let query = "update alerts set over_at = $2 where id = $1 and over_at is null";
    exactly_one(&sqlx::query(query).bind(id).bind(now).execute(conn).await?)
}

/// The rule of an alert that from now on somebody looks after; `None` when it is over or somebody does already.
pub(super) async fn acknowledge(
    conn: &mut PgConnection,
    id: AlertId,
    staff: StaffId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "update alerts set acknowledged_at = $2, acknowledged_by = $3
         where id = $1 and over_at is null and acknowledged_at is null returning rule",
    )
    .bind(id)
    .bind(now)
    .bind(staff)
    .fetch_optional(conn)
    .await
}

/// Notes until when the certificate is good that visitors of a server get.
pub async fn keep_certificate(
    conn: &mut PgConnection,
    instance: InstanceId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into certificates (instance_id, until, seen_at) values ($1, $2, $3)
         on conflict (instance_id) do update set until = excluded.until, seen_at = excluded.seen_at",
    )
    .bind(instance)
    .bind(until)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets alerts that were over a year ago. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from alerts where over_at < $1").bind(clock.now() - KEPT).execute(conn).await?;
    Ok(done.rows_affected())
}
