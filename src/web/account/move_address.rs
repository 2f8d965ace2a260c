//! The links by which both addresses agree to a change.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use crate::account::link::{self, Purpose};
use crate::account::move_address::{self, Agreed, Side};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/account/address.html")]
struct AddressPage {
    page: PageContext,
    token: String,
    /// The address that is to be.
    email: String,
}

#[derive(Template)]
#[template(path = "pages/account/address_agreed.html")]
struct AgreedPage {
    page: PageContext,
    /// Whether the other address has to agree too.
    waits: bool,
}

pages!(AddressPage, AgreedPage);

/// The change that a link names, and whose agreement it carries.
fn read(state: &AppState, token: &str) -> Result<(Uuid, Side), WebError> {
    let side = |purpose, side| link::read(&state.key, token, purpose).map(|id| (id, side));
    side(Purpose::LeaveAddress, Side::Old).or_else(|| side(Purpose::TakeAddress, Side::New)).ok_or(WebError::LinkUsedUp)
}

/// GET `/address/{token}`: asks for one press, because mail scanners follow links.
pub(super) async fn ask(
    State(state): State<AppState>,
    page: PageContext,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let (id, side) = read(&state, &token)?;
    let mut conn = state.db.auth().acquire().await?;
    let change = move_address::look(&mut conn, state.clock.as_ref(), id, side).await?;
    Ok(html(&AddressPage { page, token, email: change.email })?)
}

/// POST `/address/{token}`. Begins no session: whoever presses may only have the mail.
pub(super) async fn agree(State(state): State<AppState>, Path(token): Path<String>) -> Result<Response, WebError> {
    let (id, side) = read(&state, &token)?;
    let mut tx = state.db.auth().begin().await?;
    let agreed = move_address::agree(&mut tx, state.clock.as_ref(), id, side).await?;
    tx.commit().await?;
    let to = match agreed {
        Agreed::Waits => "/address/agreed?waits=1",
        Agreed::Changed => "/address/agreed",
    };
    Ok(Redirect::to(to).into_response())
}

/// `?waits=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Waits {
    waits: String,
}

/// GET `/address/agreed`
pub(super) async fn agreed(page: PageContext, Query(query): Query<Waits>) -> Result<Response, WebError> {
    Ok(html(&AgreedPage { page, waits: !query.waits.is_empty() })?)
}
