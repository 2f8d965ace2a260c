//! Break-glass: one of the staff looks into a customer's account as its members see it. For that they get a session of its own kind, with a
//! reason and a ticket, for half an hour at the most, which reads and does nothing else unless the customer lets them change things too.
//!
//! Owner and admins of the account are told by mail, see in their log what was looked at, and end it when they like.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use store::list;

use super::{Person, StaffMember, store as accounts};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto;
use crate::ids::{AccessId, AccountId, PersonId, StaffId};
use crate::mail::{self, Notice};

/// The longest that one lasts.
pub const LONGEST: TimeDelta = TimeDelta::minutes(30);
/// Minutes that may be asked for.
const MINUTES: std::ops::RangeInclusive<i64> = 5..=30;
/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 10..=500;
/// Characters of a ticket.
const TICKET: std::ops::RangeInclusive<usize> = 1..=60;

/// A look into an account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Access {
    /// Which.
    pub id: AccessId,
    /// Who looks.
    #[sqlx(rename = "staff_id")]
    pub staff: StaffId,
    /// Into what.
    #[sqlx(rename = "account_id")]
    pub account: AccountId,
    /// Why.
    pub reason: String,
    /// What it is about.
    pub ticket: String,
    /// Since when.
    pub began_at: DateTime<Utc>,
    /// Until when at the most.
    pub ends_at: DateTime<Utc>,
    /// When it was ended before that.
    pub ended_at: Option<DateTime<Utc>>,
    /// Since when they may change things too.
    pub changes_at: Option<DateTime<Utc>>,
}

impl Access {
    /// Whether it goes on.
    pub fn goes_on(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.ends_at
    }

    /// Whether they may change things.
    pub fn may_change(&self) -> bool {
        self.changes_at.is_some()
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Into what.
    pub account: AccountId,
    /// Why.
    pub reason: &'a str,
    /// What it is about.
    pub ticket: &'a str,
    /// For how many minutes.
    pub minutes: i64,
}

/// What can't be done.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is no such account, or nobody owns it.
    #[error("there is no such account")]
    NoAccount,
    /// The reason says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// No ticket.
    #[error("a ticket has between {} and {} characters", TICKET.start(), TICKET.end())]
    Ticket,
    /// Too short or too long.
    #[error("a look lasts between {} and {} minutes", MINUTES.start(), MINUTES.end())]
    Minutes,
    /// There is none that goes on.
    #[error("no such look goes on")]
    Over,
    /// The database.
    #[error("the looks into accounts could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl AccessError {
    /// The field that is wrong with the key of the words that say so; nothing for what is no fault of a form.
    pub fn field(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Reason => Some(("reason", "access-reason-length")),
            Self::Ticket => Some(("ticket", "access-ticket-missing")),
            Self::Minutes => Some(("minutes", "access-minutes-wrong")),
            Self::NoAccount | Self::Over | Self::Database(_) => None,
        }
    }
}

/// Who ends one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Who looked.
    Staff(StaffId),
    /// One of those who were looked at.
    Person(PersonId),
}

/// Begins one. Returns the secret of the session. The account's owner and admins are told.
///
/// Takes a transaction that may change the accesses of that account (`Db::begin_members`).
pub async fn begin(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: &StaffMember,
    wanted: Wanted<'_>,
) -> Result<(AccessId, String), AccessError> {
    let Wanted { account, reason, ticket, minutes } = wanted;
    let (reason, ticket) = (reason.trim(), ticket.trim());
    if !REASON.contains(&reason.chars().count()) {
        return Err(AccessError::Reason);
    }
    if !TICKET.contains(&ticket.chars().count()) {
        return Err(AccessError::Ticket);
    }
    if !MINUTES.contains(&minutes) {
        return Err(AccessError::Minutes);
    }
    let name = accounts::account_name(conn, account).await?.ok_or(AccessError::NoAccount)?;
    let now = clock.now();
    let secret = crypto::to_base64(&crypto::random::<32>());
    let access = Access {
        id: AccessId::new(),
        staff: staff.id,
        account,
        reason: reason.to_owned(),
        ticket: ticket.to_owned(),
        began_at: now,
        ends_at: now + TimeDelta::minutes(minutes).min(LONGEST),
        ended_at: None,
        changes_at: None,
    };
    store::insert(conn, &access, &crypto::sha256(secret.as_bytes())).await?;
    let detail = json!({ "reason": reason, "ticket": ticket, "until": access.ends_at });
    record(conn, clock, Actor::Staff(staff.id), &access, "access.begun", detail).await?;
    for Person { id: _, email, locale, verified_at: _ } in store::leaders(conn, account).await? {
        let notice = Notice::StaffAccess {
            account: name.clone(),
            reason: reason.to_owned(),
            ticket: ticket.to_owned(),
            until: access.ends_at,
        };
        let key = format!("staff-access:{}:{email}", access.id);
        mail::owe(conn, clock, &email, &locale, &notice, Some(&key)).await?;
    }
    Ok((access.id, secret))
}

/// The look that this secret belongs to, if it goes on and is this member's of the staff.
pub async fn find(conn: &mut PgConnection, clock: &dyn Clock, staff: StaffId, secret: &str) -> sqlx::Result<Option<Access>> {
    let found = store::find_by_secret(conn, staff, &crypto::sha256(secret.as_bytes())).await?;
    Ok(found.filter(|access| access.goes_on(clock.now())))
}

/// Whom the pages take for the one who acts, where they ask: the account's owner, whose view staff have.
pub async fn owner_of(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<Person>> {
    Ok(store::leaders(conn, account).await?.into_iter().next())
}

/// Notes in the account's log what was looked at, or tried.
pub async fn note(conn: &mut PgConnection, clock: &dyn Clock, access: &Access, method: &str, path: &str) -> sqlx::Result<()> {
    let detail = json!({ "method": method, "path": path });
    record(conn, clock, Actor::Staff(access.staff), access, "access.looked", detail).await
}

/// Ends one before its time, in a transaction that may change the accesses of that account (`Db::begin_members`).
pub async fn end(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    id: AccessId,
    by: EndedBy,
) -> Result<(), AccessError> {
    let access = store::end(conn, clock, account, id, by).await?.ok_or(AccessError::Over)?;
    let actor = match by {
        EndedBy::Staff(staff) => Actor::Staff(staff),
        EndedBy::Person(person) => Actor::Person(person),
    };
    Ok(record(conn, clock, actor, &access, "access.ended", json!({})).await?)
}

/// A member of the account lets whoever looks change things too, as an admin of the account does, until it ends. In a transaction that may change
/// the accesses of that account (`Db::begin_members`).
pub async fn let_change(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    id: AccessId,
    person: PersonId,
) -> Result<(), AccessError> {
    let access = store::let_change(conn, clock, account, id, person).await?.ok_or(AccessError::Over)?;
    Ok(record(conn, clock, Actor::Person(person), &access, "access.changes_allowed", json!({})).await?)
}

async fn record(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    access: &Access,
    action: &str,
    detail: serde_json::Value,
) -> sqlx::Result<()> {
    audit::record(conn, clock, actor, Some(access.account), action, &access.id.to_string(), detail).await
}
