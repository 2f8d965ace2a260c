//! Runs: pieces of work on a server that somebody asks for. What they are is in `resource::Action`; here is who may ask when, and what
//! became of it.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{Instance, Intent};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::violates;
use crate::ids::{AccountId, InstanceId, RunId};
use crate::resource::{Action, Maintenance, RunPhase};

pub use store::{
    Finished, Run, RunToPush, RunToRemove, find_run, list_runs, mark_run_pushed, mark_run_removed, observe_run, page_runs,
    pushed_runs, run_is_gone, runs_to_push, runs_to_remove, typical_run_seconds,
};

/// Between two mails to the owner of the same kind.
const BETWEEN_MAILS: TimeDelta = TimeDelta::minutes(10);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Asked for; the cluster has not answered.
    Requested,
    /// Others of the same server come first.
    Queued,
    /// The next, and its server is not in a state for it.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because it took too long.
    TimedOut,
    /// Never begun.
    Refused,
    /// Called off.
    Cancelled,
}

impl RunState {
    /// The word in API and pages' keys.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_over(self) -> bool {
        match self {
            Self::Requested | Self::Queued | Self::Waiting | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Refused | Self::Cancelled => true,
        }
    }
}

impl From<RunPhase> for RunState {
    fn from(phase: RunPhase) -> Self {
        match phase {
            RunPhase::Queued => Self::Queued,
            RunPhase::Waiting => Self::Waiting,
            RunPhase::Running => Self::Running,
            RunPhase::Succeeded => Self::Succeeded,
            RunPhase::Failed => Self::Failed,
            RunPhase::TimedOut => Self::TimedOut,
            RunPhase::Refused => Self::Refused,
            RunPhase::Cancelled => Self::Cancelled,
        }
    }
}

/// Why a run can't be asked for.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The server does not run.
    #[error("the server does not run; ask again once it does")]
    NotRunning,
    /// One of the same kind is not over yet.
    #[error("one of the same kind is not over yet; wait for it, or call it off")]
    Open,
    /// The owner was mailed a moment ago.
    #[error("the owner was mailed a moment ago; ask again after {until}")]
    TooSoon {
        /// From when on it may be asked for again.
        until: DateTime<Utc>,
    },
    /// The database.
    #[error("could not write the run")]
    Database(#[from] sqlx::Error),
}

/// Asks for a run, in the caller's transaction; the fleet is nudged when it commits. One of a kind at a time for each server.
pub async fn request_run(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    instance: &Instance,
    action: &Action,
) -> Result<RunId, RunError> {
    if instance.intent != Intent::Running || instance.ready_at.is_none() {
        return Err(RunError::NotRunning);
    }
    if mails_the_owner(action) {
        let last = store::last_requested(conn, instance.id, action.kind()).await?;
        if let Some(until) = last.map(|last| last + BETWEEN_MAILS).filter(|until| *until > clock.now()) {
            return Err(RunError::TooSoon { until });
        }
    }
    let id = insert(conn, clock, instance.id, instance.account_id, action).await?;
    let detail = json!({ "run": id, "action": action });
    audit::record(conn, clock, actor, Some(instance.account_id), "run.requested", &instance.id.to_string(), detail).await?;
    Ok(id)
}

/// Writes a run down, without asking whether its server runs. After [`RunError::Open`] the transaction is of no use any more.
pub(super) async fn insert(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    instance: InstanceId,
    account: AccountId,
    action: &Action,
) -> Result<RunId, RunError> {
    let id = RunId::new();
    store::insert_run(conn, clock, id, (instance, account), action)
        .await
        .map_err(|error| if violates(&error, "runs_one_open_of_a_kind") { RunError::Open } else { RunError::Database(error) })?;
    Ok(id)
}

/// Calls a run off; whether that changed anything. What is at work is ended, what is over stays as it is.
pub async fn cancel_run(conn: &mut PgConnection, clock: &dyn Clock, actor: Actor, run: &Run) -> sqlx::Result<bool> {
    if !store::cancel(conn, run.id).await? {
        return Ok(false);
    }
    let detail = json!({ "run": run.id, "kind": run.kind });
    audit::record(conn, clock, actor, Some(run.account_id), "run.cancelled", &run.instance_id.to_string(), detail).await?;
    Ok(true)
}

/// Whether the owner gets a mail by it, so that nobody can be flooded.
fn mails_the_owner(action: &Action) -> bool {
    match action {
        Action::Export { archive: _, scope: _, recipients: _ }
        | Action::Import {}
        | Action::Verify { archive: _, manifest: _ }
        | Action::RestoreDrill { archive: _, manifest: _ } => false,
        Action::Maintenance(maintenance) => match maintenance {
            Maintenance::OwnerInvite { uses: _, valid: _ } | Maintenance::PasswordMail {} => true,
            Maintenance::MediaRemoval { what: _, days: _ }
            | Maintenance::PreviewCardRemoval { days: _ }
            | Maintenance::Retention { media_days: _, archive_days: _ }
            | Maintenance::FeedBuild { clear_first: _ }
            | Maintenance::CacheClear {}
            | Maintenance::Recount { what: _ }
            | Maintenance::AccountRefresh { domain: _ }
            | Maintenance::Registrations { mode: _ } => false,
        },
    }
}
