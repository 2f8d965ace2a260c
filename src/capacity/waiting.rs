//! Waiting for a place: no charge, one entry for each account, an honest position, an invitation with a deadline.
//!
//! Who is next is invited, in the order of joining, as soon as a place is free, and the place is kept until the deadline. Those who come new find
//! only what is left after all who wait. The list is one for all plans, and in order: who waits for a large server is not overtaken by those who
//! wait for small ones.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::place::take;
use super::store::{self, Invited, Joined, Waiting, join_waiting_list, waiting_entry};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::AccountTx;
use crate::ids::{OrderId, WaitingId};
use crate::mail::{self, Notice};
use crate::plan::Plan;
use crate::queue::Job;

/// Puts the account on the waiting list and owes a mail that says so to `email`, in the caller's transaction. An account that waits
/// already keeps its position, with the newer wish, and is not written to again.
pub async fn wait(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    email: &str,
    locale: &str,
    plan: &Plan,
    domain: &str,
) -> sqlx::Result<(Waiting, Joined)> {
    let account = tx.account();
    let conn = tx.conn();
    let joined = join_waiting_list(conn, clock, account, &plan.code, &plan.size.footprint(), domain).await?;
    let entry = waiting_entry(conn, account).await?.ok_or(sqlx::Error::RowNotFound)?;
    let action = match joined {
        Joined::New => "waiting.joined",
        Joined::Changed => "waiting.changed",
        Joined::Same => return Ok((entry, joined)),
    };
    if joined == Joined::New {
        let position = u32::try_from(entry.position).unwrap_or(u32::MAX);
        let notice = Notice::WaitingListJoined { domain: domain.to_owned(), position };
        // No unique key: the entry is new in this very transaction.
        mail::owe(conn, clock, email, locale, &notice, None).await?;
    }
    let detail = json!({ "plan": plan.code, "domain": domain });
    audit::record(conn, clock, actor, Some(account), action, &entry.id.to_string(), detail).await?;
    Ok((entry, joined))
}

/// Takes the account off the list. Whether it was on it. A place that was kept for it goes to who is next.
pub async fn stop_waiting(tx: &mut AccountTx, clock: &dyn Clock, actor: Actor) -> sqlx::Result<bool> {
    let account = tx.account();
    let conn = tx.conn();
    let Some(entry) = store::leave(conn).await? else { return Ok(false) };
    store::nudge(conn).await?;
    audit::record(conn, clock, actor, Some(account), "waiting.left", &entry.to_string(), json!({})).await?;
    Ok(true)
}

/// Keeps the list: ends invitations whose time is over, and invites who is next.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeepWaitingList {}

impl Job for KeepWaitingList {
    const NAME: &'static str = "keep_waiting_list";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}

/// What became of the list; whoever called owes these people a mail.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Kept {
    /// A place is kept for them now.
    pub invited: Vec<Invited>,
    /// Until then.
    pub until: DateTime<Utc>,
    /// Nothing is kept for them any more.
    pub lapsed: Vec<Invited>,
}

const ACTOR: Actor = Actor::System("capacity");

/// Ends invitations whose time is over, and keeps the places that are free for those who have waited longest, `lifetime` long. Orders wait
/// meanwhile, so no place is promised twice.
pub async fn keep_waiting_list(conn: &mut PgConnection, clock: &dyn Clock, lifetime: TimeDelta) -> sqlx::Result<Kept> {
    let open = store::lock_open_clusters(conn).await?;
    let now = clock.now();
    // A cluster that was closed, or made smaller, takes promised places with it: nobody loses an invitation that they could not have used.
    let mut clusters = open.clone();
    let list = store::on_list(conn).await?;
    let gone: Vec<WaitingId> =
        list.iter().filter(|entry| entry.invited && !take(&mut clusters, &entry.needs, now)).map(|entry| entry.id).collect();
    let taken_back = store::take_back(conn, &gone).await?;
    record(conn, clock, "waiting.taken_back", &taken_back).await?;
    let lapsed = store::lapse(conn, now).await?;
    record(conn, clock, "waiting.lapsed", &lapsed).await?;
    let mut clusters = open;
    let (kept, waiting): (Vec<_>, Vec<_>) = store::on_list(conn).await?.into_iter().partition(|entry| entry.invited);
    for entry in kept {
        take(&mut clusters, &entry.needs, now);
    }
    let next: Vec<WaitingId> =
        waiting.iter().take_while(|entry| take(&mut clusters, &entry.needs, now)).map(|entry| entry.id).collect();
    let until = now + lifetime;
    let invited = store::invite(conn, now, until, &next).await?;
    record(conn, clock, "waiting.invited", &invited).await?;
    Ok(Kept { invited, until, lapsed })
}

