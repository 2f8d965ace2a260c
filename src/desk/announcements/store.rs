//! SQL of announcements.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::NewAnnouncement;
use crate::ids::{AnnouncementId, StaffId};

/// An announcement.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Announcement {
    /// Which.
    pub id: AnnouncementId,
    /// In a line.
    pub title: String,
    /// The whole.
    pub text: String,
    /// Shown from then.
    pub from_at: DateTime<Utc>,
    /// Until then.
    pub until_at: DateTime<Utc>,
    /// When it was taken down.
    pub ended_at: Option<DateTime<Utc>>,
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: AnnouncementId,
    staff: StaffId,
    new: &NewAnnouncement<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into announcements (id, title, text, from_at, until_at, created_by, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(new.title)
    .bind(new.text)
    .bind(new.from_at)
    .bind(new.until_at)
    .bind(staff)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn end(conn: &mut PgConnection, id: AnnouncementId, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let query = "update announcements set ended_at = $2 where id = $1 and ended_at is null and until_at > $2";
    Ok(sqlx::query(query).bind(id).bind(now).execute(conn).await?.rows_affected() == 1)
}

/// Those that customers see at `now`, newest first.
pub async fn shown(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Vec<Announcement>> {
    sqlx::query_as(
        "select id, title, text, from_at, until_at, ended_at from announcements
         where until_at > $1 and from_at <= $1 and ended_at is null order by id desc limit 5",
    )
    .bind(now)
    .fetch_all(conn)
    .await
}

/// The newest, whether they are shown or not.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Announcement>> {
    sqlx::query_as("select id, title, text, from_at, until_at, ended_at from announcements order by id desc limit 50")
        .fetch_all(conn)
        .await
}
