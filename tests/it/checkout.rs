//! What Stripe was asked for stays what it was asked for: whatever becomes of catalogue and configuration, an order has one session, and
//! its place is freed.

use chrono::TimeDelta;
use paddock::audit::Actor;
use paddock::billing::stripe::Terms;
use paddock::billing::{self, CheckoutError, Checkouts, Order, OrderState, Urls};
use paddock::clock::Clock as _;
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::plan::Catalogue;

use crate::harness::{Client, Start, TestApp};

/// A catalogue without the plan that is ordered here.
fn without_the_plan() -> Catalogue {
    let plans = include_str!("../../catalogue/plans.toml");
    let changed = plans.replace("code = \"family\"", "code = \"household\"");
    assert_ne!(plans, changed);
    Catalogue::parse(&changed).unwrap()
}

/// Opens the page to pay an order on, with the catalogue and the address of the pages as they are now.
async fn open(
    app: &TestApp,
    customer: &Client,
    order: &Order,
    catalogue: &Catalogue,
    base: &str,
) -> Result<String, CheckoutError> {
    let urls = Urls { base: base.parse().unwrap(), terms: Terms::default() };
    let (stripe, clock) = (app.deps.stripe.as_ref(), app.clock.as_ref());
    let checkouts = Checkouts { db: &app.db, clock, stripe, catalogue, urls: &urls };
    let actor = Actor::Person(customer.who.person.unwrap());
    billing::open_checkout(checkouts, actor, customer.who.account(), &customer.who.email, order.id).await
}

/// Stripe makes the session of an order and its answer is lost: we do not hear of it.
async fn open_and_hear_nothing(app: &TestApp, customer: &Client, order: &Order) {
    app.shop.fault(FaultOrder { fault: Fault::LostAnswer, request: "POST /v1/checkout/sessions".to_owned() });
    let lost = open(app, customer, order, &app.deps.catalogue, app.base()).await;
    assert!(matches!(lost, Err(CheckoutError::Stripe(_))), "{lost:?}");
    let order = app.find_order(order.id).await;
    assert_eq!((order.state, order.checkout_id), (OrderState::Placed, None));
}

/// Status, address and way back of each session at Stripe.
fn sessions(app: &TestApp) -> Vec<(String, String, String)> {
    let state = app.shop.state();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let sessions = state["checkouts"].as_array().unwrap().iter();
    sessions.map(|session| (text(&session["status"]), text(&session["url"]), text(&session["success_url"]))).collect()
}

/// Places that are kept for a payment.
async fn reserved(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from places where state = 'reserved'").fetch_one(app.sql()).await.unwrap()
}

#[tokio::test]
async fn a_changed_address_of_the_pages_is_no_other_request() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    open_and_hear_nothing(&app, &customer, &order).await;
    let url = open(&app, &customer, &order, &app.deps.catalogue, "https://moved.example/").await.unwrap();
    let back = format!("{}/orders/{}?came=paid", app.base(), order.id);
    assert_eq!(sessions(&app), [("open".to_owned(), url, back)]);
    assert_eq!(app.find_order(order.id).await.state, OrderState::Open);
}

#[tokio::test]
async fn a_place_is_freed_though_the_plan_has_left_the_catalogue_and_the_pages_have_moved() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    open_and_hear_nothing(&app, &customer, &order).await;
    // It can still be paid: Stripe has all that is needed for that.
    open(&app, &customer, &order, &without_the_plan(), "https://moved.example/").await.unwrap();

    let silent = app.order(&customer, "foxes").await;
    open_and_hear_nothing(&app, &customer, &silent).await;
    for id in [order.id, silent.id] {
        billing::settle(&app.db, app.clock.as_ref(), app.deps.stripe.as_ref(), id, true).await.unwrap();
        assert_eq!(app.find_order(id).await.state, OrderState::Expired);
    }
    assert!(sessions(&app).iter().all(|(status, _, _)| status == "expired"), "{:?}", sessions(&app));
    assert_eq!((sessions(&app).len(), reserved(&app).await), (2, 0));
    app.run_jobs().await;
}

