//! Webhooks of the account: where programs are told what happens, with which secret, and what came of it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::account::hook::{self, DeliveryRow, DeliveryState, Endpoint, EndpointState, Event, HookError, TryRow, Wanted};
use crate::ids::HookDeliveryId;
use crate::internet::Reach;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, StateView, html, pages, refused};
use crate::web::session::{Customer, OwnedDelivery, OwnedEndpoint};
use crate::words::Words;

const HERE: &str = "/account/webhooks";
/// Deliveries on a page.
const SHOWN: usize = 30;

#[derive(Template)]
#[template(path = "pages/account/webhooks.html")]
struct WebhooksPage {
    page: PageContext,
    endpoints: Vec<EndpointView>,
    /// Whether the one who looks may make one at this moment.
    fresh: bool,
    url: String,
    kinds: Vec<KindView>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/webhook.html")]
struct WebhookPage {
    page: PageContext,
    endpoint: EndpointView,
    /// Whether the one who looks may see and change everything at this moment.
    fresh: bool,
    /// What requests are signed with; empty unless `fresh`.
    secret: String,
    /// Until when the secret before signs as well; empty when it does not.
    old_until: String,
    url: String,
    kinds: Vec<KindView>,
    deliveries: Vec<DeliveryView>,
    /// The page behind; empty when there is none.
    older: String,
    errors: FieldErrors,
}

pages!(WebhooksPage, WebhookPage);

struct EndpointView {
    id: String,
    url: String,
    on: bool,
    state: StateView,
    /// What it is told of.
    kinds: String,
}

/// A kind of event to tick.
struct KindView {
    kind: &'static str,
    label: String,
    /// `yes` or empty, for the macro `tick`.
    value: &'static str,
}

struct DeliveryView {
    id: String,
    kind: String,
    at: String,
    state: StateView,
    payload: String,
    tries: Vec<String>,
}

/// How far customers' programs may be: nowhere but in a trial are they on networks of our own.
pub(in crate::web) fn reach(state: &AppState) -> Reach {
    if state.trial { Reach::Anywhere } else { Reach::Internet }
}

fn kinds(words: &Words, chosen: &[String]) -> Vec<KindView> {
    let view = |kind: &'static str| KindView {
        kind,
        label: words.t(&format!("hooks-kind-{}", kind.replace('.', "-"))),
        value: if chosen.iter().any(|one| one == kind) { "yes" } else { "" },
    };
    Event::KINDS.into_iter().map(view).collect()
}

fn endpoint_view(words: &Words, endpoint: &Endpoint) -> EndpointView {
    let state = match (endpoint.state, endpoint.failing_since) {
        (EndpointState::On, None) => StateView::new(words, "done", "hooks-on", ""),
        (EndpointState::On, Some(since)) => {
            StateView::new(words, "doing", "hooks-troubled", words.t1("hooks-since", "since", time::exact(words, since)))
        }
        (EndpointState::Off, _) => StateView::new(words, "waiting", "hooks-off", ""),
        (EndpointState::Failing, _) => StateView::new(words, "failed", "hooks-failing", ""),
    };
    let kinds = if endpoint.kinds.is_empty() { words.t("hooks-all") } else { endpoint.kinds.join(", ") };
    EndpointView { id: endpoint.id.to_string(), url: endpoint.url.clone(), on: endpoint.state == EndpointState::On, state, kinds }
}

fn delivery_view(words: &Words, delivery: DeliveryRow, tries: &[TryRow]) -> DeliveryView {
    let state = match delivery.state {
        DeliveryState::Due => {
            StateView::new(words, "doing", "hooks-due", words.t1("hooks-next", "at", time::exact(words, delivery.due_at)))
        }
        DeliveryState::Delivered => StateView::new(words, "done", "hooks-delivered", ""),
        DeliveryState::GivenUp => StateView::new(words, "failed", "hooks-given-up", ""),
    };
    let said = |one: &TryRow| {
        let answer = one.status.map_or_else(|| one.error.clone().unwrap_or_default(), |status| format!("HTTP {status}"));
        format!("{}: {answer} ({} ms)", time::exact(words, one.at), one.millis)
    };
    DeliveryView {
        id: delivery.id.to_string(),
        kind: delivery.kind,
        at: time::exact(words, delivery.at),
        state,
        payload: delivery.payload,
        tries: tries.iter().filter(|one| one.delivery_id == delivery.id).map(said).collect(),
    }
}

