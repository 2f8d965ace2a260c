//! Archives of servers: who may ask for one, what became of it, and how long it is kept. How one is written is in `archive`, where it is
//! done in `operator`.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::run::{self, RunError, RunState};
use super::{Instance, Intent};
use crate::archive::shelf::{BucketShelf, Depot};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{ArchiveId, InstanceId, RunId};
use crate::mail::{self, Notice};
use crate::queue::{self, Job};
use crate::resource::{Action, AgeRecipient, ArchiveName, ArchiveScope, RunStatus, backup_bucket, namespace_name};
use crate::{account, telemetry};

pub use store::{
    DueDrill, Expired, Proof, ServerArchive, Unproven, due_drills, expired, find_any_archive, find_archive, last_proof,
    list_archives, mark_removed, oldest_proof_seconds, unproven,
};

/// How long an archive is kept.
pub const KEPT: TimeDelta = TimeDelta::days(14);
/// How long one of a server that has ended is kept: until whoever was away for a while is back.
pub const FINAL_KEPT: TimeDelta = TimeDelta::days(60);
/// How many of one server there may be at a time.
pub const MOST: i64 = 6;
/// How often the proof of an archive is tried.
pub const PROOFS: i64 = 3;
/// Between two proofs of a server's newest archive.
pub const DRILL_EVERY: TimeDelta = TimeDelta::days(7);

/// Sees to what is due about archives: proofs, drills, bytes that are to go. Takes no input.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct KeepArchives {}

impl Job for KeepArchives {
    const NAME: &'static str = "keep_archives";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
    fn lane(&self) -> Option<String> {
        Some(Self::NAME.to_owned())
    }
}

/// Where an archive lies.
pub fn shelf(depot: &Depot, instance: InstanceId, archive: ArchiveId) -> BucketShelf {
    depot.shelf(&backup_bucket(&namespace_name(instance)), &format!("{}/", ArchiveName(archive).prefix()))
}

/// How far an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ArchiveState {
    /// Asked for; its run says how far it is.
    Requested,
    /// All of it is there, and was read back. Nobody has restored it yet.
    Written,
    /// Its database was restored into a throw-away one, and is what it says.
    Proven,
    /// It could not be written.
    Failed,
    /// Its time is over: nothing of it is left.
    Removed,
}

impl ArchiveState {
    /// The word in pages' keys.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Written => "written",
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

/// What an archive holds, as the database says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything but copies of other servers' files, which those have.
    WithoutCache,
    /// The database and the secrets.
    DatabaseOnly,
}

impl From<Scope> for ArchiveScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::WithoutCache => Self::WithoutCache,
            Scope::DatabaseOnly => Self::DatabaseOnly,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewArchive {
    /// What it is to hold.
    pub scope: Scope,
    /// Whom its secrets are sealed to.
    pub recipient: AgeRecipient,
    /// The secret key for that, itself sealed with a passphrase; nothing where the customer has it.
    pub key_file: Option<String>,
}

/// Why an archive can't be asked for.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server was never there, or is gone.
    #[error("there is no server yet, or none any more, of which an archive could be made")]
    NoServer,
    /// One is being written.
    #[error("an archive is being written; wait for it, or call it off")]
    Open,
    /// There are enough.
    #[error("there are {MOST} archives of this server already; remove one first")]
    Enough,
    /// The database.
    #[error("could not write the archive down")]
    Database(#[from] sqlx::Error),
}

/// Asks for an archive, in the caller's transaction; the fleet is nudged when it commits.
pub async fn request_archive(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    instance: &Instance,
    new: NewArchive,
) -> Result<ArchiveId, ExportError> {
    let NewArchive { scope, recipient, key_file } = new;
    if instance.intent == Intent::Absent || instance.ready_at.is_none() {
        return Err(ExportError::NoServer);
    }
    if store::count_kept(conn, instance.id).await? >= MOST {
        return Err(ExportError::Enough);
    }
    let id = ArchiveId::new();
    let action = Action::Export { archive: ArchiveName(id), scope: scope.into(), recipients: vec![recipient] };
    let run = run::insert(conn, clock, instance.id, instance.account_id, &action).await.map_err(|error| match error {
        RunError::Database(error) => ExportError::Database(error),
        RunError::NotRunning | RunError::Open | RunError::TooSoon { until: _ } => ExportError::Open,
    })?;
    store::insert(conn, clock, id, instance, run, scope, key_file.as_deref()).await?;
    let detail = json!({ "archive": id, "run": run, "scope": scope, "passphrase": key_file.is_some() });
    audit::record(conn, clock, actor, Some(instance.account_id), "archive.requested", &instance.id.to_string(), detail).await?;
    Ok(id)
}

/// Says that nobody wants an archive any more; its bytes go with the next look. Whether that changed anything.
pub async fn give_up_archive(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    archive: &ServerArchive,
) -> sqlx::Result<bool> {
    if !store::end_now(conn, clock, archive.id).await? {
        return Ok(false);
    }
    let detail = json!({ "archive": archive.id });
    let object = archive.instance_id.to_string();
    audit::record(conn, clock, actor, Some(archive.account_id), "archive.given_up", &object, detail).await?;
    queue::enqueue(conn, &KeepArchives {}, None).await?;
    Ok(true)
}

/// Notes that somebody was given a link to an archive. The link is no row: it is signed, and ends by itself.
pub async fn note_link(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    archive: &ServerArchive,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    let detail = json!({ "archive": archive.id, "until": until });
    let object = archive.instance_id.to_string();
    audit::record(conn, clock, actor, Some(archive.account_id), "archive.link", &object, detail).await
}

