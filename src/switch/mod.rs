//! Switches: what the host turns off for a while, without a restart. What nobody has ever touched is on.

mod store;

use serde_json::json;
use sqlx::PgConnection;

pub use store::{SwitchRow, is_on, list};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::StaffId;

/// What can be turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// New orders. Those that are placed are paid and built as before.
    Orders,
    /// New accounts. Whoever is invited to one joins it as before.
    SignUps,
}

impl Switch {
    /// All, in the order of the page.
    pub const ALL: [Self; 2] = [Self::Orders, Self::SignUps];

    /// The word in the database, in forms and in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::SignUps => "sign-ups",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 3..=200;

/// Why a switch was not turned.
#[derive(Debug, thiserror::Error)]
pub enum NotTurned {
    /// The reason says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// The database.
    #[error("the switch could not be turned")]
    Database(#[from] sqlx::Error),
}

/// Turns a switch, with the reason for it.
pub async fn turn(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    switch: Switch,
    on: bool,
    reason: &str,
) -> Result<(), NotTurned> {
    let reason = reason.trim();
    if !REASON.contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(NotTurned::Reason);
    }
    store::put(conn, switch, on, reason, staff, clock.now()).await?;
    let detail = json!({ "on": on, "reason": reason });
    audit::record(conn, clock, Actor::Staff(staff), None, "switch.turned", switch.word(), detail).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_what_they_mean() {
        assert!(Switch::ALL.into_iter().all(|switch| Switch::from_word(switch.word()) == Some(switch)));
        assert_eq!(Switch::from_word("everything"), None);
    }
}
