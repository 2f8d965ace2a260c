//! The page where a customer pays, in Stripe's place. Plain forms, no script.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::Shop;
use super::cards::Card;
use super::checkout;
use super::store::Turn;
use crate::money::{Currency, Money};

/// What is on sale, and a form for the card.
#[derive(Template)]
#[template(path = "demo/stripe/checkout.html")]
struct CheckoutPage {
    id: String,
    product: String,
    amount: String,
    interval: String,
    email: String,
    cancel_url: String,
    error: Option<&'static str>,
    given: CardForm,
    takes_codes: bool,
    asks_country: bool,
    needs_card: bool,
    cards: [(Card, &'static str, &'static str); 5],
}

/// The bank's question.
#[derive(Template)]
#[template(path = "demo/stripe/authenticate.html")]
struct AuthenticatePage {
    id: String,
    amount: String,
    always: bool,
}

/// A sentence and a way out.
#[derive(Template)]
#[template(path = "demo/stripe/closed.html")]
pub(super) struct ClosedPage {
    pub title: &'static str,
    pub sentence: &'static str,
    pub leave: Option<(String, &'static str)>,
}

/// A card as typed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CardForm {
    #[serde(default)]
    number: String,
    #[serde(default)]
    expiry: String,
    #[serde(default)]
    cvc: String,
    /// A promotion code; on payment pages that take one.
    #[serde(default)]
    code: String,
    /// Two letters; on payment pages that ask.
    #[serde(default)]
    country: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Confirmation {
    result: String,
    /// The card asks each time.
    #[serde(default)]
    always: bool,
}

/// Which card the bank's question is about.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    always: Option<String>,
}

impl CardForm {
    /// The card, or what is wrong with the form.
    pub(super) fn read(&self) -> Result<Card, &'static str> {
        let card = Card::by_number(&self.number).ok_or("This is not one of the test cards. Use one of the numbers below.")?;
        let (month, year) = self.expiry.split_once('/').ok_or("Give the expiry date as month and year, such as 12/34.")?;
        let month: u8 = month.trim().parse().map_err(|_| "The expiry month is a number from 01 to 12.")?;
        if !(1..=12).contains(&month) || year.trim().parse::<u16>().is_err() {
            return Err("Give the expiry date as month and year, such as 12/34.");
        }
        if !(3..=4).contains(&self.cvc.trim().len()) || !self.cvc.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("The security code has three or four digits.");
        }
        Ok(card)
    }
}

pub(super) fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// An amount of an object, for people.
pub(super) fn amount(object: &Value, field: &str) -> String {
    let minor = object[field].as_i64().unwrap_or_default();
    match Currency::from_code(object["currency"].as_str().unwrap_or_default()) {
        Some(currency) => Money::new(minor, currency).to_string(),
        None => minor.to_string(),
    }
}

pub(super) fn gone() -> Response {
    page(
        StatusCode::NOT_FOUND,
        &ClosedPage { title: "Not found", sentence: "There is no such page at the test Stripe.", leave: None },
    )
}

pub(super) async fn show(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>) -> Response {
    shop.turn(|turn| form(turn, &id, None, CardForm::default()))
}

pub(super) async fn pay(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>, Form(given): Form<CardForm>) -> Response {
    shop.turn(|turn| {
        if let Err(error) = before_paying(turn, &id, &given) {
            return form(turn, &id, Some(error), given);
        }
        if given.number.is_empty()
            && let Ok(session) = checkout::take_free(turn, &id)
        {
            return Redirect::to(&checkout::success_url(&session)).into_response();
        }
        match given.read() {
            Err(error) => form(turn, &id, Some(error), given),
            // The bank asks on a page of its own; the session stays open until it is answered.
            Ok(card) if card.asks() && is_open(turn, &id) => {
                let page = if card.asks_always() { "authenticate?always" } else { "authenticate" };
                Redirect::to(&format!("/checkout/{id}/{page}")).into_response()
            }
            Ok(card) => match checkout::pay(turn, &id, card) {
                Ok(session) => Redirect::to(&checkout::success_url(&session)).into_response(),
                Err(_) => form(turn, &id, Some("Your card was declined. Nothing was charged. Try another card."), given),
            },
        }
    })
}

