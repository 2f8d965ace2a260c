//! SQL of cases.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::super::choices;
use super::{Kind, NewCase, Outcome};
use crate::db::exactly_one;
use crate::db::slice::{Slice, Sorted, Start};
use crate::ids::{CaseId, InstanceId, StaffId};

choices! {
    /// Which cases a list shows.
    Show {
        /// Those that are to be answered, the one that is due first in front.
        Open = "open",
        /// Those that are answered.
        Closed = "closed",
    }
}

/// A case.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Case {
    /// Which.
    pub id: CaseId,
    /// What it is.
    pub kind: Kind,
    /// In a line.
    pub title: String,
    /// Who wrote.
    pub sender: String,
    /// Which server it is about.
    pub instance_id: Option<InstanceId>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// When it has to be answered.
    pub due_at: DateTime<Utc>,
    /// When it was.
    pub closed_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What was found or done.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Note {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
    /// By whom.
    pub email: String,
}

macro_rules! cases {
    ($rest:literal) => {
        concat!("select id, kind, title, sender, instance_id, received_at, due_at, closed_at, outcome from cases ", $rest)
    };
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: CaseId,
    staff: StaffId,
    new: &NewCase<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into cases (id, kind, title, sender, instance_id, received_at, due_at, created_by, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(id)
    .bind(new.kind)
    .bind(new.title)
    .bind(new.sender)
    .bind(new.instance)
    .bind(new.received_at)
    .bind(new.due_at)
    .bind(staff)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert_note(
    conn: &mut PgConnection,
    id: CaseId,
    staff: StaffId,
    text: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("insert into case_notes (case_id, at, text, staff_id) values ($1, $2, $3, $4)")
        .bind(id)
        .bind(now)
        .bind(text)
        .bind(staff)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether it is open; it stays so until the transaction ends.
pub(super) async fn lock_open(conn: &mut PgConnection, id: CaseId) -> sqlx::Result<bool> {
    let found: Option<i32> = sqlx::query_scalar("select 1 from cases where id = $1 and closed_at is null for update")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn close(conn: &mut PgConnection, id: CaseId, outcome: Outcome, now: DateTime<Utc>) -> sqlx::Result<()> {
    let query = "update cases set closed_at = $2, outcome = $3 where id = $1 and closed_at is null";
    exactly_one(&sqlx::query(query).bind(id).bind(now).bind(outcome).execute(conn).await?)
}

/// One case.
pub async fn find(conn: &mut PgConnection, id: CaseId) -> sqlx::Result<Option<Case>> {
    sqlx::query_as(cases!("where id = $1")).bind(id).fetch_optional(conn).await
}

/// A page of cases.
pub async fn list(conn: &mut PgConnection, show: Show, start: Start<CaseId>) -> sqlx::Result<Slice<Case>> {
    let (query, by, downwards) = match show {
        Show::Open => (cases!("where closed_at is null"), "due_at", false),
        Show::Closed => (cases!("where closed_at is not null"), "closed_at", true),
    };
    let mut query = QueryBuilder::<Postgres>::new(query);
    Sorted { table: "cases", by: Some(by), downwards }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}

/// What was written down about a case, newest first.
pub async fn notes_of(conn: &mut PgConnection, id: CaseId) -> sqlx::Result<Vec<Note>> {
    sqlx::query_as(
        "select n.at, n.text, s.email from case_notes n join staff s on s.id = n.staff_id where n.case_id = $1 order by n.id desc limit 200",
    )
    .bind(id)
    .fetch_all(conn)
    .await
}

/// Those whose deadline is over.
pub async fn count_late(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from cases where closed_at is null and due_at < $1").bind(now).fetch_one(conn).await
}
