//! Placing an order.

use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{to_checkout, waiting, with_message};
use crate::billing::{self, NewOrder, Order, OrderError, OrderState, Placement};
use crate::crash;
use crate::ids::OrderId;
use crate::instance::{self, Instance};
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::new::draft::{check_draft, read_draft};
use crate::web::new::review::refuse_own_domain;
use crate::web::page::PageContext;
use crate::web::session::{Customer, Verified};

/// The button of the review page.
#[derive(Debug, Deserialize)]
pub(super) struct OrderForm {
    /// `1`: join the waiting list; the page offered that because every place was taken.
    #[serde(default)]
    wait: String,
}

/// POST `/orders`: address and place are reserved in one transaction, then the customer is sent to Stripe's page.
///
/// Dying before the commit leaves nothing behind. Dying after it leaves an order that keeps its place until its deadline: the same
/// button, or the one on the order's page, goes on where this stopped, with the same checkout at Stripe because that is asked for under
/// the order's id; and `SettleOrder`, enqueued in the same transaction, frees the place when nobody does.
pub(super) async fn place(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    headers: HeaderMap,
    Form(form): Form<OrderForm>,
) -> Result<Response, WebError> {
    let Some(draft) = read_draft(&state, &headers) else {
        return Ok(with_message(&state, "/new/address", "failed", "form-draft-missing"));
    };
    // The review names what is wrong and leads to the question.
    let Ok(checked) = check_draft(&state, &draft) else { return Ok(Redirect::to("/new/review").into_response()) };
    let new = checked.new_order(state.checkout_minutes);
    if !new.can_be_built() {
        return refuse_own_domain(&state, page, &draft, &checked);
    }
    if form.wait == "1" {
        return waiting::join(&state, &customer, &new.plan.code, new.domain).await;
    }
    let mut tx = state.db.begin_account(customer.account).await?;
    match billing::place(&mut tx, state.clock.as_ref(), customer.actor(), &new).await {
        Ok(Placement::Placed(order)) => {
            crash::point("order.before_commit");
            tx.commit().await?;
            crash::point("order.committed");
            to_checkout(&state, &customer, order).await
        }
        Ok(Placement::Full) => {
            drop(tx);
            // The last place may be this very customer's: a second press of the button waited for the first.
            match placed_before(&state, &customer, &new).await? {
                Some(order) => to_checkout(&state, &customer, order).await,
                None => Ok(with_message(&state, "/new/review", "failed", "order-full")),
            }
        }
        Err(error @ (OrderError::NoRelease | OrderError::Database(_))) => Err(WebError::Internal(telemetry::chain(&error))),
        Err(refused) => {
            drop(tx);
            go_on_or_explain(&state, &customer, &new, &refused).await
        }
    }
}

/// The address is taken, perhaps by this very order: a second press of the button goes on with the first one's order. Otherwise back to
/// the question, with what is wrong; the answers are still there.
async fn go_on_or_explain(
    state: &AppState,
    customer: &Customer,
    new: &NewOrder<'_>,
    refused: &OrderError,
) -> Result<Response, WebError> {
    if let Some((order, instance)) = own_order(state, customer, new.domain).await? {
        let waits = waits(&order);
        return match waits {
            true if same(&order, &instance, new) => to_checkout(state, customer, order.id).await,
            true => Ok(with_message(state, &format!("/orders/{}", order.id), "failed", "order-other-open")),
            false => Ok(Redirect::to(&format!("/orders/{}", order.id)).into_response()),
        };
    }
    let (to, key) = match refused {
        OrderError::WebDomainTaken => ("/new/address", "order-web-domain-taken"),
        OrderError::LooksTaken => ("/new/address", "order-looks-taken"),
        OrderError::TooManyUnpaid => ("/instances", "order-too-many"),
        OrderError::DomainTaken | OrderError::OwnDomainNotYet | OrderError::NoRelease | OrderError::Database(_) => {
            ("/new/address", "form-address-changed")
        }
    };
    Ok(with_message(state, to, "failed", key))
}

/// The order of an earlier press of the button, or of an earlier call whose answer was lost: for exactly this, and not paid yet.
pub(in crate::web) async fn placed_before(
    state: &AppState,
    customer: &Customer,
    new: &NewOrder<'_>,
) -> Result<Option<OrderId>, WebError> {
    let own = own_order(state, customer, new.domain).await?;
    Ok(own.filter(|(order, instance)| waits(order) && same(order, instance, new)).map(|(order, _)| order.id))
}

fn waits(order: &Order) -> bool {
    matches!(order.state, OrderState::Placed | OrderState::Open)
}

/// The account's own order for a domain, unless it has ended.
pub(in crate::web) async fn own_order(
    state: &AppState,
    customer: &Customer,
    domain: &str,
) -> Result<Option<(Order, Instance)>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let owned = instance::list_owned(tx.conn(), customer.account).await?;
    let Some(instance) = owned.into_iter().find(|instance| instance.domain == domain) else { return Ok(None) };
    let order = billing::find_order_of(tx.conn(), instance.id).await?;
    Ok(order.map(|order| (order, instance)))
}

/// Whether an order is for exactly what is wanted now, at the same price.
fn same(order: &Order, instance: &Instance, new: &NewOrder<'_>) -> bool {
    order.plan_code == new.plan.code
        && order.billing_interval == new.interval
        && order.price() == new.plan.price(new.interval)
        && instance.web_domain.as_deref() == new.web_domain
        && instance.owner_username == new.owner_username
        && instance.owner_email == new.owner_email
}
