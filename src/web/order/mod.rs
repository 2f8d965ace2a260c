//! An order: placing it, paying, coming back from Stripe's page, giving up; and the waiting list when every place is taken.
//!
//! What happens when the process dies while an order is placed is told at [`place::place`].

mod leave;
pub(super) mod place;
mod show;
mod view;
mod waiting;

use std::time::Duration;

use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};

use super::AppState;
use super::access::{Access, Routes};
use super::error::WebError;
use super::page::flash;
use super::session::Customer;
use crate::account::Role;
use crate::billing::{self, CheckoutError, Checkouts, stripe::StripeError};
use crate::ids::OrderId;
use crate::telemetry;

pub(super) fn routes(routes: Routes) -> Routes {
    let (reads, pays, orders) = (Access::Member(Role::Viewer), Access::Member(Role::Billing), Access::Member(Role::Admin));
    routes
        .post("/orders", orders, place::place)
        .get("/orders/{id}", reads, show::show)
        .get("/orders/{id}/live", reads, show::watch)
        .post("/orders/{id}/pay", pays, show::pay)
        .post("/orders/{id}/cancel", pays, show::cancel)
        .get("/waiting", reads, waiting::show)
        .post("/waiting/leave", pays, waiting::leave)
        .get("/waiting/leave/{token}", Access::Public, leave::ask)
        .post("/waiting/leave/{token}", Access::Public, leave::leave)
}

/// A redirect with a one-time message for the next page; `kind` is `done` or `failed`, `key` a word of the locale files.
pub(super) fn with_message(state: &AppState, to: &str, kind: &str, key: &str) -> Response {
    (AppendHeaders([flash(state, kind, key)]), Redirect::to(to)).into_response()
}

/// A second press of a button meets the first at Stripe; these many times it is asked again, once a second.
const TRIES: u32 = 3;

/// Stripe's page for an order: the one that is open, or a new one.
pub(super) async fn open_checkout(state: &AppState, customer: &Customer, order: OrderId) -> Result<String, CheckoutError> {
    let mut tries = 1;
    loop {
        let checkouts = Checkouts {
            db: &state.db,
            clock: state.clock.as_ref(),
            stripe: state.stripe.as_ref(),
            catalogue: &state.catalogue,
            urls: &state.urls,
        };
        let opened = billing::open_checkout(checkouts, customer.actor(), customer.account, &customer.person.email, order).await;
        match opened {
            Err(CheckoutError::Stripe(StripeError::Conflict)) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            opened => return opened,
        }
    }
}

/// To Stripe's page for an order, or to the order's page, which says why there is none. Nothing is lost when Stripe is away: the order
/// keeps address and place, and its page has the button that comes here again.
pub(in crate::web) async fn to_checkout(state: &AppState, customer: &Customer, order: OrderId) -> Result<Response, WebError> {
    let back = format!("/orders/{order}");
    match open_checkout(state, customer, order).await {
        Ok(url) => Ok(Redirect::to(&url).into_response()),
        Err(CheckoutError::Paid) => Ok(Redirect::to(&back).into_response()),
        Err(CheckoutError::Expired) => Ok(with_message(state, &back, "failed", "order-no-time")),
        Err(CheckoutError::Missing) => Ok(with_message(state, &back, "failed", "order-plan-gone")),
        Err(CheckoutError::Stripe(error)) => {
            tracing::error!(order.id = %order, error = telemetry::chain(&error), "a checkout could not be opened");
            Ok(with_message(state, &back, "failed", "order-stripe-away"))
        }
        Err(CheckoutError::Database(error)) => Err(error.into()),
    }
}
