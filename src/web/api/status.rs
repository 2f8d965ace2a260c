//! Whether the host is well, for anybody.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Answer;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::public::status::{StatusPart, look, parts};
use crate::words::Words;

/// Whether the host is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Nothing is late.
    well: bool,
    /// Part by part.
    parts: Vec<Part>,
    /// When this was looked at.
    checked_at: DateTime<Utc>,
}

/// A part of the host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Part {
    /// `pages`, `orders`, `payments` or `building`.
    #[schema(example = "orders")]
    name: &'static str,
    /// `well`; `full` for orders when every place is taken; `late` when work is not done in time.
    #[schema(example = "well")]
    state: &'static str,
    /// The same in words.
    text: String,
}

impl From<StatusPart> for Part {
    fn from(part: StatusPart) -> Self {
        let state = match part.state.kind {
            "done" => "well",
            "waiting" => "full",
            _ => "late",
        };
        let text = [part.state.word, part.state.detail].join(" ").trim().to_owned();
        Self { name: part.id, state, text }
    }
}

/// Is the host well?
#[utoipa::path(get, path = "/api/v1/status", tag = "host", operation_id = "status",
    responses((status = 200, description = "How the host is", body = Status)))]
pub(super) async fn get(State(state): State<AppState>) -> Result<Answer<Status>, WebError> {
    let checked_at = state.clock.now();
    let parts: Vec<Part> = parts(&Words::english(), &look(&state).await?, checked_at).into_iter().map(Part::from).collect();
    Ok(Answer(StatusCode::OK, Status { well: parts.iter().all(|part| part.state != "late"), parts, checked_at }))
}
