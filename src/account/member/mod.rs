//! Accounts of several people: who is a member, who is asked to become one, who owns the account, and who takes it over when its owner is
//! gone.
//!
//! Every change is told by mail to those whom it concerns, so that nobody loses an account without knowing.

mod contact;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use contact::{TAKE_OVER_AFTER, ask_take_over, dismiss, finish_take_over, nominate, second_contact, stop_take_over};

use super::email::EmailAddress;
use super::link::Purpose;
use super::password::PasswordHash;
use super::{Person, Role};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{AccountId, InvitationId, PersonId};
use crate::mail::{self, Notice};

/// Invitations that an account may send in a day: enough for a team, too few for whoever wants to write to strangers.
pub const INVITED_A_DAY: i64 = 20;
/// What is written for each.
const INVITED: &str = "member.invited";

/// Somebody who acts for an account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// Their address.
    pub email: String,
    /// Language of their mails.
    pub locale: String,
    /// When the address was proven.
    pub verified_at: Option<DateTime<Utc>>,
    /// As what.
    pub role: Role,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Somebody who was asked to join and may still do so.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// What they may join.
    pub account_id: AccountId,
    /// What that is called.
    pub account_name: String,
    /// Who may.
    pub email: String,
    /// As what.
    pub role: Role,
    /// Address of who asked.
    pub invited_by: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl Invitation {
    /// Whether it is for whoever owns this address.
    pub fn is_for(&self, email: &str) -> bool {
        let canonical = |text: &str| EmailAddress::parse(text).ok().map(|address| address.canonical());
        canonical(email).is_some_and(|address| Some(address) == canonical(&self.email))
    }
}

/// Who speaks for an account when its owner does not.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SecondContact {
    /// Who.
    pub person: PersonId,
    /// Their address.
    pub email: String,
    /// Since when.
    pub nominated_at: DateTime<Utc>,
    /// From when on they may take over, once they have asked to.
    pub take_over_due: Option<DateTime<Utc>>,
}

/// What could not be done with members.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nobody, or nothing, of that name in this account.
    #[error("there is no such member or invitation")]
    Missing,
    /// The link is not one of ours, was used, withdrawn, or is too old; or it is somebody else's.
    #[error("the invitation is not valid, or no longer")]
    Link,
    /// They are a member already.
    #[error("they are a member already")]
    Already,
    /// There is one owner, who hands the account over before anything else.
    #[error("the owner's role can't be given or taken this way")]
    Owner,
    /// Whoever is to own an account must have proven their address.
    #[error("their address is not proven")]
    Unproven,
    /// As many invitations as there may be in a day.
    #[error("too many invitations in a day")]
    TooMany,
    /// The caller is not the second contact.
    #[error("somebody else is the second contact, or nobody")]
    NotTheContact,
    /// The time has not passed yet, or nobody has asked.
    #[error("the time for taking over has not come")]
    NotDue,
    /// The database.
    #[error("the members could not be read or written")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for MemberError {
    fn from(error: sqlx::Error) -> Self {
        // A write that had to change one row and found none: it named nobody.
        if matches!(error, sqlx::Error::RowNotFound) { Self::Missing } else { Self::Database(error) }
    }
}

/// The members, the owner first.
pub async fn list(conn: &mut PgConnection, account: AccountId) -> Result<Vec<Member>, MemberError> {
    Ok(store::list(conn, account).await?)
}

/// The accounts that somebody may act for, the oldest membership first.
pub async fn accounts_of(conn: &mut PgConnection, person: PersonId) -> Result<Vec<(AccountId, String, Role)>, MemberError> {
    Ok(store::accounts_of(conn, person).await?)
}

/// Invitations that may still be accepted, the oldest first.
pub async fn open_invitations(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
) -> Result<Vec<Invitation>, MemberError> {
    Ok(store::open_invitations(conn, clock, account).await?)
}

async fn member(conn: &mut PgConnection, account: AccountId, person: PersonId) -> Result<Member, MemberError> {
    store::list(conn, account).await?.into_iter().find(|member| member.person == person).ok_or(MemberError::Missing)
}