async fn record(conn: &mut PgConnection, clock: &dyn Clock, action: &str, entries: &[Invited]) -> sqlx::Result<()> {
    for Invited { id, account_id, domain } in entries {
        let detail = json!({ "domain": domain });
        audit::record(conn, clock, ACTOR, Some(*account_id), action, &id.to_string(), detail).await?;
    }
    Ok(())
}

/// An order that somebody had waited for has ended unpaid: while the invitation's time is not over, the place is kept for another try.
pub async fn order_ended(conn: &mut PgConnection, clock: &dyn Clock, order: OrderId) -> sqlx::Result<Option<WaitingId>> {
    store::invite_again(conn, order, clock.now()).await
}

/// For how long back is looked to tell how fast the list moves.
const LOOK_BACK: TimeDelta = TimeDelta::days(90);
/// Beyond this nobody can say anything.
const FARTHEST: TimeDelta = TimeDelta::days(2 * 365);

/// When the one at this position will probably be invited, by how many were invited over the time that was observed: what moved so will move so.
/// `None` when the list has not moved, or would take years: then nobody can say.
pub fn estimate(position: i64, served: i64, observed: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if served <= 0 || position <= 0 {
        return None;
    }
    // Less than a day of history says nothing about days.
    let seconds = observed.num_seconds().max(24 * 3600).checked_mul(position)? / served;
    let wait = TimeDelta::try_seconds(seconds).filter(|wait| *wait <= FARTHEST)?;
    now.checked_add_signed(wait)
}

/// When the entry will probably be invited; `None` when it is, or when nobody can say.
pub async fn expected_at(conn: &mut PgConnection, clock: &dyn Clock, entry: &Waiting) -> sqlx::Result<Option<DateTime<Utc>>> {
    if entry.invited_until.is_some() {
        return Ok(None);
    }
    let now = clock.now();
    let (served, since) = store::history(conn, now - LOOK_BACK).await?;
    Ok(estimate(entry.position, served, now - since, now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn what_moved_so_will_move_so() {
        let days = |n| now() + TimeDelta::days(n);
        assert_eq!(estimate(1, 30, TimeDelta::days(90), now()), Some(days(3)));
        assert_eq!(estimate(10, 30, TimeDelta::days(90), now()), Some(days(30)));
        assert_eq!(estimate(2, 1, TimeDelta::hours(1), now()), Some(days(2)), "an hour says nothing about days");
        assert_eq!(estimate(5, 0, TimeDelta::days(90), now()), None);
        assert_eq!(estimate(1_000, 1, TimeDelta::days(90), now()), None);
    }

    proptest! {
        #[test]
        fn who_stands_nearer_is_never_later(
            position in 1..100_000_i64, nearer in 0..100_000_i64, served in 0..10_000_i64, hours in 0..3000_i64,
        ) {
            let at = |position| estimate(position, served, TimeDelta::hours(hours), now());
            let (near, far) = (at(position - nearer.min(position - 1)), at(position));
            prop_assert!(far.is_none_or(|far| near.is_some_and(|near| near <= far)));
            prop_assert!(far.is_none_or(|far| far > now()));
            prop_assert_eq!(at(i64::MAX), None);
        }
    }
}
