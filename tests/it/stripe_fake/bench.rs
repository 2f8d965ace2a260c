//! A fake Stripe, the adapter that talks to it, and an endpoint for its webhooks.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use paddock::billing::stripe::{
    Checkout, CheckoutWanted, CustomerId, EventHint, Interval, NewCustomer, PriceId, PriceWanted, RealStripe, RemoteSubscription,
    Stripe, Terms, verify_webhook,
};
use paddock::clock::{Clock, ManualClock};
use paddock::demo::stripe::{Control, FakeStripe, Settings};
use paddock::ids::{AccountId, InstanceId, OrderId};
use paddock::money::{Currency, Money};
use secrecy::SecretString;
use tokio::net::TcpListener;
use url::Url;

pub const KEY: &str = "sk_test_fake";
pub const SECRET: &str = "whsec_fake";
pub const GOOD: &str = "4242 4242 4242 4242";
pub const DECLINED: &str = "4000000000000002";
pub const ASKS: &str = "4000 0025 0000 3155";
pub const FAILS_LATER: &str = "4000 0000 0000 0341";

pub struct Bench {
    pub fake: FakeStripe,
    pub control: Control,
    pub stripe: RealStripe,
    pub clock: Arc<ManualClock>,
    pub http: reqwest::Client,
}

pub fn noon() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn settings(clock: &Arc<ManualClock>, webhook_url: Option<Url>, state_file: Option<PathBuf>) -> Settings {
    Settings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        api_key: KEY.to_owned().into(),
        webhook_secret: SECRET.to_owned().into(),
        webhook_url,
        clock: Arc::clone(clock) as _,
        state_file,
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(None).await
    }

    pub async fn with(webhook_url: Option<Url>) -> Self {
        let clock = ManualClock::at(noon());
        Self::over(settings(&clock, webhook_url, None), clock).await
    }

    pub async fn over(settings: Settings, clock: Arc<ManualClock>) -> Self {
        let fake = FakeStripe::start(settings).await.unwrap();
        let stripe = RealStripe::new(&SecretString::from(KEY), Some(fake.base_url())).unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { control: fake.control(), fake, stripe, clock, http }
    }

    /// A request of the API as any client would make it.
    pub fn raw(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = self.fake.base_url().join(path).unwrap();
        self.http.request(method.parse().unwrap(), url).bearer_auth(KEY)
    }

    /// A POST to a page or to the control API.
    pub fn page(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(self.fake.base_url().join(path).unwrap())
    }

    pub async fn customer(&self) -> CustomerId {
        let wanted = NewCustomer { account: AccountId::new(), email: "ada@example.test".into(), name: "Ada".into() };
        self.stripe.ensure_customer(&wanted).await.unwrap()
    }

    pub async fn price(&self) -> PriceId {
        self.stripe.ensure_price(&price_wanted()).await.unwrap()
    }

    /// An order that nobody else has, ready to be paid.
    pub async fn order(&self) -> CheckoutWanted {
        CheckoutWanted {
            order: OrderId::new(),
            account: AccountId::new(),
            instance: InstanceId::new(),
            customer: self.customer().await,
            price: self.price().await,
            success_url: "http://127.0.0.1:1/paid?session={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "http://127.0.0.1:1/back".into(),
            expires_at: self.control.now() + TimeDelta::hours(1),
            terms: Terms::default(),
        }
    }

    pub async fn checkout(&self) -> (CheckoutWanted, Checkout) {
        let wanted = self.order().await;
        let checkout = self.stripe.open_checkout(&wanted).await.unwrap();
        (wanted, checkout)
    }

    /// A subscription that was paid with `card`.
    pub async fn subscribed(&self, card: &str) -> (CheckoutWanted, RemoteSubscription) {
        let (wanted, checkout) = self.checkout().await;
        self.control.pay(&checkout.id, card).unwrap();
        let id = self.stripe.checkout(&checkout.id).await.unwrap().subscription.unwrap();
        (wanted, self.stripe.subscription(&id).await.unwrap())
    }
}

pub fn price_wanted() -> PriceWanted {
    PriceWanted {
        lookup_key: "small-month-eur-1900".into(),
        plan_code: "small".into(),
        plan_name: "Small".into(),
        amount: Money::new(1900, Currency::Eur),
        interval: Interval::Month,
    }
}

/// What takes webhooks: verifies each, notes it, and can be told to fail first.
pub struct Endpoint {
    pub url: Url,
    seen: Arc<Seen>,
}

struct Seen {
    hints: Mutex<Vec<EventHint>>,
    failures_left: Mutex<u32>,
    clock: Arc<ManualClock>,
}

impl Endpoint {
    pub async fn new(clock: &Arc<ManualClock>, failures: u32) -> Self {
        let seen = Arc::new(Seen { hints: Mutex::default(), failures_left: Mutex::new(failures), clock: Arc::clone(clock) });
        let app = axum::Router::new().route("/hook", post(take)).with_state(Arc::clone(&seen));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    pub fn types(&self) -> Vec<String> {
        self.hints().into_iter().map(|hint| hint.kind).collect()
    }

    pub fn hints(&self) -> Vec<EventHint> {
        self.seen.hints.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.seen.hints.lock().unwrap().clear();
    }
}

async fn take(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut left = seen.failures_left.lock().unwrap();
    if *left > 0 {
        *left -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = headers["stripe-signature"].to_str().unwrap();
    let hint = verify_webhook(&body, signature, &[SecretString::from(SECRET)], seen.clock.now()).unwrap();
    seen.hints.lock().unwrap().push(hint);
    StatusCode::OK
}

/// Waits for the post, with an end.
pub async fn idle(control: &Control) {
    tokio::time::timeout(Duration::from_secs(20), control.idle()).await.expect("the post is not delivered within 20 s");
}
