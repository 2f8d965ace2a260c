//! Placing an order.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{to_checkout, waiting, with_message};
use crate::billing::{self, NewOrder, Order, OrderError, OrderState, Placement};
use crate::crash;
use crate::ids::OrderId;
use crate::instance::{self, Instance};
use crate::privacy::agreement;
use crate::switch::{self, Switch};
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::new::draft::{check_draft, read_draft};
use crate::web::page::flash_number;
use crate::web::session::{Customer, Verified};
use crate::words::Words;

/// The button of the review page.
#[derive(Debug, Deserialize)]
pub(super) struct OrderForm {
    /// `1`: join the waiting list; the page offered that because every place was taken.
    #[serde(default)]
    wait: String,
}

/// POST `/orders`: address and place are reserved in one transaction, then the customer is sent to Stripe's page. The answers stay in
/// the browser: who comes back without having paid may order again.
///
/// Dying before the commit leaves nothing behind. Dying after it leaves an order that keeps its place until its deadline: the same
/// button, or the one on the order's page, goes on where this stopped, with the same checkout at Stripe because that is asked for under
/// the order's id; and `SettleOrder`, enqueued in the same transaction, frees the place when nobody does.
pub(super) async fn place(
    State(state): State<AppState>,
    Verified(customer): Verified,
    headers: HeaderMap,
    Form(form): Form<OrderForm>,
) -> Result<Response, WebError> {
    let Some(draft) = read_draft(&state, &headers) else {
        return Ok(with_message(&state, "/new/address", "failed", "form-draft-missing"));
    };
    // The review names what is wrong and leads to the question.
    let Ok(checked) = check_draft(&Words::english(), &state, &draft) else {
        return Ok(Redirect::to("/new/review").into_response());
    };
    let new = checked.new_order(state.checkout_minutes);
    if form.wait == "1" {
        return waiting::join(&state, &customer, new.plan, new.domain).await;
    }
    match place_once(&state, &customer, &new).await? {
        Placed::New(order) | Placed::Before(order) => to_checkout(&state, &customer, order).await,
        Placed::Full => Ok(with_message(&state, "/new/review", "failed", "order-full")),
        Placed::Closed => Ok(with_message(&state, "/new/review", "failed", "switch-orders-off")),
        Placed::Refused(refused) => explain(&state, &customer, &new, &refused).await,
    }
}

/// What became of a wish to order.
pub(in crate::web) enum Placed {
    /// Address and place are kept now.
    New(OrderId),
    /// They were kept already: a second press of the button, or a call whose answer was lost. The same order sent again is the same
    /// order.
    Before(OrderId),
    /// Every place is taken.
    Full,
    /// The host takes no new orders at the moment.
    Closed,
    /// Something else is in the way.
    Refused(OrderError),
}

/// Reserves address and place in one transaction, unless an order for exactly this waits for its payment. Pages and API order here.
pub(in crate::web) async fn place_once(state: &AppState, customer: &Customer, new: &NewOrder<'_>) -> Result<Placed, WebError> {
    // An order agrees to our documents: nobody does that in a customer's name.
    let person = customer.me().ok_or(WebError::ThroughGlass)?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let refused = if switch::is_on(tx.conn(), Switch::Orders).await? {
        match billing::place(&mut tx, state.clock.as_ref(), customer.actor(), new).await {
            Ok(Placement::Placed(order)) => {
                // The page, and the API's own document, say that an order agrees to both documents.
                agreement::agree(tx.conn(), state.clock.as_ref(), customer.account, person).await?;
                crash::point("order.before_commit");
                tx.commit().await?;
                crash::point("order.committed");
                return Ok(Placed::New(order));
            }
            Err(error @ (OrderError::NoRelease | OrderError::Database(_))) => {
                return Err(WebError::Internal(telemetry::chain(&error)));
            }
            // The last place, or the address, may be this very customer's: a second press of the button waited for the first.
            Ok(Placement::Full) => Placed::Full,
            Err(refused) => Placed::Refused(refused),
        }
    } else {
        Placed::Closed
    };
    drop(tx);
    let own = own_order(state, customer, new.domain).await?;
    Ok(match own {
        Some((order, instance)) if waits(&order) && same(&order, &instance, new) => Placed::Before(order.id),
        Some(_) | None => refused,
    })
}

/// The address is taken, perhaps by another order of this customer. Otherwise back to the question, with what is wrong; the answers are
/// still there.
async fn explain(state: &AppState, customer: &Customer, new: &NewOrder<'_>, refused: &OrderError) -> Result<Response, WebError> {
    if let Some((order, _)) = own_order(state, customer, new.domain).await? {
        let to = format!("/orders/{}", order.id);
        return Ok(if waits(&order) {
            with_message(state, &to, "failed", "order-other-open")
        } else {
            Redirect::to(&to).into_response()
        });
    }
    let (to, key) = match refused {
        OrderError::WebDomainTaken => ("/new/address", "order-web-domain-taken"),
        OrderError::LooksTaken => ("/new/address", "order-looks-taken"),
        OrderError::TooManyUnpaid => {
            let message = flash_number(state, "failed", "order-too-many", billing::MOST_UNPAID);
            return Ok((AppendHeaders([message]), Redirect::to("/instances")).into_response());
        }
        OrderError::DomainTaken | OrderError::NoRelease | OrderError::Database(_) => ("/new/address", "form-address-changed"),
    };
    Ok(with_message(state, to, "failed", key))
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