/// What a form says: the address, and one field of the kind's name for each kind that is ticked.
struct Typed {
    url: String,
    kinds: Vec<String>,
}

impl From<BTreeMap<String, String>> for Typed {
    fn from(mut fields: BTreeMap<String, String>) -> Self {
        let ticked = |kind: &str| fields.get(kind).is_some_and(|value| !value.is_empty());
        let kinds = Event::KINDS.into_iter().filter(|kind| ticked(kind)).map(str::to_owned).collect();
        Self { url: fields.remove("url").unwrap_or_default(), kinds }
    }
}

/// A fault of the form, said at its field; anything else is an error.
fn at_field(words: &Words, error: HookError, errors: &mut FieldErrors) -> Result<(), WebError> {
    let Some(key) = error.key() else { return Err(error.into()) };
    errors.add("url", words.t(key));
    Ok(())
}

async fn load_all(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    typed: Typed,
    errors: FieldErrors,
) -> Result<WebhooksPage, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let endpoints = hook::list_endpoints(tx.conn(), customer.account).await?;
    Ok(WebhooksPage {
        endpoints: endpoints.iter().map(|endpoint| endpoint_view(&page.w, endpoint)).collect(),
        fresh: customer.is_fresh(state),
        kinds: kinds(&page.w, &typed.kinds),
        url: typed.url,
        errors,
        page,
    })
}

async fn load_one(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    endpoint: &Endpoint,
    (typed, after): (Typed, Option<HookDeliveryId>),
    errors: FieldErrors,
) -> Result<WebhookPage, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let most = i64::try_from(SHOWN + 1).unwrap_or(i64::MAX);
    let mut rows = hook::deliveries(tx.conn(), endpoint.id, after, most).await?;
    let more = rows.len() > SHOWN;
    rows.truncate(SHOWN);
    let older = rows.last().filter(|_| more).map(|row| format!("{HERE}/{}?after={}", endpoint.id, row.id)).unwrap_or_default();
    let ids: Vec<HookDeliveryId> = rows.iter().map(|row| row.id).collect();
    let tries = hook::tries(tx.conn(), &ids).await?;
    let fresh = customer.is_fresh(state);
    let secret = endpoint.secret(&state.key).text();
    Ok(WebhookPage {
        endpoint: endpoint_view(&page.w, endpoint),
        fresh,
        secret: if fresh { secret.expose_secret().to_owned() } else { String::new() },
        old_until: endpoint
            .old_until
            .filter(|until| *until > state.clock.now())
            .map(|until| time::exact(&page.w, until))
            .unwrap_or_default(),
        kinds: kinds(&page.w, &typed.kinds),
        url: typed.url,
        deliveries: rows.into_iter().map(|row| delivery_view(&page.w, row, &tries)).collect(),
        older,
        errors,
        page,
    })
}

/// GET `/account/webhooks`
pub(super) async fn list(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    let typed = Typed { url: String::new(), kinds: Vec::new() };
    Ok(html(&load_all(&state, page, &customer, typed, FieldErrors::default()).await?)?)
}

/// POST `/account/webhooks`
pub(super) async fn create(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<Response, WebError> {
    let (typed, mut errors) = (Typed::from(fields), FieldErrors::default());
    let mut tx = state.db.begin_account(customer.account).await?;
    let wanted = Wanted { url: &typed.url, kinds: &typed.kinds };
    let (clock, person) = (state.clock.as_ref(), customer.person.id);
    match hook::create(tx.conn(), clock, person, customer.account, reach(&state), wanted).await {
        Ok(id) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("{HERE}/{id}")).into_response())
        }
        Err(error) => {
            drop(tx);
            at_field(&page.w, error, &mut errors)?;
            Ok(refused(&load_all(&state, page, &customer, typed, errors).await?)?)
        }
    }
}

/// Where the list of deliveries begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Older {
    after: String,
}

fn as_it_is(endpoint: &Endpoint) -> Typed {
    Typed { url: endpoint.url.clone(), kinds: endpoint.kinds.clone() }
}

