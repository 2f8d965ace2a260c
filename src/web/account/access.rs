//! When staff looked into the account: what for, and the buttons that end it or let them change things.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::account::access::{self, AccessError, EndedBy};
use crate::ids::AccessId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::session::Customer;

const HERE: &str = "/account/access";
/// Looks on the page.
const MOST: i64 = 50;

#[derive(Template)]
#[template(path = "pages/account/access.html")]
struct AccessPage {
    page: PageContext,
    /// Whether the one who looks has shown a short while ago who they are, so that forms that ask for it are taken.
    fresh: bool,
    looks: Vec<LookRow>,
}

pages!(AccessPage);

struct LookRow {
    id: String,
    state: StateView,
    began: String,
    ticket: String,
    reason: String,
    /// Whether it goes on, and whether they may change things.
    goes_on: bool,
    may_change: bool,
}

/// GET `/account/access`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let looks = access::list(tx.conn(), customer.account, MOST).await?;
    let (words, now) = (page.w.clone(), state.clock.now());
    let row = |look: access::Access| {
        let goes_on = look.goes_on(now);
        let state = if goes_on {
            StateView::new(&words, "doing", "access-goes-on", words.t1("until", "time", time::moment(&words, look.ends_at)))
        } else {
            StateView::new(&words, "done", "access-over", time::moment(&words, look.ended_at.unwrap_or(look.ends_at)))
        };
        LookRow {
            id: look.id.to_string(),
            state,
            began: time::moment(&words, look.began_at),
            goes_on,
            may_change: look.may_change(),
            ticket: look.ticket,
            reason: look.reason,
        }
    };
    // What asks for proof is nothing for staff who look at this very page.
    let fresh = customer.is_fresh(&state);
    Ok(html(&AccessPage { fresh, looks: looks.into_iter().map(row).collect(), page })?)
}

fn id_of(text: &str) -> Result<AccessId, WebError> {
    text.parse().map_err(|_| WebError::NotFound)
}

/// POST `/account/access/{access}/end`
pub(super) async fn end(State(state): State<AppState>, customer: Customer, Path(id): Path<String>) -> Result<Response, WebError> {
    let by = match &customer.glass {
        Some(glass) => EndedBy::Staff(glass.access.staff),
        None => EndedBy::Person(customer.person.id),
    };
    let mut tx = state.db.begin_members(customer.account).await?;
    match access::end(&mut tx, state.clock.as_ref(), customer.account, id_of(&id)?, by).await {
        Ok(()) => tx.commit().await?,
        Err(AccessError::Over) => return Err(WebError::NotFound),
        Err(other) => return Err(other.into()),
    }
    Ok(with_message(&state, HERE, "done", "access-ended"))
}

/// POST `/account/access/{access}/allow`
pub(super) async fn allow(
    State(state): State<AppState>,
    customer: Customer,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let mut tx = state.db.begin_members(customer.account).await?;
    let (clock, account) = (state.clock.as_ref(), customer.account);
    match access::let_change(&mut tx, clock, account, id_of(&id)?, customer.person.id).await {
        Ok(()) => tx.commit().await?,
        Err(AccessError::Over) => return Err(WebError::NotFound),
        Err(other) => return Err(other.into()),
    }
    Ok(with_message(&state, HERE, "done", "access-allowed"))
}
