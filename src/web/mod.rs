//! Pages, the JSON API and Stripe's webhook.
//!
//! `routes.rs` is the map: every URL with who may call it and the handler that answers. A page is a struct above its handler,
//! rendered by the template of the same name.

mod access;
mod account;
mod api;
mod assets;
mod chart;
mod csrf;
mod download;
mod error;
mod form;
mod hooks;
mod instance;
mod limit;
mod list;
mod move_in;
mod new;
mod once;
mod order;
mod origin;
mod page;
mod public;
mod records;
mod routes;
mod session;
mod signed;
mod staff;
mod text;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use access::{Access, Entry};
pub use api::openapi;
pub use limit::{CALLS, Limits, WINDOW};
pub use routes::{router, table};

use crate::account::passkey::Passkeys;
use crate::account::password::Passwords;
use crate::archive::shelf::Depot;
use crate::billing::{self, stripe::Stripe};
use crate::clock::SharedClock;
use crate::config::{Host, Setting};
use crate::crypto::HostKey;
use crate::db::Db;
use crate::instance::dns::{DnsTarget, Resolver};
use crate::instance::mail_health::Sending;
use crate::instance::sites::Sites;
use crate::mail::probe::Prober;
use crate::plan::Catalogue;
use crate::sealing::Recipient;

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    app: Arc<App>,
    inbox: Arc<hooks::Inbox>,
}

impl AppState {
    /// For the router.
    pub fn new(app: App) -> Self {
        Self { app: Arc::new(app), inbox: Arc::default() }
    }

    /// Where webhooks are kept.
    fn inbox(&self) -> &Arc<hooks::Inbox> {
        &self.inbox
    }
}

impl std::ops::Deref for AppState {
    type Target = App;
    fn deref(&self) -> &App {
        &self.app
    }
}

/// The parts of [`AppState`].
pub struct App {
    /// The database.
    pub db: Db,
    /// The present.
    pub clock: SharedClock,
    /// Signs form tokens and links.
    pub key: HostKey,
    /// Hashes passwords, a few at a time.
    pub passwords: Passwords,
    /// Asks passkeys; without it, at a bare IP address, there are none.
    pub passkeys: Option<Passkeys>,
    /// Stripe.
    pub stripe: Arc<dyn Stripe>,
    /// Signing secrets of Stripe's webhooks.
    pub webhook_secrets: Vec<secrecy::SecretString>,
    /// What is sold.
    pub catalogue: Arc<Catalogue>,
    /// Looks up customers' own domains.
    pub resolver: Arc<dyn Resolver>,
    /// What they must point to.
    pub dns_target: DnsTarget,
    /// Asks customers' own web sites.
    pub sites: Arc<dyn Sites>,
    /// How the servers' mails leave, as far as it shows from outside.
    pub sending: Sending,
    /// The operator's public key, to which secrets that customers bring are sealed; without it none are taken.
    pub sealing: Option<Recipient>,
    /// Talks to mail servers that customers name.
    pub prober: Prober,
    /// Who the host is.
    pub host: Host,
    /// The settings that hold, without secrets, for staff.
    pub settings: Vec<Setting>,
    /// Where Stripe sends people back to.
    pub urls: billing::Urls,
    /// How long Stripe's page stays open.
    pub checkout_minutes: i64,
    /// What follows when nobody pays, and how long data is kept after an end.
    pub dates: billing::Dates,
    /// What one of the host's people may give a customer alone.
    pub giving: billing::giving::Limits,
    /// Where Stripe's page is: forms of ours may lead there by a redirect.
    pub payment_origin: String,
    /// Whether names that only exist in trials (`.test`) may be used, and cookies may travel over plain http.
    pub trial: bool,
    /// Ranges of addresses of the proxies in front, whose word about who calls is taken.
    pub trusted_proxies: Vec<String>,
    /// Where customers' archives are; without it nobody is given one here.
    pub depot: Option<Depot>,
    /// Counts calls of the API.
    pub limits: Limits,
    /// Wakes pages that watch an instance.
    pub nudges: Nudges,
}

/// Nudges of instances: their row changed. They carry the instance's UUID as Postgres sends it.
#[derive(Debug, Clone)]
pub struct Nudges(tokio::sync::broadcast::Sender<String>);

impl Default for Nudges {
    fn default() -> Self {
        Self(tokio::sync::broadcast::channel(1024).0)
    }
}

impl Nudges {
    /// From now on.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<String> {
        self.0.subscribe()
    }

    /// Passes on what Postgres says until `shutdown`; a broken connection is made again. Pages also look without a nudge.
    pub async fn listen(self, db: Db, shutdown: CancellationToken) {
        loop {
            let pause = async {
                let Ok(mut listener) = sqlx::postgres::PgListener::connect_with(db.auth()).await else { return };
                if listener.listen("paddock_instance").await.is_err() {
                    return;
                }
                while let Ok(nudge) = listener.recv().await {
                    // Nobody may be watching: that is no error.
                    let _ = self.0.send(nudge.payload().to_owned());
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = pause => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            }
        }
    }
}

/// Serves until `shutdown`; requests that are being answered then get ten seconds.
pub async fn serve(listener: tokio::net::TcpListener, state: AppState, shutdown: CancellationToken) -> std::io::Result<()> {
    let app = router(state).into_make_service_with_connect_info::<SocketAddr>();
    let stop = shutdown.clone();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        done = async { serving.await } => done,
        () = async {
            shutdown.cancelled().await;
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        } => Ok(()),
    }
}
