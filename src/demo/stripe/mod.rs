//! A fake Stripe: an HTTP server that speaks the part of the API we use, keeps state, and has the pages that customers see.
//!
//! Tests and the demo run it; the program talks to it with the same adapter as to Stripe. It is strict where Stripe is: unknown
//! parameters, wrong ids, reused keys and sessions that are too short are refused. Where a file here is simpler than Stripe, its first
//! lines say so.

mod account;
mod api;
mod balance;
mod cards;
mod charges;
mod checkout;
mod checkout_page;
mod collection;
mod control;
mod coupons;
mod credit_notes;
mod customers;
mod discounts;
mod disputes;
mod errors;
mod events;
mod expand;
mod faults;
mod idempotency;
mod invoice_payments;
mod invoices;
mod lines;
mod list;
mod params;
mod portal;
mod portal_page;
mod preview;
mod prices;
mod products;
mod promotion_codes;
mod refunds;
mod store;
mod subscription_create;
mod subscription_update;
mod subscriptions;
mod tax;
mod tax_ids;
mod time;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

pub use self::collection::{AfterRetries, Collection};
pub use self::control::{Control, PayRefused, Refused};
pub use self::faults::{Fault, FaultOrder};
pub use self::store::Charge;
use self::store::{State, Turn};
pub use self::webhooks::{Order, Policy, Rule};
use crate::clock::SharedClock;

/// How often is looked for what is due when nobody asks for anything.
const TICK: Duration = Duration::from_millis(500);
/// How long a webhook may take to be answered.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a fake Stripe is made of.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that requests must carry.
    pub api_key: SecretString,
    /// What webhooks are signed with.
    pub webhook_secret: SecretString,
    /// Where they go; without an address none are made.
    pub webhook_url: Option<Url>,
    /// The time; [`Control::advance`] runs ahead of it.
    pub clock: SharedClock,
    /// Where to keep state between runs.
    pub state_file: Option<PathBuf>,
}

/// Why the fake could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("the fake Stripe can't listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The state file can't be read, or was written by another version: deleting it starts afresh.
    #[error("the fake Stripe can't read its state from {}; delete the file to start afresh", .0.display())]
    State(PathBuf, #[source] io::Error),
    /// No client for webhooks.
    #[error("the fake Stripe can't set up its client for webhooks")]
    Client(#[source] reqwest::Error),
    /// The address it listens on makes no URL.
    #[error("the fake Stripe's address is no URL")]
    Address(#[source] url::ParseError),
}

/// A running fake. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct FakeStripe {
    shop: Arc<Shop>,
    stop: DropGuard,
    tasks: Vec<JoinHandle<()>>,
}

impl FakeStripe {
    /// Starts listening.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let listen = settings.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;
        let base_url: Url = format!("http://{address}/").parse().map_err(StartError::Address)?;
        // Webhooks go to this machine: no proxy in between.
        let client = reqwest::Client::builder().no_proxy().timeout(WEBHOOK_TIMEOUT).build().map_err(StartError::Client)?;
        let shop = Arc::new(Shop::open(settings, base_url)?);
        let ended = CancellationToken::new();

        let app = Router::new()
            .route("/v1/{*path}", any(api::serve))
            .route("/checkout/{id}", get(checkout_page::show).post(checkout_page::pay))
            .route("/checkout/{id}/authenticate", get(checkout_page::ask).post(checkout_page::confirm))
            .route("/portal/{id}", get(portal_page::show).post(portal_page::act))
            .route("/invoice/{id}", get(portal_page::show_invoice).post(portal_page::pay_invoice))
            .merge(control::routes())
            .fallback(async || checkout_page::gone())
            .with_state(Arc::clone(&shop));
        let server = axum::serve(listener, app).with_graceful_shutdown(ended.clone().cancelled_owned());
        let tasks = vec![
            tokio::spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the fake Stripe stopped listening");
                }
            }),
            tokio::spawn(webhooks::run(Arc::clone(&shop), client, ended.clone())),
            tokio::spawn(tick(Arc::clone(&shop), ended.clone())),
        ];
        Ok(Self { shop, stop: ended.drop_guard(), tasks })
    }

    /// Where it is: what the adapter takes as base URL.
    pub fn base_url(&self) -> &Url {
        &self.shop.base_url
    }

    /// How to steer it.
    pub fn control(&self) -> Control {
        Control { shop: Arc::clone(&self.shop) }
    }

    /// Stops listening, lets requests finish, and returns when all is still.
    pub async fn shutdown(self) {
        drop(self.stop);
        for task in self.tasks {
            // A task that panicked has said so itself.
            let _stopped = task.await;
        }
    }
}

