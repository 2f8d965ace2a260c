//! How tests steer the fake: from inside by [`Control`], from outside over HTTP under `/_fake/`. Not authenticated: it listens on
//! loopback and holds nothing real.
//!
//! | request | does |
//! |---|---|
//! | `GET /_fake/state` | time, charges per order, counts, post that is waiting |
//! | `POST /_fake/policy` | a [`Policy`]: `{"order":"reversed","rule":{"deliver":{"copies":3}},"by_type":{"invoice.paid":"drop"}}` |
//! | `POST /_fake/webhook` | `{"url":"http://…"}` or `{"url":null}` |
//! | `POST /_fake/clock/advance` | `{"seconds":2678400}` |
//! | `POST /_fake/deliver` | `{}` sends all that nobody has taken, `{"event":"evt_…"}` that one again |
//! | `POST /_fake/faults` | a [`FaultOrder`]: `{"fault":"lost_answer","request":"POST /v1/checkout"}` |
//! | `POST /_fake/checkout/{id}/pay` | `{"card":"4242 4242 4242 4242"}`: pays as the page would |
//! | `POST /_fake/customers/{id}/card` | `{"card":"4000 0000 0000 0341"}`: puts a card on file without paying |
//! | `POST /_fake/collection` | a [`Collection`]: `{"retry_days":[3,5,7],"then":"unpaid"}` |
//! | `POST /_fake/charges/{id}/dispute` | `{"reason":"fraudulent"}`: the card's holder disputes the charge |
//! | `POST /_fake/disputes/{id}/decide` | `{"won":false}`: the bank decides |
//! | `POST /_fake/idle` | answers when no post is waiting, at the latest after 30 s |

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::cards::Card;
use super::collection::Collection;
use super::faults::FaultOrder;
use super::store::Charge;
use super::webhooks::Policy;
use super::{Shop, checkout, disputes};
use crate::billing::stripe::{CheckoutId, CustomerId, EventId};
use crate::ids::OrderId;

/// The strings of the fake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    pub(super) shop: Arc<Shop>,
}

/// Why a test payment did not go through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fake Stripe took no payment: {0}")]
pub struct PayRefused(String);

/// Why something could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fake Stripe refused: {0}")]
pub struct Refused(String);

