//! SQL of archives.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{ArchiveState, DRILL_EVERY, FINAL_KEPT, KEPT, PROOFS, Scope};
use crate::clock::Clock;
use crate::ids::{AccountId, ArchiveId, InstanceId, RunId};
use crate::instance::Instance;
use crate::instance::run::RunState;
use crate::resource::{Action, ProvenArchive, WrittenArchive, instant};

/// An archive as pages see it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ServerArchive {
    /// Which.
    pub id: ArchiveId,
    /// Whose.
    pub account_id: AccountId,
    /// Of which server.
    pub instance_id: InstanceId,
    /// The run that writes it.
    pub run_id: RunId,
    /// What it holds.
    pub scope: Scope,
    /// The secret key that opens its secrets, itself sealed with a passphrase.
    pub key_file: Option<String>,
    /// How far it is.
    pub state: ArchiveState,
    /// How far its run is.
    pub run_state: RunState,
    /// SHA-256 of its manifest.
    pub manifest: Option<String>,
    /// Who signed it.
    pub signer: Option<String>,
    /// Bytes of all its parts.
    pub bytes: Option<i64>,
    /// How many parts it has.
    pub parts: Option<i32>,
    /// Media files in it.
    pub objects: Option<i64>,
    /// Media files that are not in it.
    pub missing: Option<i64>,
    /// As of when its database is.
    pub snapshot_at: Option<DateTime<Utc>>,
    /// When all of it was there.
    pub written_at: Option<DateTime<Utc>>,
    /// When a restore last proved it.
    pub proven_at: Option<DateTime<Utc>>,
    /// What was compared then.
    pub proof: Option<Json<ProvenArchive>>,
    /// How many seconds that took.
    pub proof_seconds: Option<f64>,
    /// Why the last proof failed, until one succeeds.
    pub proof_failure: Option<String>,
    /// From then on nobody is given it any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// When somebody did not want it any more.
    pub given_up_at: Option<DateTime<Utc>>,
    /// When nothing of it was left.
    pub removed_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl ServerArchive {
    /// Whether it can be fetched.
    pub fn is_there(&self, now: DateTime<Utc>) -> bool {
        let whole = match self.state {
            ArchiveState::Written | ArchiveState::Proven => true,
            ArchiveState::Requested | ArchiveState::Failed | ArchiveState::Removed => false,
        };
        whole && self.given_up_at.is_none() && self.removed_at.is_none() && self.expires_at.is_some_and(|until| until > now)
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select a.id, a.account_id, a.instance_id, a.run_id, a.scope, a.key_file, a.state, r.state as run_state, a.manifest, a.signer, a.bytes,
                    a.parts, a.objects, a.missing, a.snapshot_at, a.written_at, a.proven_at, a.proof, a.proof_seconds, a.proof_failure,
                    a.expires_at, a.given_up_at, a.removed_at, a.created_at
             from archives a join runs r on r.id = a.run_id ",
            $rest
        )
    };
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: ArchiveId,
    instance: &Instance,
    run: RunId,
    scope: Scope,
    key_file: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into archives (id, account_id, instance_id, run_id, scope, key_file, state, created_at)
         values ($1, $2, $3, $4, $5, $6, 'requested', $7)",
    )
    .bind(id)
    .bind(instance.account_id)
    .bind(instance.id)
    .bind(run)
    .bind(scope)
    .bind(key_file)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(())
}

/// Archives of a server that take room, or will.
pub(super) async fn count_kept(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from archives where instance_id = $1 and removed_at is null and state <> 'failed'")
        .bind(instance)
        .fetch_one(conn)
        .await
}

/// A server's archive; `None` when it has no such.
pub async fn find_archive(conn: &mut PgConnection, instance: InstanceId, id: ArchiveId) -> sqlx::Result<Option<ServerArchive>> {
    sqlx::query_as(select!("where a.id = $1 and a.instance_id = $2")).bind(id).bind(instance).fetch_optional(conn).await
}

/// An archive, of whichever server: for whoever has shown otherwise that it is theirs.
pub async fn find_any_archive(conn: &mut PgConnection, id: ArchiveId) -> sqlx::Result<Option<ServerArchive>> {
    sqlx::query_as(select!("where a.id = $1")).bind(id).fetch_optional(conn).await
}

