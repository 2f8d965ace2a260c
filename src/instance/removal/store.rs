//! SQL of removals.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::RemovalRequest;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{ArchiveId, InstanceId, StaffId};

/// An instance that has ended.
#[derive(sqlx::FromRow)]
pub(super) struct Ended {
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// An instance that has ended and is not gone; nobody else changes it until the transaction ends.
pub(super) async fn lock_ended(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Ended>> {
    sqlx::query_as(
        "select domain, coalesce(intent_at, created_at) as at from instances
         where id = $1 and intent = 'archived' and released_at is null for update",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// Since when an instance has ended that is not gone.
pub(super) async fn ended_at(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(
        "select coalesce(intent_at, created_at) from instances where id = $1 and intent = 'archived' and released_at is null",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// What staff have asked for, if they have.
pub async fn removal_of(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<RemovalRequest>> {
    sqlx::query_as(
        "select removal_reason as reason, removal_early_reason as early_reason, removal_requested_at as requested_at, removal_requested_by as requested_by,
                removal_confirmed_at as confirmed_at, removal_confirmed_by as confirmed_by
         from instances where id = $1 and removal_requested_at is not null",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// An archive of everything that a server was when it stopped, proven by a restore.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FinalArchive {
    /// Which.
    pub id: ArchiveId,
    /// As of when its database is.
    pub snapshot_at: DateTime<Utc>,
}

/// The newest proven archive of everything of a server that has ended, where it is not older than the stop; nothing where there is none. When
/// the server stopped is what the audit log says: its row knows the last of several reasons alone.
pub async fn final_archive(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<FinalArchive>> {
    sqlx::query_as(
        "select a.id, a.snapshot_at from archives a join instances i on i.id = a.instance_id
         where i.id = $1 and i.intent = 'archived' and i.released_at is null
           and a.scope = 'without_cache' and a.proven_at is not null and a.proof_failure is null
           and a.snapshot_at >= (
             select min(stop.at) from audit_events stop
             where stop.subject = $2 and stop.action = 'instance.intent' and stop.detail ->> 'intent' <> 'running'
               and stop.at >= coalesce((select max(run.at) from audit_events run
                 where run.subject = $2 and run.action = 'instance.intent' and run.detail ->> 'intent' = 'running'), '-infinity'))
         order by a.snapshot_at desc limit 1",
    )
    .bind(id)
    .bind(id.to_string())
    .fetch_optional(conn)
    .await
}

/// Notes because of which archive a server may go.
pub(super) async fn note_removal_archive(conn: &mut PgConnection, id: InstanceId, archive: ArchiveId) -> sqlx::Result<()> {
    let done = sqlx::query("update instances set removal_archive = $2 where id = $1 and removal_confirmed_at is not null")
        .bind(id)
        .bind(archive)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

pub(super) async fn note_removal_request(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    staff: StaffId,
    reason: &str,
    early: Option<&str>,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set removal_reason = $2, removal_requested_at = $3, removal_requested_by = $4, removal_early_reason = $5
         where id = $1 and intent = 'archived' and removal_confirmed_at is null",
    )
    .bind(id)
    .bind(reason)
    .bind(clock.now())
    .bind(staff)
    .bind(early)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Also a new generation, so that the fleet passes it on.
pub(super) async fn note_removal_confirmation(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    staff: StaffId,
) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set removal_confirmed_at = $2, removal_confirmed_by = $3, generation = generation + 1
         where id = $1 and intent = 'archived' and removal_requested_at is not null and removal_confirmed_at is null",
    )
    .bind(id)
    .bind(clock.now())
    .bind(staff)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

pub(super) async fn forget_removal_request(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set removal_reason = null, removal_early_reason = null, removal_requested_at = null, removal_requested_by = null
         where id = $1 and removal_requested_at is not null and removal_confirmed_at is null",
    )
    .bind(id)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Gives address and place of a removed instance back. Whether it was one, and was not given back before.
pub(super) async fn release_removed(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<bool> {
    sqlx::query_scalar("select finish_removal($1, $2)").bind(id).bind(clock.now()).fetch_one(conn).await
}