async fn note(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    action: &str,
    (subject, detail): (String, serde_json::Value),
) -> Result<(), MemberError> {
    Ok(audit::record(conn, clock, actor, Some(account), action, &subject, detail).await?)
}

/// Asks the owner of an address to join, by a mail with a link that is good for a week. An older invitation of the same address ends.
/// Whether the address is known here is not said, and makes no difference.
pub async fn invite(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    inviter: &Person,
    account: AccountId,
    email: &EmailAddress,
    role: Role,
) -> Result<InvitationId, MemberError> {
    if role == Role::Owner {
        return Err(MemberError::Owner);
    }
    let is_theirs = |member: &Member| EmailAddress::parse(&member.email).is_ok_and(|one| one.canonical() == email.canonical());
    if store::list(conn, account).await?.iter().any(is_theirs) {
        return Err(MemberError::Already);
    }
    if audit::count(conn, account, INVITED, clock.now() - TimeDelta::days(1)).await? >= INVITED_A_DAY {
        return Err(MemberError::TooMany);
    }
    store::withdraw_for(conn, account, email).await?;
    let (id, until) = (InvitationId::new(), clock.now() + Purpose::Join.lifetime());
    store::insert_invitation(conn, clock, (id, account), email, role, inviter.id, until).await?;
    let account_name = super::account_name(conn, account).await?.unwrap_or_default();
    let notice = Notice::Invitation { token: id.uuid(), account: account_name, by: inviter.email.clone(), until };
    // Nothing is known of the address, not even a language: the inviter's.
    mail::owe(conn, clock, &email.smtp(), &inviter.locale, &notice, Some(&format!("invitation:{id}"))).await?;
    let told = json!({ "email": email.masked(), "role": role });
    note(conn, clock, Actor::Person(inviter.id), account, INVITED, (id.to_string(), told)).await?;
    Ok(id)
}

/// Takes an open invitation back.
pub async fn withdraw(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    id: InvitationId,
) -> Result<(), MemberError> {
    store::end_invitation(conn, clock, (id, account), "withdrawn").await?;
    note(conn, clock, actor, account, "member.invitation_withdrawn", (id.to_string(), json!({}))).await
}

/// The invitation that a link names, if it may still be accepted. Changes nothing.
pub async fn look(conn: &mut PgConnection, clock: &dyn Clock, id: InvitationId) -> Result<Invitation, MemberError> {
    store::find_invitation(conn, clock, id).await?.ok_or(MemberError::Link)
}

/// Who signs in with the address of an invitation, if anybody does.
pub async fn invited_person(conn: &mut PgConnection, invitation: &Invitation) -> Result<Option<Person>, MemberError> {
    let Ok(email) = EmailAddress::parse(&invitation.email) else { return Ok(None) };
    Ok(super::store::find_person_by_email(conn, &email).await?)
}

/// Joins an account. Only whoever the invitation was sent to; the owner is told. Somebody who is a member already stays what they are.
pub async fn accept(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    invitation: &Invitation,
    person: &Person,
) -> Result<(), MemberError> {
    if !invitation.is_for(&person.email) {
        return Err(MemberError::Link);
    }
    let account = invitation.account_id;
    match store::end_invitation(conn, clock, (invitation.id, account), "accepted").await {
        Ok(()) => {}
        Err(sqlx::Error::RowNotFound) => return Err(MemberError::Link),
        Err(error) => return Err(error.into()),
    }
    // Who follows a link in a mail has shown whose the address is.
    if person.verified_at.is_none() {
        super::store::set_verified(conn, clock, person.id).await?;
    }
    if super::role_in(conn, person.id, account).await?.is_some() {
        return Ok(());
    }
    super::store::insert_member(conn, clock, account, person.id, invitation.role).await?;
    let told = (person.id.to_string(), json!({ "role": invitation.role, "invitation": invitation.id }));
    note(conn, clock, Actor::Person(person.id), account, "member.joined", told).await?;
    let members = store::list(conn, account).await?;
    for owner in members.iter().filter(|member| member.role == Role::Owner) {
        let notice = Notice::MemberJoined { account: invitation.account_name.clone(), member: person.email.clone() };
        let key = format!("member-joined:{}:{}", invitation.id, owner.person);
        mail::owe(conn, clock, &owner.email, &owner.locale, &notice, Some(&key)).await?;
    }
    Ok(())
}