#[tokio::test]
async fn an_order_that_can_never_be_opened_ends_at_its_time() {
    let Start { app, customer, .. } = TestApp::start().await;
    // With an order that was paid before there is a customer at Stripe.
    app.paid(&customer, "birds").await;
    let order = app.order(&customer, "foxes").await;
    // No price was ever made known here, and the plan that would name it is gone.
    let refused = open(&app, &customer, &order, &without_the_plan(), app.base()).await;
    assert!(matches!(refused, Err(CheckoutError::Missing)), "{refused:?}");
    app.advance(TimeDelta::minutes(61));
    billing::settle(&app.db, app.clock.as_ref(), app.deps.stripe.as_ref(), order.id, false).await.unwrap();
    assert_eq!(app.find_order(order.id).await.state, OrderState::Expired);
    assert_eq!((sessions(&app).len(), reserved(&app).await), (1, 0), "one session: the other order's");
    app.run_jobs().await;
}

/// Opens the page with what is asked beside the card.
async fn open_with(app: &TestApp, customer: &Client, order: &Order, terms: Terms) -> Result<String, CheckoutError> {
    let urls = Urls { base: app.base().parse().unwrap(), terms };
    let (stripe, clock, catalogue) = (app.deps.stripe.as_ref(), app.clock.as_ref(), &app.deps.catalogue);
    let checkouts = Checkouts { db: &app.db, clock, stripe, catalogue, urls: &urls };
    let actor = Actor::Person(customer.who.person.unwrap());
    billing::open_checkout(checkouts, actor, customer.who.account(), &customer.who.email, order.id).await
}

/// Fills in the payment page as somebody from abroad with a promo code.
async fn pay_with(url: &str, fields: &[(&str, &str)]) -> u16 {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let card = [("number", "4242 4242 4242 4242"), ("expiry", "12/34"), ("cvc", "123")];
    let all: Vec<_> = card.iter().chain(fields).copied().collect();
    http.post(url).form(&all).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_payment_page_asks_for_promo_codes_and_works_out_tax_where_that_is_switched_on() {
    let Start { app, customer, .. } = TestApp::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let coupon = [("id", "half"), ("percent_off", "50"), ("duration", "once")];
    assert_eq!(app.shop.post(&http, "coupons", &coupon).await.status(), 200);
    let code = [("promotion[type]", "coupon"), ("promotion[coupon]", "half"), ("code", "HELLO")];
    assert_eq!(app.shop.post(&http, "promotion_codes", &code).await.status(), 200);
    let order = app.order(&customer, "birds").await;
    let url = open_with(&app, &customer, &order, Terms { tax: true, codes: true }).await.unwrap();
    assert_eq!(pay_with(&url, &[("country", "DE"), ("code", "WRONG")]).await, 402);
    assert_eq!(pay_with(&url, &[("country", "DE"), ("code", "HELLO")]).await, 303);
    app.run_jobs().await;
    // Half of €19, and 19 % on top of it.
    assert_eq!(app.shop.charges()[0].amount, 950 + 181);
    assert_eq!(app.find_order(order.id).await.state, OrderState::Paid);
    let of = crate::standing::subscription(&app, order.instance_id).await;
    assert_eq!(of.price().minor, 1900, "the price is what it is, before tax and without the code");
    // What changes later is taxed as well.
    let remote = app.deps.stripe.subscription(&of.stripe_subscription_id).await.unwrap();
    let prices = app.deps.stripe.prices_of("family").await.unwrap();
    assert!(prices.iter().all(|price| price.taxable));
    let year =
        billing::price_wanted("family", "Family", paddock::money::Money::new(19_000, of.currency), paddock::plan::Interval::Year);
    let year = app.deps.stripe.ensure_price(&year).await.unwrap();
    let items = billing::stripe::items_to(&remote, Some(&year), None);
    let change = billing::stripe::SubscriptionChange { subscription: remote.id.clone(), items, as_of: app.clock.now() };
    assert!(app.deps.stripe.preview_change(&change).await.unwrap().tax > 0);
}

#[tokio::test]
async fn what_a_payment_page_asks_stays_what_it_was() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    app.shop.fault(FaultOrder { fault: Fault::LostAnswer, request: "POST /v1/checkout/sessions".to_owned() });
    open_with(&app, &customer, &order, Terms { tax: true, codes: false }).await.unwrap_err();
    // The switch is turned meanwhile: it is the same request, and so the same page.
    let url = open_with(&app, &customer, &order, Terms { tax: false, codes: true }).await.unwrap();
    assert_eq!(app.find_order(order.id).await.asked_terms, Terms { tax: true, codes: false });
    assert_eq!(pay_with(&url, &[("country", "FR")]).await, 303);
    app.run_jobs().await;
    assert_eq!(app.shop.charges().iter().map(|charge| charge.amount).collect::<Vec<_>>(), [1900 + 380]);
}
