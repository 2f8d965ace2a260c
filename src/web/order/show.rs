//! An order's page: where Stripe sends people back to, paid or not.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

use super::to_checkout;
use super::view::{Came, OrderView, order_view};
use crate::billing::jobs::SyncCheckout;
use crate::billing::{self, Order, OrderState};
use crate::ids::{AccountId, OrderId};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::instance::live::{self, Frame};
use crate::web::instance::told;
use crate::web::page::{PageContext, html, pages};
use crate::web::session::{Customer, OwnedOrder, Verified};
use crate::words::Words;
use crate::{instance, queue};

#[derive(Template)]
#[template(path = "pages/order/show.html")]
struct OrderPage {
    page: PageContext,
    order: OrderView,
}

#[derive(Template)]
#[template(path = "pages/order/_state.html")]
struct OrderStateFragment {
    page: PageContext,
    order: OrderView,
}

pages!(OrderPage, OrderStateFragment);

/// GET `/orders/{id}?came=`. Whoever comes back from Stripe's page may have paid, whatever the link says: Stripe is asked.
pub(super) async fn show(
    State(state): State<AppState>,
    OwnedOrder(order): OwnedOrder,
    Query(came): Query<Came>,
    page: PageContext,
) -> Result<Response, WebError> {
    if order.state == OrderState::Paid {
        return Ok(Redirect::to(&format!("/instances/{}", order.instance_id)).into_response());
    }
    if order.state == OrderState::Expired {
        // By which a server would have come back: that one is still there, and the way back is on its page.
        let mut tx = state.db.begin_account(order.account_id).await?;
        let kept = instance::find_owned(tx.conn(), order.account_id, order.instance_id).await?;
        if kept.is_some_and(|instance| instance.released_at.is_none()) {
            return Ok(Redirect::to(&format!("/instances/{}/billing", order.instance_id)).into_response());
        }
    }
    if let (Some(checkout), OrderState::Open, false) = (&order.checkout_id, order.state, came.came.is_empty()) {
        let mut tx = state.db.begin_account(order.account_id).await?;
        queue::enqueue(tx.conn(), &SyncCheckout { checkout: checkout.clone() }, None).await?;
        tx.commit().await?;
    }
    let order = load(&state, &page.w, order.account_id, order.id, &came).await?;
    if order.state == "paid" {
        // Stripe's word came between the two looks.
        return Ok(Redirect::to(&order.instance_url).into_response());
    }
    Ok(html(&OrderPage { page, order })?)
}

async fn load(state: &AppState, words: &Words, account: AccountId, id: OrderId, came: &Came) -> Result<OrderView, WebError> {
    let mut tx = state.db.begin_account(account).await?;
    let order = billing::find_owned_order(tx.conn(), account, id).await?.ok_or(WebError::NotFound)?;
    let instance = instance::find_owned(tx.conn(), account, order.instance_id).await?.ok_or(WebError::NotFound)?;
    drop(tx);
    let shown = order_view(words, &order, &instance.domain, came, state.clock.now());
    let told = if shown.state == "confirming" { told(state, account).await? } else { String::new() };
    Ok(OrderView { told, ..shown })
}

/// GET `/orders/{id}/live`: the state as a stream of events, or once as HTML.
pub(super) async fn watch(
    State(state): State<AppState>,
    customer: Customer,
    OwnedOrder(order): OwnedOrder,
    Query(came): Query<Came>,
    headers: HeaderMap,
    page: PageContext,
) -> Result<Response, WebError> {
    if !live::wanted(&headers) {
        let order = load(&state, &page.w, customer.account, order.id, &came).await?;
        return Ok(html(&OrderStateFragment { page, order })?);
    }
    let Order { id, account_id, instance_id, .. } = order;
    let renders = state.clone();
    Ok(live::stream(&state, &headers, &customer, instance_id, move || {
        let (state, page, came) = (renders.clone(), page.clone(), came.clone());
        async move {
            let order = load(&state, &page.w, account_id, id, &came).await?.without_running_times();
            let last = matches!(order.state.as_str(), "paid" | "expired");
            Ok(Frame { html: OrderStateFragment { page, order }.render()?, last })
        }
    }))
}

/// POST `/orders/{id}/pay`: to Stripe's page, the one that is open or a new one.
pub(super) async fn pay(
    State(state): State<AppState>,
    Verified(customer): Verified,
    OwnedOrder(order): OwnedOrder,
) -> Result<Response, WebError> {
    to_checkout(&state, &customer, order.id).await
}

/// POST `/orders/{id}/cancel`. The place is free once Stripe has said that nobody can pay any more; a payment that was faster wins.
pub(super) async fn cancel(
    State(state): State<AppState>,
    customer: Customer,
    OwnedOrder(order): OwnedOrder,
) -> Result<Response, WebError> {
    if matches!(order.state, OrderState::Placed | OrderState::Open) {
        let mut tx = state.db.begin_account(customer.account).await?;
        billing::give_up(&mut tx, state.clock.as_ref(), customer.actor(), order.id).await?;
        tx.commit().await?;
    }
    Ok(Redirect::to(&format!("/orders/{}?came=given-up", order.id)).into_response())
}
