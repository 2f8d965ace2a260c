//! The removal of a server that has ended, with all its data, without a proven archive: staff may ask for it in two steps.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::store::removal_of;
use super::store::account_of;
use super::{Hold, list_holds};
use crate::account::approval::{self, ApprovalError, Kind, REASON};
use crate::audit::{self, Actor};
use crate::capacity;
use crate::clock::Clock;
use crate::ids::{InstanceId, StaffId};

/// How long data is kept, and why not so long.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// From the end on.
    pub days: TimeDelta,
    /// Why it is to be removed before that; empty when it is not.
    pub early: &'a str,
}

/// What staff have asked for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RemovalRequest {
    /// Why.
    pub reason: String,
    /// Why before its time, if it is.
    pub early_reason: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// By whom.
    pub requested_by: StaffId,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// By whom.
    pub confirmed_by: Option<StaffId>,
}

/// Why a step of a removal was refused. The keys of the words that say so are `removal-…`.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// It has not ended, or is gone.
    #[error("only a server that has ended can be removed")]
    NotEnded,
    /// Its data is kept for a while yet, and nothing says why not.
    #[error("its data is kept for a while yet; say in {} to {} characters why not", REASON.start(), REASON.end())]
    Kept,
    /// The two-person rule.
    #[error(transparent)]
    Approval(ApprovalError),
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
            Self::Kept => Some("removal-kept"),
            Self::Approval(ApprovalError::Reason) => Some("removal-reason-length"),
            Self::Approval(ApprovalError::Asked) => Some("removal-requested-already"),
            Self::Approval(ApprovalError::NotOpen) => Some("removal-not-open"),
            Self::Approval(ApprovalError::TooSoon) => Some("removal-too-soon"),
            Self::Approval(ApprovalError::SamePerson) => Some("removal-same-person"),
            Self::WrongName => Some("removal-wrong-name"),
            Self::Approval(ApprovalError::Database(_)) | Self::Database(_) => None,
        }
    }
}

impl From<ApprovalError> for RemovalError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Database(error) => Self::Database(error),
            ApprovalError::Reason
            | ApprovalError::Asked
            | ApprovalError::NotOpen
            | ApprovalError::TooSoon
            | ApprovalError::SamePerson => Self::Approval(error),
        }
    }
}

/// The first step: somebody asks, with a reason, and with a second one while the data should still be kept.
pub async fn request_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    reason: &str,
    keeping: Keeping<'_>,
) -> Result<(), RemovalError> {
    let ended = store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    // One whose subscription is over is kept for its customer as long as was promised, unless staff have ended it on purpose.
    if !list_holds(conn, id).await?.iter().any(|row| row.reason == Hold::Ended) {
        return Err(RemovalError::NotEnded);
    }
    match removal_of(conn, id).await? {
        Some(request) if request.confirmed_at.is_some() => return Err(ApprovalError::Asked.into()),
        Some(_) => {}
        // It ran again in between: what was asked for before that is not what is asked for now.
        None => approval::void(conn, clock, Kind::Removal, &id.to_string()).await?,
    }
    let Keeping { days, early } = keeping;
    // Afterwards there is nothing to be said about it.
    let early = if ended.at + days > clock.now() { early.trim() } else { "" };
    if ended.at + days > clock.now() && !REASON.contains(&early.chars().count()) {
        return Err(RemovalError::Kept);
    }
    let early = (!early.is_empty()).then_some(early);
    approval::ask(conn, clock, staff, Kind::Removal, &id.to_string(), reason).await?;
    store::note_removal_request(conn, clock, id, staff, reason.trim(), early).await?;
    record(conn, clock, staff, id, "instance.removal_requested", json!({ "reason": reason.trim(), "early": early })).await
}

/// The second step: the server's name is typed by somebody else, as [`approval`] has it.
pub async fn confirm_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    typed: &str,
) -> Result<(), RemovalError> {
    let ended = store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    let request = open_removal(conn, clock, id).await?.ok_or(ApprovalError::NotOpen)?;
    approval::give(conn, clock, staff, Kind::Removal, &id.to_string()).await?;
    // As people read it or as the DNS has it.
    if idna::domain_to_ascii(typed.trim()).ok().as_deref() != Some(ended.domain.as_str()) {
        return Err(RemovalError::WrongName);
    }
    store::note_removal_confirmation(conn, clock, id, staff).await?;
    let detail = json!({ "reason": request.reason, "early": request.early_reason, "requested_by": request.requested_by });
    record(conn, clock, staff, id, "instance.removal_confirmed", detail).await
}

/// Until when the data of a server that has ended should be kept; nothing when it has not ended.
pub async fn kept_until(conn: &mut PgConnection, id: InstanceId, days: TimeDelta) -> sqlx::Result<Option<DateTime<Utc>>> {
    Ok(store::ended_at(conn, id).await?.map(|at| at + days))
}

/// Takes the first step back, or refuses the second.
pub async fn withdraw_removal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
) -> Result<(), RemovalError> {
    store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    open_removal(conn, clock, id).await?.ok_or(ApprovalError::NotOpen)?;
    approval::refuse(conn, clock, staff, Kind::Removal, &id.to_string()).await?;
    store::forget_removal_request(conn, id).await?;
    record(conn, clock, staff, id, "instance.removal_withdrawn", json!({})).await
}

/// The request that somebody may still confirm. One that nobody has confirmed in time, or from before the server ran again, is none.
pub async fn open_removal(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<Option<RemovalRequest>> {
    let request = removal_of(conn, id).await?.filter(|request| request.confirmed_at.is_none());
    let open = approval::open_about(conn, clock, Kind::Removal, &id.to_string()).await?;
    Ok(request.filter(|_| open.is_some()))
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
