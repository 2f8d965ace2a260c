//! The two-person rule: what one of the staff asks for is done when another one agrees to it, and not before.
//!
//! What is wired to it is a [`Kind`]. Whoever does such a thing calls [`ask`] in the first step and [`give`] in the second, in the transaction that
//! does it: there is no other way from the one to the other.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use store::{list_open, list_recent};

use super::Scope;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{ApprovalId, StaffId};

/// Between the two steps: nobody destroys anything by one slip of the hand.
const TO_THINK: TimeDelta = TimeDelta::minutes(1);
/// For how long somebody may agree: a weekend, and no longer than people remember why.
pub const LASTS: TimeDelta = TimeDelta::days(3);
/// Characters of a reason.
pub const REASON: std::ops::RangeInclusive<usize> = 10..=500;

/// What takes two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    /// The removal of a server with all its data, without a proven archive.
    Removal,
    /// Money or credit for a customer, more of it than one person may give.
    Giving,
}

impl Kind {
    /// Who may ask for it, and agree to it.
    pub fn scope(self) -> Scope {
        match self {
            Self::Removal => Scope::Admin,
            Self::Giving => Scope::Billing,
        }
    }

    /// The word of it, in the database and in the keys of words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Removal => "removal",
            Self::Giving => "giving",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Decision {
    /// Somebody agreed.
    Given,
    /// Somebody else said no.
    Refused,
    /// Who asked took it back.
    Withdrawn,
    /// Nobody agreed in time.
    Expired,
    /// What it was about is not as it was.
    Void,
}

impl Decision {
    /// The key of the words that say so.
    pub fn key(self) -> &'static str {
        match self {
            Self::Given => "approval-given",
            Self::Refused => "approval-refused",
            Self::Withdrawn => "approval-withdrawn",
            Self::Expired => "approval-expired",
            Self::Void => "approval-void",
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Approval {
    /// Which.
    pub id: ApprovalId,
    /// What.
    pub kind: Kind,
    /// Id of what it is done to.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// By whom.
    pub asked_by: StaffId,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Until when somebody may agree.
    pub expires_at: DateTime<Utc>,
    /// What became of it; none while it waits.
    pub decision: Option<Decision>,
    /// Who decided.
    pub decided_by: Option<StaffId>,
    /// When that was.
    pub decided_at: Option<DateTime<Utc>>,
}

impl Approval {
    /// Whether it waits for somebody.
    fn waits(&self, now: DateTime<Utc>) -> bool {
        self.decision.is_none() && now < self.expires_at
    }
}

/// Why a step was refused.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The reason says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// Somebody has asked already.
    #[error("somebody has asked for this already")]
    Asked,
    /// Nobody has asked, it was decided, or the time for it is over.
    #[error("nobody has asked for this, or it is decided or too old")]
    NotOpen,
    /// Right after the first step.
    #[error("a minute must pass between the two steps")]
    TooSoon,
    /// Of several, another one has to agree.
    #[error("somebody else than who asked has to agree")]
    SamePerson,
    /// The database.
    #[error("what takes two could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Whether somebody may agree to what was asked for. `several`: whether more than one of the staff holds the scope; a host may have one admin alone,
/// who then thinks for a minute.
fn may_give(approval: &Approval, staff: StaffId, several: bool, now: DateTime<Utc>) -> Result<(), ApprovalError> {
    if !approval.waits(now) {
        return Err(ApprovalError::NotOpen);
    }
    if several && approval.asked_by == staff {
        return Err(ApprovalError::SamePerson);
    }
    if now < approval.asked_at + TO_THINK {
        return Err(ApprovalError::TooSoon);
    }
    Ok(())
}

/// The first step. One that nobody agreed to in time makes room.
pub async fn ask(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    kind: Kind,
    subject: &str,
    reason: &str,
) -> Result<ApprovalId, ApprovalError> {
    let (reason, now) = (reason.trim(), clock.now());
    if !REASON.contains(&reason.chars().count()) {
        return Err(ApprovalError::Reason);
    }
    match store::undecided(conn, kind, subject).await? {
        Some(open) if open.waits(now) => return Err(ApprovalError::Asked),
        Some(old) => decide(conn, clock, &old, None, Decision::Expired).await?,
        None => {}
    }
    let approval = Approval {
        id: ApprovalId::new(),
        kind,
        subject: subject.to_owned(),
        reason: reason.to_owned(),
        asked_by: staff,
        asked_at: now,
        expires_at: now + LASTS,
        decision: None,
        decided_by: None,
        decided_at: None,
    };
    store::insert(conn, &approval).await?;
    record(conn, clock, Actor::Staff(staff), &approval, "approval.asked").await?;
    Ok(approval.id)
}

/// What waits for somebody's word about `subject`.
pub async fn open_about(conn: &mut PgConnection, clock: &dyn Clock, kind: Kind, subject: &str) -> sqlx::Result<Option<Approval>> {
    Ok(store::undecided(conn, kind, subject).await?.filter(|found| found.waits(clock.now())))
}

/// What may still be said about it by this one of the staff: nothing in the way, or what is.
pub async fn in_the_way(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    approval: &Approval,
) -> Result<(), ApprovalError> {
    let several = store::count_with(conn, approval.kind.scope()).await? > 1;
    may_give(approval, staff, several, clock.now())
}

/// The second step, in the transaction that does what was asked for: another one agrees. Returns what was asked for.
pub async fn give(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    kind: Kind,
    subject: &str,
) -> Result<Approval, ApprovalError> {
    let approval = store::undecided(conn, kind, subject).await?.ok_or(ApprovalError::NotOpen)?;
    in_the_way(conn, clock, staff, &approval).await?;
    decide(conn, clock, &approval, Some(staff), Decision::Given).await?;
    Ok(approval)
}

/// It is not to be done: who asked takes it back, anybody else who could agree says no.
pub async fn refuse(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    kind: Kind,
    subject: &str,
) -> Result<(), ApprovalError> {
    let approval = open_about(conn, clock, kind, subject).await?.ok_or(ApprovalError::NotOpen)?;
    let decision = if approval.asked_by == staff { Decision::Withdrawn } else { Decision::Refused };
    decide(conn, clock, &approval, Some(staff), decision).await
}

/// What it was about is not as it was: nobody agrees to what was asked for then.
pub async fn void(conn: &mut PgConnection, clock: &dyn Clock, kind: Kind, subject: &str) -> Result<(), ApprovalError> {
    match store::undecided(conn, kind, subject).await? {
        Some(open) => decide(conn, clock, &open, None, Decision::Void).await,
        None => Ok(()),
    }
}

/// One by its id.
pub async fn find(conn: &mut PgConnection, id: ApprovalId) -> sqlx::Result<Option<Approval>> {
    store::find(conn, id).await
}

async fn decide(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    approval: &Approval,
    by: Option<StaffId>,
    decision: Decision,
) -> Result<(), ApprovalError> {
    store::decide(conn, clock, approval.id, by, decision).await?;
    let actor = by.map_or(Actor::System("approvals"), Actor::Staff);
    let action = match decision {
        Decision::Given => "approval.given",
        Decision::Refused => "approval.refused",
        Decision::Withdrawn => "approval.withdrawn",
        Decision::Expired => "approval.expired",
        Decision::Void => "approval.void",
    };
    Ok(record(conn, clock, actor, approval, action).await?)
}

async fn record(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, approval: &Approval, action: &str) -> sqlx::Result<()> {
    let (id, kind, subject) = (approval.id, approval.kind, &approval.subject);
    let detail = json!({ "kind": kind.word(), "approval": id, "reason": approval.reason, "asked_by": approval.asked_by });
    audit::record(conn, clock, actor, None, action, subject, detail).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(by: StaffId, at: DateTime<Utc>) -> Approval {
        Approval {
            id: ApprovalId::new(),
            kind: Kind::Removal,
            subject: "ins_1".to_owned(),
            reason: "It is not needed.".to_owned(),
            asked_by: by,
            asked_at: at,
            expires_at: at + LASTS,
            decision: None,
            decided_by: None,
            decided_at: None,
        }
    }

    #[test]
    fn another_one_agrees_after_a_minute_and_within_three_days() {
        let (ada, eve) = (StaffId::new(), StaffId::new());
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let approval = asked(ada, at);
        let said = |who, several, after| match may_give(&approval, who, several, at + after) {
            Ok(()) => "may",
            Err(ApprovalError::TooSoon) => "too soon",
            Err(ApprovalError::SamePerson) => "same",
            Err(ApprovalError::NotOpen) => "not open",
            Err(ApprovalError::Reason | ApprovalError::Asked | ApprovalError::Database(_)) => "something else",
        };
        let (soon, later, late) = (TimeDelta::seconds(59), TimeDelta::minutes(1), LASTS);
        assert_eq!(said(eve, true, soon), "too soon");
        assert_eq!(said(eve, true, later), "may");
        assert_eq!(said(ada, true, later), "same");
        assert_eq!(said(ada, false, later), "may", "there is nobody else");
        assert_eq!(said(ada, false, soon), "too soon");
        assert_eq!(said(eve, true, late), "not open");
        let decided = Approval { decision: Some(Decision::Refused), ..approval.clone() };
        assert!(matches!(may_give(&decided, eve, true, at + later), Err(ApprovalError::NotOpen)));
    }
}
