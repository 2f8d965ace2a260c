//! The second contact: a member whom the owner nominates, and who can take the account over when the owner does not answer any more.
//!
//! Taking over has a lock of time. Asking for it is told to all members at once; the owner has [`TAKE_OVER_AFTER`] to stop it with one
//! button; only then, and only if the contact asks again, the account changes hands.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{MemberError, SecondContact, hand_over, member, note, store, tell_all};
use crate::account::{Role, account_name};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::ids::{AccountId, PersonId};
use crate::mail::{self, Notice};

/// From the day that a second contact asks to take over until they may.
pub const TAKE_OVER_AFTER: TimeDelta = TimeDelta::days(14);

/// The second contact of an account, if its owner has nominated one.
pub async fn second_contact(conn: &mut PgConnection, account: AccountId) -> Result<Option<SecondContact>, MemberError> {
    Ok(store::find_contact(conn, account).await?)
}

/// Nominates a member, who is told. One that was there before is none any more, and what they had asked for ends.
pub async fn nominate(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    person: PersonId,
) -> Result<(), MemberError> {
    let chosen = member(conn, account, person).await?;
    if chosen.role == Role::Owner {
        return Err(MemberError::Owner);
    }
    if chosen.verified_at.is_none() {
        return Err(MemberError::Unproven);
    }
    if store::find_contact(conn, account).await?.is_some_and(|before| before.person == person && before.take_over_due.is_none()) {
        return Ok(());
    }
    store::put_contact(conn, clock, account, person).await?;
    note(conn, clock, actor, account, "contact.nominated", (person.to_string(), json!({}))).await?;
    let notice = Notice::SecondContact { account: account_name(conn, account).await?.unwrap_or_default() };
    mail::owe(conn, clock, &chosen.email, &chosen.locale, &notice, None).await?;
    Ok(())
}

/// The account has no second contact any more, and what they had asked for ends.
pub async fn dismiss(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, account: AccountId) -> Result<(), MemberError> {
    let Some(before) = store::find_contact(conn, account).await? else { return Ok(()) };
    if store::delete_contact(conn, account).await? {
        note(conn, clock, actor, account, "contact.dismissed", (before.person.to_string(), json!({}))).await?;
    }
    Ok(())
}

/// The second contact asks to take over. All members are told, with the day from which it can be done; asked twice it is asked once.
pub async fn ask_take_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
) -> Result<DateTime<Utc>, MemberError> {
    let contact = store::find_contact(conn, account).await?.filter(|contact| contact.person == person);
    let contact = contact.ok_or(MemberError::NotTheContact)?;
    if let Some(due) = contact.take_over_due {
        return Ok(due);
    }
    let due = clock.now() + TAKE_OVER_AFTER;
    if !store::ask_take_over(conn, account, person, due).await? {
        return Err(MemberError::NotTheContact);
    }
    let actor = Actor::Person(person);
    note(conn, clock, actor, account, "contact.take_over_asked", (person.to_string(), json!({ "due": due }))).await?;
    let name = account_name(conn, account).await?.unwrap_or_default();
    tell_all(conn, clock, account, &Notice::TakeOverAsked { account: name, contact: contact.email, due }).await?;
    Ok(due)
}

/// The owner is there after all. The second contact stays one; all members are told.
pub async fn stop_take_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
) -> Result<(), MemberError> {
    if !store::stop_take_over(conn, account).await? {
        return Ok(());
    }
    note(conn, clock, actor, account, "contact.take_over_stopped", (account.to_string(), json!({}))).await?;
    let name = account_name(conn, account).await?.unwrap_or_default();
    tell_all(conn, clock, account, &Notice::TakeOverStopped { account: name }).await
}

/// The time has passed and nobody has stopped it: the second contact becomes the owner. All members are told, the former owner too.
pub async fn finish_take_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
) -> Result<(), MemberError> {
    if !store::finish_take_over(conn, clock, account, person).await? {
        let contact = store::find_contact(conn, account).await?;
        return Err(match contact {
            Some(contact) if contact.person == person => MemberError::NotDue,
            Some(_) | None => MemberError::NotTheContact,
        });
    }
    hand_over(conn, clock, Actor::Person(person), account, person).await
}