/// A server's archives, newest first, at most `limit`.
pub async fn list_archives(conn: &mut PgConnection, instance: InstanceId, limit: i64) -> sqlx::Result<Vec<ServerArchive>> {
    sqlx::query_as(select!("where a.instance_id = $1 order by a.id desc limit $2"))
        .bind(instance)
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// Whether it was there and wanted.
pub(super) async fn end_now(conn: &mut PgConnection, clock: &dyn Clock, id: ArchiveId) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update archives set given_up_at = $2 where id = $1 and state in ('written', 'proven') and given_up_at is null",
    )
    .bind(id)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn domain_of(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("select domain from instances where id = $1").bind(instance).fetch_optional(conn).await
}

/// A run that is over.
#[derive(sqlx::FromRow)]
pub(super) struct Ended {
    pub action: Json<Action>,
    pub instance_id: InstanceId,
    pub seconds: Option<f64>,
}

pub(super) async fn run_of(conn: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Ended>> {
    sqlx::query_as(
        "select action, instance_id, extract(epoch from finished_at - started_at)::float8 as seconds from runs where id = $1",
    )
    .bind(run)
    .fetch_optional(conn)
    .await
}

/// What was asked for is written.
pub(super) async fn note_written(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: ArchiveId,
    written: &WrittenArchive,
) -> sqlx::Result<()> {
    let WrittenArchive { manifest, signer, bytes, parts, objects, missing, snapshot } = written;
    sqlx::query(
        "update archives a set state = 'written', manifest = $2, signer = $3, bytes = $4, parts = $5, objects = $6, missing = $7,
                snapshot_at = $8, written_at = $9,
                expires_at = case when i.intent = 'archived' then $11::timestamptz else $10::timestamptz end
         from instances i where a.id = $1 and i.id = a.instance_id and a.state = 'requested'",
    )
    .bind(id)
    .bind(manifest.as_str())
    .bind(signer)
    .bind(bytes)
    .bind(parts)
    .bind(objects)
    .bind(missing)
    .bind(instant(snapshot))
    .bind(clock.now())
    .bind(clock.now() + KEPT)
    .bind(clock.now() + FINAL_KEPT)
    .execute(conn)
    .await?;
    Ok(())
}

/// It could not be written; whether that is news.
pub(super) async fn note_failed(conn: &mut PgConnection, id: ArchiveId) -> sqlx::Result<bool> {
    let done =
        sqlx::query("update archives set state = 'failed' where id = $1 and state = 'requested'").bind(id).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// A restore has proven it; whether that was the first time. Of one that holds everything the server says so too, as of the moment of which
/// the archive is: what was written after that is in no archive.
pub(super) async fn note_proven(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: ArchiveId,
    proven: &ProvenArchive,
    seconds: Option<f64>,
) -> sqlx::Result<bool> {
    let first: Option<bool> = sqlx::query_scalar(
        "update archives a set state = 'proven', proven_at = $3, proof = $4, proof_seconds = $5, proof_failure = null
         from archives before
         where a.id = $1 and before.id = a.id and a.manifest = $2 and a.state in ('written', 'proven')
         returning before.state = 'written'",
    )
    .bind(id)
    .bind(proven.manifest.as_str())
    .bind(clock.now())
    .bind(Json(proven))
    .bind(seconds)
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query(
        "update instances i set archive_proven_at = greatest(i.archive_proven_at, a.snapshot_at)
         from archives a where a.id = $1 and i.id = a.instance_id and a.state = 'proven' and a.scope = 'without_cache'",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(first == Some(true))
}

/// A proof has failed. One that was proven before is so no more.
pub(super) async fn note_unproven(conn: &mut PgConnection, id: ArchiveId, why: &str) -> sqlx::Result<()> {
    sqlx::query(
        "update archives set state = 'written', proof_failure = left($2, 1000) where id = $1 and state in ('written', 'proven')",
    )
    .bind(id)
    .bind(why)
    .execute(conn)
    .await?;
    Ok(())
}

/// An archive whose proof is due.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Unproven {
    /// Which.
    pub id: ArchiveId,
    /// Of which server.
    pub instance_id: InstanceId,
    /// Whose.
    pub account_id: AccountId,
    /// SHA-256 of its manifest.
    pub manifest: String,
}

/// A proof that is due once more.
pub type DueDrill = Unproven;

/// Archives that were never proven, or whose last proof failed, and for which it was not tried often enough; at most `limit`.
pub async fn unproven(conn: &mut PgConnection, clock: &dyn Clock, limit: i64) -> sqlx::Result<Vec<Unproven>> {
    sqlx::query_as(
        "select a.id, a.instance_id, a.account_id, a.manifest from archives a join instances i on i.id = a.instance_id
         where a.state = 'written' and a.removed_at is null and a.expires_at > $1 and i.released_at is null
           and a.given_up_at is null and a.proofs < $2
           and not exists (select 1 from runs r where r.instance_id = a.instance_id and r.kind = 'verify' and r.finished_at is null)
         order by a.id limit $3",
    )
    .bind(clock.now())
    .bind(PROOFS)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// The newest proven archive of each server that runs, where that proof is so old that it is due again; at most `limit`.
pub async fn due_drills(conn: &mut PgConnection, clock: &dyn Clock, limit: i64) -> sqlx::Result<Vec<DueDrill>> {
    sqlx::query_as(
        "select id, instance_id, account_id, manifest from (
           select distinct on (a.instance_id) a.id, a.instance_id, a.account_id, a.manifest, a.proven_at
           from archives a join instances i on i.id = a.instance_id
           where a.state = 'proven' and a.removed_at is null and a.given_up_at is null and a.expires_at > $1 and i.intent = 'running'
             and not exists (select 1 from runs r where r.instance_id = a.instance_id and r.kind in ('restore-drill', 'verify')
                               and (r.finished_at is null or r.created_at > $2))
           order by a.instance_id, a.id desc) as newest
         where proven_at < $2 order by proven_at limit $3",
    )
    .bind(clock.now())
    .bind(clock.now() - DRILL_EVERY)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Counts a proof that was asked for.
pub(super) async fn count_proof(conn: &mut PgConnection, id: ArchiveId) -> sqlx::Result<()> {
    sqlx::query("update archives set proofs = proofs + 1 where id = $1").bind(id).execute(conn).await.map(drop)
}

/// An archive whose bytes are to go.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Expired {
    /// Which.
    pub id: ArchiveId,
    /// Of which server.
    pub instance_id: InstanceId,
    /// Whose.
    pub account_id: AccountId,
}

/// Archives whose time is over and those that failed, whose bytes may still be there; not while a run reads them. At most `limit`.
pub async fn expired(conn: &mut PgConnection, clock: &dyn Clock, limit: i64) -> sqlx::Result<Vec<Expired>> {
    sqlx::query_as(
        "select a.id, a.instance_id, a.account_id from archives a
         where a.removed_at is null and (a.state = 'failed' or a.expires_at <= $1 or a.given_up_at is not null)
           and not exists (select 1 from runs r where r.instance_id = a.instance_id and r.kind in ('export', 'verify', 'restore-drill')
                             and r.started_at is not null and r.finished_at is null)
         order by a.id limit $2",
    )
    .bind(clock.now())
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Its bytes are gone; whether that is news. What could never be written stays as that.
pub async fn mark_removed(conn: &mut PgConnection, clock: &dyn Clock, id: ArchiveId) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update archives set state = case when state = 'failed' then state else 'removed' end, removed_at = $2
         where id = $1 and removed_at is null and (state = 'failed' or expires_at <= $2 or given_up_at is not null)",
    )
    .bind(id)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The last proof of a server's archives: when, how long it took, what was compared.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Proof {
    /// Of which archive.
    pub id: ArchiveId,
    /// When.
    pub proven_at: DateTime<Utc>,
    /// How many seconds it took.
    pub proof_seconds: Option<f64>,
    /// What was compared.
    pub proof: Json<ProvenArchive>,
}

/// The last proof of a server's archives, whether those are still there or not.
pub async fn last_proof(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Proof>> {
    sqlx::query_as(
        "select id, proven_at, proof_seconds, proof from archives
         where instance_id = $1 and proven_at is not null and proof is not null order by proven_at desc limit 1",
    )
    .bind(instance)
    .fetch_optional(conn)
    .await
}

/// Of the servers that run and have an archive: how many seconds ago the one was proven that was proven the longest ago.
pub async fn oldest_proof_seconds(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "select max(extract(epoch from $1 - proven_at))::float8 from (
           select a.instance_id, max(a.proven_at) as proven_at from archives a join instances i on i.id = a.instance_id
           where i.intent = 'running' and a.proven_at is not null group by a.instance_id) as proven",
    )
    .bind(clock.now())
    .fetch_one(conn)
    .await
}