/// GET `/account/webhooks/{endpoint}`
pub(super) async fn show(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
    Query(older): Query<Older>,
) -> Result<Response, WebError> {
    let what = (as_it_is(&endpoint), older.after.parse().ok());
    Ok(html(&load_one(&state, page, &customer, &endpoint, what, FieldErrors::default()).await?)?)
}

fn back(state: &AppState, endpoint: &Endpoint, key: &str) -> Response {
    with_message(state, &format!("{HERE}/{}", endpoint.id), "done", key)
}

/// POST `/account/webhooks/{endpoint}`
pub(super) async fn change(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<Response, WebError> {
    let (typed, mut errors) = (Typed::from(fields), FieldErrors::default());
    let mut tx = state.db.begin_account(customer.account).await?;
    let wanted = Wanted { url: &typed.url, kinds: &typed.kinds };
    let (clock, person) = (state.clock.as_ref(), customer.person.id);
    match hook::change(tx.conn(), clock, person, &endpoint, reach(&state), wanted).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(back(&state, &endpoint, "flash-hook-changed"))
        }
        Err(error) => {
            drop(tx);
            at_field(&page.w, error, &mut errors)?;
            Ok(refused(&load_one(&state, page, &customer, &endpoint, (typed, None), errors).await?)?)
        }
    }
}

/// What is done to an endpoint by a button alone.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Act {
    On,
    Off,
    Rotate,
    Remove,
    Test,
    Replay(HookDeliveryId),
}

/// Does it.
pub(in crate::web) async fn perform(
    state: &AppState,
    customer: &Customer,
    endpoint: &Endpoint,
    act: Act,
) -> Result<(), WebError> {
    let (clock, person) = (state.clock.as_ref(), customer.person.id);
    let mut tx = state.db.begin_account(customer.account).await?;
    match act {
        Act::On => hook::switch(tx.conn(), clock, person, endpoint, true).await?,
        Act::Off => hook::switch(tx.conn(), clock, person, endpoint, false).await?,
        Act::Rotate => hook::rotate(tx.conn(), clock, person, endpoint).await?,
        Act::Remove => hook::remove(tx.conn(), clock, person, endpoint).await?,
        Act::Test => hook::test(tx.conn(), clock, endpoint).await.map(drop)?,
        Act::Replay(delivery) => hook::replay(tx.conn(), clock, person, endpoint, delivery).await?,
    }
    Ok(tx.commit().await?)
}

/// Writes the handlers of the buttons.
macro_rules! buttons {
    ($($(#[$doc:meta])* $name:ident = $act:ident, $key:literal;)+) => {$(
        $(#[$doc])*
        pub(super) async fn $name(
            State(state): State<AppState>,
            customer: Customer,
            OwnedEndpoint(endpoint): OwnedEndpoint,
        ) -> Result<Response, WebError> {
            perform(&state, &customer, &endpoint, Act::$act).await?;
            Ok(back(&state, &endpoint, $key))
        }
    )+};
}

buttons! {
    /// POST `/account/webhooks/{endpoint}/on`
    switch_on = On, "flash-hook-on";
    /// POST `/account/webhooks/{endpoint}/off`
    switch_off = Off, "flash-hook-off";
    /// POST `/account/webhooks/{endpoint}/rotate`
    rotate = Rotate, "flash-hook-rotated";
    /// POST `/account/webhooks/{endpoint}/test`
    test = Test, "flash-hook-test";
}

/// POST `/account/webhooks/{endpoint}/remove`
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    OwnedEndpoint(endpoint): OwnedEndpoint,
) -> Result<Response, WebError> {
    perform(&state, &customer, &endpoint, Act::Remove).await?;
    Ok(with_message(&state, HERE, "done", "flash-hook-removed"))
}

/// POST `/account/webhooks/{endpoint}/deliveries/{delivery}/replay`
pub(super) async fn replay(
    State(state): State<AppState>,
    customer: Customer,
    OwnedDelivery { endpoint, delivery }: OwnedDelivery,
) -> Result<Response, WebError> {
    perform(&state, &customer, &endpoint, Act::Replay(delivery.id)).await?;
    Ok(back(&state, &endpoint, "flash-hook-replayed"))
}
