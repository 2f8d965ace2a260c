//! What staff do with rollouts. Each is one transaction with its audit entry; `advance` does the rest.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::jobs::AdvanceRollouts;
use super::policy::Policy;
use super::store::{self, Rollout, RolloutState};
use super::wave::{Plan, plan};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::violates;
use crate::ids::{InstanceId, RolloutId, StaffId};
use crate::plan::{self as catalogue, Release, Version};
use crate::queue;

/// Why something could not be done. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BadAct {
    /// No such release, or one that was withdrawn.
    #[error("there is no release {0} that servers could be brought to")]
    NoRelease(Version),
    /// Nobody runs anything older.
    #[error("no server can be brought to {0}")]
    Nobody(Version),
    /// It is under way.
    #[error("a rollout of {0} is under way")]
    UnderWay(Version),
    /// It is over, or somebody was faster.
    #[error("the rollout is {} and can't be {what} now", state.word())]
    Not {
        /// What it is.
        state: RolloutState,
        /// What was asked for.
        what: &'static str,
    },
    /// There is no way back.
    #[error("no server of this rollout can go back: a new minor changes the database for good")]
    NoWayBack,
    /// Where it came from is gone.
    #[error("{0} is withdrawn, so no server can go back to it; add it again first")]
    Withdrawn(String),
    /// The database.
    #[error("the rollout could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// What a rollout would be if it began now.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The release.
    pub release: Release,
    /// Who has their turn and when.
    pub plan: Plan,
}

/// What a rollout would be if it began now.
pub async fn preview(conn: &mut PgConnection, version: Version, policy: &Policy, now: DateTime<Utc>) -> Result<Preview, BadAct> {
    let listed = catalogue::find_release(conn, version).await?.filter(|listed| listed.withdrawn_at.is_none());
    let release = listed.ok_or(BadAct::NoRelease(version))?.release;
    let candidates = store::candidates(conn).await?;
    let plan = plan(&candidates, &release, policy, now);
    Ok(Preview { release, plan })
}

/// Begins a rollout: its servers have their turns from now on.
pub async fn begin(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    version: Version,
    policy: &Policy,
) -> Result<RolloutId, BadAct> {
    store::lock_releases(conn).await?;
    let now = clock.now();
    let Preview { release, plan } = preview(conn, version, policy, now).await?;
    if plan.turns.is_empty() {
        return Err(BadAct::Nobody(version));
    }
    let id = RolloutId::new();
    store::insert_rollout(conn, id, &release, policy, staff, now)
        .await
        .map_err(|error| if violates(&error, "rollouts_open_key") { BadAct::UnderWay(version) } else { error.into() })?;
    store::insert_items(conn, id, version, &plan.turns).await?;
    let detail = json!({ "version": version, "servers": plan.turns.len(), "policy": policy });
    audit::record(conn, clock, Actor::Staff(staff), None, "rollout.begun", &id.to_string(), detail).await?;
    queue::enqueue(conn, &AdvanceRollouts {}, None).await?;
    Ok(id)
}

async fn locked(conn: &mut PgConnection, id: RolloutId, from: &[RolloutState], what: &'static str) -> Result<Rollout, BadAct> {
    let rollout = store::lock_rollout(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if from.contains(&rollout.state) { Ok(rollout) } else { Err(BadAct::Not { state: rollout.state, what }) }
}

/// No further server begins until it is resumed. Those that have begun are brought to their end.
pub async fn pause(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, id: RolloutId, reason: &str) -> Result<(), BadAct> {
    locked(conn, id, &[RolloutState::Running], "paused").await?;
    store::set_state(conn, id, RolloutState::Paused, Some(reason), None).await?;
    audit::record(conn, clock, actor, None, "rollout.paused", &id.to_string(), json!({ "reason": reason })).await?;
    Ok(())
}

/// It goes on where it stopped; whoever is left is planned anew from now on. Failures until now are not counted again.
pub async fn resume(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, id: RolloutId, reason: &str) -> Result<(), BadAct> {
    let rollout = locked(conn, id, &[RolloutState::Paused], "resumed").await?;
    store::set_state(conn, id, RolloutState::Running, Some(reason), None).await?;
    store::set_resumed(conn, id, clock.now()).await?;
    super::advance::plan_rest(conn, &rollout, rollout.step, clock.now()).await?;
    audit::record(conn, clock, actor, None, "rollout.resumed", &id.to_string(), json!({ "reason": reason })).await?;
    queue::enqueue(conn, &AdvanceRollouts {}, None).await?;
    Ok(())
}

/// Ends it: whoever waits stays as they are. Those that have begun are brought to their end by the operator.
pub async fn abort(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, id: RolloutId, reason: &str) -> Result<(), BadAct> {
    locked(conn, id, &[RolloutState::Running, RolloutState::Paused], "ended").await?;
    let now = clock.now();
    let left_out = store::leave_out_waiting(conn, id, "the rollout was ended", now).await?;
    store::set_state(conn, id, RolloutState::Aborted, Some(reason), Some(now)).await?;
    let detail = json!({ "reason": reason, "left_out": left_out });
    audit::record(conn, clock, actor, None, "rollout.aborted", &id.to_string(), detail).await?;
    Ok(())
}

/// One server that waits for its turn gets none. Whether it was waiting.
pub async fn leave_out(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: RolloutId,
    instance: InstanceId,
    reason: &str,
) -> Result<bool, BadAct> {
    locked(conn, id, &[RolloutState::Running, RolloutState::Paused], "changed").await?;
    if !store::leave_out_one(conn, id, instance, reason, clock.now()).await? {
        return Ok(false);
    }
    let detail = json!({ "instance": instance, "reason": reason });
    audit::record(conn, clock, actor, None, "rollout.left_out", &id.to_string(), detail).await?;
    Ok(true)
}

/// Brings the servers that were upgraded within their minor back to what they ran, and ends the rollout. How many these are. Whoever has a
/// new minor stays: there is no way back.
pub async fn roll_back(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: RolloutId,
    reason: &str,
) -> Result<u64, BadAct> {
    let from = [RolloutState::Running, RolloutState::Paused, RolloutState::Finished, RolloutState::Aborted];
    let rollout = locked(conn, id, &from, "rolled back").await?;
    if store::is_rolling_out(conn, rollout.version).await? && !rollout.state.is_open() {
        return Err(BadAct::UnderWay(rollout.version));
    }
    if let Some(gone) = store::withdrawn_origin(conn, id).await? {
        return Err(BadAct::Withdrawn(gone));
    }
    let now = clock.now();
    store::leave_out_waiting(conn, id, "the rollout was rolled back", now).await?;
    let returning = store::mark_to_return(conn, id, rollout.version).await?;
    if returning == 0 {
        return Err(BadAct::NoWayBack);
    }
    store::set_state(conn, id, RolloutState::Returning, Some(reason), None).await?;
    let detail = json!({ "reason": reason, "servers": returning });
    audit::record(conn, clock, actor, None, "rollout.rolled_back", &id.to_string(), detail).await?;
    queue::enqueue(conn, &AdvanceRollouts {}, None).await?;
    Ok(returning)
}
