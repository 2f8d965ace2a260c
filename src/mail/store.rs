//! SQL of mails: what is owed, what was sent.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::Notice;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::MailId;
use crate::queue::{self, Job};

/// Sends one mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    /// Which.
    pub mail: MailId,
}

impl Job for SendMail {
    const NAME: &'static str = "send_mail";
    fn key(&self) -> Option<String> {
        Some(self.mail.to_string())
    }
}

/// A mail that is owed or was sent.
#[derive(Debug)]
pub struct Owed {
    /// To whom.
    pub recipient: String,
    /// In which language.
    pub locale: String,
    /// What about.
    pub notice: Notice,
    /// When it came to be owed; the mail's date.
    pub created_at: DateTime<Utc>,
}

/// Owes somebody a mail once the transaction commits. With `unique_key` it is owed once, however often this is called.
pub async fn owe(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    recipient: &str,
    locale: &str,
    notice: &Notice,
    unique_key: Option<&str>,
) -> sqlx::Result<()> {
    let id = MailId::new();
    let notice = serde_json::to_value(notice).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    // No conflict target: naming one counts as reading the row, and who acts for one account may not read mails.
    let done = sqlx::query(
        "insert into mails (id, unique_key, recipient, locale, notice, state, created_at) values ($1, $2, $3, $4, $5, 'owed', $6)
         on conflict do nothing",
    )
    .bind(id)
    .bind(unique_key)
    .bind(recipient)
    .bind(locale)
    .bind(notice)
    .bind(clock.now())
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        queue::enqueue(conn, &SendMail { mail: id }, None).await?;
    }
    Ok(())
}

/// Mails in a day that anybody may make us send to an address by typing it into a form.
pub const ASKED_A_DAY: usize = 5;
/// The shortest time between two of them.
pub const ASKED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The unique key for a mail that anybody can ask for by typing an address: no form may become a way to flood somebody's mailbox, so there is
/// one bound for all of them together. `None`: not now. `address` is the form to compare; until the transaction ends, others who
/// ask for it wait.
pub async fn asked_key(conn: &mut PgConnection, clock: &dyn Clock, address: &str) -> sqlx::Result<Option<String>> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('paddock.asked:' || $1, 0))")
        .bind(address)
        .execute(&mut *conn)
        .await?;
    let (now, day) = (clock.now(), TimeDelta::days(1));
    let keys =
        move |at: DateTime<Utc>| (1..=ASKED_A_DAY).map(move |nth| format!("asked:{address}:{}:{nth}", at.format("%Y-%m-%d")));
    let both: Vec<String> = keys(now - day).chain(keys(now)).collect();
    let sent: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as("select unique_key, created_at from mails where unique_key = any($1) and created_at > $2")
            .bind(both)
            .bind(now - day)
            .fetch_all(conn)
            .await?;
    if sent.len() >= ASKED_A_DAY || sent.iter().any(|(_, at)| *at > now - ASKED_EVERY) {
        return Ok(None);
    }
    Ok(keys(now).find(|key| sent.iter().all(|(taken, _)| taken != key)))
}

/// The mail, if it is still owed; counts the attempt. `None`: it was sent or refused already.
pub async fn take(conn: &mut PgConnection, id: MailId) -> sqlx::Result<Option<Owed>> {
    let row: Option<(String, String, sqlx::types::Json<Notice>, DateTime<Utc>)> = sqlx::query_as(
        "update mails set attempts = attempts + 1 where id = $1 and state = 'owed' returning recipient, locale, notice, created_at",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(recipient, locale, notice, created_at)| Owed { recipient, locale, notice: notice.0, created_at }))
}

/// Notes that somebody else answers for it now. Noted twice it is noted once: whoever got no answer to the first note may repeat it.
pub async fn sent(conn: &mut PgConnection, clock: &dyn Clock, id: MailId) -> sqlx::Result<()> {
    let query = "update mails set state = 'sent', sent_at = coalesce(sent_at, $2), last_error = null where id = $1";
    let done = sqlx::query(query).bind(id).bind(clock.now()).execute(conn).await?;
    exactly_one(&done)
}

/// Notes why it did not leave: `for_good` when it never will.
pub async fn failed(conn: &mut PgConnection, id: MailId, why: &str, for_good: bool) -> sqlx::Result<()> {
    let state = if for_good { "refused" } else { "owed" };
    let done = sqlx::query("update mails set state = $2, last_error = $3 where id = $1 and state = 'owed'")
        .bind(id)
        .bind(state)
        .bind(why)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Forgets mails that left, or were refused, more than 90 days ago: a row holds an address and what it was written about, and by then
/// no resend asks for it any more. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let oldest = clock.now() - TimeDelta::days(90);
    let done = sqlx::query("delete from mails where state <> 'owed' and created_at < $1").bind(oldest).execute(conn).await?;
    Ok(done.rows_affected())
}

/// Mails that were refused for good or have waited for more than an hour, for staff.
pub async fn count_troubled(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from mails where state = 'refused' or state = 'owed' and created_at < $1")
        .bind(clock.now() - TimeDelta::hours(1))
        .fetch_one(conn)
        .await
}
