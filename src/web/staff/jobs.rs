//! Jobs that have used up their tries wait for a person.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use crate::account::StaffMember;
use crate::audit::{self, Actor};
use crate::queue;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::order::with_message;

/// POST `/staff/jobs/{id}/retry`: all its tries again, from now on. One that is being worked on is left alone.
pub(super) async fn retry(State(state): State<AppState>, member: StaffMember, Path(id): Path<String>) -> Result<Response, WebError> {
    let id: i64 = id.parse().map_err(|_| WebError::NotFound)?;
    // The queue's tables belong to the log-in user; no other role may touch them.
    let mut tx = state.db.owner().begin().await?;
    let Some(task) = queue::retry(&mut tx, id, state.clock.now()).await? else {
        return Ok(with_message(&state, "/staff", "failed", "staff-retry-not"));
    };
    let (actor, subject) = (Actor::Staff(member.id), format!("job_{id}"));
    audit::record(&mut tx, state.clock.as_ref(), actor, None, "job.retried", &subject, json!({ "job": task })).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/staff", "done", "staff-retried"))
}