/// Joins an account as somebody who is new here: a person with the address of the invitation, which its mail has proven.
pub async fn accept_anew(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    invitation: &Invitation,
    hash: &PasswordHash,
    locale: &str,
) -> Result<PersonId, MemberError> {
    let email = EmailAddress::parse(&invitation.email).map_err(|_| MemberError::Link)?;
    let id = PersonId::new();
    super::store::insert_person(conn, clock, id, &email, hash, locale).await.map_err(|error| {
        // Signed up meanwhile: the page that follows asks them to log in.
        if crate::db::violates(&error, "people_email_canonical_key") { MemberError::Link } else { error.into() }
    })?;
    let person = super::find_person(conn, id).await?.ok_or(MemberError::Link)?;
    accept(conn, clock, invitation, &person).await?;
    Ok(id)
}

/// Gives a member another role. Nobody becomes owner this way, and the owner nothing else.
pub async fn set_role(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    person: PersonId,
    role: Role,
) -> Result<(), MemberError> {
    let before = member(conn, account, person).await?;
    if role == Role::Owner || before.role == Role::Owner {
        return Err(MemberError::Owner);
    }
    if before.role == role {
        return Ok(());
    }
    store::set_role(conn, account, person, role).await?;
    let told = json!({ "from": before.role, "to": role });
    note(conn, clock, actor, account, "member.role", (person.to_string(), told)).await
}

/// Takes somebody out of an account, or lets them go: their sessions in it end, and they are told. Whoever then belongs to no account
/// gets one of their own, as at sign-up: signing in always leads somewhere.
pub async fn remove(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    person: PersonId,
) -> Result<(), MemberError> {
    let gone = member(conn, account, person).await?;
    if gone.role == Role::Owner {
        return Err(MemberError::Owner);
    }
    store::remove(conn, account, person).await?;
    let action = if actor == Actor::Person(person) { "member.left" } else { "member.removed" };
    note(conn, clock, actor, account, action, (person.to_string(), json!({ "role": gone.role }))).await?;
    if super::membership(conn, person).await.map_err(of_account)?.is_none() {
        let own = AccountId::new();
        super::store::insert_account(conn, clock, own, &gone.email).await?;
        super::store::insert_member(conn, clock, own, person, Role::Owner).await?;
        note(conn, clock, Actor::System("members"), own, "account.opened", (own.to_string(), json!({}))).await?;
    }
    let name = super::account_name(conn, account).await?.unwrap_or_default();
    let notice = Notice::MembershipEnded { account: name, at: clock.now() };
    mail::owe(conn, clock, &gone.email, &gone.locale, &notice, None).await?;
    Ok(())
}

fn of_account(error: super::AccountError) -> MemberError {
    match error {
        super::AccountError::Link => MemberError::Link,
        super::AccountError::Database(error) => MemberError::Database(error),
    }
}

/// Makes another member the owner; the owner becomes an admin. All members are told.
pub async fn hand_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    account: AccountId,
    to: PersonId,
) -> Result<(), MemberError> {
    let heir = member(conn, account, to).await?;
    if heir.role == Role::Owner {
        return Err(MemberError::Owner);
    }
    if heir.verified_at.is_none() {
        return Err(MemberError::Unproven);
    }
    // The new owner needs nobody to speak for them but whom they nominate.
    store::delete_contact(conn, account).await?;
    store::demote_owner(conn, account).await?;
    store::promote_to_owner(conn, account, to).await?;
    note(conn, clock, actor, account, "account.handed_over", (to.to_string(), json!({ "was": heir.role }))).await?;
    let name = super::account_name(conn, account).await?.unwrap_or_default();
    let notice = Notice::OwnerChanged { account: name, owner: heir.email, at: clock.now() };
    tell_all(conn, clock, account, &notice).await
}

/// Owes every member of an account the same mail.
async fn tell_all(conn: &mut PgConnection, clock: &dyn Clock, account: AccountId, notice: &Notice) -> Result<(), MemberError> {
    for member in store::list(conn, account).await? {
        mail::owe(conn, clock, &member.email, &member.locale, notice, None).await?;
    }
    Ok(())
}
