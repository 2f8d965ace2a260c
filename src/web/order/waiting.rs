//! The waiting list, for the time when every place is taken. Nothing is charged.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::with_message;
use crate::mail::{self, Notice};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::{plan_name, time, view};
use crate::web::page::{PageContext, html, pages};
use crate::web::session::Customer;
use crate::{audit, capacity};

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
    let room = capacity::places_left(tx.conn()).await? > 0;
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
        None => {
            WaitingPage { page, position: String::new(), address: String::new(), plan: String::new(), joined: String::new(), room }
        }
    };
    Ok(html(&content)?)
}

/// POST `/waiting/leave`. Leaving twice is leaving.
pub(super) async fn leave(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let account = customer.account;
    if let Some(entry) = capacity::waiting_entry(tx.conn(), account).await? {
        capacity::leave_waiting_list(tx.conn(), account).await?;
        let subject = entry.id.to_string();
        audit::record(tx.conn(), state.clock.as_ref(), customer.actor(), Some(account), "waiting.left", &subject, json!({})).await?;
        tx.commit().await?;
    }
    Ok(with_message(&state, "/instances", "done", "waiting-left"))
}

/// Puts the account on the list, unless there is a place after all: then the customer decides again, because now it costs something.
pub(super) async fn join(state: &AppState, customer: &Customer, plan_code: &str, domain: &str) -> Result<Response, WebError> {
    let (clock, account) = (state.clock.as_ref(), customer.account);
    let mut tx = state.db.begin_account(account).await?;
    if capacity::places_left(tx.conn()).await? > 0 {
        return Ok(with_message(state, "/new/review", "done", "waiting-room-now"));
    }
    if !capacity::join_waiting_list(tx.conn(), clock, account, plan_code, domain).await? {
        return Ok(Redirect::to("/waiting").into_response());
    }
    if let Some(entry) = capacity::waiting_entry(tx.conn(), account).await? {
        let position = u32::try_from(entry.position).unwrap_or(u32::MAX);
        let notice = Notice::WaitingListJoined { domain: domain.to_owned(), position };
        let (person, key) = (&customer.person, format!("waiting:{}", entry.id));
        mail::owe(tx.conn(), clock, &person.email, &person.locale, &notice, Some(&key)).await?;
        let detail = json!({ "plan": plan_code, "domain": domain });
        audit::record(tx.conn(), clock, customer.actor(), Some(account), "waiting.joined", &entry.id.to_string(), detail).await?;
    }
    tx.commit().await?;
    Ok(Redirect::to("/waiting").into_response())
}
