//! Every request that our adapter sends is one that Stripe takes: sent to `stripe-mock`, Stripe's own program, which knows the parameters
//! of the whole API and refuses others. It keeps no state and its answers are examples, so only whether it takes a request is looked at.
//!
//! Between the two stands a note-taker: it writes down what Stripe thought of each request, and can say that nothing is there yet, so that
//! the adapter goes on to make it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use paddock::billing::stripe::{
    Checkout, CheckoutStatus, CheckoutWanted, End, ItemChange, NewCustomer, RealStripe, Stripe, StripeError, SubscriptionChange,
    Terms,
};
use paddock::clock::{Clock as _, SystemClock};
use paddock::ids::{AccountId, ChangeId, GivingId, InstanceId, OrderId};
use paddock::money::{Currency, Money};
use serde_json::{Value, json};
use url::Url;

use super::bench::price_wanted;

/// `stripe-mock`, which ends with us.
struct Mock {
    process: Child,
    url: Url,
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn program() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = || {
        var("PADDOCK_CACHE")
            .or_else(|| Some(var("XDG_CACHE_HOME")?.join("paddock")))
            .or_else(|| Some(var("HOME")?.join(".cache/paddock")))
    };
    let found = var("PADDOCK_STRIPE_MOCK_BIN").or_else(|| Some(cache()?.join("current/stripe-mock")));
    found.filter(|path| path.exists()).expect("stripe-mock is missing: run `./dev tools`, which builds it once")
}

impl Mock {
    fn start() -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program()).args(["-http-addr", "127.0.0.1:0"]);
        // Without an address it would take a port of every interface.
        command.args(["-https-addr", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("stripe-mock has ended").unwrap();
            if let Some(address) = line.split("Listening for HTTP at address: ").nth(1) {
                break address.to_owned();
            }
        };
        // What it says further on must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{address}/").parse().unwrap() }
    }
}

/// What stands between.
struct Notes {
    mock: Mock,
    http: reqwest::Client,
    /// Method, path with ids taken out, and what Stripe said against it.
    taken: Mutex<Vec<(String, Option<String>)>>,
    /// Nothing is there yet.
    is_empty: AtomicBool,
}

