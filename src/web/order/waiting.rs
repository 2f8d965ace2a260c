//! The waiting list, for the time when every place is taken. Nothing is charged.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::with_message;
use crate::capacity::{self, Joined, OpenCluster, Waiting};
use crate::plan::Plan;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::{plan_name, time, view};
use crate::web::page::{PageContext, html, pages};
use crate::web::public::room_for_any;
use crate::web::session::Customer;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/order/waiting.html")]
struct WaitingPage {
    page: PageContext,
    /// Empty when the account does not wait.
    position: String,
    address: String,
    plan: String,
    joined: String,
    /// When it will probably be their turn; empty when nobody can say.
    expected: String,
    /// Until when a place is kept for them; empty when none is.
    kept_until: String,
    /// There is a place for this account now.
    room: bool,
}

pages!(WaitingPage);

/// GET `/waiting`
pub(super) async fn show(State(state): State<AppState>, customer: Customer, mut page: PageContext) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let entry = capacity::waiting_entry(tx.conn(), customer.account).await?;
    let expected = match &entry {
        Some(entry) => capacity::expected_at(tx.conn(), state.clock.as_ref(), entry).await?,
        None => None,
    };
    let clusters = capacity::open_clusters(tx.conn(), state.clock.as_ref(), Some(customer.account)).await?;
    let room = match entry.as_ref().and_then(|entry| state.catalogue.get(&entry.plan_code)) {
        Some(plan) => has_room(&state, &clusters, plan),
        None => room_for_any(&state, &clusters),
    };
    drop(tx);
    "instances".clone_into(&mut page.section);
    let words = page.w.clone();
    let of = |text: fn(&AppState, &Words, &Waiting) -> String| {
        entry.as_ref().map(|entry| text(&state, &words, entry)).unwrap_or_default()
    };
    Ok(html(&WaitingPage {
        page,
        position: of(|_, _, entry| entry.position.to_string()),
        address: of(|_, _, entry| view::readable(&entry.domain)),
        plan: of(|state, _, entry| plan_name(state, &entry.plan_code)),
        joined: of(|_, words, entry| time::day(words, entry.created_at)),
        expected: expected.map(|at| time::day(&words, at)).unwrap_or_default(),
        kept_until: of(|_, words, entry| entry.invited_until.map(|at| time::moment(words, at)).unwrap_or_default()),
        room,
    })?)
}

/// Whether a server of a plan finds a place.
fn has_room(state: &AppState, clusters: &[OpenCluster], plan: &Plan) -> bool {
    capacity::room(clusters, &plan.size.footprint(), state.clock.now()) > 0
}

/// POST `/waiting/leave`. Leaving twice is leaving.
pub(super) async fn leave(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    capacity::stop_waiting(&mut tx, state.clock.as_ref(), customer.actor()).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/instances", "done", "waiting-left"))
}

/// Puts the account on the list, unless there is a place after all: then the customer decides again, because now it costs something.
pub(super) async fn join(state: &AppState, customer: &Customer, plan: &Plan, domain: &str) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    if has_room(state, &capacity::open_clusters(tx.conn(), state.clock.as_ref(), Some(customer.account)).await?, plan) {
        return Ok(with_message(state, "/new/review", "done", "waiting-room-now"));
    }
    let person = &customer.person;
    let (clock, actor) = (state.clock.as_ref(), customer.actor());
    let (_, joined) = capacity::wait(&mut tx, clock, actor, &person.email, &person.locale, plan, domain).await?;
    tx.commit().await?;
    Ok(match joined {
        Joined::New | Joined::Same => Redirect::to("/waiting").into_response(),
        Joined::Changed => with_message(state, "/waiting", "done", "waiting-changed"),
    })
}
