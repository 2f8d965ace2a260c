//! Leaving the waiting list by the link of an invitation, without logging in.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::with_message;
use crate::audit::Actor;
use crate::capacity::{self, Leaver};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::view;
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/order/leave.html")]
struct LeavePage {
    page: PageContext,
    token: String,
    address: String,
}

pages!(LeavePage);

/// The domain that is waited for, if the link's entry still waits.
async fn waits(state: &AppState, leaver: &Leaver) -> Result<Option<String>, WebError> {
    let mut tx = state.db.begin_account(leaver.account).await?;
    let entry = capacity::waiting_entry(tx.conn(), leaver.account).await?;
    Ok(entry.filter(|entry| entry.id == leaver.entry).map(|entry| entry.domain))
}

/// GET `/waiting/leave/{token}`: asks for one press, because mail scanners follow links.
pub(super) async fn ask(
    State(state): State<AppState>,
    page: PageContext,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let leaver = capacity::read_leave_link(&state.key, &token).ok_or(WebError::LinkUsedUp)?;
    let domain = waits(&state, &leaver).await?.ok_or(WebError::LinkUsedUp)?;
    Ok(html(&LeavePage { page, token, address: view::readable(&domain) })?)
}

/// POST `/waiting/leave/{token}`. Pressed twice it is done as well.
pub(super) async fn leave(State(state): State<AppState>, Path(token): Path<String>) -> Result<Response, WebError> {
    let leaver = capacity::read_leave_link(&state.key, &token).ok_or(WebError::LinkUsedUp)?;
    // Whoever has joined again since does not leave by an old link.
    if waits(&state, &leaver).await?.is_some() {
        let mut tx = state.db.begin_account(leaver.account).await?;
        capacity::stop_waiting(&mut tx, state.clock.as_ref(), Actor::Person(leaver.person)).await?;
        tx.commit().await?;
    }
    Ok(with_message(&state, "/", "done", "waiting-left"))
}
