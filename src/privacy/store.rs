//! SQL of copies, erasures and consents.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::agreement::{Consent, Document};
use super::erasure::Kept;
use super::export::Table;
use crate::clock::Clock;
use crate::ids::{AccountId, PersonId};

/// The rows of a table that are an account's, as a list of objects.
pub(super) async fn rows(conn: &mut PgConnection, table: &Table, account: AccountId) -> sqlx::Result<Value> {
    let Table { name, whose, columns, without } = table;
    let query = format!(
        "select coalesce(jsonb_agg(to_jsonb(found) - $2::text[]), '[]') from (select {columns} from {name} where {whose} = $1 order by 1) as found"
    );
    let without: Vec<String> = without.iter().map(ToString::to_string).collect();
    sqlx::query_scalar(AssertSqlSafe(query)).bind(account).bind(without).fetch_one(conn).await
}

/// What is known of a person beside their accounts.
pub(super) async fn person(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Value> {
    sqlx::query_scalar(
        "select jsonb_build_object(
           'id', p.id, 'email', p.email, 'locale', p.locale, 'verified_at', p.verified_at, 'created_at', p.created_at,
           'accounts', (select coalesce(jsonb_agg(jsonb_build_object('id', m.account_id, 'role', m.role, 'since', m.created_at)), '[]')
              from members m where m.person_id = p.id),
           'sessions', (select coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'began', s.created_at, 'seen', s.last_seen_at,
                'agent', s.user_agent, 'network', s.network)), '[]') from sessions s where s.person_id = p.id),
           'devices', (select coalesce(jsonb_agg(jsonb_build_object('first_seen', d.first_seen_at, 'last_seen', d.last_seen_at)), '[]')
              from devices d where d.person_id = p.id),
           'second_factor_since', (select a.confirmed_at from authenticators a where a.person_id = p.id),
           'passkeys', (select coalesce(jsonb_agg(jsonb_build_object('name', k.name, 'made', k.created_at, 'used', k.last_used_at)), '[]')
              from passkeys k where k.person_id = p.id),
           'recovery_codes_left', (select count(*) from recovery_codes r where r.person_id = p.id and r.used_at is null),
           'address_changes', (select coalesce(jsonb_agg(jsonb_build_object('email', c.email, 'state', c.state, 'asked_at', c.created_at)), '[]')
              from address_changes c where c.person_id = p.id),
           'mails', (select coalesce(jsonb_agg(jsonb_build_object('about', l.notice, 'state', l.state, 'sent_at', l.sent_at)), '[]')
              from mails l where l.recipient = p.email))
         from people p where p.id = $1",
    )
    .bind(person)
    .fetch_one(conn)
    .await
}

pub(super) async fn erase(conn: &mut PgConnection, account: AccountId, now: DateTime<Utc>) -> sqlx::Result<String> {
    sqlx::query_scalar("select erase_account($1, $2)").bind(account).bind(now).fetch_one(conn).await
}

pub(super) async fn insert_erasure(
    conn: &mut PgConnection,
    account: AccountId,
    now: DateTime<Utc>,
    kept: &[Kept],
) -> sqlx::Result<()> {
    let erasure = "insert into erasures (account_id, at) values ($1, $2)";
    sqlx::query(erasure).bind(account).bind(now).execute(&mut *conn).await?;
    for Kept { what, why, until } in kept {
        sqlx::query("insert into erasure_keeps (account_id, what, why, until) values ($1, $2, $3, $4)")
            .bind(account)
            .bind(what)
            .bind(*why)
            .bind(until)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

pub(super) async fn forget_kept(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select forget_kept($1)").bind(now).fetch_one(conn).await
}

pub(super) async fn insert_consent(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    account: AccountId,
    person: PersonId,
    document: Document,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into consents (account_id, document, version, person_id, at) values ($1, $2, $3, $4, $5) on conflict do nothing",
    )
    .bind(account)
    .bind(document)
    .bind(document.version())
    .bind(person)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn consents(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Consent>> {
    sqlx::query_as("select document, version, at from consents where account_id = $1 order by at desc, document")
        .bind(account)
        .fetch_all(conn)
        .await
}