/// All that requests and tasks share.
#[derive(Debug)]
struct Shop {
    settings: Settings,
    base_url: Url,
    state: Mutex<State>,
    /// What the state file holds.
    saved: Mutex<Vec<u8>>,
    in_flight: idempotency::InFlight,
    faults: faults::Faults,
    /// There may be something to deliver.
    post: Notify,
    /// How many webhooks are waiting.
    waiting: watch::Sender<usize>,
}

impl Shop {
    fn open(settings: Settings, base_url: Url) -> Result<Self, StartError> {
        let now = settings.clock.now().timestamp();
        let file = settings.state_file.as_deref();
        let mut state =
            State::load(file, now).map_err(|error| StartError::State(settings.state_file.clone().unwrap_or_default(), error))?;
        state.webhook_url.clone_from(&settings.webhook_url);
        if state.webhook_url.is_none() {
            state.deliveries.clear();
        }
        let waiting = watch::Sender::new(state.deliveries.len());
        Ok(Self {
            settings,
            base_url,
            state: Mutex::new(state),
            saved: Mutex::default(),
            in_flight: idempotency::InFlight::default(),
            faults: faults::Faults::default(),
            post: Notify::new(),
            waiting,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix seconds of the fake's clock.
    fn now(&self) -> i64 {
        self.settings.clock.now().timestamp() + self.lock().advanced
    }

    /// Reads.
    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes what need not outlive the process.
    fn look_mut<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.lock())
    }

    /// Changes, and keeps.
    fn book<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        self.keep(&state);
        result
    }

    /// Changes at the present moment: what is due by then has happened.
    fn turn<T>(&self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        self.book(|state| {
            let now = self.settings.clock.now().timestamp() + state.advanced;
            let mut turn = Turn { state, now, base_url: self.base_url.as_str() };
            time::catch_up(&mut turn);
            let done = act(&mut turn);
            // It may have made something due.
            turn.state.next_due = None;
            done
        })
    }

    /// Reads at the present moment: what is due by then has happened.
    fn read<T>(&self, look: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let mut state = self.lock();
        let now = self.settings.clock.now().timestamp() + state.advanced;
        let is_due = time::is_due(&mut state, now);
        let mut turn = Turn { state: &mut state, now, base_url: self.base_url.as_str() };
        if is_due {
            time::catch_up(&mut turn);
        } else {
            turn.forget_old_events();
        }
        let seen = look(&mut turn);
        if is_due {
            self.keep(&state);
        }
        seen
    }

    fn keep(&self, state: &State) {
        if let Some(file) = &self.settings.state_file {
            let written = serde_json::to_vec(state).map_err(io::Error::other).and_then(|bytes| {
                let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
                if *saved != bytes {
                    State::save(&bytes, file)?;
                    *saved = bytes;
                }
                Ok(())
            });
            if let Err(error) = written {
                tracing::error!(%error, file = %file.display(), "the fake Stripe could not keep its state");
            }
        }
        self.waiting.send_replace(state.deliveries.len());
        self.post.notify_one();
    }

    /// Returns when something may have been posted since it last did.
    async fn posted(&self) {
        self.post.notified().await;
    }
}

/// Lets things happen by themselves when nobody asks.
async fn tick(shop: Arc<Shop>, ended: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ended.cancelled() => return,
        }
        let now = shop.now();
        if shop.look_mut(|state| time::is_due(state, now)) {
            shop.turn(|_| ());
        }
    }
}
