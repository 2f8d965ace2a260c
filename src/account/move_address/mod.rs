//! Another address to log in with. The owners of both addresses have to agree, in either order: whoever has an open browser can't take an
//! account away, and nobody gets an address that is not theirs.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::email::EmailAddress;
use super::link::Purpose;
use super::{AccountError, Person, record};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::crypto;
use crate::db::violates;
use crate::ids::PersonId;
use crate::mail::{self, Notice};

/// Changes that a person may ask for in a day: each sends a mail to an address that they name.
pub const ASKED_A_DAY: i64 = 5;

/// A change that both have not agreed to yet.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Change {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub person: PersonId,
    /// The address that is to be.
    pub email: String,
    /// When the owner of the present address agreed.
    pub old_confirmed_at: Option<DateTime<Utc>>,
    /// When the owner of the new one did.
    pub new_confirmed_at: Option<DateTime<Utc>>,
}

/// Which of the two addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The present one.
    Old,
    /// The one that is to be.
    New,
}

/// What became of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreed {
    /// The other address has to agree too.
    Waits,
    /// Both have: the address is changed.
    Changed,
}

/// Asks both addresses. Whether somebody else has the new one is not said: its owner is told that they have an account instead.
/// `false`: a mail can't be sent there now, as [`mail::asked_key`] has it, or the person has asked for [`ASKED_A_DAY`] changes today.
pub async fn ask(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: &Person,
    email: &EmailAddress,
) -> Result<bool, AccountError> {
    if store::count(conn, person.id, clock.now() - TimeDelta::days(1)).await? >= ASKED_A_DAY {
        return Ok(false);
    }
    let Some(key) = mail::asked_key(conn, clock, &email.canonical()).await? else { return Ok(false) };
    let id = uuid::Builder::from_random_bytes(crypto::random()).into_uuid();
    let until = clock.now() + Purpose::TakeAddress.lifetime();
    store::put(conn, clock, id, person.id, email, until).await?;
    let taken = super::store::find_person_by_email(conn, email).await?.is_some_and(|other| other.id != person.id);
    let to_new = if taken { Notice::AlreadyRegistered {} } else { Notice::ChangeAddressNew { token: id, until } };
    mail::owe(conn, clock, &email.smtp(), &person.locale, &to_new, Some(&key)).await?;
    let to_old = Notice::ChangeAddressOld { token: id, address: email.display(), until };
    mail::owe(conn, clock, &person.email, &person.locale, &to_old, Some(&format!("change-address:{id}"))).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.address_change_asked").await?;
    Ok(true)
}

/// The change that a link names, if it is open and this side has not agreed yet.
pub async fn look(conn: &mut PgConnection, clock: &dyn Clock, id: Uuid, side: Side) -> Result<Change, AccountError> {
    let change = store::find(conn, clock, id).await?.ok_or(AccountError::Link)?;
    let agreed = match side {
        Side::Old => change.old_confirmed_at,
        Side::New => change.new_confirmed_at,
    };
    if agreed.is_some() { Err(AccountError::Link) } else { Ok(change) }
}

/// The owner of one address agrees. With the other's it is changed: all devices are strange again, links that were sent to the old
/// address are used up, and both addresses are told.
pub async fn agree(conn: &mut PgConnection, clock: &dyn Clock, id: Uuid, side: Side) -> Result<Agreed, AccountError> {
    let change = look(conn, clock, id, side).await?;
    let before = super::find_person(conn, change.person).await?.ok_or(AccountError::Link)?;
    store::confirm(conn, clock, id, side).await?;
    let other = match side {
        Side::Old => change.new_confirmed_at,
        Side::New => change.old_confirmed_at,
    };
    if other.is_none() {
        return Ok(Agreed::Waits);
    }
    let email = EmailAddress::parse(&change.email).map_err(|_| AccountError::Link)?;
    store::set_email(conn, change.person, &email).await.map_err(|error| {
        // Somebody has signed up with it meanwhile.
        if violates(&error, "people_email_canonical_key") { AccountError::Link } else { error.into() }
    })?;
    store::done(conn, id).await?;
    super::link::use_up(conn, clock, change.person).await?;
    super::store::set_verified(conn, clock, change.person).await?;
    super::device::forget_all(conn, change.person).await?;
    let notice = Notice::AddressChanged { address: email.display(), at: clock.now() };
    for (to, which) in [(before.email.as_str(), "old"), (&change.email, "new")] {
        mail::owe(conn, clock, to, &before.locale, &notice, Some(&format!("address-changed:{id}:{which}"))).await?;
    }
    record(conn, clock, Actor::Person(change.person), change.person, "person.address_changed").await?;
    Ok(Agreed::Changed)
}

/// Forgets changes that are a month past. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now() - TimeDelta::days(30)).await
}