/// Asks for a proof of an archive; whether one was asked for. `drill`: it was proven before.
pub async fn request_proof(conn: &mut PgConnection, clock: &dyn Clock, due: &Unproven, drill: bool) -> Result<bool, sqlx::Error> {
    let Unproven { id, instance_id, account_id, manifest } = due;
    let Some(manifest) = crate::resource::Digest::new(manifest) else { return Ok(false) };
    let archive = ArchiveName(*id);
    let action = if drill { Action::RestoreDrill { archive, manifest } } else { Action::Verify { archive, manifest } };
    match run::insert(conn, clock, *instance_id, *account_id, &action).await {
        Ok(run) => {
            if !drill {
                store::count_proof(conn, *id).await?;
            }
            let detail = json!({ "archive": id, "run": run });
            let what = if drill { "archive.drill_requested" } else { "archive.proof_requested" };
            audit::record(conn, clock, Actor::System("worker"), Some(*account_id), what, &instance_id.to_string(), detail)
                .await?;
            Ok(true)
        }
        // One of the kind is under way: this one's turn comes with the next look.
        Err(RunError::Open | RunError::NotRunning | RunError::TooSoon { until: _ }) => Ok(false),
        Err(RunError::Database(error)) => Err(error),
    }
}

/// Takes in how a run ended, if it was about an archive: in the transaction in which the run's own row says so.
pub async fn run_over(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    run: RunId,
    state: RunState,
    status: &RunStatus,
) -> sqlx::Result<()> {
    let Some(ended) = store::run_of(conn, run).await? else { return Ok(()) };
    let store::Ended { action, instance_id, seconds } = ended;
    let Some(ArchiveName(id)) = action.archive() else { return Ok(()) };
    match (&action.0, state) {
        (Action::Export { archive: _, scope: _, recipients: _ }, RunState::Succeeded) => {
            if let Some(written) = &status.written {
                store::note_written(conn, clock, id, written).await?;
            }
        }
        (Action::Export { archive: _, scope: _, recipients: _ }, _) => {
            // Whoever called it off knows.
            if store::note_failed(conn, id).await? && state != RunState::Cancelled {
                tell(conn, clock, id, Told::Failed).await?;
            }
        }
        (Action::Verify { archive: _, manifest: _ } | Action::RestoreDrill { archive: _, manifest: _ }, RunState::Succeeded) => {
            if let Some(proven) = &status.proven {
                let first = store::note_proven(conn, clock, id, proven, seconds).await?;
                metrics::histogram!("paddock_archive_proof_seconds").record(seconds.unwrap_or(0.0));
                if first {
                    tell(conn, clock, id, Told::Ready).await?;
                }
            }
        }
        (Action::Verify { archive: _, manifest: _ } | Action::RestoreDrill { archive: _, manifest: _ }, _) => {
            let (reason, message) = status.why();
            store::note_unproven(conn, id, message).await?;
            tracing::warn!(instance.id = %instance_id, archive.id = %id, reason, "an archive could not be proven: {message}");
            metrics::counter!("paddock_archive_proofs_failed_total").increment(1);
        }
        (Action::Import {} | Action::Maintenance(_), _) => {}
    }
    queue::enqueue(conn, &KeepArchives {}, None).await
}

/// What somebody is told of an archive.
enum Told {
    Ready,
    Failed,
}

/// Owes the mail to whoever the account's mails go to, once for each archive.
async fn tell(conn: &mut PgConnection, clock: &dyn Clock, id: ArchiveId, told: Told) -> sqlx::Result<()> {
    let Some(archive) = store::find_any_archive(conn, id).await? else { return Ok(()) };
    let Some(domain) = store::domain_of(conn, archive.instance_id).await? else { return Ok(()) };
    let (instance, key) = (archive.instance_id, format!("archive:{id}"));
    let notice = match (told, archive.expires_at) {
        (Told::Ready, Some(until)) => Notice::ArchiveReady { instance, domain, until },
        (Told::Ready, None) => return Ok(()),
        (Told::Failed, _) => Notice::ArchiveFailed { instance, domain },
    };
    match account::list_members(conn, archive.account_id).await?.first() {
        Some(person) => mail::owe(conn, clock, &person.email, &person.locale, &notice, Some(&key)).await,
        None => {
            tracing::warn!(archive.id = %id, "nobody is left who could be told of an archive");
            Ok(())
        }
    }
}

/// Notes that nothing of an archive is left in its bucket.
pub async fn archive_is_gone(conn: &mut PgConnection, clock: &dyn Clock, gone: &Expired) -> sqlx::Result<()> {
    if mark_removed(conn, clock, gone.id).await? {
        let (object, detail) = (gone.instance_id.to_string(), json!({ "archive": gone.id }));
        audit::record(conn, clock, Actor::System("worker"), Some(gone.account_id), "archive.removed", &object, detail).await?;
    }
    Ok(())
}

/// Sets the gauge of how long ago the server's archive whose proof is the oldest was proven.
pub async fn measure_proofs(conn: &mut PgConnection, clock: &dyn Clock) {
    match oldest_proof_seconds(conn, clock).await {
        Ok(Some(seconds)) => metrics::gauge!("paddock_archive_oldest_proof_seconds").set(seconds),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = telemetry::chain(&error), "the proofs of archives could not be measured"),
    }
}
