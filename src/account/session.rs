//! Sessions: a secret in a cookie or bearer token, its hash in Postgres.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto;
use crate::db::exactly_one;
use crate::ids::{AccountId, PersonId, StaffId};

/// A browser that is not used for this long is signed out.
const IDLE: TimeDelta = TimeDelta::days(14);
/// Between the password and the code.
const HALF: TimeDelta = TimeDelta::minutes(10);
/// Staff are signed out sooner.
const STAFF_IDLE: TimeDelta = TimeDelta::hours(12);
/// For how long somebody who has shown who they are may do what asks for that: ASVS 5.0 wants it anew before such acts.
pub const PROVEN_FOR: TimeDelta = TimeDelta::minutes(10);
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

/// A session that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Who is signed in.
    pub subject: Subject,
    /// When they last showed who they are: by logging in, or by confirming it again.
    pub proven_at: DateTime<Utc>,
}

/// How a session is carried; one kind is never good for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A cookie.
    Browser,
    /// A bearer token of the JSON API.
    Api,
    /// A cookie between the password and the code of the second factor. It opens nothing else.
    Half,
}

impl Subject {
    /// Whose a row is.
    fn of(person: Option<PersonId>, account: Option<AccountId>, staff: Option<StaffId>) -> Option<Self> {
        match (person, account, staff) {
            (Some(person), Some(account), None) => Some(Self::Person { person, account }),
            (None, None, Some(staff)) => Some(Self::Staff(staff)),
            (Some(_) | None, Some(_) | None, Some(_) | None) => None,
        }
    }
}

/// What a browser or program says of itself, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The header `user-agent`.
    pub agent: &'a str,
    /// Its address.
    pub network: &'a str,
}

/// Begins a session, and writes that into the audit log.
pub async fn begin(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    subject: Subject,
    kind: Kind,
    client: Client<'_>,
) -> sqlx::Result<SessionSecret> {
    let secret = crypto::to_base64(&crypto::random::<32>());
    let now = clock.now();
    let (person, account, staff, idle) = match subject {
        Subject::Person { person, account } => (Some(person), Some(account), None, IDLE),
        Subject::Staff(staff) => (None, None, Some(staff), STAFF_IDLE),
    };
    let idle = if kind == Kind::Half { HALF } else { idle };
    let user_agent: String = client.agent.chars().take(200).collect();
    sqlx::query(
        "insert into sessions (id_hash, person_id, account_id, staff_id, kind, created_at, last_seen_at, proven_at, expires_at, user_agent, network)
         values ($1, $2, $3, $4, $5, $6, $6, $6, $7, $8, $9)",
    )
    .bind(crypto::sha256(secret.as_bytes()).as_slice())
    .bind(person)
    .bind(account)
    .bind(staff)
    .bind(kind)
    .bind(now)
    .bind(now + idle)
    .bind(user_agent)
    .bind(client.network)
    .execute(&mut *conn)
    .await?;
    note(conn, clock, subject, if kind == Kind::Half { "password_given" } else { "logged_in" }, kind).await?;
    Ok(SessionSecret { secret: secret.into(), expires_at: now + idle })
}

/// Whose session this is, if it is one and not over. Being used prolongs it.
pub async fn find(conn: &mut PgConnection, clock: &dyn Clock, secret: &str, kind: Kind) -> sqlx::Result<Option<Session>> {
    type Row = (Option<PersonId>, Option<AccountId>, Option<StaffId>, DateTime<Utc>, DateTime<Utc>);
    let hash = crypto::sha256(secret.as_bytes());
    let now = clock.now();
    let row: Option<Row> = sqlx::query_as(
        "select person_id, account_id, staff_id, last_seen_at, proven_at from sessions
         where id_hash = $1 and kind = $2 and expires_at > $3",
    )
    .bind(hash.as_slice())
    .bind(kind)
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((person, account, staff, seen, proven_at)) = row else { return Ok(None) };
    let Some(subject) = Subject::of(person, account, staff) else { return Ok(None) };
    if now - seen > SEEN_EVERY {
        let idle = if matches!(subject, Subject::Staff(_)) { STAFF_IDLE } else { IDLE };
        sqlx::query("update sessions set last_seen_at = $2, expires_at = $3 where id_hash = $1")
            .bind(hash.as_slice())
            .bind(now)
            .bind(now + idle)
            .execute(conn)
            .await?;
    }
    Ok(Some(Session { subject, proven_at }))
}

