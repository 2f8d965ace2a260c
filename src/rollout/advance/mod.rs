//! The reconciler of rollouts. It looks at who is being upgraded, stops when too many went wrong, tells customers ahead, and begins with
//! whose turn it is. Each upgrade that begins is one transaction; dying between two of them leaves the rest for the next time.

mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use self::store::{Begun, Times};
use super::judge::{ItemState, Sight, Verdict, judge, too_many};
use super::store::{self as rollouts, Rollout, RolloutState};
use super::wave::{Waiting, may_begin, schedule};
use crate::account::{self, hook};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{InstanceId, RolloutId};
use crate::instance::UNSEEN_AFTER;
use crate::instance::upkeep::{self, VersionChange};
use crate::mail::{self, Notice};
use crate::plan::{self, Version};
use crate::telemetry;

const ACTOR: Actor = Actor::System("rollouts");
/// Customers are told about a new minor this long before the time that they are promised, at the earliest: plans change.
const TOLD_AHEAD: TimeDelta = TimeDelta::days(7);
/// Mails that are owed in one transaction.
const MAILS: i64 = 500;

/// Brings every open rollout on. One that can't be brought on does not hold up the others.
pub async fn advance(db: &Db, clock: &dyn Clock) -> sqlx::Result<()> {
    let mut conn = db.worker().acquire().await?;
    let open = store::open_rollouts(&mut conn).await?;
    drop(conn);
    let mut outcome = Ok(());
    for id in open {
        if let Err(error) = one(db, clock, id).await {
            tracing::warn!(rollout.id = %id, error = telemetry::chain(&error), "a rollout could not be brought on; it will be tried again");
            outcome = Err(error);
        }
    }
    let mut conn = db.worker().acquire().await?;
    let paused = rollouts::count_paused(&mut conn).await?;
    metrics::gauge!("paddock_rollouts_paused").set(f64::from(u32::try_from(paused).unwrap_or(u32::MAX)));
    outcome
}

async fn one(db: &Db, clock: &dyn Clock, id: RolloutId) -> sqlx::Result<()> {
    let Some(rollout) = look(db, clock, id).await? else { return Ok(()) };
    match rollout.state {
        RolloutState::Running => {
            tell(db, clock, &rollout).await?;
            start(db, clock, &rollout).await?;
            go_on(db, clock, id).await
        }
        RolloutState::Returning => send_back(db, clock, &rollout).await,
        RolloutState::Paused | RolloutState::Finished | RolloutState::Aborted | RolloutState::Returned => Ok(()),
    }
}

fn minutes(count: u32) -> TimeDelta {
    TimeDelta::minutes(i64::from(count))
}

fn times(rollout: &Rollout, now: DateTime<Utc>) -> Times {
    let notice = TimeDelta::hours(i64::from(rollout.policy.notice_hours));
    Times { now, seen_since: now - UNSEEN_AFTER, told_until: now - notice }
}

/// Notes what became of those who have begun, and pauses when too many of them failed. The rollout as it is then.
async fn look(db: &Db, clock: &dyn Clock, id: RolloutId) -> sqlx::Result<Option<Rollout>> {
    let now = clock.now();
    let mut tx = db.worker().begin().await?;
    let Some(mut rollout) = rollouts::lock_rollout(&mut tx, id).await? else { return Ok(None) };
    let watched_since = now - minutes(rollout.policy.observe_minutes);
    for begun in store::begun(&mut tx, id, watched_since).await? {
        note(&mut tx, clock, &rollout, &begun).await?;
    }
    let over = store::over(&mut tx, id, rollout.resumed_at).await?;
    if rollout.state == RolloutState::Running
        && let Some((failed, all)) = too_many(&over, &rollout.policy, now)
    {
        let most = rollout.policy.failed_percent;
        let reason =
            format!("{failed} of the last {all} upgrades failed or left a server that is not well; {most} in a hundred may");
        rollouts::set_state(&mut tx, id, RolloutState::Paused, Some(&reason), None).await?;
        let detail = json!({ "reason": reason, "failed": failed, "of": all });
        audit::record(&mut tx, clock, ACTOR, None, "rollout.paused", &id.to_string(), detail).await?;
        tracing::error!(rollout.id = %id, failed, of = all, "a rollout has paused itself; staff must look");
        rollout.state = RolloutState::Paused;
    }
    tx.commit().await?;
    Ok(Some(rollout))
}

