//! Customers, the people who sign in for them, and the host's staff.
//!
//! Signing up, proving an address, signing in and out, and choosing a new password. Whatever depends on whether an address is
//! known ends in the same page: what differs is the mail that its owner gets.

pub mod access;
pub mod approval;
pub mod attempt;
pub mod call;
pub mod device;
pub mod email;
pub mod factor;
pub mod hook;
pub mod link;
pub mod member;
pub mod move_address;
pub mod passkey;
pub mod password;
pub mod session;
mod store;
pub mod token;

use serde_json::json;
use sqlx::PgConnection;

pub use store::{
    Person, StaffMember, account_name, account_names, find_admitted_staff, find_person, find_staff, list_members, staff_emails,
    staff_names,
};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::violates;
use crate::ids::{AccountId, PersonId, StaffId};
use crate::mail::{self, Notice};
use email::EmailAddress;
use factor::FactorError;
use link::Purpose;
use password::PasswordHash;

/// What a person may do in an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Pays and sees what is paid for.
    Billing,
    /// Everything but the account itself.
    Admin,
    /// Everything.
    Owner,
}

/// What a member of staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Sees customers and their servers.
    Support,
    /// Sees and moves money.
    Billing,
    /// Clusters, jobs, releases.
    Operations,
    /// Everything, and other staff.
    Admin,
}

impl Scope {
    /// Whether who holds this may do what asks for `wanted`: admin has all, and everybody sees what support sees.
    pub fn includes(self, wanted: Self) -> bool {
        self == wanted || self == Self::Admin || wanted == Self::Support
    }
}

/// What of an account could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The link is not one of ours, was used, or is too old. The three are not told apart.
    #[error("the link is not valid, or no longer")]
    Link,
    /// The database.
    #[error("the account could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Signs somebody up: a person, an account that they own, and a mail with a link that proves the address. Somebody who is known
/// already gets a mail that says so, and nothing changes; the caller shows the same page either way.
pub async fn sign_up(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    email: &EmailAddress,
    hash: &PasswordHash,
    locale: &str,
) -> Result<(), AccountError> {
    let (person, account) = (PersonId::new(), AccountId::new());
    if let Err(error) = store::insert_person(conn, clock, person, email, hash, locale).await {
        if !violates(&error, "people_email_canonical_key") {
            return Err(error.into());
        }
        if let Some(key) = mail::asked_key(conn, clock, &email.canonical()).await? {
            mail::owe(conn, clock, &email.smtp(), locale, &Notice::AlreadyRegistered {}, Some(&key)).await?;
        }
        return Ok(());
    }
    store::insert_account(conn, clock, account, &email.smtp()).await?;
    store::insert_member(conn, clock, account, person, Role::Owner).await?;
    // This one is sent in any case: it comes once, and whoever else asked for mails to the address must not keep it from its owner.
    let key = mail::asked_key(conn, clock, &email.canonical()).await?;
    owe_verification(conn, clock, person, email, locale, key).await?;
    audit::record(conn, clock, Actor::Person(person), Some(account), "account.signed_up", &account.to_string(), json!({}))
        .await?;
    Ok(())
}

/// Who sends a form of somebody who is not signed in: nobody knows.
pub const VISITOR: Actor = Actor::System("visitor");

/// Sends the verification link again, if `email` is known and not proven yet, and as often as [`mail::asked_key`] lets it; otherwise does
/// nothing.
pub async fn resend_verification(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    email: &EmailAddress,
) -> Result<(), AccountError> {
    let Some(person) = store::find_person_by_email(conn, email).await? else { return Ok(()) };
    if person.verified_at.is_some() {
        return Ok(());
    }
    let Some(key) = mail::asked_key(conn, clock, &email.canonical()).await? else { return Ok(()) };
    owe_verification(conn, clock, person.id, email, &person.locale, Some(key)).await?;
    record(conn, clock, actor, person.id, "person.verification_asked").await
}

/// Writes into the audit log what was done to a person.
async fn record(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    person: PersonId,
    action: &str,
) -> Result<(), AccountError> {
    let account = store::first_account(conn, person).await?;
    Ok(audit::record(conn, clock, actor, account, action, &person.to_string(), json!({})).await?)
}

async fn owe_verification(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    email: &EmailAddress,
    locale: &str,
    key: Option<String>,
) -> Result<(), AccountError> {
    let (token, until) = link::create(conn, clock, person, Purpose::Verify).await?;
    let key = key.unwrap_or_else(|| format!("verify:{token}"));
    mail::owe(conn, clock, &email.smtp(), locale, &Notice::VerifyAddress { token, until }, Some(&key)).await?;
    Ok(())
}

/// Whom a link was made for and whether it can still be used; `None` for one that was never made. Changes nothing.
pub async fn look_at_link(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    token: uuid::Uuid,
    purpose: Purpose,
) -> Result<Option<(Person, bool)>, AccountError> {
    let Some((id, usable)) = link::look(conn, clock, token, purpose).await? else { return Ok(None) };
    Ok(store::find_person(conn, id).await?.map(|person| (person, usable)))
}

/// Takes a verification link: the address is proven. Returns who it was.
pub async fn verify(conn: &mut PgConnection, clock: &dyn Clock, token: uuid::Uuid) -> Result<PersonId, AccountError> {
    let person = link::take(conn, clock, token, Purpose::Verify).await?.ok_or(AccountError::Link)?;
    prove(conn, clock, person).await?;
    Ok(person)
}