async fn between(State(notes): State<Arc<Notes>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let url = notes.mock.url.join(uri.path_and_query().unwrap().as_str()).unwrap();
    let mut request = notes.http.request(method.clone(), url).body(body);
    for name in ["authorization", "content-type", "idempotency-key", "stripe-version"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let refused = (!status.is_success()).then(|| format!("{status} {text} to {uri}"));
    notes.taken.lock().unwrap().push((format!("{method} {}", without_ids(uri.path())), refused));
    let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
    // Its example leaves out what Stripe always says, and what async-stripe can't do without.
    if body["object"] == "product" && body["type"].is_null() {
        body["type"] = "service".into();
    }
    if notes.is_empty.load(Ordering::Relaxed) && method == Method::GET && status.is_success() {
        if body["object"] == "list" {
            let empty = json!({ "object": "list", "data": [], "has_more": false, "url": body["url"] });
            return axum::Json(empty).into_response();
        }
        let error = json!({ "error": { "type": "invalid_request_error", "code": "resource_missing", "message": "not yet" } });
        return (StatusCode::NOT_FOUND, axum::Json(error)).into_response();
    }
    (status, axum::Json(body)).into_response()
}

/// `/v1/subscriptions/sub_1` is `/v1/subscriptions/…`.
fn without_ids(path: &str) -> String {
    let is_word = |part: &&str| {
        !part.contains('_')
            || [
                "invoice_payments",
                "webhook_endpoints",
                "billing_portal",
                "create_preview",
                "credit_notes",
                "balance_transactions",
            ]
            .contains(part)
    };
    path.split('/').map(|part| if is_word(&part) { part } else { "…" }).collect::<Vec<_>>().join("/")
}

/// It has no better answer than its examples: that they say something else than what we need is no refusal.
fn answered<T>(result: Result<T, StripeError>) {
    drop(result);
}

/// A change with an item of each kind.
fn every_change() -> SubscriptionChange {
    let price = |id: &str| id.parse().unwrap();
    SubscriptionChange {
        subscription: "sub_1".parse().unwrap(),
        items: vec![
            ItemChange::Set { item: "si_1".parse().unwrap(), price: price("price_1"), quantity: 1 },
            ItemChange::Add { price: price("price_2"), quantity: 2 },
            ItemChange::Remove { item: "si_2".parse().unwrap() },
        ],
        as_of: SystemClock.now(),
    }
}

async fn every_call(stripe: &RealStripe) {
    let now = SystemClock.now();
    let (subscription, checkout, customer) = ("sub_1".parse().unwrap(), "cs_test_1".parse().unwrap(), "cus_1".parse().unwrap());
    let account = AccountId::new();
    answered(stripe.ensure_customer(&NewCustomer { account, email: "ada@example.test".into(), name: "Ada".into() }).await);
    answered(stripe.ensure_price(&price_wanted()).await);
    answered(stripe.product("small").await);
    answered(stripe.put_product("small", "Small").await);
    answered(stripe.prices_of("small").await);
    answered(stripe.tax_on_top(&"price_1".parse().unwrap()).await);
    answered(stripe.revive_price(&"price_1".parse().unwrap()).await);
    let wanted = CheckoutWanted {
        order: OrderId::new(),
        account,
        instance: InstanceId::new(),
        customer: "cus_1".parse().unwrap(),
        price: "price_1".parse().unwrap(),
        success_url: "https://pages.example/paid?session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://pages.example/back".into(),
        expires_at: now + TimeDelta::hours(1),
        terms: Terms::default(),
    };
    answered(stripe.open_checkout(&wanted).await);
    answered(
        stripe.open_checkout(&CheckoutWanted { order: OrderId::new(), terms: Terms { tax: true, codes: true }, ..wanted }).await,
    );
    answered(stripe.checkout(&checkout).await);
    answered(stripe.expire_checkout(&checkout).await);
    answered(stripe.subscription(&subscription).await);
    answered(stripe.oldest_open_invoice(&subscription).await);
    answered(stripe.paid_invoices(&subscription).await);
    let amount = Money::new(100, Currency::Eur);
    answered(stripe.refund(&"in_1".parse().unwrap(), amount, GivingId::new(), "an outage").await);
    answered(stripe.credit(&customer, amount, GivingId::new(), "an outage").await);
    answered(stripe.set_end(&subscription, End::WithPeriod).await);
    answered(stripe.set_end(&subscription, End::Never).await);
    answered(stripe.set_end(&subscription, End::On(now + TimeDelta::days(90))).await);
    let change = every_change();
    answered(stripe.preview_change(&change).await);
    answered(stripe.change_subscription(&change, ChangeId::new()).await);
    answered(stripe.end_subscription(&subscription).await);
    let session = Checkout {
        id: checkout,
        url: None,
        status: CheckoutStatus::Open,
        paid: false,
        subscription: None,
        customer: Some("cus_1".parse().unwrap()),
        // What the example of a charge is about, so that its payment is asked for as well.
        total: Some(Money::new(100, Currency::Usd)),
        created: now,
        expires_at: now,
        order: None,
    };
    answered(stripe.last_decline(&session).await);
    answered(stripe.list_subscriptions(None).await);
    answered(stripe.list_subscriptions(Some(&subscription)).await);
    answered(stripe.list_owed(None).await);
    answered(stripe.list_owed(Some("in_1")).await);
    answered(stripe.events_since(None).await);
    answered(stripe.events_since(Some(&"evt_1".parse().unwrap())).await);
    answered(stripe.portal_url(&customer, "https://pages.example/").await);
    answered(stripe.account().await);
    answered(stripe.webhook_endpoints().await);
}

#[tokio::test]
async fn stripes_own_program_takes_every_request_of_ours() {
    let notes = Arc::new(Notes {
        mock: Mock::start(),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        taken: Mutex::default(),
        is_empty: AtomicBool::new(false),
    });
    let app = axum::Router::new().fallback(between).with_state(Arc::clone(&notes));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let stripe = RealStripe::new(&"sk_test_123".to_owned().into(), Some(&url)).unwrap();
    for is_empty in [false, true] {
        notes.is_empty.store(is_empty, Ordering::Relaxed);
        every_call(&stripe).await;
    }

    let taken = std::mem::take(&mut *notes.taken.lock().unwrap());
    let refused: Vec<&String> = taken.iter().filter_map(|(_, refused)| refused.as_ref()).collect();
    assert!(refused.is_empty(), "Stripe refuses what we ask: {refused:#?}");
    let requests: BTreeSet<&str> = taken.iter().map(|(request, _)| request.as_str()).collect();
    let must = [
        "DELETE /v1/subscriptions/…",
        "GET /v1/account",
        "GET /v1/charges",
        "GET /v1/credit_notes",
        "GET /v1/customers/…/balance_transactions",
        "GET /v1/checkout/sessions/…",
        "GET /v1/customers",
        "GET /v1/events",
        "GET /v1/invoices",
        "GET /v1/prices",
        "GET /v1/products/…",
        "GET /v1/subscriptions",
        "GET /v1/subscriptions/…",
        "GET /v1/webhook_endpoints",
        "POST /v1/billing_portal/sessions",
        "POST /v1/checkout/sessions",
        "POST /v1/checkout/sessions/…/expire",
        "POST /v1/credit_notes",
        "POST /v1/customers",
        "POST /v1/customers/…/balance_transactions",
        "POST /v1/invoices/create_preview",
        "POST /v1/prices",
        "POST /v1/prices/…",
        "POST /v1/products",
        "POST /v1/products/…",
        "POST /v1/subscriptions/…",
    ];
    let missing: Vec<_> = must.iter().filter(|request| !requests.contains(*request)).collect();
    assert!(missing.is_empty(), "never sent: {missing:?}; sent: {requests:?}");

    // It does refuse: the test above could fail.
    let wrong =
        notes.http.post(notes.mock.url.join("v1/customers").unwrap()).bearer_auth("sk_test_123").form(&[("no_such", "1")]);
    assert_eq!(wrong.send().await.unwrap().status(), 400);
    // The payment of a declined card is asked for only where there is one, which the examples lack.
    let payment = notes.mock.url.join("v1/invoice_payments").unwrap();
    let query = [
        ("payment[type]", "payment_intent"),
        ("payment[payment_intent]", "pi_1"),
        ("expand[0]", "data.invoice"),
        ("limit", "100"),
    ];
    assert_eq!(notes.http.get(payment).bearer_auth("sk_test_123").query(&query).send().await.unwrap().status(), 200);
}

/// A method that is added to the port is sent to Stripe's program as well.
#[test]
fn no_method_of_the_port_is_left_out() {
    let (port, here) = (include_str!("../../../src/billing/stripe/mod.rs"), include_str!("mock.rs"));
    let port = port.split("pub trait Stripe").nth(1).unwrap().split("\n}\n").next().unwrap();
    let methods: Vec<&str> = port.split("async fn ").skip(1).map(|rest| rest.split('(').next().unwrap()).collect();
    assert!(methods.len() >= 14, "{methods:?}");
    let missing: Vec<_> = methods.into_iter().filter(|name| !here.contains(&format!("stripe.{name}("))).collect();
    assert!(missing.is_empty(), "methods of the port that `every_call` does not call: {missing:?}");
}
