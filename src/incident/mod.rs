//! Incidents: what is not well, in the words of the host's people, for everybody to read. No program opens or closes one.

mod store;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use store::{Incident, Update, find, list, recent, updates_of};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{IncidentId, StaffId};

/// How bad it is for those who have a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Nothing is missing: planned work, or something to know.
    Notice,
    /// Slower than it should be, or a part is missing.
    Degraded,
    /// Servers or these pages do not answer.
    Outage,
}

impl Impact {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Notice, Self::Degraded, Self::Outage];

    /// The word in forms, feeds and keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Degraded => "degraded",
            Self::Outage => "outage",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// How far its people are with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The cause is being looked for.
    Investigating,
    /// The cause is known, and is being mended.
    Found,
    /// Mended; it is being watched.
    Watching,
    /// Over.
    Over,
}

impl State {
    /// All, in the usual order.
    pub const ALL: [Self; 4] = [Self::Investigating, Self::Found, Self::Watching, Self::Over];

    /// The word in forms, feeds and keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Found => "found",
            Self::Watching => "watching",
            Self::Over => "over",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// Characters of a title.
const TITLE: std::ops::RangeInclusive<usize> = 3..=120;
/// Characters of what is said.
const TEXT: std::ops::RangeInclusive<usize> = 3..=2000;

/// Why something was not said. The keys of the words that say so are `incident-…`.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The title says nothing, or too much.
    #[error("a title has between {} and {} characters", TITLE.start(), TITLE.end())]
    Title,
    /// The text says nothing, or too much.
    #[error("a text has between {} and {} characters", TEXT.start(), TEXT.end())]
    Text,
    /// It would have begun later than now.
    #[error("an incident has begun by now, or it is none")]
    Future,
    /// It is over: what is new is another incident.
    #[error("the incident is over; what is new is another one")]
    Over,
    /// The database.
    #[error("the incident could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// What staff know of a new incident.
#[derive(Debug, Clone, Copy)]
pub struct NewIncident<'a> {
    /// What it is, in a line.
    pub title: &'a str,
    /// How bad it is.
    pub impact: Impact,
    /// How far they are.
    pub state: State,
    /// What they say first.
    pub text: &'a str,
    /// When customers began to notice.
    pub began_at: DateTime<Utc>,
}

/// Opens an incident with what is said first: from the commit on everybody reads it. One that is over already can be told as well.
pub async fn open(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    new: &NewIncident<'_>,
) -> Result<IncidentId, IncidentError> {
    let NewIncident { title, impact, state, text, began_at } = *new;
    let title = fits(title, &TITLE).filter(|title| !title.contains(['\n', '\r'])).ok_or(IncidentError::Title)?;
    let text = fits(text, &TEXT).ok_or(IncidentError::Text)?;
    if began_at > clock.now() {
        return Err(IncidentError::Future);
    }
    let (id, now) = (IncidentId::new(), clock.now());
    store::insert(conn, id, staff, &NewIncident { title, impact, state, text, began_at }, now).await?;
    store::insert_update(conn, id, staff, state, text, now).await?;
    let detail = json!({ "title": title, "impact": impact, "state": state });
    audit::record(conn, clock, Actor::Staff(staff), None, "incident.opened", &id.to_string(), detail).await?;
    Ok(id)
}

/// Says more about an incident that is not over. What was said before stays.
pub async fn say(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    id: IncidentId,
    state: State,
    text: &str,
) -> Result<(), IncidentError> {
    let text = fits(text, &TEXT).ok_or(IncidentError::Text)?;
    let now = clock.now();
    match store::update_state(conn, id, state, now).await {
        Ok(()) => {}
        Err(sqlx::Error::RowNotFound) => return Err(IncidentError::Over),
        Err(error) => return Err(error.into()),
    }
    store::insert_update(conn, id, staff, state, text, now).await?;
    let detail = json!({ "state": state });
    audit::record(conn, clock, Actor::Staff(staff), None, "incident.said", &id.to_string(), detail).await?;
    Ok(())
}

/// The text without what surrounds it, if it is as long as it may be, and pages and feeds can show it: XML takes no control characters but
/// the ends of lines, nor the last two of the basic plane.
fn fits<'a>(text: &'a str, length: &std::ops::RangeInclusive<usize>) -> Option<&'a str> {
    let text = text.trim();
    let takes =
        |letter: char| matches!(letter, '\n' | '\r') || !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}');
    let plain = text.chars().all(takes);
    (plain && length.contains(&text.chars().count())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_has_a_length_and_no_hidden_letters() {
        assert_eq!(fits("  it is slow \n", &TITLE), Some("it is slow"));
        for text in ["", "  \n ", "ab", "a\u{0}b c", "a\u{ffff}b c", &"a".repeat(121)] {
            assert_eq!(fits(text, &TITLE), None, "{text:?}");
        }
    }

    #[test]
    fn words_lead_back_to_what_they_mean() {
        assert!(State::ALL.into_iter().all(|state| State::from_word(state.word()) == Some(state)));
        assert!(Impact::ALL.into_iter().all(|impact| Impact::from_word(impact.word()) == Some(impact)));
        assert_eq!(State::from_word("done"), None);
    }
}
