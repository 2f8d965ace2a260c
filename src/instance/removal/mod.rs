//! The removal of a server that has ended, with all its data. With a proven archive of what it was when it stopped, one step of staff's is
//! enough; without one they may ask for it in two.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::store::{FinalArchive, removal_of};
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
            Self::Kept => Some("removal-kept"),
            Self::Approval(ApprovalError::Reason) => Some("removal-reason-length"),
            Self::Approval(ApprovalError::Asked) => Some("removal-requested-already"),
            Self::Approval(ApprovalError::NotOpen) => Some("removal-not-open"),
            Self::Approval(ApprovalError::TooSoon) => Some("removal-too-soon"),
            Self::Approval(ApprovalError::SamePerson) => Some("removal-same-person"),
            Self::NoArchive => Some("removal-no-archive"),
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

/// What the removal of a server takes, besides its name. All that it can hang on comes together in [`terms`].
#[derive(Debug, Clone)]
pub struct RemovalTerms {
    /// The proven final archive. With one, one person is enough; without, another one has to agree.
    pub archive: Option<FinalArchive>,
    /// Until when its data should be kept; nothing once that is over. Before that it takes a reason why it is not.
    pub kept_until: Option<DateTime<Utc>>,
}

impl RemovalTerms {
    /// Why it goes before its time; nothing when its time is over, for then there is nothing to be said about it.
    fn check_early<'a>(&self, early: &'a str) -> Result<Option<&'a str>, RemovalError> {
        let early = early.trim();
        match self.kept_until {
            None => Ok(None),
            Some(_) if REASON.contains(&early.chars().count()) => Ok(Some(early)),
            Some(_) => Err(RemovalError::Kept),
        }
    }
}

/// What the removal of a server takes that has ended; nothing where it can't be removed. One that staff have not ended on purpose
/// (its subscription is over) is kept for its customer: until its time is over, and until its final archive is proven.
fn terms(
    ended_by_staff: bool,
    archive: Option<FinalArchive>,
    kept_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<RemovalTerms> {
    let kept_until = Some(kept_until).filter(|until| *until > now);
    let may = ended_by_staff || archive.is_some() && kept_until.is_none();
    may.then_some(RemovalTerms { archive, kept_until })
}

async fn terms_of(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    kept_until: DateTime<Utc>,
) -> sqlx::Result<Option<RemovalTerms>> {
    let ended_by_staff = list_holds(conn, id).await?.iter().any(|row| row.reason == Hold::Ended);
    let archive = store::final_archive(conn, id).await?;
    Ok(terms(ended_by_staff, archive, kept_until, clock.now()))
}

/// What the removal of a server takes now, whose data is kept for `days` after its end; nothing where it can't be removed.
pub async fn removal_terms(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    days: TimeDelta,
) -> sqlx::Result<Option<RemovalTerms>> {
    let Some(at) = store::ended_at(conn, id).await? else { return Ok(None) };
    terms_of(conn, clock, id, at + days).await
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
    let Keeping { days, early } = keeping;
    let terms = terms_of(conn, clock, id, ended.at + days).await?.ok_or(RemovalError::NotEnded)?;
    match removal_of(conn, id).await? {
        Some(request) if request.confirmed_at.is_some() => return Err(ApprovalError::Asked.into()),
        Some(_) => {}
        // It ran again in between: what was asked for before that is not what is asked for now.
        None => approval::void(conn, clock, Kind::Removal, &id.to_string()).await?,
    }
    let early = terms.check_early(early)?;
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
    check_name(typed, &ended.domain)?;
    store::note_removal_confirmation(conn, clock, id, staff).await?;
    let detail = json!({ "reason": request.reason, "early": request.early_reason, "requested_by": request.requested_by });
    record(conn, clock, staff, id, "instance.removal_confirmed", detail).await
}

/// The only step where the server's final archive is proven: nothing is lost that its people can't have. Its name is typed.
pub async fn remove_archived(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: InstanceId,
    typed: &str,
    keeping: Keeping<'_>,
) -> Result<(), RemovalError> {
    let Keeping { days, early } = keeping;
    let ended = store::lock_ended(conn, id).await?.ok_or(RemovalError::NotEnded)?;
    let terms = terms_of(conn, clock, id, ended.at + days).await?.ok_or(RemovalError::NoArchive)?;
    let FinalArchive { id: archive, snapshot_at } = terms.archive.clone().ok_or(RemovalError::NoArchive)?;
    let before = removal_of(conn, id).await?;
    if before.is_some_and(|request| request.confirmed_at.is_some()) || open_removal(conn, clock, id).await?.is_some() {
        return Err(ApprovalError::Asked.into());
    }
    approval::void(conn, clock, Kind::Removal, &id.to_string()).await?;
    let early = terms.check_early(early)?;
    check_name(typed, &ended.domain)?;
    store::note_removal_request(conn, clock, id, staff, "its final archive is proven", early).await?;
    store::note_removal_confirmation(conn, clock, id, staff).await?;
    store::note_removal_archive(conn, id, archive).await?;
    let detail = json!({ "archive": archive, "snapshot_at": snapshot_at, "early": early });
    record(conn, clock, staff, id, "instance.removal_confirmed", detail).await
}

/// As people read it or as the DNS has it.
fn check_name(typed: &str, domain: &str) -> Result<(), RemovalError> {
    if idna::domain_to_ascii(typed.trim()).ok().as_deref() == Some(domain) { Ok(()) } else { Err(RemovalError::WrongName) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ArchiveId;

    #[test]
    fn an_archive_spares_the_second_person_and_time_the_second_reason() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let proven = || Some(FinalArchive { id: ArchiveId::new(), snapshot_at: at(5) });
        let of = |ended_by_staff, archive, now| {
            terms(ended_by_staff, archive, at(100), at(now)).map(|terms| (terms.archive.is_some(), terms.kept_until.is_some()))
        };
        assert_eq!(of(true, None, 10), Some((false, true)), "two people and two reasons");
        assert_eq!(of(true, None, 100), Some((false, false)), "two people");
        assert_eq!(of(true, proven(), 10), Some((true, true)), "one person and a reason");
        assert_eq!(of(true, proven(), 100), Some((true, false)), "one person");
        // What nobody has ended on purpose is kept as it was promised.
        assert_eq!([of(false, None, 10), of(false, None, 100), of(false, proven(), 10)], [None; 3]);
        assert_eq!(of(false, proven(), 100), Some((true, false)));
    }

    #[test]
    fn before_its_time_a_reason_is_needed_and_afterwards_none_is_kept() {
        let terms = |kept_until| RemovalTerms { archive: None, kept_until };
        let kept = terms(Some(DateTime::from_timestamp(100, 0).unwrap()));
        assert!(matches!(kept.check_early(" short "), Err(RemovalError::Kept)));
        assert_eq!(kept.check_early(" It holds nothing. ").unwrap(), Some("It holds nothing."));
        assert_eq!(terms(None).check_early("It holds nothing.").unwrap(), None);
    }
}
