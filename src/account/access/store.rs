//! SQL of looks into accounts.

use sqlx::PgConnection;

use super::{Access, EndedBy, Person};
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccessId, AccountId, PersonId, StaffId};

pub(super) async fn insert(conn: &mut PgConnection, access: &Access, secret_hash: &[u8]) -> sqlx::Result<()> {
    let Access { id, staff, account, reason, ticket, began_at, ends_at, ended_at: _, changes_at: _ } = access;
    let done = sqlx::query(
        "insert into staff_accesses (id, secret_hash, staff_id, account_id, reason, ticket, began_at, ends_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(secret_hash)
    .bind(staff)
    .bind(account)
    .bind(reason)
    .bind(ticket)
    .bind(began_at)
    .bind(ends_at)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

pub(super) async fn find_by_secret(conn: &mut PgConnection, staff: StaffId, secret_hash: &[u8]) -> sqlx::Result<Option<Access>> {
    sqlx::query_as(
        "select id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, changes_at
         from staff_accesses where secret_hash = $1 and staff_id = $2 and ended_at is null",
    )
    .bind(secret_hash)
    .bind(staff)
    .fetch_optional(conn)
    .await
}

/// Ends one that goes on; who looks ends their own alone.
pub(super) async fn end(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    id: AccessId,
    by: EndedBy,
) -> sqlx::Result<Option<Access>> {
    let (word, staff) = match by {
        EndedBy::Staff(staff) => ("staff", Some(staff)),
        EndedBy::Person(_) => ("customer", None),
    };
    sqlx::query_as(
        "update staff_accesses set ended_at = $3, ended_by = $4
         where id = $1 and account_id = $2 and ended_at is null and ends_at > $3 and (staff_id = $5 or $5 is null)
         returning id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, changes_at",
    )
    .bind(id)
    .bind(account)
    .bind(clock.now())
    .bind(word)
    .bind(staff)
    .fetch_optional(conn)
    .await
}

pub(super) async fn let_change(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    id: AccessId,
    person: PersonId,
) -> sqlx::Result<Option<Access>> {
    sqlx::query_as(
        "update staff_accesses set changes_at = $3, changes_by = $4
         where id = $1 and account_id = $2 and ended_at is null and ends_at > $3 and changes_at is null
         returning id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, changes_at",
    )
    .bind(id)
    .bind(account)
    .bind(clock.now())
    .bind(person)
    .fetch_optional(conn)
    .await
}

/// The newest looks into an account, at most `limit`.
pub async fn list(conn: &mut PgConnection, account: AccountId, limit: i64) -> sqlx::Result<Vec<Access>> {
    sqlx::query_as(
        "select id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, changes_at
         from staff_accesses where account_id = $1 order by began_at desc, id limit $2",
    )
    .bind(account)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Owner and admins of an account, the owner first.
pub(super) async fn leaders(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Person>> {
    sqlx::query_as(
        "select p.id, p.email, p.locale, p.verified_at from members m join people p on p.id = m.person_id
         where m.account_id = $1 and m.role in ('owner', 'admin') order by m.role desc, m.created_at, p.id",
    )
    .bind(account)
    .fetch_all(conn)
    .await
}