/// What the page asks beside the card, which changes what is to be paid.
fn before_paying(turn: &mut Turn<'_>, id: &str, given: &CardForm) -> Result<(), &'static str> {
    if !given.country.trim().is_empty() {
        checkout::set_country(turn, id, given.country.trim()).map_err(|_| "Give your country as two letters, such as DE.")?;
    }
    if !given.code.trim().is_empty() {
        checkout::use_code(turn, id, given.code.trim()).map_err(|_| "This code is invalid, or not for this purchase.")?;
    }
    Ok(())
}

pub(super) async fn ask(Extract(shop): Extract<Arc<Shop>>, Path(id): Path<String>, Query(question): Query<Question>) -> Response {
    let always = question.always.is_some();
    shop.turn(|turn| match checkout::get(turn, &id) {
        Ok(session) if session["status"] == "open" => {
            page(StatusCode::OK, &AuthenticatePage { id, amount: amount(&session, "amount_total"), always })
        }
        _ => form(turn, &id, None, CardForm::default()),
    })
}

pub(super) async fn confirm(
    Extract(shop): Extract<Arc<Shop>>,
    Path(id): Path<String>,
    Form(given): Form<Confirmation>,
) -> Response {
    shop.turn(|turn| {
        let card = if given.always { Card::AsksAlways } else { Card::AsksFirst };
        let paid = if given.result == "complete" { checkout::pay(turn, &id, card).ok() } else { None };
        if let Some(session) = paid {
            return Redirect::to(&checkout::success_url(&session)).into_response();
        }
        let error = "Your bank could not confirm the payment. Nothing was charged. Try again or use another card.";
        form(turn, &id, Some(error), CardForm::default())
    })
}

fn is_open(turn: &Turn<'_>, id: &str) -> bool {
    turn.state.checkouts.get(id).is_some_and(|session| session["status"] == "open")
}

/// The page as the session stands; 402 when a payment failed.
fn form(turn: &Turn<'_>, id: &str, error: Option<&'static str>, given: CardForm) -> Response {
    let Ok(session) = checkout::get(turn, id) else { return gone() };
    let cancel_url = session["cancel_url"].as_str().map(str::to_owned);
    match session["status"].as_str() {
        Some("open") => {}
        Some("complete") => {
            let leave = Some((checkout::success_url(&session), "Go on"));
            return page(StatusCode::OK, &ClosedPage { title: "Paid already", sentence: "This checkout is complete.", leave });
        }
        _ => {
            let leave = cancel_url.map(|url| (url, "Go back"));
            let sentence = "This checkout has expired. Nothing was charged.";
            return page(StatusCode::GONE, &ClosedPage { title: "Expired", sentence, leave });
        }
    }
    let basket = turn.state.baskets.get(id);
    let price = basket.and_then(|basket| turn.state.prices.get(&basket.price)).unwrap_or(&Value::Null);
    let product = turn.state.products.get(price["product"].as_str().unwrap_or_default()).unwrap_or(&Value::Null);
    let customer = turn.state.customers.get(session["customer"].as_str().unwrap_or_default()).unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
    page(
        status,
        &CheckoutPage {
            id: id.to_owned(),
            product: text(&product["name"]),
            amount: amount(&session, "amount_total"),
            interval: text(&price["recurring"]["interval"]),
            email: text(&customer["email"]),
            cancel_url: cancel_url.unwrap_or_default(),
            error,
            given,
            takes_codes: basket.is_some_and(|basket| basket.takes_codes),
            asks_country: basket.is_some_and(|basket| basket.tax && basket.keeps_country),
            needs_card: session["amount_total"] != 0 || !basket.is_some_and(|basket| basket.card_if_required),
            cards: Card::ALL,
        },
    )
}
