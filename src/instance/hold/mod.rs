//! Why a server does not run. Each reason is a row of its own, set and lifted by whom it concerns; what the server should be follows from
//! those that are left. So a payment never lets run what was stopped for abuse, and a question that is settled never what is not paid.

mod store;

use serde_json::json;
use sqlx::PgConnection;

pub use self::store::{HoldRow, archive_proven_at, list_holds};
use super::Intent;
use crate::account::hook::{self, Event};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::InstanceId;

/// A reason, the strongest first: visitors read that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// Staff have ended it.
    Ended,
    /// Its subscription is over.
    Over,
    /// It was used to harm others.
    Abuse,
    /// Staff have a question to its owner.
    Staff,
    /// It is not paid, and its time has run out.
    Unpaid,
    /// Its owner asked for it.
    Asked,
    /// It is on its way to another place.
    Moving,
}

impl Hold {
    /// Every reason, the strongest first.
    pub const ALL: [Self; 7] = [Self::Ended, Self::Over, Self::Abuse, Self::Staff, Self::Unpaid, Self::Asked, Self::Moving];

    /// What staff set and lift. The others follow from the subscription, and no button lifts them.
    pub const STAFFS: [Self; 5] = [Self::Ended, Self::Abuse, Self::Staff, Self::Asked, Self::Moving];

    /// The word in database, API, custom resource and keys of words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Over => "over",
            Self::Abuse => "abuse",
            Self::Staff => "staff",
            Self::Unpaid => "unpaid",
            Self::Asked => "asked",
            Self::Moving => "moving",
        }
    }

    /// What a server should be for this reason alone.
    fn intent(self) -> Intent {
        match self {
            Self::Ended | Self::Over => Intent::Archived,
            Self::Abuse | Self::Staff | Self::Unpaid | Self::Asked | Self::Moving => Intent::Suspended,
        }
    }
}

/// What a paid server should be for all these reasons together, and the one that decides.
fn wanted(holds: &[HoldRow]) -> (Intent, Option<&HoldRow>) {
    let strongest = holds.iter().min_by_key(|row| row.reason);
    (strongest.map_or(Intent::Running, |row| row.reason.intent()), strongest)
}

/// Stops a server for a reason, in the caller's transaction; whether the reason is news. [`sqlx::Error::RowNotFound`] when it was never
/// paid, is being removed or is gone.
pub async fn hold(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    reason: Hold,
    note: &str,
) -> sqlx::Result<bool> {
    let account = store::lock(conn, id).await?;
    if !store::insert_hold(conn, clock, id, account, reason, note).await? {
        return Ok(false);
    }
    let detail = json!({ "reason": reason, "note": note });
    audit::record(conn, clock, actor, Some(account), "instance.held", &id.to_string(), detail).await?;
    follow(conn, clock, actor, id, reason.as_str()).await?;
    Ok(true)
}

/// Lifts reasons, in the caller's transaction, and lets the server run when none is left; `why` is noted then. Whether any of them held
/// it. [`sqlx::Error::RowNotFound`] as with [`hold`].
pub async fn lift(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    reasons: &[Hold],
    why: &str,
) -> sqlx::Result<bool> {
    let account = store::lock(conn, id).await?;
    let lifted = store::delete_holds(conn, id, reasons).await?;
    if lifted.is_empty() {
        return Ok(false);
    }
    let detail = json!({ "reasons": lifted, "why": why });
    audit::record(conn, clock, actor, Some(account), "instance.lifted", &id.to_string(), detail).await?;
    follow(conn, clock, actor, id, why).await?;
    Ok(true)
}

/// Makes the intent what follows from the reasons that are left.
async fn follow(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, id: InstanceId, why: &str) -> sqlx::Result<()> {
    let holds = store::list_holds(conn, id).await?;
    let (intent, strongest) = wanted(&holds);
    let reason = match strongest {
        // Whoever looks next reads why staff have ended it.
        Some(row) if row.reason == Hold::Ended => row.note.as_str(),
        Some(row) => row.reason.as_str(),
        None => why,
    };
    if let Some(before) = store::write_intent(conn, clock, id, intent, reason).await? {
        if intent == Intent::Running {
            super::claim::begin(conn, id).await?;
        }
        let account = super::store::account_of(conn, id).await?;
        let detail = json!({ "intent": intent, "reason": reason });
        audit::record(conn, clock, actor, Some(account), "instance.intent", &id.to_string(), detail).await?;
        let domain = store::domain_of(conn, id).await?;
        let event = match (before == Intent::Running, strongest) {
            (true, Some(row)) => Event::ServerPaused { instance: id, domain, reason: row.reason.as_str().to_owned() },
            (false, None) => Event::ServerResumed { instance: id, domain },
            // It stays stopped, for another reason.
            (false, Some(_)) | (true, None) => return Ok(()),
        };
        hook::happened(conn, clock, account, &event).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::*;

    fn row(reason: Hold) -> HoldRow {
        HoldRow { reason, note: String::new(), since: DateTime::<Utc>::default() }
    }

    #[test]
    fn the_words_are_those_of_the_database() {
        for reason in Hold::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert!(Hold::ALL.is_sorted());
        assert!(Hold::STAFFS.iter().all(|reason| !matches!(reason, Hold::Unpaid | Hold::Over)));
    }

    #[test]
    fn a_payment_alone_does_not_lift_abuse() {
        assert_eq!(wanted(&[row(Hold::Unpaid), row(Hold::Abuse)]).1.map(|row| row.reason), Some(Hold::Abuse));
        assert_eq!(wanted(&[row(Hold::Abuse)]).0, Intent::Suspended);
        assert_eq!(wanted(&[]).0, Intent::Running);
    }

    proptest! {
        #[test]
        fn it_runs_exactly_when_no_reason_is_left(reasons in prop::collection::vec(prop::sample::select(Hold::ALL.to_vec()), 0..7)) {
            let rows: Vec<_> = reasons.iter().copied().map(row).collect();
            let (intent, strongest) = wanted(&rows);
            prop_assert_eq!(intent == Intent::Running, reasons.is_empty());
            prop_assert_eq!(strongest.map(|row| row.reason), reasons.iter().copied().min());
            let over = reasons.iter().any(|reason| matches!(reason, Hold::Ended | Hold::Over));
            prop_assert_eq!(intent == Intent::Archived, over);
        }
    }
}
