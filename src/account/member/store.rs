//! SQL of members, invitations and second contacts. What changes them needs a transaction of [`Db::begin_members`](crate::db::Db).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Invitation, Member, Role, SecondContact};
use crate::account::email::EmailAddress;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, InvitationId, PersonId};

pub(super) async fn list(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Member>> {
    sqlx::query_as(
        "select p.id as person, p.email, p.locale, p.verified_at, m.role, m.created_at as since
         from members m join people p on p.id = m.person_id where m.account_id = $1
         order by array_position(array['owner', 'admin', 'billing', 'viewer'], m.role), m.created_at, p.id",
    )
    .bind(account)
    .fetch_all(conn)
    .await
}

pub(super) async fn accounts_of(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Vec<(AccountId, String, Role)>> {
    sqlx::query_as(
        "select a.id, a.name, m.role from members m join accounts a on a.id = m.account_id where m.person_id = $1
         order by m.created_at, a.id",
    )
    .bind(person)
    .fetch_all(conn)
    .await
}

pub(super) async fn set_role(conn: &mut PgConnection, account: AccountId, person: PersonId, role: Role) -> sqlx::Result<()> {
    let done = sqlx::query("update members set role = $3 where account_id = $1 and person_id = $2 and role <> 'owner'")
        .bind(account)
        .bind(person)
        .bind(role)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// The owner becomes an admin. The new owner follows in the same transaction: the index allows one at a time.
pub(super) async fn demote_owner(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<()> {
    let done = sqlx::query("update members set role = 'admin' where account_id = $1 and role = 'owner'")
        .bind(account)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// Takes somebody who is not the owner out of an account, and ends their sessions in it.
pub(super) async fn remove(conn: &mut PgConnection, account: AccountId, person: PersonId) -> sqlx::Result<()> {
    let done = sqlx::query("delete from members where account_id = $1 and person_id = $2 and role <> 'owner'")
        .bind(account)
        .bind(person)
        .execute(&mut *conn)
        .await?;
    exactly_one(&done)?;
    sqlx::query("delete from sessions where account_id = $1 and person_id = $2").bind(account).bind(person).execute(conn).await?;
    Ok(())
}

pub(super) async fn insert_invitation(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    (id, account): (InvitationId, AccountId),
    email: &EmailAddress,
    role: Role,
    by: PersonId,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into invitations (id, account_id, email, email_canonical, role, invited_by, state, expires_at, created_at)
         values ($1, $2, $3, $4, $5, $6, 'open', $7, $8)",
    )
    .bind(id)
    .bind(account)
    .bind(email.smtp())
    .bind(email.canonical())
    .bind(role)
    .bind(by)
    .bind(until)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

const INVITATION: &str = "select i.id, i.account_id, a.name as account_name, i.email, i.role, p.email as invited_by, i.expires_at
     from invitations i join accounts a on a.id = i.account_id join people p on p.id = i.invited_by
     where i.state = 'open' and i.expires_at > $1";

pub(super) async fn find_invitation(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InvitationId,
) -> sqlx::Result<Option<Invitation>> {
    let query = sqlx::AssertSqlSafe(format!("{INVITATION} and i.id = $2"));
    sqlx::query_as(query).bind(clock.now()).bind(id).fetch_optional(conn).await
}

pub(super) async fn open_invitations(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
) -> sqlx::Result<Vec<Invitation>> {
    let query = sqlx::AssertSqlSafe(format!("{INVITATION} and i.account_id = $2 order by i.created_at, i.id"));
    sqlx::query_as(query).bind(clock.now()).bind(account).fetch_all(conn).await
}

/// Ends an open invitation that has not expired as `state` says: `accepted` or `withdrawn`.
pub(super) async fn end_invitation(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    (id, account): (InvitationId, AccountId),
    state: &str,
) -> sqlx::Result<()> {
    let done =
        sqlx::query("update invitations set state = $3 where id = $1 and account_id = $2 and state = 'open' and expires_at > $4")
            .bind(id)
            .bind(account)
            .bind(state)
            .bind(clock.now())
            .execute(conn)
            .await?;
    exactly_one(&done)
}

/// Whatever was open for an address, expired or not: the new invitation takes its place.
pub(super) async fn withdraw_for(conn: &mut PgConnection, account: AccountId, email: &EmailAddress) -> sqlx::Result<()> {
    sqlx::query("update invitations set state = 'withdrawn' where account_id = $1 and email_canonical = $2 and state = 'open'")
        .bind(account)
        .bind(email.canonical())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn find_contact(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<SecondContact>> {
    sqlx::query_as(
        "select c.person_id as person, p.email, c.nominated_at, c.take_over_due
         from second_contacts c join people p on p.id = c.person_id where c.account_id = $1",
    )
    .bind(account)
    .fetch_optional(conn)
    .await
}

pub(super) async fn put_contact(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    person: PersonId,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "insert into second_contacts (account_id, person_id, nominated_at) values ($1, $2, $3)
         on conflict (account_id) do update set person_id = $2, nominated_at = $3, take_over_due = null",
    )
    .bind(account)
    .bind(person)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Whether there was one.
pub(super) async fn delete_contact(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from second_contacts where account_id = $1").bind(account).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the time from which the contact may take over; it is set once until it is stopped.
pub(super) async fn ask_take_over(
    conn: &mut PgConnection,
    account: AccountId,
    person: PersonId,
    due: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update second_contacts set take_over_due = $3 where account_id = $1 and person_id = $2 and take_over_due is null",
    )
    .bind(account)
    .bind(person)
    .bind(due)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether there was something to stop.
pub(super) async fn stop_take_over(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<bool> {
    let done = sqlx::query("update second_contacts set take_over_due = null where account_id = $1 and take_over_due is not null")
        .bind(account)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a due taking-over away, so that it is done once.
pub(super) async fn finish_take_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    person: PersonId,
) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from second_contacts where account_id = $1 and person_id = $2 and take_over_due <= $3")
        .bind(account)
        .bind(person)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn promote_to_owner(conn: &mut PgConnection, account: AccountId, person: PersonId) -> sqlx::Result<()> {
    let done = sqlx::query("update members set role = 'owner' where account_id = $1 and person_id = $2 and role <> 'owner'")
        .bind(account)
        .bind(person)
        .execute(conn)
        .await?;
    exactly_one(&done)
}
