//! Sessions: a secret in a cookie or bearer token, its hash in Postgres.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::crypto;
use crate::ids::{AccountId, PersonId, StaffId};

/// A browser that is not used for this long is signed out.
const IDLE: TimeDelta = TimeDelta::days(14);
/// Staff are signed out sooner.
const STAFF_IDLE: TimeDelta = TimeDelta::hours(12);
/// How often "last seen" is written at the most: a page view should not cost a write.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(10);

/// The secret that a browser or program holds: 256 bits, base 64.
#[derive(Debug, Clone)]
pub struct SessionSecret {
    secret: secrecy::SecretString,
    expires_at: DateTime<Utc>,
}

impl SessionSecret {
    /// As it goes into a cookie or header.
    pub fn expose(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&self.secret)
    }

    /// When the session ends unless it is used before; each use prolongs it.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

/// Who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A customer, acting for an account.
    Person {
        /// Who.
        person: PersonId,
        /// For whom.
        account: AccountId,
    },
    /// One of the host's people.
    Staff(StaffId),
}

/// How a session is carried; one kind is never good for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    /// A cookie.
    Browser,
    /// A bearer token of the JSON API.
    Api,
}

/// Begins a session.
pub async fn begin(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    subject: Subject,
    kind: Kind,
    user_agent: &str,
) -> sqlx::Result<SessionSecret> {
    let secret = crypto::to_base64(&crypto::random::<32>());
    let now = clock.now();
    let (person, account, staff, idle) = match subject {
        Subject::Person { person, account } => (Some(person), Some(account), None, IDLE),
        Subject::Staff(staff) => (None, None, Some(staff), STAFF_IDLE),
    };
    let user_agent: String = user_agent.chars().take(200).collect();
    sqlx::query(
        "insert into sessions (id_hash, person_id, account_id, staff_id, kind, created_at, last_seen_at, expires_at, user_agent)
         values ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
    )
    .bind(crypto::sha256(secret.as_bytes()).as_slice())
    .bind(person)
    .bind(account)
    .bind(staff)
    .bind(kind)
    .bind(now)
    .bind(now + idle)
    .bind(user_agent)
    .execute(conn)
    .await?;
    Ok(SessionSecret { secret: secret.into(), expires_at: now + idle })
}

/// Whose session this is, if it is one and not over. Being used prolongs it.
pub async fn find(conn: &mut PgConnection, clock: &dyn Clock, secret: &str, kind: Kind) -> sqlx::Result<Option<Subject>> {
    type Row = (Option<PersonId>, Option<AccountId>, Option<StaffId>, DateTime<Utc>);
    let hash = crypto::sha256(secret.as_bytes());
    let now = clock.now();
    let row: Option<Row> = sqlx::query_as(
        "select person_id, account_id, staff_id, last_seen_at from sessions where id_hash = $1 and kind = $2 and expires_at > $3",
    )
    .bind(hash.as_slice())
    .bind(kind)
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((person, account, staff, seen)) = row else { return Ok(None) };
    let subject = match (person, account, staff) {
        (Some(person), Some(account), None) => Subject::Person { person, account },
        (None, None, Some(staff)) => Subject::Staff(staff),
        _ => return Ok(None),
    };
    if now - seen > SEEN_EVERY {
        let idle = if matches!(subject, Subject::Staff(_)) { STAFF_IDLE } else { IDLE };
        sqlx::query("update sessions set last_seen_at = $2, expires_at = $3 where id_hash = $1")
            .bind(hash.as_slice())
            .bind(now)
            .bind(now + idle)
            .execute(conn)
            .await?;
    }
    Ok(Some(subject))
}

/// Ends a session. One that is over already is no error.
pub async fn end(conn: &mut PgConnection, secret: &str) -> sqlx::Result<()> {
    sqlx::query("delete from sessions where id_hash = $1")
        .bind(crypto::sha256(secret.as_bytes()).as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends all sessions of a person.
pub async fn end_all(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    sqlx::query("delete from sessions where person_id = $1").bind(person).execute(conn).await?;
    Ok(())
}

/// Ends all sessions of a member of staff.
pub async fn end_all_of_staff(conn: &mut PgConnection, staff: StaffId) -> sqlx::Result<()> {
    sqlx::query("delete from sessions where staff_id = $1").bind(staff).execute(conn).await?;
    Ok(())
}

/// Forgets sessions that are over. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from sessions where expires_at < $1").bind(clock.now()).execute(conn).await?.rows_affected())
}
