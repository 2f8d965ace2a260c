//! A server's address: the DNS records that its customer has to set, whether they are there, and whether handles are found.

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};

use super::time;
use super::view::readable;
use crate::instance::claim::CheckAddress;
use crate::instance::{Instance, Intent};
use crate::queue;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, StateView, flash, html, pages};
use crate::web::records::{Found, Names, RecordsView};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/address.html")]
struct InstanceAddressPage {
    page: PageContext,
    /// Path of the server's page.
    server: String,
    address: String,
    /// Whether there is anything to set.
    own: bool,
    /// Whether the domain was seen to point here.
    state: StateView,
    dns: RecordsView,
}

pages!(InstanceAddressPage);

/// The names of a server.
pub(in crate::web) fn names(instance: &Instance) -> Names<'_> {
    Names { domain: &instance.domain, hosted: instance.hosted, web_domain: instance.web_domain.as_deref() }
}

/// GET `/instances/{id}/address`
pub(super) async fn show(
    State(state): State<AppState>,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let names = names(&instance);
    let found = Found::look_up(&state, names).await;
    Ok(html(&InstanceAddressPage {
        server: format!("/instances/{}", instance.id),
        address: readable(instance.web_host()),
        own: instance.is_on_own_domain(),
        state: claim_state(&page.w, &instance),
        dns: RecordsView::new(&page.w, names, &found),
        page,
    })?)
}

fn claim_state(words: &Words, instance: &Instance) -> StateView {
    match (instance.address_confirmed_at, instance.address_checked_at) {
        (Some(at), _) => StateView::new(words, "done", "claim-confirmed", words.t1("since", "time", time::moment(words, at))),
        (None, Some(at)) => {
            StateView::new(words, "waiting", "claim-waits", words.t1("claim-looked", "time", time::moment(words, at)))
        }
        (None, None) => StateView::new(words, "waiting", "claim-waits", ""),
    }
}

/// POST `/instances/{id}/address/check`: the worker looks at once, by more than one resolver; what it finds decides.
pub(super) async fn check(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Response, WebError> {
    look_again(&state, &customer, &instance).await?;
    let told = flash(&state, "done", "claim-looking");
    Ok((AppendHeaders([told]), Redirect::to(&format!("/instances/{}/address", instance.id))).into_response())
}

/// Makes the worker look now, if there is anything to look for.
pub(in crate::web) async fn look_again(state: &AppState, customer: &Customer, instance: &Instance) -> Result<(), WebError> {
    let wanted = matches!(instance.intent, Intent::Running | Intent::Suspended);
    if wanted && instance.is_on_own_domain() {
        let mut tx = state.db.begin_account(customer.account).await?;
        queue::enqueue(tx.conn(), &CheckAddress { instance: instance.id }, None).await?;
        tx.commit().await?;
    }
    Ok(())
}
