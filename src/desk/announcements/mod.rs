//! Announcements: what the host tells all its customers for a time, on the page of their servers.

mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

pub use store::{Announcement, Reader, list, readers, shown, to_mail};

use super::cases::fits;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{AccountId, AnnouncementId, StaffId};
use crate::queue::{self, Job};

/// Writes an announcement to some of those who have a server, and then itself to the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct MailAnnouncement {
    /// Which.
    pub announcement: AnnouncementId,
    /// Accounts behind this one; `None`: from the first on.
    pub after: Option<AccountId>,
}

impl Job for MailAnnouncement {
    const NAME: &'static str = "mail_announcement";
    fn key(&self) -> Option<String> {
        let Self { announcement, after } = self;
        Some(after.map_or_else(|| announcement.to_string(), |after| format!("{announcement}:{after}")))
    }
}

/// Why it was not announced. The keys of the words that say so are `announcement-…`.
#[derive(Debug, thiserror::Error)]
pub enum AnnouncementError {
    /// The title says nothing, or too much.
    #[error("a title has between 3 and 120 characters")]
    Title,
    /// The text says nothing, or too much.
    #[error("a text has between 3 and 2000 characters")]
    Text,
    /// It would end before it begins, or has ended.
    #[error("an announcement ends after it begins, and later than now")]
    Until,
    /// The database.
    #[error("the announcement could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// What is to be announced.
#[derive(Debug, Clone, Copy)]
pub struct NewAnnouncement<'a> {
    /// In a line.
    pub title: &'a str,
    /// The whole.
    pub text: &'a str,
    /// Shown from then.
    pub from_at: DateTime<Utc>,
    /// Until then.
    pub until_at: DateTime<Utc>,
    /// Whether everybody who has a server gets a mail as well.
    pub by_mail: bool,
}

/// Announces something.
pub async fn announce(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    new: &NewAnnouncement<'_>,
) -> Result<AnnouncementId, AnnouncementError> {
    let title = fits(new.title, &(3..=120)).filter(|title| !title.contains(['\n', '\r'])).ok_or(AnnouncementError::Title)?;
    let text = fits(new.text, &(3..=2000)).ok_or(AnnouncementError::Text)?;
    if new.until_at <= new.from_at || new.until_at <= clock.now() {
        return Err(AnnouncementError::Until);
    }
    let id = AnnouncementId::new();
    store::insert(conn, id, staff, &NewAnnouncement { title, text, ..*new }, clock.now()).await?;
    if new.by_mail {
        queue::enqueue(conn, &MailAnnouncement { announcement: id, after: None }, Some(new.from_at)).await?;
    }
    let detail = json!({ "title": title, "from": new.from_at, "until": new.until_at, "by_mail": new.by_mail });
    audit::record(conn, clock, Actor::Staff(staff), None, "announcement.made", &id.to_string(), detail).await?;
    Ok(id)
}

/// Takes an announcement down before its time; whether it was up or to come.
pub async fn take_down(conn: &mut PgConnection, clock: &dyn Clock, staff: StaffId, id: AnnouncementId) -> sqlx::Result<bool> {
    let done = store::end(conn, id, clock.now()).await?;
    if done {
        audit::record(conn, clock, Actor::Staff(staff), None, "announcement.ended", &id.to_string(), json!({})).await?;
    }
    Ok(done)
}
