//! Telling endpoints: what is due, and what follows from what they answered.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::signing::Secret;
use super::store;
use crate::account;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto::HostKey;
use crate::ids::{AccountId, HookDeliveryId, HookEndpointId, HookEventId};
use crate::mail::{self, Notice};

/// Between tries, in seconds: three days in all. (The schedule that Standard Webhooks gives as an example.)
const PAUSES: [i64; 9] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];
/// An endpoint that has taken nothing for so long is switched off.
pub const PATIENCE: TimeDelta = TimeDelta::days(3);
/// While a try is under way nobody else makes it; if its worker dies, another one does after this.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// By this status an endpoint says that it is never to be called again.
const GONE: u16 = 410;

/// A try that is to be made.
#[derive(Debug, sqlx::FromRow)]
pub struct Due {
    /// Of which delivery.
    pub id: HookDeliveryId,
    /// To which endpoint.
    pub endpoint_id: HookEndpointId,
    /// Whose.
    pub account_id: AccountId,
    /// Of which event.
    pub event_id: HookEventId,
    /// This one counted.
    pub attempts: i32,
    /// Where to.
    pub url: String,
    /// The body.
    pub payload: String,
    pub(super) seed: Vec<u8>,
    pub(super) old_seed: Option<Vec<u8>>,
    pub(super) old_until: Option<DateTime<Utc>>,
}

impl Due {
    /// What signs it at `now`: the secret, and for a while the one before.
    pub fn secrets(&self, key: &HostKey, now: DateTime<Utc>) -> Vec<Secret> {
        let old = self.old_seed.as_ref().filter(|_| self.old_until.is_some_and(|until| until > now));
        std::iter::once(&self.seed).chain(old).map(|seed| Secret::of(key, seed)).collect()
    }
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Answered(u16),
    /// None, and why.
    Failed(String),
}

impl Outcome {
    fn is_taken(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

/// When a delivery that was not taken is tried again; `None`: not any more. A tenth is added by `chance`, so that what failed together is not
/// tried together.
fn again(attempts: i32, now: DateTime<Utc>, chance: u8) -> Option<DateTime<Utc>> {
    let nth = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let pause = PAUSES.get(nth)?;
    Some(now + TimeDelta::milliseconds(pause * 1000 + pause * 100 * i64::from(chance) / 255))
}

/// Takes deliveries that are due, at most `most` of them and few of each endpoint: a slow one does not stand in the way of the others.
pub async fn take(conn: &mut PgConnection, clock: &dyn Clock, most: i64) -> sqlx::Result<Vec<Due>> {
    let now = clock.now();
    store::take(conn, now, now + LEASE, most).await
}

/// Writes down what came of a try, with all that follows from it.
pub async fn note(conn: &mut PgConnection, clock: &dyn Clock, due: &Due, outcome: &Outcome, millis: i32) -> sqlx::Result<()> {
    let now = clock.now();
    store::insert_try(conn, now, due, outcome, millis).await?;
    // The endpoint first: whoever switches it off touches all that is owed to it.
    if outcome.is_taken() {
        store::mark_well(conn, due.endpoint_id).await?;
        return store::mark_delivered(conn, due.id).await;
    }
    let since = store::mark_failing(conn, due.endpoint_id, now).await?;
    let chance = due.event_id.uuid().as_bytes()[15];
    store::mark_failed(conn, due.id, again(due.attempts, now, chance)).await?;
    let Some(since) = since else { return Ok(()) };
    if *outcome == Outcome::Answered(GONE) || now - since >= PATIENCE {
        switch_off(conn, clock, due, since).await?;
    }
    Ok(())
}

async fn switch_off(conn: &mut PgConnection, clock: &dyn Clock, due: &Due, since: DateTime<Utc>) -> sqlx::Result<()> {
    store::set_state(conn, clock, due.endpoint_id, "failing").await?;
    let (account, id) = (due.account_id, due.endpoint_id.to_string());
    let detail = json!({ "url": due.url, "since": since });
    audit::record(conn, clock, Actor::System("hooks"), Some(account), "hook.failing", &id, detail).await?;
    let notice = Notice::WebhookOff { endpoint: due.endpoint_id, url: due.url.clone(), since };
    if let Some(owner) = account::list_members(conn, account).await?.first() {
        mail::owe(conn, clock, &owner.email, &owner.locale, &notice, None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let now = DateTime::<Utc>::default();
        let pauses: Vec<TimeDelta> = (1..=9).filter_map(|nth| again(nth, now, 0)).map(|at| at - now).collect();
        assert_eq!(pauses.len(), PAUSES.len());
        assert!(pauses.is_sorted() && pauses.iter().sum::<TimeDelta>() > PATIENCE, "{pauses:?}");
        assert_eq!((again(10, now, 0), again(0, now, 0), again(-1, now, 0)), (None, None, None));
        assert_eq!(again(2, now, 255).map(|at| at - now), Some(TimeDelta::seconds(330)));
    }

    #[test]
    fn only_a_two_hundred_is_taken() {
        assert!(Outcome::Answered(200).is_taken() && Outcome::Answered(204).is_taken());
        for no in [199, 301, 302, 404, 410, 500] {
            assert!(!Outcome::Answered(no).is_taken(), "{no}");
        }
        assert!(!Outcome::Failed("no answer".to_owned()).is_taken());
    }
}