/// Notes that whoever has this session has just shown again who they are.
pub async fn prove(conn: &mut PgConnection, clock: &dyn Clock, secret: &str) -> sqlx::Result<()> {
    let done = sqlx::query("update sessions set proven_at = $2 where id_hash = $1")
        .bind(crypto::sha256(secret.as_bytes()).as_slice())
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// From now on the session acts for another account. That its person is a member there, the caller has asked.
pub async fn act_for(conn: &mut PgConnection, secret: &str, account: AccountId) -> sqlx::Result<()> {
    let done = sqlx::query("update sessions set account_id = $2 where id_hash = $1 and person_id is not null")
        .bind(crypto::sha256(secret.as_bytes()).as_slice())
        .bind(account)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Ends a session, and writes that into the audit log. One that is over already, or never was, is no error and leaves no entry.
pub async fn end(conn: &mut PgConnection, clock: &dyn Clock, secret: &str) -> sqlx::Result<()> {
    type Row = (Option<PersonId>, Option<AccountId>, Option<StaffId>, Kind, DateTime<Utc>);
    let row: Option<Row> =
        sqlx::query_as("delete from sessions where id_hash = $1 returning person_id, account_id, staff_id, kind, expires_at")
            .bind(crypto::sha256(secret.as_bytes()).as_slice())
            .fetch_optional(&mut *conn)
            .await?;
    let Some((person, account, staff, kind, expires_at)) = row else { return Ok(()) };
    match Subject::of(person, account, staff) {
        Some(subject) if expires_at > clock.now() && kind != Kind::Half => note(conn, clock, subject, "logged_out", kind).await,
        Some(_) | None => Ok(()),
    }
}

/// Writes what became of a session into the audit log, in the transaction that made it so.
async fn note(conn: &mut PgConnection, clock: &dyn Clock, subject: Subject, what: &str, kind: Kind) -> sqlx::Result<()> {
    let (actor, account, whose, id) = match subject {
        Subject::Person { person, account } => (Actor::Person(person), Some(account), "person", person.to_string()),
        Subject::Staff(staff) => (Actor::Staff(staff), None, "staff", staff.to_string()),
    };
    audit::record(conn, clock, actor, account, &format!("{whose}.{what}"), &id, json!({ "kind": kind })).await
}

/// A session on the list of who has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Listed {
    /// Names it; no secret.
    pub id: uuid::Uuid,
    /// How it is carried.
    pub kind: Kind,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to within ten minutes.
    pub last_seen_at: DateTime<Utc>,
    /// What the browser or program called itself.
    pub user_agent: String,
    /// From where it was begun.
    pub network: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The sessions of a person that go on, the newest first. `current` is the secret of the one that asks.
pub async fn list(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, current: &str) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as(
        "select id, kind, created_at, last_seen_at, user_agent, network, id_hash = $3 as current from sessions
         where person_id = $1 and kind <> 'half' and expires_at > $2 order by last_seen_at desc, id",
    )
    .bind(person)
    .bind(clock.now())
    .bind(crypto::sha256(current.as_bytes()).as_slice())
    .fetch_all(conn)
    .await
}

/// Ends one of a person's sessions by its name on the list. Whether there was one.
pub async fn end_one(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, id: uuid::Uuid) -> sqlx::Result<bool> {
    let row: Option<(Option<AccountId>, Kind)> =
        sqlx::query_as("delete from sessions where id = $1 and person_id = $2 returning account_id, kind")
            .bind(id)
            .bind(person)
            .fetch_optional(&mut *conn)
            .await?;
    let Some((Some(account), kind)) = row else { return Ok(false) };
    note(conn, clock, Subject::Person { person, account }, "session_ended", kind).await?;
    Ok(true)
}

/// Ends all sessions of a person but the one with this secret. Returns how many.
pub async fn end_others(conn: &mut PgConnection, person: PersonId, kept: &str) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from sessions where person_id = $1 and id_hash <> $2")
        .bind(person)
        .bind(crypto::sha256(kept.as_bytes()).as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// Ends all sessions of a person. What made that necessary is what the audit log has.
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
