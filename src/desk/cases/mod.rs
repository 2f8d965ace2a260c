//! Cases: reports of abuse, requests of authorities, requests about personal data. Each has a deadline, what was found and done, and an outcome.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use store::{Case, Note, Show, count_late, find, list, notes_of};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{CaseId, InstanceId, StaffId};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    /// Somebody reports what a server is used for.
    Abuse,
    /// An authority or a lawyer asks for something.
    Legal,
    /// Somebody asks for their personal data.
    Privacy,
}

impl Kind {
    /// All, in the order of the form.
    pub const ALL: [Self; 3] = [Self::Abuse, Self::Legal, Self::Privacy];

    /// The word in forms and keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Abuse => "abuse",
            Self::Legal => "legal",
            Self::Privacy => "privacy",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The time for an answer where nobody names one. A letter of an authority names its own.
    pub fn usual(self) -> Option<TimeDelta> {
        match self {
            Self::Abuse => Some(TimeDelta::days(3)),
            // Article 12 (3) of the GDPR says a month, of which the shortest has 28 days.
            Self::Privacy => Some(TimeDelta::days(28)),
            Self::Legal => None,
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Outcome {
    /// What was asked for was done.
    Acted,
    /// It was not, with reasons.
    Refused,
    /// It was not for this host.
    NotOurs,
    /// Whoever asked took it back.
    Withdrawn,
}

impl Outcome {
    /// All, in the order of the form.
    pub const ALL: [Self; 4] = [Self::Acted, Self::Refused, Self::NotOurs, Self::Withdrawn];

    /// The word in forms and keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acted => "acted",
            Self::Refused => "refused",
            Self::NotOurs => "not-ours",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// Characters of a title.
const TITLE: std::ops::RangeInclusive<usize> = 3..=120;
/// Characters of who wrote.
const SENDER: std::ops::RangeInclusive<usize> = 1..=200;
/// Characters of a note.
const NOTE: std::ops::RangeInclusive<usize> = 3..=4000;

/// Why something was not written down. The keys of the words that say so are `case-…`.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The title says nothing, or too much.
    #[error("a title has between {} and {} characters", TITLE.start(), TITLE.end())]
    Title,
    /// Nobody wrote, or too long a name did.
    #[error("who wrote has between {} and {} characters", SENDER.start(), SENDER.end())]
    Sender,
    /// The note says nothing, or too much.
    #[error("a note has between {} and {} characters", NOTE.start(), NOTE.end())]
    Note,
    /// It would have come later than now.
    #[error("it has come by now, or it has not come")]
    Received,
    /// The deadline is not behind the day that it came on, or there is none.
    #[error("the deadline has to lie behind the time that it came")]
    Due,
    /// There is no such server.
    #[error("there is no such server")]
    Server,
    /// It is closed.
    #[error("the case is closed; what is new is another one")]
    Closed,
    /// The database.
    #[error("the case could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// What staff know of a new case.
#[derive(Debug, Clone, Copy)]
pub struct NewCase<'a> {
    /// What it is.
    pub kind: Kind,
    /// In a line.
    pub title: &'a str,
    /// Who wrote.
    pub sender: &'a str,
    /// What they wrote, or where it lies.
    pub note: &'a str,
    /// Which server it is about.
    pub instance: Option<InstanceId>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// When it has to be answered; `None`: as is usual for its kind.
    pub due_at: Option<DateTime<Utc>>,
}

/// Opens a case with its first note.
pub async fn open(conn: &mut PgConnection, clock: &dyn Clock, staff: StaffId, new: &NewCase<'_>) -> Result<CaseId, CaseError> {
    let now = clock.now();
    let title = fits(new.title, &TITLE).filter(|title| !title.contains(['\n', '\r'])).ok_or(CaseError::Title)?;
    let sender = fits(new.sender, &SENDER).filter(|sender| !sender.contains(['\n', '\r'])).ok_or(CaseError::Sender)?;
    let note = fits(new.note, &NOTE).ok_or(CaseError::Note)?;
    if new.received_at > now {
        return Err(CaseError::Received);
    }
    let due_at = new.due_at.or_else(|| new.kind.usual().map(|usual| new.received_at + usual)).ok_or(CaseError::Due)?;
    if due_at <= new.received_at {
        return Err(CaseError::Due);
    }
    let id = CaseId::new();
    store::insert(conn, id, staff, &NewCase { title, sender, note, due_at: Some(due_at), ..*new }, now).await.map_err(
        |error| {
            let foreign = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation);
            if foreign { CaseError::Server } else { error.into() }
        },
    )?;
    store::insert_note(conn, id, staff, note, now).await?;
    // What somebody wrote about somebody stays with the case: the log outlives it.
    let detail = json!({ "kind": new.kind.word(), "due": due_at, "instance": new.instance });
    audit::record(conn, clock, Actor::Staff(staff), None, "case.opened", &id.to_string(), detail).await?;
    Ok(id)
}

/// Writes down what was found or done, and with an outcome closes it.
pub async fn say(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: CaseId,
    note: &str,
    outcome: Option<Outcome>,
) -> Result<(), CaseError> {
    let note = fits(note, &NOTE).ok_or(CaseError::Note)?;
    let now = clock.now();
    if !store::lock_open(conn, id).await? {
        return Err(CaseError::Closed);
    }
    store::insert_note(conn, id, staff, note, now).await?;
    if let Some(outcome) = outcome {
        store::close(conn, id, outcome, now).await?;
    }
    let action = if outcome.is_some() { "case.closed" } else { "case.said" };
    let detail = json!({ "outcome": outcome.map(Outcome::word) });
    audit::record(conn, clock, Actor::Staff(staff), None, action, &id.to_string(), detail).await?;
    Ok(())
}

/// The text without what surrounds it, if it is as long as it may be and holds no hidden letters but ends of lines.
pub(super) fn fits<'a>(text: &'a str, length: &std::ops::RangeInclusive<usize>) -> Option<&'a str> {
    let text = text.trim();
    let plain = text.chars().all(|letter| matches!(letter, '\n' | '\r') || !letter.is_control());
    (plain && length.contains(&text.chars().count())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_what_they_mean() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::from_word(kind.word()) == Some(kind)));
        assert!(Outcome::ALL.into_iter().all(|outcome| Outcome::from_word(outcome.word()) == Some(outcome)));
        assert_eq!((Kind::from_word("x"), Outcome::from_word("")), (None, None));
    }

    #[test]
    fn an_authority_names_its_own_deadline() {
        assert_eq!(Kind::Legal.usual(), None);
        assert!(Kind::Privacy.usual().unwrap() <= TimeDelta::days(28));
    }
}
