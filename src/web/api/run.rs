//! Runs: upkeep of a server that Mastodon has no button for.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::ids::RunId;
use crate::instance::run::{self, Run, RunError, RunState};
use crate::resource::{Action, Maintenance};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::session::{Customer, OwnedInstance, OwnedRun};

/// What somebody wants to have done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    /// One piece of upkeep with its choices, such as `{"mediaRemoval": {"what": "attachments", "days": 7}}`.
    action: Maintenance,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunView {
    /// Which.
    #[schema(example = "run_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// On which server.
    instance: String,
    /// What it does.
    action: Action,
    /// How far it is.
    state: RunState,
    /// One word for why, in CamelCase, when there is something to say.
    reason: Option<String>,
    /// How many runs of the same server come first, while it is in line.
    position: Option<i32>,
    /// The end of what it printed, at most 4 KiB, without what looks like a secret.
    output: Option<String>,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it was over.
    finished_at: Option<DateTime<Utc>>,
    /// Seconds that its kind usually takes on this server; unknown until it was done there once.
    typical_seconds: Option<f64>,
}

/// A server's runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    /// Newest first.
    runs: Vec<RunView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

fn view(run: Run, typical: &[(String, f64)]) -> RunView {
    RunView {
        id: run.id.to_string(),
        instance: run.instance_id.to_string(),
        state: run.state,
        reason: run.reason.filter(|reason| !reason.is_empty()),
        position: run.position,
        output: run.output,
        asked_at: run.created_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        typical_seconds: typical.iter().find(|(kind, _)| *kind == run.kind).map(|(_, seconds)| *seconds),
        action: run.action.0,
    }
}

/// List a server's runs
#[utoipa::path(get, path = "/api/v1/instances/{id}/runs", tag = "instance", operation_id = "list_runs",
    params(("id" = String, Path, description = "Id of the server"), PageQuery),
    responses((status = 200, description = "Its runs", body = Runs)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Runs>, WebError> {
    let part = query.read::<RunId>()?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let runs = run::page_runs(tx.conn(), instance.id, part.after, part.rows()).await?;
    let (runs, next) = part.cut(runs, |run| run.id);
    let typical = run::typical_run_seconds(tx.conn(), instance.id).await?;
    let runs = runs.into_iter().map(|run| view(run, &typical)).collect();
    Ok(Answer(StatusCode::OK, Runs { runs, next }))
}

/// Ask for a run
///
/// A server's runs are worked off one at a time, in the order in which they were asked for. Ask for its state until `finished_at` is
/// there. 409 has one of the codes `not_running` (the server does not run), `open` (one of the same kind is not over) and `too_soon`
/// (the owner was sent a mail less than ten minutes ago).
#[utoipa::path(post, path = "/api/v1/instances/{id}/runs", tag = "instance", operation_id = "ask_for_run", request_body = NewRun,
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It is asked for", body = RunView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(new): JsonBody<NewRun>,
) -> Result<Answer<RunView>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let action = Action::Maintenance(new.action);
    let asked = run::request_run(tx.conn(), state.clock.as_ref(), customer.actor(), &instance, &action).await;
    let refused = |code, error: RunError| WebError::Refused { code, text: error.to_string(), errors: Vec::new() };
    let id = asked.map_err(|error| match error {
        RunError::NotRunning => refused("not_running", error),
        RunError::Open => refused("open", error),
        RunError::TooSoon { until: _ } => refused("too_soon", error),
        RunError::Database(error) => error.into(),
    })?;
    let run = run::find_run(tx.conn(), instance.id, id).await?.ok_or(WebError::NotFound)?;
    let typical = run::typical_run_seconds(tx.conn(), instance.id).await?;
    tx.commit().await?;
    Ok(Answer(StatusCode::ACCEPTED, view(run, &typical)))
}

/// Look at a run
#[utoipa::path(get, path = "/api/v1/instances/{id}/runs/{run}", tag = "instance", operation_id = "get_run",
    params(("id" = String, Path, description = "Id of the server"), ("run" = String, Path, description = "Id of the run")),
    responses((status = 200, description = "The run", body = RunView)))]
pub(super) async fn get(
    State(state): State<AppState>,
    customer: Customer,
    OwnedRun(run): OwnedRun,
) -> Result<Answer<RunView>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let typical = run::typical_run_seconds(tx.conn(), run.instance_id).await?;
    Ok(Answer(StatusCode::OK, view(run, &typical)))
}

/// Call a run off
///
/// What has not begun does not begin, what is at work is ended; the state is `cancelled` then. 409 `over`: it is over, or was called
/// off before.
#[utoipa::path(post, path = "/api/v1/instances/{id}/runs/{run}/cancel", tag = "instance", operation_id = "cancel_run",
    params(("id" = String, Path, description = "Id of the server"), ("run" = String, Path, description = "Id of the run")),
    responses((status = 202, description = "It is being called off", body = RunView)))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    customer: Customer,
    OwnedRun(run): OwnedRun,
) -> Result<Answer<RunView>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    if !run::cancel_run(tx.conn(), state.clock.as_ref(), customer.actor(), &run).await? {
        let text = "the run is over, or was called off before".to_owned();
        return Err(WebError::Refused { code: "over", text, errors: Vec::new() });
    }
    let typical = run::typical_run_seconds(tx.conn(), run.instance_id).await?;
    tx.commit().await?;
    Ok(Answer(StatusCode::ACCEPTED, view(run, &typical)))
}
