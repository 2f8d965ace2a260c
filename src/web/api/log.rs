//! The account's own part of the audit log.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Answer;
use crate::web::AppState;
use crate::web::account::log::{self, Exported};
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::list::ListQuery;
use crate::web::session::Customer;

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Log {
    /// The newest first, at most 50.
    entries: Vec<Exported>,
    /// What to ask for as `after` to go on; null at the end.
    next: Option<String>,
}

/// List what was done in the account
///
/// Every change, by whom and when, the newest first.
#[utoipa::path(get, path = "/api/v1/log", tag = "account", operation_id = "list_log",
    params(("after" = Option<String>, Query, description = "Go on behind this entry: `next` of the page before")),
    responses((status = 200, description = "A page of the log", body = Log)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Log>, WebError> {
    let slice = log::page_of(&state, customer.account, &query).await?;
    let next = slice.rows.last().filter(|_| slice.behind).map(|kept| kept.id.to_string());
    Ok(Answer(StatusCode::OK, Log { entries: slice.rows.iter().map(Exported::from).collect(), next }))
}

/// Take the log along
///
/// All of it, the oldest first, with the columns of `GET /api/v1/log`.
#[utoipa::path(get, path = "/api/v1/log.csv", tag = "account", operation_id = "export_log",
    responses((status = 200, description = "The log", body = String, content_type = "text/csv")))]
pub(super) async fn csv(state: State<AppState>, customer: Customer) -> Response {
    log::csv(state, customer).await
}
