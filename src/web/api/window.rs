//! When a server may be upgraded, and which upgrade it waits for.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::instance::Instance;
use crate::instance::upkeep::{self, Day};
use crate::rollout::{self, Due, ItemState};
use crate::web::AppState;
use crate::web::error::{FieldError, WebError};
use crate::web::session::{Customer, OwnedInstance};

/// The hours in which a server may be upgraded, as its owner's clock shows them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MaintenanceWindow)]
pub(super) struct Window {
    /// The day of the week on which it opens; every day when `null` or left out.
    #[serde(default)]
    day: Option<Day>,
    /// The hour at which it opens, 0 to 23.
    #[serde(default)]
    #[schema(required, example = 2)]
    from: Option<u8>,
    /// For how many hours, 1 to 24.
    #[serde(default)]
    #[schema(required, example = 4)]
    hours: Option<u8>,
    /// Time zone by its IANA name.
    #[serde(default)]
    #[schema(required, example = "Europe/Berlin")]
    zone: String,
}

impl From<&upkeep::Window> for Window {
    fn from(window: &upkeep::Window) -> Self {
        let upkeep::Window { day, from, hours, zone } = window;
        Self { day: *day, from: Some(*from), hours: Some(*hours), zone: zone.clone() }
    }
}

/// An upgrade of a server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Upgrade {
    /// The release that it runs.
    #[schema(example = "4.6.9")]
    from: String,
    /// The release that it gets.
    #[schema(example = "4.7.4")]
    to: String,
    /// `planned`, `paused` (planned, and nobody has their turn for now) or `under_way`.
    #[schema(example = "planned")]
    state: &'static str,
    /// When it is to begin, as far as that is known.
    due_at: DateTime<Utc>,
    /// What changes, in the host's words; may be empty.
    changes: String,
    /// Whether it closes a hole.
    security: bool,
}

impl Upgrade {
    pub fn new(due: Due, instance: &Instance) -> Self {
        let window = instance.maintenance_window.as_ref().map(|window| &window.0);
        Self {
            state: match (due.state, due.paused) {
                (ItemState::Waiting, true) => "paused",
                (ItemState::Waiting, false) => "planned",
                _ => "under_way",
            },
            due_at: rollout::may_begin(due.due_at, window, due.window_until),
            from: due.from_version,
            to: due.version.to_string(),
            changes: due.changes,
            security: due.security,
        }
    }
}

/// Choose when a server may be upgraded
///
/// Patches and new minors of Mastodon are then put in place within these hours, if they come soon enough: a patch that closes a hole waits
/// some hours for them at most, anything else some days.
#[utoipa::path(post, path = "/api/v1/instances/{id}/window", tag = "instance", operation_id = "set_maintenance_window",
    params(("id" = String, Path, description = "Id of the server")), request_body = Window,
    responses((status = 200, description = "The window", body = Window)))]
pub(super) async fn set(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(wanted): JsonBody<Window>,
) -> Result<Answer<Window>, WebError> {
    // What is missing is outside of the bounds, so that all faults are named together.
    let Window { day, from, hours, zone } = wanted;
    let window = upkeep::Window { day, from: from.unwrap_or(u8::MAX), hours: hours.unwrap_or(u8::MAX), zone };
    let faults: Vec<FieldError> =
        window.check().into_iter().map(|fault| FieldError { field: fault.field().to_owned(), text: fault.to_string() }).collect();
    if !faults.is_empty() {
        return Err(WebError::Invalid(faults));
    }
    let mut tx = state.db.begin_account(customer.account).await?;
    upkeep::set_window(&mut tx, state.clock.as_ref(), customer.actor(), instance.id, Some(&window)).await?;
    tx.commit().await?;
    Ok(Answer(StatusCode::OK, Window::from(&window)))
}

/// Let a server be upgraded at any time
///
/// No error when that is so already.
#[utoipa::path(delete, path = "/api/v1/instances/{id}/window", tag = "instance", operation_id = "clear_maintenance_window",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 204, description = "It may be upgraded at any time")))]
pub(super) async fn clear(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<StatusCode, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    upkeep::set_window(&mut tx, state.clock.as_ref(), customer.actor(), instance.id, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
