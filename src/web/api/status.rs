//! Whether the host is well, for anybody.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Answer;
use crate::capacity;
use crate::web::AppState;
use crate::web::error::WebError;

/// Whether the host is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Whether a new server would get a place at this moment.
    orders: Orders,
    /// When this was looked at.
    checked_at: DateTime<Utc>,
}

/// Whether there is room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Orders {
    /// There is.
    Open,
    /// There is not; a waiting list is kept.
    Full,
}

/// Is the host well?
#[utoipa::path(get, path = "/api/v1/status", tag = "host", operation_id = "status",
    responses((status = 200, description = "How the host is", body = Status)))]
pub(super) async fn get(State(state): State<AppState>) -> Result<Answer<Status>, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let orders = if capacity::places_left(&mut conn).await? > 0 { Orders::Open } else { Orders::Full };
    Ok(Answer(StatusCode::OK, Status { orders, checked_at: state.clock.now() }))
}