/// Notes what became of one.
async fn note(conn: &mut PgConnection, clock: &dyn Clock, rollout: &Rollout, begun: &Begun) -> sqlx::Result<()> {
    let (now, target) = (clock.now(), rollout.version.to_string());
    let wanted = if begun.state == ItemState::Returning { &begun.from_version } else { &target };
    let sight = Sight {
        state: begun.state,
        wanted,
        started_at: begun.started_at.unwrap_or(now),
        ended_at: begun.ended_at,
        intent: begun.intent,
        overtaken: begun.mastodon_version != *wanted,
        answered: begun.generation.is_some_and(|generation| begun.observed_generation >= generation),
        unseen: begun.cluster_seen_at.is_some_and(|seen| now - seen > UNSEEN_AFTER),
        status: begun.observed.as_ref().map(|status| &status.0),
    };
    let (to, why) = match judge(&sight, &rollout.policy, now) {
        Verdict::AsBefore => return Ok(()),
        Verdict::Done if begun.state == ItemState::Returning => (ItemState::Returned, None),
        Verdict::Done => (ItemState::Done, None),
        Verdict::Failed(why) => (ItemState::Failed, Some(why)),
        Verdict::LeftOut(why) => (ItemState::LeftOut, Some(why.to_owned())),
    };
    tracing::info!(rollout.id = %rollout.id, instance.id = %begun.instance_id, state = to.word(), why, "an upgrade is over");
    metrics::counter!("paddock_upgrades_over_total", "state" => to.word()).increment(1);
    store::end_item(conn, rollout.id, begun.instance_id, begun.state, to, why.as_deref(), now).await?;
    if to == ItemState::Done {
        let (instance, domain, from) = (begun.instance_id, begun.domain.clone(), begun.from_version.clone());
        let event = hook::Event::ServerUpgraded { instance, domain, version: target, from };
        hook::happened(conn, clock, begun.account_id, &event).await?;
    }
    Ok(())
}

/// Owes the mails about a new minor to those whose turn comes soon.
async fn tell(db: &Db, clock: &dyn Clock, rollout: &Rollout) -> sqlx::Result<()> {
    let now = clock.now();
    let earliest = now + TimeDelta::hours(i64::from(rollout.policy.notice_hours));
    let mut tx = db.worker().begin().await?;
    let untold = store::untold(&mut tx, rollout.id, earliest + TOLD_AHEAD, MAILS).await?;
    if untold.is_empty() {
        return Ok(());
    }
    let changes = plan::find_release(&mut tx, rollout.version).await?.map(|listed| listed.release.changes).unwrap_or_default();
    for one in untold {
        let due = one.due_at.max(earliest);
        let notice = Notice::UpgradePlanned {
            instance: one.instance_id,
            domain: one.domain,
            from: one.from_version,
            version: rollout.version.to_string(),
            not_before: due,
            changes: changes.clone(),
        };
        let people = account::list_members(&mut tx, one.account_id).await?;
        if let Some(person) = people.first() {
            let key = format!("upgrade:{}:{}", rollout.id, one.instance_id);
            mail::owe(&mut tx, clock, &person.email, &person.locale, &notice, Some(&key)).await?;
        }
        store::mark_told(&mut tx, rollout.id, one.instance_id, due, now).await?;
    }
    tx.commit().await
}

/// Begins with those whose turn has come, as many as the pace allows.
async fn start(db: &Db, clock: &dyn Clock, rollout: &Rollout) -> sqlx::Result<()> {
    let now = clock.now();
    let (id, policy) = (rollout.id, &rollout.policy);
    let mut conn = db.worker().acquire().await?;
    store::leave_out_changed(&mut conn, id, now).await?;
    let (in_work, begun) = store::in_work(&mut conn, id, now - TimeDelta::hours(1)).await?;
    let mut room = (i64::from(policy.at_once) - in_work).min(i64::from(policy.per_hour) - begun);
    while room > 0 {
        let turned = store::turned(&mut conn, id, rollout.step, &times(rollout, now), room).await?;
        if turned.is_empty() {
            break;
        }
        for one in turned {
            let window = one.maintenance_window.as_ref().map(|window| &window.0);
            let opens = may_begin(now, window, one.window_until);
            if opens > now {
                store::put_off(&mut conn, id, one.instance_id, opens).await?;
                continue;
            }
            let change = VersionChange { from: one.from_version, to: rollout.version };
            if !change_one(db, clock, rollout, one.instance_id, change, ItemState::Waiting, ItemState::Upgrading).await? {
                // Somebody has stopped the rollout, or changed the server: the next look says which.
                return Ok(());
            }
            room -= 1;
        }
    }
    Ok(())
}

/// One server's turn begins: one transaction. Whether it did.
async fn change_one(
    db: &Db,
    clock: &dyn Clock,
    rollout: &Rollout,
    instance: InstanceId,
    change: VersionChange,
    from: ItemState,
    to: ItemState,
) -> sqlx::Result<bool> {
    let mut tx = db.worker().begin().await?;
    if !store::begin_item(&mut tx, rollout.id, instance, rollout.state, from, to, clock.now()).await? {
        return Ok(false);
    }
    let why = format!("rollout {}", rollout.id);
    let Some(generation) = upkeep::set_version(&mut tx, clock, ACTOR, instance, change, &why).await? else { return Ok(false) };
    store::set_generation(&mut tx, rollout.id, instance, generation).await?;
    tx.commit().await?;
    metrics::counter!("paddock_upgrades_begun_total").increment(1);
    Ok(true)
}