impl Control {
    /// Changes how webhooks are delivered from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.shop.book(|state| state.policy = policy);
    }

    /// Where webhooks go from now on; without an address none are kept for later.
    pub fn set_webhook_url(&self, url: Option<Url>) {
        self.shop.book(|state| {
            if url.is_none() {
                state.deliveries.clear();
            }
            state.webhook_url = url;
        });
    }

    /// Moves the test clock ahead of the given one, and with it all that is due on the way.
    pub fn advance(&self, by: TimeDelta) {
        self.shop.book(|state| state.advanced += by.num_seconds());
        self.shop.turn(|_| ());
    }

    /// The fake's present.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.shop.now(), 0).unwrap_or_default()
    }

    /// Waits until no webhook is waiting or being retried. Never, while a policy or the endpoint keeps some back: give it a timeout.
    pub async fn idle(&self) {
        let mut waiting = self.shop.waiting.subscribe();
        // The sender lives in the shop, which we hold.
        let _never_closed = waiting.wait_for(|count| *count == 0).await;
    }

    /// Sends an event once (again), whatever the policy says; false when there is no such event.
    pub fn deliver(&self, event: &EventId) -> bool {
        self.shop.book(|state| {
            let known = state.events.contains_key(event.as_str());
            if known {
                state.send(event.as_str(), 1, Duration::ZERO);
            }
            known
        })
    }

    /// Sends all events that nobody has taken yet and that are not on their way; gives their number.
    pub fn deliver_missing(&self) -> usize {
        self.shop.book(|state| {
            let missing: Vec<String> = state.undelivered.iter().filter(|event| !state.is_on_its_way(event)).cloned().collect();
            for event in &missing {
                state.send(event, 1, Duration::ZERO);
            }
            missing.len()
        })
    }

    /// Has one of the next requests go wrong.
    pub fn fault(&self, order: FaultOrder) {
        self.shop.faults.order(order);
    }

    /// What was to go wrong and has not yet, will not.
    pub fn no_more_faults(&self) {
        self.shop.faults.clear();
    }

    /// Pays a checkout with a test card, as the page would after any 3-D Secure.
    ///
    /// # Errors
    /// When the card is none of the test cards or declined, or the session can't be paid.
    pub fn pay(&self, checkout: &CheckoutId, card: &str) -> Result<(), PayRefused> {
        let card = Card::by_number(card).ok_or_else(|| PayRefused("not one of the test cards".to_owned()))?;
        self.shop.turn(|turn| checkout::pay(turn, checkout.as_str(), card)).map(drop).map_err(|error| PayRefused(error.message))
    }

    /// Puts a test card on file, without paying anything with it.
    ///
    /// # Errors
    /// When the card is none of the test cards, or there is no such customer.
    pub fn set_card(&self, customer: &CustomerId, card: &str) -> Result<(), Refused> {
        let card = Card::by_number(card).ok_or_else(|| Refused("not one of the test cards".to_owned()))?;
        self.shop.turn(|turn| {
            if !turn.state.customers.contains_key(customer.as_str()) {
                return Err(Refused(format!("no such customer: {customer}")));
            }
            turn.state.cards.insert(customer.to_string(), card);
            Ok(())
        })
    }

    /// Says what becomes of failed payments from now on.
    pub fn set_collection(&self, collection: Collection) {
        self.shop.book(|state| state.collection = collection);
    }

    /// The card's holder disputes a charge; gives the dispute's id.
    ///
    /// # Errors
    /// When no money was taken, or it is disputed already.
    pub fn dispute(&self, charge: &str, reason: &str) -> Result<String, Refused> {
        let opened = self.shop.turn(|turn| disputes::open(turn, charge, reason)).map_err(|error| Refused(error.message))?;
        Ok(opened["id"].as_str().unwrap_or_default().to_owned())
    }

    /// The bank decides a dispute.
    ///
    /// # Errors
    /// When there is no such dispute, or it is closed.
    pub fn decide(&self, dispute: &str, won: bool) -> Result<(), Refused> {
        self.shop.turn(|turn| disputes::decide(turn, dispute, won)).map(drop).map_err(|error| Refused(error.message))
    }

    /// How much was given back for an order, in minor units, refunds of renewals included.
    pub fn refunded_of(&self, order: OrderId) -> i64 {
        let order = order.to_string();
        self.shop.look(|state| {
            let invoices = state.invoices.iter();
            let theirs =
                invoices.filter(|(_, invoice)| invoice["parent"]["subscription_details"]["metadata"]["order"] == order.as_str());
            let intents: Vec<&String> = theirs.filter_map(|(id, _)| state.intents.get(id)).collect();
            let refunds =
                state.refunds.values().filter(|refund| intents.iter().any(|intent| refund["payment_intent"] == intent.as_str()));
            refunds.filter_map(|refund| refund["amount"].as_i64()).sum()
        })
    }

    /// What a customer is owed (below zero) or owes, apart from invoices.
    pub fn balance_of(&self, customer: &CustomerId) -> i64 {
        self.shop
            .look(|state| state.customers.get(customer.as_str()).and_then(|found| found["balance"].as_i64()).unwrap_or_default())
    }

    /// All events that are still shown, oldest first, as they would be sent.
    pub fn events(&self) -> Vec<(EventId, String)> {
        let read = |(id, event): (&String, &Value)| Some((id.parse().ok()?, event.to_string()));
        self.shop.look(|state| state.events.iter().filter_map(read).collect())
    }

    /// Every time money was taken.
    pub fn charges(&self) -> Vec<Charge> {
        self.shop.look(|state| state.charges.clone())
    }

    /// How many times money was taken for an order, renewals included.
    pub fn charges_of(&self, order: OrderId) -> usize {
        let order = order.to_string();
        self.shop.look(|state| state.charges.iter().filter(|charge| charge.order.as_ref() == Some(&order)).count())
    }

    /// The types of all events, oldest first.
    pub fn event_types(&self) -> Vec<String> {
        let kind = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
        self.shop.look(|state| state.events.values().map(kind).collect())
    }

    /// What `GET /_fake/state` shows.
    pub fn state(&self) -> Value {
        let now = self.shop.turn(|turn| turn.now);
        self.shop.look(|state| {
            let mut per_order: BTreeMap<&str, usize> = BTreeMap::new();
            for charge in &state.charges {
                *per_order.entry(charge.order.as_deref().unwrap_or_default()).or_default() += 1;
            }
            json!({
                "now": now,
                "advanced_seconds": state.advanced,
                "charges": state.charges,
                "charges_by_order": per_order,
                "customers": state.customers.len(),
                "prices": state.prices.len(),
                "checkouts": state.checkouts.values().collect::<Vec<_>>(),
                "refunds": state.refunds.values().collect::<Vec<_>>(),
                "disputes": state.disputes.values().collect::<Vec<_>>(),
                "subscriptions": state.subscriptions.values().collect::<Vec<_>>(),
                "open_invoices": state.invoices.values().filter(|invoice| invoice["status"] == "open").collect::<Vec<_>>(),
                "events": state.events.len(),
                "deliveries_waiting": state.deliveries.len(),
                "undelivered": state.undelivered,
            })
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deliver {
    event: Option<EventId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    card: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dispute {
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    won: bool,
}

/// The requests of the table above.
pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/_fake/state", get(async |control: Control| Json(control.state())))
        .route("/_fake/policy", post(async |control: Control, Json(policy): Json<Policy>| control.set_policy(policy)))
        .route("/_fake/webhook", post(webhook))
        .route("/_fake/clock/advance", post(advance))
        .route("/_fake/deliver", post(deliver))
        .route("/_fake/faults", post(async |control: Control, Json(order): Json<FaultOrder>| control.fault(order)))
        .route("/_fake/checkout/{id}/pay", post(pay))
        .route("/_fake/customers/{id}/card", post(card))
        .route("/_fake/collection", post(async |control: Control, Json(to): Json<Collection>| control.set_collection(to)))
        .route("/_fake/charges/{id}/dispute", post(dispute))
        .route("/_fake/disputes/{id}/decide", post(decide))
        .route("/_fake/idle", post(idle))
}

impl FromRequestParts<Arc<Shop>> for Control {
    type Rejection = Infallible;
    async fn from_request_parts(_: &mut Parts, shop: &Arc<Shop>) -> Result<Self, Self::Rejection> {
        Ok(Self { shop: Arc::clone(shop) })
    }
}

async fn advance(control: Control, Json(by): Json<Advance>) -> Result<Json<Value>, (StatusCode, &'static str)> {
    // A century: beyond it, times would stop fitting.
    if !(0..=3_155_760_000).contains(&by.seconds) {
        return Err((StatusCode::BAD_REQUEST, "`seconds` must be from 0 to a century: the clock only goes forward"));
    }
    control.advance(TimeDelta::seconds(by.seconds));
    Ok(Json(json!({ "now": control.shop.now() })))
}

async fn webhook(control: Control, Json(to): Json<Webhook>) -> Result<(), (StatusCode, &'static str)> {
    let url = to.url.map(|url| url.parse()).transpose().map_err(|_| (StatusCode::BAD_REQUEST, "`url` must be a URL or null"))?;
    control.set_webhook_url(url);
    Ok(())
}

async fn deliver(control: Control, Json(what): Json<Deliver>) -> Result<Json<Value>, (StatusCode, &'static str)> {
    match what.event {
        None => Ok(Json(json!({ "sent": control.deliver_missing() }))),
        Some(event) if control.deliver(&event) => Ok(Json(json!({ "sent": 1 }))),
        Some(_) => Err((StatusCode::NOT_FOUND, "there is no such event")),
    }
}

async fn pay(control: Control, Path(id): Path<CheckoutId>, Json(with): Json<Pay>) -> Result<Json<Value>, (StatusCode, String)> {
    control.pay(&id, &with.card).map_err(|refused| (StatusCode::PAYMENT_REQUIRED, refused.to_string()))?;
    Ok(Json(json!({ "paid": true })))
}

async fn card(control: Control, Path(id): Path<CustomerId>, Json(with): Json<Pay>) -> Result<(), (StatusCode, String)> {
    control.set_card(&id, &with.card).map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))
}

async fn dispute(
    control: Control,
    Path(id): Path<String>,
    Json(why): Json<Dispute>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let opened = control.dispute(&id, &why.reason).map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
    Ok(Json(json!({ "dispute": opened })))
}

async fn decide(control: Control, Path(id): Path<String>, Json(how): Json<Decision>) -> Result<(), (StatusCode, String)> {
    control.decide(&id, how.won).map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))
}

async fn idle(control: Control) -> Json<Value> {
    let idle = tokio::time::timeout(Duration::from_secs(30), control.idle()).await.is_ok();
    Json(json!({ "idle": idle }))
}
