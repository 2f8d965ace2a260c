//! SQL of incidents.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Impact, NewIncident, State};
use crate::db::exactly_one;
use crate::db::slice::{Slice, Sorted, Start};
use crate::ids::{IncidentId, StaffId};

/// An incident.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Incident {
    /// Which.
    pub id: IncidentId,
    /// What it is, in a line.
    pub title: String,
    /// How bad it is.
    pub impact: Impact,
    /// How far its people are.
    pub state: State,
    /// When customers began to notice.
    pub began_at: DateTime<Utc>,
    /// When it was over.
    pub over_at: Option<DateTime<Utc>>,
    /// When it was first told.
    pub created_at: DateTime<Utc>,
    /// When something was last said.
    pub updated_at: DateTime<Utc>,
}

/// Something that was said about an incident.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Update {
    /// About which.
    pub incident_id: IncidentId,
    /// When.
    pub at: DateTime<Utc>,
    /// How far they were.
    pub state: State,
    /// What.
    pub text: String,
}

macro_rules! columns {
    () => {
        "id, title, impact, state, began_at, over_at, created_at, updated_at"
    };
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: IncidentId,
    staff: StaffId,
    new: &NewIncident<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into incidents (id, title, impact, state, began_at, over_at, created_by, created_at, updated_at)
         values ($1, $2, $3, $4, $5, case when $4 = 'over' then $7::timestamptz end, $6, $7, $7)",
    )
    .bind(id)
    .bind(new.title)
    .bind(new.impact)
    .bind(new.state)
    .bind(new.began_at)
    .bind(staff)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert_update(
    conn: &mut PgConnection,
    id: IncidentId,
    staff: StaffId,
    state: State,
    text: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("insert into incident_updates (incident_id, at, state, text, staff_id) values ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(now)
        .bind(state)
        .bind(text)
        .bind(staff)
        .execute(conn)
        .await?;
    Ok(())
}

/// [`sqlx::Error::RowNotFound`] when there is none or it is over.
pub(super) async fn update_state(conn: &mut PgConnection, id: IncidentId, state: State, now: DateTime<Utc>) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update incidents set state = $2, updated_at = $3, over_at = case when $2 = 'over' then $3::timestamptz end
         where id = $1 and over_at is null",
    )
    .bind(id)
    .bind(state)
    .bind(now)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// One incident.
pub async fn find(conn: &mut PgConnection, id: IncidentId) -> sqlx::Result<Option<Incident>> {
    sqlx::query_as(concat!("select ", columns!(), " from incidents where id = $1")).bind(id).fetch_optional(conn).await
}

/// A page of all incidents, newest first.
pub async fn list(conn: &mut PgConnection, start: Start<IncidentId>) -> sqlx::Result<Slice<Incident>> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("select ", columns!(), " from incidents where true"));
    Sorted { table: "incidents", by: None, downwards: true }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}

/// What is not over, and the newest of what is, newest first: at most `limit` of each.
pub async fn recent(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Incident>> {
    sqlx::query_as(concat!(
        "(select ",
        columns!(),
        " from incidents where over_at is null order by id desc limit $1) union all (select ",
        columns!(),
        " from incidents where over_at is not null order by id desc limit $1) order by id desc"
    ))
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// What was said about incidents, newest first.
pub async fn updates_of(conn: &mut PgConnection, ids: &[IncidentId]) -> sqlx::Result<Vec<Update>> {
    sqlx::query_as(
        "select incident_id, at, state, text from incident_updates where incident_id = any($1) order by id desc limit 500",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
}
