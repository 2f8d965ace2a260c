//! The removal of a server that has ended, with all its data. With a proven archive of what it was when it stopped, one step of staff's is
//! enough; without one they may ask for it in two.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::store::{FinalArchive, final_archive, removal_of};
use super::store::account_of;
use super::{Hold, list_holds};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{InstanceId, StaffId};
use crate::{account, capacity};

/// Between the two steps: nobody destroys a server by one slip of the hand.
const TO_THINK: TimeDelta = TimeDelta::minutes(1);
/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 10..=500;

/// What staff have asked for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RemovalRequest {
    /// Why.
    pub reason: String,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// By whom.
    pub requested_by: StaffId,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub confirmed_by: Option<StaffId>,
}

impl RemovalRequest {
    /// From when on it may be confirmed.
    pub fn confirmable_from(&self) -> DateTime<Utc> {
        self.requested_at + TO_THINK
    }
}

/// Why a step of a removal was refused. The keys of the words that say so are `removal-…`.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// It has not ended, or is gone.
    #[error("only a server that has ended can be removed")]
    NotEnded,
    /// The reason says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// Somebody has asked already.
    #[error("somebody has asked for this already")]
    Requested,
    /// There is nothing to confirm or to withdraw.
    #[error("nobody has asked for this, or it is confirmed already")]
    NotOpen,
    /// Right after the first step.
    #[error("a minute must pass between the two steps")]
    TooSoon,
    /// Of several, another one has to confirm.
    #[error("somebody else than who asked has to confirm")]
    SamePerson,
    /// There is no proven archive that is younger than its stop.
    #[error("no archive of this server is proven that is younger than its stop")]
    NoArchive,
    /// The name that was typed is another one.
    #[error("the name that was typed is not that of the server")]
    WrongName,
    /// The database.
    #[error("the removal could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl RemovalError {
    /// The key of the words that say so to staff; nothing for what is no fault of theirs.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::NotEnded => Some("removal-not-ended"),
            Self::Reason => Some("removal-reason-length"),
            Self::Requested => Some("removal-requested-already"),
            Self::NotOpen => Some("removal-not-open"),
            Self::TooSoon => Some("removal-too-soon"),
            Self::SamePerson => Some("removal-same-person"),
            Self::NoArchive => Some("removal-no-archive"),
            Self::WrongName => Some("removal-wrong-name"),
            Self::Database(_) => None,
        }
    }
}

/// The first step: somebody asks, with a reason.
pub async fn request_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    reason: &str,
) -> Result<(), RemovalError> {
    let reason = reason.trim();
    if !REASON.contains(&reason.chars().count()) {
        return Err(RemovalError::Reason);
    }
    store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    // One whose subscription is over is kept for its customer as long as was promised, unless staff have ended it on purpose.
    if !list_holds(conn, id).await?.iter().any(|row| row.reason == Hold::Ended) {
        return Err(RemovalError::NotEnded);
    }
    if removal_of(conn, id).await?.is_some() {
        return Err(RemovalError::Requested);
    }
    store::note_removal_request(conn, clock, id, staff, reason).await?;
    record(conn, clock, staff, id, "instance.removal_requested", json!({ "reason": reason })).await
}

/// The second step, a minute later: the server's name is typed, by somebody else where there is another admin.
pub async fn confirm_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    typed: &str,
) -> Result<(), RemovalError> {
    let domain = store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    let request = open_request(conn, id).await?;
    if clock.now() < request.confirmable_from() {
        return Err(RemovalError::TooSoon);
    }
    if request.requested_by == staff && account::count_admins(conn).await? > 1 {
        return Err(RemovalError::SamePerson);
    }
    check_name(typed, &domain)?;
    store::note_removal_confirmation(conn, clock, id, staff).await?;
    let detail = json!({ "reason": request.reason, "requested_by": request.requested_by });
    record(conn, clock, staff, id, "instance.removal_confirmed", detail).await
}

/// The only step where the server's final archive is proven: nothing is lost that its people can't have. Its name is typed.
pub async fn remove_archived(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    typed: &str,
) -> Result<(), RemovalError> {
    let domain = store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    if removal_of(conn, id).await?.is_some() {
        return Err(RemovalError::Requested);
    }
    let FinalArchive { id: archive, snapshot_at } = final_archive(conn, id).await?.ok_or(RemovalError::NoArchive)?;
    check_name(typed, &domain)?;
    store::note_removal_request(conn, clock, id, staff, "its final archive is proven").await?;
    store::note_removal_confirmation(conn, clock, id, staff).await?;
    store::note_removal_archive(conn, id, archive).await?;
    let detail = json!({ "archive": archive, "snapshot_at": snapshot_at });
    record(conn, clock, staff, id, "instance.removal_confirmed", detail).await
}

/// As people read it or as the DNS has it.
fn check_name(typed: &str, domain: &str) -> Result<(), RemovalError> {
    if idna::domain_to_ascii(typed.trim()).ok().as_deref() == Some(domain) { Ok(()) } else { Err(RemovalError::WrongName) }
}

/// Takes the first step back.
pub async fn withdraw_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
) -> Result<(), RemovalError> {
    store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    open_request(conn, id).await?;
    store::forget_removal_request(conn, id).await?;
    record(conn, clock, staff, id, "instance.removal_withdrawn", json!({})).await
}

/// Nothing of it is left in its cluster: the address and the place are free. Whether that was news; `false` too for one whose removal
/// nobody has confirmed.
pub async fn finish_removal(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<bool> {
    if !store::release_removed(conn, clock, id).await? {
        return Ok(false);
    }
    capacity::nudge(conn).await?;
    let account = account_of(conn, id).await?;
    audit::record(conn, clock, Actor::System("fleet"), Some(account), "instance.removed", &id.to_string(), json!({})).await?;
    Ok(true)
}

async fn open_request(conn: &mut PgConnection, id: InstanceId) -> Result<RemovalRequest, RemovalError> {
    let request = removal_of(conn, id).await?;
    request.filter(|request| request.confirmed_at.is_none()).ok_or(RemovalError::NotOpen)
}

async fn record(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    action: &str,
    detail: serde_json::Value,
) -> Result<(), RemovalError> {
    let account = account_of(conn, id).await?;
    Ok(audit::record(conn, clock, Actor::Staff(staff), Some(account), action, &id.to_string(), detail).await?)
}
