//! SQL of announcements.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::NewAnnouncement;
use crate::ids::{AccountId, AnnouncementId, StaffId};

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
        "insert into announcements (id, title, text, from_at, until_at, created_by, created_at, by_mail)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(new.title)
    .bind(new.text)
    .bind(new.from_at)
    .bind(new.until_at)
    .bind(staff)
    .bind(now)
    .bind(new.by_mail)
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

/// What is to be mailed; `None` when it is over, was taken down, or is for the page alone.
pub async fn to_mail(conn: &mut PgConnection, id: AnnouncementId, now: DateTime<Utc>) -> sqlx::Result<Option<Announcement>> {
    sqlx::query_as(
        "select id, title, text, from_at, until_at, ended_at from announcements
         where id = $1 and by_mail and ended_at is null and until_at > $2",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(conn)
    .await
}

/// Who reads the mails of an account that has a server.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Reader {
    /// Which account.
    pub account_id: AccountId,
    /// Where mails reach its owner.
    pub email: String,
    /// In which language.
    pub locale: String,
}

/// At most `limit` of those behind `after`, in the order of their accounts' ids.
pub async fn readers(conn: &mut PgConnection, after: Option<AccountId>, limit: i64) -> sqlx::Result<Vec<Reader>> {
    sqlx::query_as(
        "select m.account_id, p.email, p.locale from members m join people p on p.id = m.person_id
         where m.role = 'owner' and ($1::uuid is null or m.account_id > $1)
           and exists (select from instances i where i.account_id = m.account_id and i.released_at is null and i.intent <> 'absent')
         order by m.account_id limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await
}
