//! The waiting list, for the time when every place is taken. Nothing is charged.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::with_message;
use crate::capacity::{self, Joined, OpenCluster};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::{plan_name, time, view};
use crate::web::page::{PageContext, html, pages};
use crate::web::public::room_for_any;
use crate::web::session::Customer;

#[derive(Template)]
#[template(path = "pages/order/waiting.html")]
struct WaitingPage {
    page: PageContext,
    /// Empty when the account does not wait.
    position: String,
    address: String,
    plan: String,
    joined: String,
    /// There is a place now.
    room: bool,
}

pages!(WaitingPage);

/// GET `/waiting`
pub(super) async fn show(State(state): State<AppState>, customer: Customer, mut page: PageContext) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let entry = capacity::waiting_entry(tx.conn(), customer.account).await?;
    let clusters = capacity::open_clusters(tx.conn()).await?;
    let room = match &entry {
        Some(entry) => has_room(&state, &clusters, &entry.plan_code),
        None => room_for_any(&state, &clusters),
    };
    drop(tx);
    "instances".clone_into(&mut page.section);
    let content = match entry {
        Some(entry) => WaitingPage {
            page,
            position: entry.position.to_string(),
            address: view::readable(&entry.domain),
            plan: plan_name(&state, &entry.plan_code),
            joined: time::day(entry.created_at),
            room,
        },
        None => WaitingPage {
            page,
            position: String::new(),
            address: String::new(),
            plan: String::new(),
            joined: String::new(),
            room,
        },
    };
    Ok(html(&content)?)
}

/// Whether a server of a plan finds a place.
fn has_room(state: &AppState, clusters: &[OpenCluster], plan_code: &str) -> bool {
    let plan = state.catalogue.get(plan_code);
    plan.is_some_and(|plan| capacity::room(clusters, &plan.size.footprint(), state.clock.now()) > 0)
}

/// POST `/waiting/leave`. Leaving twice is leaving.
pub(super) async fn leave(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    capacity::stop_waiting(&mut tx, state.clock.as_ref(), customer.actor()).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/instances", "done", "waiting-left"))
}

/// Puts the account on the list, unless there is a place after all: then the customer decides again, because now it costs something.
pub(super) async fn join(state: &AppState, customer: &Customer, plan_code: &str, domain: &str) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    if has_room(state, &capacity::open_clusters(tx.conn()).await?, plan_code) {
        return Ok(with_message(state, "/new/review", "done", "waiting-room-now"));
    }
    let person = &customer.person;
    let (clock, actor) = (state.clock.as_ref(), customer.actor());
    let (_, joined) = capacity::wait(&mut tx, clock, actor, &person.email, &person.locale, plan_code, domain).await?;
    tx.commit().await?;
    Ok(match joined {
        Joined::New | Joined::Same => Redirect::to("/waiting").into_response(),
        Joined::Changed => with_message(state, "/waiting", "done", "waiting-changed"),
    })
}
