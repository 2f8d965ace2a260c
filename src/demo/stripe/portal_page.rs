//! The customer portal and the page of one invoice: see the card, change it, pay what is open, cancel, take the cancellation back.
//!
//! Simpler than Stripe: changing the card here also pays what is open, where Stripe waits for its next attempt.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use super::cards::Card;
use super::checkout_page::{CardForm, amount, gone, page};
use super::params::Params;
use super::store::{Portal, Turn};
use super::{Shop, invoices, subscription_update, subscriptions};

/// Everything a customer has here.
#[derive(Template)]
#[template(path = "demo/stripe/portal.html")]
struct PortalPage {
    id: String,
    email: String,
    card: Option<&'static str>,
    subscriptions: Vec<SubscriptionRow>,
    invoices: Vec<InvoiceRow>,
    return_url: String,
    error: Option<&'static str>,
}

struct SubscriptionRow {
    id: String,
    product: String,
    amount: String,
    interval: String,
    status: String,
    until: String,
    ends: bool,
    running: bool,
}

struct InvoiceRow {
    id: String,
    number: String,
    date: String,
    amount: String,
    status: String,
}

/// One bill.
#[derive(Template)]
#[template(path = "demo/stripe/invoice.html")]
struct InvoicePage {
    invoice: InvoiceRow,
    error: Option<&'static str>,
}

/// What to do, and to what.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    #[serde(rename = "act")]
    what: String,
    #[serde(default)]
    subscription: String,
    #[serde(flatten)]
    card: CardForm,
}

pub(super) async fn show(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>) -> Response {
    shop.turn(|turn| match turn.state.portals.get(&id).cloned() {
        Some(portal) => portal_page(turn, &id, &portal, None),
        None => gone(),
    })
}

pub(super) async fn act(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>, Form(wish): Form<Wish>) -> Response {
    shop.turn(|turn| {
        let Some(portal) = turn.state.portals.get(&id).cloned() else { return gone() };
        let owned =
            turn.state.subscriptions.get(&wish.subscription).is_some_and(|found| found["customer"] == portal.customer.as_str());
        let done = match wish.what.as_str() {
            "card" => change_card(turn, &portal.customer, &wish.card),
            "cancel" | "resume" if owned => {
                let params = Params::parse(if wish.what == "cancel" { "cancel_at_period_end=true" } else { "cancel_at=" });
                subscription_update::update(turn, &wish.subscription, params)
                    .map(drop)
                    .map_err(|_| "The subscription is over already.")
            }
            _ => Err("That is not possible."),
        };
        match done {
            Ok(()) => Redirect::to(&format!("/portal/{id}")).into_response(),
            Err(error) => portal_page(turn, &id, &portal, Some(error)),
        }
    })
}

pub(super) async fn show_invoice(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>) -> Response {
    shop.turn(|turn| invoice_page(turn, &id, None))
}

pub(super) async fn pay_invoice(
    Extract(shop): Extract<Arc<Shop>>,
    Path(id): Path<String>,
    Form(card): Form<CardForm>,
) -> Response {
    shop.turn(|turn| {
        let Ok(invoice) = invoices::get(turn, &id) else { return gone() };
        match change_card(turn, invoice["customer"].as_str().unwrap_or_default(), &card) {
            Ok(()) => Redirect::to(&format!("/invoice/{id}")).into_response(),
            Err(error) => invoice_page(turn, &id, Some(error)),
        }
    })
}

/// Puts the card on file and pays with it what is open, oldest first.
fn change_card(turn: &mut Turn<'_>, customer: &str, given: &CardForm) -> Result<(), &'static str> {
    let card = given.read()?;
    if card == Card::Declines {
        return Err("Your card was declined. Try another card.");
    }
    turn.state.cards.insert(customer.to_owned(), card);
    let open: Vec<String> = turn
        .state
        .invoices
        .iter()
        .filter(|(_, invoice)| invoice["status"] == "open" && invoice["customer"] == customer)
        .map(|(id, _)| id.clone())
        .collect();
    for invoice in open {
        // With the holder present even the card that fails later pays.
        invoices::pay(turn, &invoice);
    }
    Ok(())
}

fn portal_page(turn: &Turn<'_>, id: &str, portal: &Portal, error: Option<&'static str>) -> Response {
    let is_theirs = |object: &&Value| object["customer"] == portal.customer.as_str();
    let customer = turn.state.customers.get(&portal.customer).unwrap_or(&Value::Null);
    let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
    page(
        status,
        &PortalPage {
            id: id.to_owned(),
            email: customer["email"].as_str().unwrap_or_default().to_owned(),
            card: turn.state.cards.get(&portal.customer).map(|card| card.last4()),
            subscriptions: turn
                .state
                .subscriptions
                .values()
                .filter(is_theirs)
                .map(|found| subscription_row(turn, found))
                .collect(),
            invoices: turn.state.invoices.values().rev().filter(is_theirs).map(invoice_row).collect(),
            return_url: portal.return_url.clone(),
            error,
        },
    )
}

fn invoice_page(turn: &Turn<'_>, id: &str, error: Option<&'static str>) -> Response {
    let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
    match invoices::get(turn, id) {
        Ok(invoice) => page(status, &InvoicePage { invoice: invoice_row(&invoice), error }),
        Err(_) => gone(),
    }
}

fn subscription_row(turn: &Turn<'_>, subscription: &Value) -> SubscriptionRow {
    let price = &subscription["items"]["data"][0]["price"];
    let product = turn.state.products.get(price["product"].as_str().unwrap_or_default()).unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let until = subscription["cancel_at"].as_i64().unwrap_or(subscriptions::period(subscription).1);
    SubscriptionRow {
        id: text(&subscription["id"]),
        product: text(&product["name"]),
        amount: amount(price, "unit_amount"),
        interval: text(&price["recurring"]["interval"]),
        status: text(&subscription["status"]).replace('_', " "),
        until: day(until),
        ends: !subscription["cancel_at"].is_null(),
        running: subscriptions::is_running(subscription),
    }
}

fn invoice_row(invoice: &Value) -> InvoiceRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    InvoiceRow {
        id: text(&invoice["id"]),
        number: text(&invoice["number"]),
        date: day(invoice["created"].as_i64().unwrap_or_default()),
        amount: amount(invoice, "total"),
        status: text(&invoice["status"]),
    }
}

fn day(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map(|at| at.format("%-d %B %Y").to_string()).unwrap_or_default()
}
