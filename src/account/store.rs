//! SQL of people, accounts, members and staff.

use chrono::{DateTime, Utc};
use sqlx::{FromRow as _, PgConnection, Row as _};

use super::email::EmailAddress;
use super::password::PasswordHash;
use super::{Role, Scope};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, PersonId, StaffId};

/// Somebody who signs in as a customer.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// Address as they wrote it.
    pub email: String,
    /// Language of their mails.
    pub locale: String,
    /// When the address was proven.
    pub verified_at: Option<DateTime<Utc>>,
}

/// One of the host's own people.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StaffMember {
    /// Who.
    pub id: StaffId,
    /// Address.
    pub email: String,
    /// What they may do.
    pub scopes: Vec<Scope>,
}

impl StaffMember {
    /// Whether they may do what asks for `wanted`.
    pub fn may(&self, wanted: Scope) -> bool {
        self.scopes.iter().any(|held| held.includes(wanted))
    }
}

pub(super) async fn insert_person(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: PersonId,
    email: &EmailAddress,
    hash: &PasswordHash,
    locale: &str,
) -> sqlx::Result<()> {
    // A savepoint: the caller goes on in the same transaction after a violation of uniqueness.
    let mut savepoint = sqlx::Connection::begin(conn).await?;
    sqlx::query(
        "insert into people (id, email, email_canonical, password_hash, locale, created_at) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(email.smtp())
    .bind(email.canonical())
    .bind(hash.as_phc())
    .bind(locale)
    .bind(clock.now())
    .execute(&mut *savepoint)
    .await?;
    savepoint.commit().await
}

pub(super) async fn insert_account(conn: &mut PgConnection, clock: &dyn Clock, id: AccountId, name: &str) -> sqlx::Result<()> {
    sqlx::query("insert into accounts (id, name, created_at) values ($1, $2, $3)")
        .bind(id)
        .bind(name)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn insert_member(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    person: PersonId,
    role: Role,
) -> sqlx::Result<()> {
    sqlx::query("insert into members (account_id, person_id, role, created_at) values ($1, $2, $3, $4)")
        .bind(account)
        .bind(person)
        .bind(role)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(())
}

/// Somebody by id.
pub async fn find_person(conn: &mut PgConnection, id: PersonId) -> sqlx::Result<Option<Person>> {
    sqlx::query_as("select id, email, locale, verified_at from people where id = $1").bind(id).fetch_optional(conn).await
}

pub(super) async fn find_person_by_email(conn: &mut PgConnection, email: &EmailAddress) -> sqlx::Result<Option<Person>> {
    sqlx::query_as("select id, email, locale, verified_at from people where email_canonical = $1")
        .bind(email.canonical())
        .fetch_optional(conn)
        .await
}

pub(super) async fn find_credentials(
    conn: &mut PgConnection,
    email: &EmailAddress,
) -> sqlx::Result<Option<(Person, PasswordHash)>> {
    let row = sqlx::query("select id, email, locale, verified_at, password_hash from people where email_canonical = $1")
        .bind(email.canonical())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((Person::from_row(&row)?, PasswordHash::from_phc(row.try_get("password_hash")?)))).transpose()
}

pub(super) async fn set_password(conn: &mut PgConnection, id: PersonId, hash: &PasswordHash) -> sqlx::Result<()> {
    let done =
        sqlx::query("update people set password_hash = $2 where id = $1").bind(id).bind(hash.as_phc()).execute(conn).await?;
    exactly_one(&done)
}

/// Whether this was the first time.
pub(super) async fn set_verified(conn: &mut PgConnection, clock: &dyn Clock, id: PersonId) -> sqlx::Result<bool> {
    let done = sqlx::query("update people set verified_at = $2 where id = $1 and verified_at is null")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn first_membership(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Option<(AccountId, Role)>> {
    sqlx::query_as("select account_id, role from members where person_id = $1 order by created_at, account_id limit 1")
        .bind(person)
        .fetch_optional(conn)
        .await
}

pub(super) async fn find_role(conn: &mut PgConnection, person: PersonId, account: AccountId) -> sqlx::Result<Option<Role>> {
    sqlx::query_scalar("select role from members where person_id = $1 and account_id = $2")
        .bind(person)
        .bind(account)
        .fetch_optional(conn)
        .await
}

pub(super) async fn first_account(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Option<AccountId>> {
    Ok(first_membership(conn, person).await?.map(|(account, _)| account))
}

/// What an account is called.
pub async fn account_name(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("select name from accounts where id = $1").bind(account).fetch_optional(conn).await
}

/// What each of the accounts is called.
pub async fn account_names(conn: &mut PgConnection, accounts: &[AccountId]) -> sqlx::Result<Vec<(AccountId, String)>> {
    sqlx::query_as("select id, name from accounts where id = any($1)").bind(accounts).fetch_all(conn).await
}

/// The people of an account, with those who get its mails first: owners, then admins.
pub async fn list_members(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as(
        "select p.id, p.email, p.locale, p.verified_at from members m join people p on p.id = m.person_id
         where m.account_id = $1
         order by array_position(array['owner', 'admin', 'billing', 'viewer'], m.role), m.created_at, p.id",
    )
    .bind(account)
    .fetch_all(conn)
    .await
}

pub(super) async fn set_locale(conn: &mut PgConnection, id: PersonId, locale: &str) -> sqlx::Result<()> {
    exactly_one(&sqlx::query("update people set locale = $2 where id = $1").bind(id).bind(locale).execute(conn).await?)
}

/// The addresses of some of the host's people.
pub async fn staff_emails(conn: &mut PgConnection, ids: &[StaffId]) -> sqlx::Result<Vec<(StaffId, String)>> {
    sqlx::query_as("select id, email from staff where id = any($1)").bind(ids).fetch_all(conn).await
}

/// One of the host's people by id.
pub async fn find_staff(conn: &mut PgConnection, id: StaffId) -> sqlx::Result<Option<StaffMember>> {
    sqlx::query_as("select id, email, scopes from staff where id = $1").bind(id).fetch_optional(conn).await
}

/// The same for whoever asks to be let in: nobody without a second factor is.
pub async fn find_admitted_staff(conn: &mut PgConnection, id: StaffId) -> sqlx::Result<Option<StaffMember>> {
    sqlx::query_as(
        "select s.id, s.email, s.scopes from staff s join authenticators a on a.staff_id = s.id and a.confirmed_at is not null
         where s.id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// Addresses of the host's people.
pub async fn staff_names(conn: &mut PgConnection, ids: &[StaffId]) -> sqlx::Result<Vec<(StaffId, String)>> {
    sqlx::query_as("select id, email from staff where id = any($1)").bind(ids).fetch_all(conn).await
}

pub(super) async fn find_staff_by_email(
    conn: &mut PgConnection,
    email: &EmailAddress,
) -> sqlx::Result<Option<(StaffMember, PasswordHash)>> {
    let row = sqlx::query("select id, email, scopes, password_hash from staff where email_canonical = $1")
        .bind(email.canonical())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let member = StaffMember { id: row.try_get("id")?, email: row.try_get("email")?, scopes: row.try_get("scopes")? };
        Ok((member, PasswordHash::from_phc(row.try_get("password_hash")?)))
    })
    .transpose()
}

pub(super) async fn upsert_staff(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    email: &EmailAddress,
    hash: &PasswordHash,
    scopes: &[Scope],
) -> sqlx::Result<StaffId> {
    sqlx::query_scalar(
        "insert into staff (id, email, email_canonical, password_hash, scopes, created_at) values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint staff_email_canonical_key
         do update set password_hash = excluded.password_hash, scopes = excluded.scopes
         returning id",
    )
    .bind(StaffId::new())
    .bind(email.smtp())
    .bind(email.canonical())
    .bind(hash.as_phc())
    .bind(scopes)
    .bind(clock.now())
    .fetch_one(conn)
    .await
}