/// Goes on to the next step once the present one is over and was watched, and ends the rollout after the last.
async fn go_on(db: &Db, clock: &dyn Clock, id: RolloutId) -> sqlx::Result<()> {
    let now = clock.now();
    let mut tx = db.worker().begin().await?;
    let Some(rollout) = rollouts::lock_rollout(&mut tx, id).await?.filter(|rollout| rollout.state == RolloutState::Running)
    else {
        return Ok(());
    };
    let policy = &rollout.policy;
    let state = store::step_state(&mut tx, id, rollout.step, &times(&rollout, now)).await?;
    if state.startable > 0 || state.upgrading > 0 {
        return Ok(());
    }
    let since = now - state.ended_at.unwrap_or(rollout.step_since);
    let (watched, paused) = (since >= minutes(policy.observe_minutes), since >= minutes(policy.pause_minutes));
    if state.later > 0 {
        // A step in which nobody was upgraded needs no time to be looked at.
        if state.ended_at.is_some() && !(watched && paused) {
            return Ok(());
        }
        let last = i32::try_from(policy.steps.len()).unwrap_or(i32::MAX).saturating_sub(1);
        store::move_on(&mut tx, id, rollout.step, last).await?;
        store::set_step(&mut tx, id, rollout.step + 1, now).await?;
        plan_rest(&mut tx, &rollout, rollout.step + 1, now).await?;
        let detail = json!({ "step": rollout.step + 1 });
        audit::record(&mut tx, clock, ACTOR, None, "rollout.step", &id.to_string(), detail).await?;
        return tx.commit().await;
    }
    // Whoever is not well by now, or can't be seen, has had the time of a pause to become so.
    if state.ended_at.is_some() && !watched || state.waiting > 0 && !paused {
        return Ok(());
    }
    let left_out =
        rollouts::leave_out_waiting(&mut tx, id, "it was not well, or its cluster was away, when its turn came", now).await?;
    rollouts::set_state(&mut tx, id, RolloutState::Finished, None, Some(now)).await?;
    audit::record(&mut tx, clock, ACTOR, None, "rollout.finished", &id.to_string(), json!({ "left_out": left_out })).await?;
    tx.commit().await
}

/// Plans those who still wait anew, from a step on.
pub(super) async fn plan_rest(conn: &mut PgConnection, rollout: &Rollout, first: i32, now: DateTime<Utc>) -> sqlx::Result<()> {
    let notice = TimeDelta::hours(i64::from(rollout.policy.notice_hours));
    let mut by_step: BTreeMap<i32, Vec<Waiting>> = BTreeMap::new();
    for (step, waiting) in store::waiting(conn, rollout.id, first, notice, now).await? {
        by_step.entry(step).or_default().push(waiting);
    }
    let Some(last) = by_step.keys().next_back().copied() else { return Ok(()) };
    let steps: Vec<Vec<Waiting>> = (first..=last).map(|step| by_step.remove(&step).unwrap_or_default()).collect();
    let turns = schedule(&steps, usize::try_from(first).unwrap_or(0), &rollout.policy, now);
    store::retime(conn, rollout.id, &turns).await
}

/// Brings servers back to what they ran, as many at a time as the policy says, and ends when all are.
async fn send_back(db: &Db, clock: &dyn Clock, rollout: &Rollout) -> sqlx::Result<()> {
    let now = clock.now();
    let mut conn = db.worker().acquire().await?;
    let (in_work, _) = store::in_work(&mut conn, rollout.id, now).await?;
    let room = (i64::from(rollout.policy.at_once) - in_work).max(0);
    let next = store::to_return(&mut conn, rollout.id, room).await?;
    let (empty, idle) = (next.is_empty(), in_work == 0);
    for (instance, from) in next {
        let to: Version = from.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let change = VersionChange { from: rollout.version, to };
        if !change_one(db, clock, rollout, instance, change, ItemState::ToReturn, ItemState::Returning).await? {
            let note = "its release was changed by somebody else, or it is not to run any more";
            store::end_item(&mut conn, rollout.id, instance, ItemState::ToReturn, ItemState::LeftOut, Some(note), now).await?;
        }
    }
    if empty && idle {
        let mut tx = db.worker().begin().await?;
        rollouts::set_state(&mut tx, rollout.id, RolloutState::Returned, None, Some(now)).await?;
        audit::record(&mut tx, clock, ACTOR, None, "rollout.returned", &rollout.id.to_string(), json!({})).await?;
        tx.commit().await?;
    }
    Ok(())
}