/// Somebody followed a link in a mail to their address, whatever the link was for: the address is theirs.
async fn prove(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId) -> Result<(), AccountError> {
    if store::set_verified(conn, clock, person).await? {
        record(conn, clock, Actor::Person(person), person, "person.verified").await?;
    }
    Ok(())
}

/// Answers "I forgot my password": a link to those we know, a friendly note to those we don't, so that nobody waits in vain.
/// As often as [`mail::asked_key`] lets it.
pub async fn request_reset(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    email: &EmailAddress,
    locale: &str,
) -> Result<(), AccountError> {
    let Some(key) = mail::asked_key(conn, clock, &email.canonical()).await? else { return Ok(()) };
    let Some(person) = store::find_person_by_email(conn, email).await? else {
        mail::owe(conn, clock, &email.smtp(), locale, &Notice::ResetUnknown {}, Some(&key)).await?;
        return Ok(());
    };
    let (token, until) = link::create(conn, clock, person.id, Purpose::Reset).await?;
    mail::owe(conn, clock, &person.email, &person.locale, &Notice::ResetPassword { token, until }, Some(&key)).await?;
    record(conn, clock, VISITOR, person.id, "person.reset_asked").await
}

/// Takes a reset link and sets the new password. Every session and token of the person ends, and they are told by mail. Following the
/// link also proves the address. A second factor stays what it was: the log-in that follows asks for it.
pub async fn reset_password(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    token: uuid::Uuid,
    hash: &PasswordHash,
) -> Result<PersonId, AccountError> {
    let id = link::take(conn, clock, token, Purpose::Reset).await?.ok_or(AccountError::Link)?;
    store::set_password(conn, id, hash).await?;
    prove(conn, clock, id).await?;
    session::end_all(conn, id).await?;
    device::forget_all(conn, id).await?;
    token::revoke_all(conn, id).await?;
    if let Some(person) = store::find_person(conn, id).await? {
        let notice = Notice::PasswordChanged { at: clock.now() };
        mail::owe(conn, clock, &person.email, &person.locale, &notice, Some(&format!("password-changed:{token}"))).await?;
    }
    record(conn, clock, Actor::Person(id), id, "person.password_reset").await?;
    Ok(id)
}

/// Sets another password for somebody who knows the present one. All sessions but the one that is kept end, and they are told by mail.
pub async fn change_password(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: &Person,
    hash: &PasswordHash,
    kept: &str,
) -> Result<(), AccountError> {
    store::set_password(conn, person.id, hash).await?;
    session::end_others(conn, person.id, kept).await?;
    link::use_up(conn, clock, person.id).await?;
    let notice = Notice::PasswordChanged { at: clock.now() };
    mail::owe(conn, clock, &person.email, &person.locale, &notice, None).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.password_changed").await
}

/// From now on somebody reads pages and mails in another language.
pub async fn set_locale(conn: &mut PgConnection, clock: &dyn Clock, person: &Person, locale: &str) -> Result<(), AccountError> {
    store::set_locale(conn, person.id, locale).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.locale").await
}

/// Who signs in with this address and what their password must match; `None` for unknown addresses (the caller then checks
/// against [`PasswordHash::nobody`], so that it takes as long). One question, whether the address is known or not.
pub async fn credentials(conn: &mut PgConnection, email: &EmailAddress) -> Result<Option<(Person, PasswordHash)>, AccountError> {
    Ok(store::find_credentials(conn, email).await?)
}

/// The account that `person` acts for after a log-in, and as what: the first that they were a member of.
pub async fn membership(conn: &mut PgConnection, person: PersonId) -> Result<Option<(AccountId, Role)>, AccountError> {
    Ok(store::first_membership(conn, person).await?)
}

/// What `person` may do in an account; `None` where they are no member.
pub async fn role_in(conn: &mut PgConnection, person: PersonId, account: AccountId) -> sqlx::Result<Option<Role>> {
    store::find_role(conn, person, account).await
}

/// The same for staff as [`credentials`].
pub async fn staff_credentials(
    conn: &mut PgConnection,
    email: &EmailAddress,
) -> Result<Option<(StaffMember, PasswordHash)>, AccountError> {
    Ok(store::find_staff_by_email(conn, email).await?)
}

/// Adds a member of staff, or sets a known one's password and scopes. For `paddock admin`, as the log-in user.
pub async fn put_staff(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    email: &EmailAddress,
    hash: &PasswordHash,
    scopes: &[Scope],
) -> Result<StaffId, AccountError> {
    let id = store::upsert_staff(conn, clock, email, hash, scopes).await?;
    session::end_all_of_staff(conn, id).await?;
    audit::record(conn, clock, Actor::System("admin"), None, "staff.put", &id.to_string(), json!({ "scopes": scopes })).await?;
    Ok(id)
}

/// Forgets the second factor of a member of staff, for whoever has lost it: all their sessions end, and with their next log-in they set up
/// another. They are told by mail. For `paddock admin`, as the log-in user.
pub async fn forget_staff_factor(conn: &mut PgConnection, clock: &dyn Clock, email: &EmailAddress) -> Result<(), FactorError> {
    let (member, _) = store::find_staff_by_email(conn, email).await?.ok_or(FactorError::None)?;
    session::end_all_of_staff(conn, member.id).await?;
    factor::forget(conn, clock, &member).await
}
