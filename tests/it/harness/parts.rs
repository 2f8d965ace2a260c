//! What the program is made of in tests.

use std::net::Ipv4Addr;
use std::sync::Arc;

use chrono::TimeDelta;
use lettre::transport::smtp::client::Certificate;
use paddock::account::passkey::Passkeys;
use paddock::account::password::Passwords;
use paddock::archive::shelf::Depot;
use paddock::audit::chain::Signer;
use paddock::billing::{self, stripe::Stripe};
use paddock::clock::{Clock, ManualClock};
use paddock::config::{Config, Host, REFERENCE};
use paddock::crypto::HostKey;
use paddock::db::Db;
use paddock::desk::alerts::Limits;
use paddock::instance::dns::{DnsTarget, Resolver, ScriptedResolver};
use paddock::instance::mail_health::Sending;
use paddock::instance::sites::ScriptedSites;
use paddock::internet::{Outbound, Reach};
use paddock::mail::MemoryTransport;
use paddock::mail::probe::Prober;
use paddock::plan::{Catalogue, Releases};
use paddock::sealing::Key;
use paddock::web::{App, AppState, Nudges};
use paddock::{web, worker};

use super::app::{HOSTS_DOMAIN, OPERATOR_KEY};
use super::shop::Shop;

/// Who signs the audit log.
pub fn audit_signer() -> Signer {
    Signer::new(&[9; 32])
}

/// Where the passkeys of tests believe that they are.
pub const PASSKEYS_AT: &str = "http://localhost";

/// The operator's key, to which secrets of customers are sealed.
pub fn operator_key() -> Key {
    Key::new(&OPERATOR_KEY.to_owned().into()).unwrap()
}

pub(super) fn parts(
    db: &Db,
    clock: &Arc<ManualClock>,
    base: &str,
    shop: &Shop,
    (resolver, sites): (&ScriptedResolver, &ScriptedSites),
    transport: &Arc<MemoryTransport>,
    depot: Option<Depot>,
) -> (AppState, Arc<worker::Deps>) {
    let (clock, stripe): (Arc<dyn Clock>, Arc<dyn Stripe>) = (clock.clone(), shop.stripe());
    let catalogue = Arc::new(Catalogue::parse(include_str!("../../../catalogue/plans.toml")).unwrap());
    let dns_target = DnsTarget {
        host: format!("gate.{HOSTS_DOMAIN}"),
        ipv4: vec![Ipv4Addr::new(192, 0, 2, 1)],
        ipv6: vec!["2001:db8::1".parse().unwrap()],
    };
    let view: Arc<dyn Resolver> = Arc::new(resolver.clone());
    let dates = billing::Dates::from(&Config::from_toml(REFERENCE).unwrap().standing);
    // Nothing is asked beside the card; tests of that ask for it.
    let terms = billing::stripe::Terms::default();
    let (key, urls) = (HostKey::new([7; 32]), billing::Urls { base: base.parse().unwrap(), terms });
    let state = AppState::new(App {
        db: db.clone(),
        clock: Arc::clone(&clock),
        key: key.clone(),
        passwords: Passwords::new(2),
        // Browsers make no passkeys at a bare address: those of tests say that they are here.
        passkeys: Passkeys::new(&PASSKEYS_AT.parse().unwrap(), "Meadow Hosting"),
        stripe: Arc::clone(&stripe),
        webhook_secrets: vec![Shop::secret()],
        catalogue: Arc::clone(&catalogue),
        resolver: Arc::new(resolver.clone()),
        dns_target: dns_target.clone(),
        sites: Arc::new(sites.clone()),
        sending: Sending { from: Some("notifications@{domain}".to_owned()), dkim_selector: Some("relay".to_owned()) },
        sealing: Some(operator_key().recipient()),
        prober: Prober {
            only_public: false,
            own: Vec::new(),
            ports: Vec::new(),
            authorities: vec![Certificate::from_pem(include_bytes!("../certificates/authority.pem")).unwrap()],
            hello: "paddock.test".to_owned(),
            places: Prober::places(),
        },
        host: Host {
            name: "Meadow Hosting".to_owned(),
            base_url: urls.base.clone(),
            domain: HOSTS_DOMAIN.to_owned(),
            support: "help@host.example".to_owned(),
            processors: vec!["Stripe Payments Europe, Ltd. | takes payments | Ireland".parse().unwrap()],
        },
        settings: Config::from_toml(REFERENCE).unwrap().effective(),
        urls: urls.clone(),
        checkout_minutes: 60,
        dates: dates.clone(),
        giving: billing::giving::Limits { billing: 100, admin: 1000 },
        payment_origin: shop.origin(),
        trial: true,
        trusted_proxies: vec!["127.0.0.0/8".to_owned()],
        depot: depot.clone(),
        limits: web::Limits::default(),
        nudges: Nudges::default(),
    });
    let deps = worker::Deps {
        db: db.clone(),
        clock,
        stripe,
        transport: transport.clone(),
        catalogue,
        invitation: TimeDelta::hours(48),
        dates,
        releases: Arc::new(Releases::parse(include_str!("../../../catalogue/releases.toml")).unwrap()),
        urls,
        outbound: Arc::new(Outbound::new(Arc::clone(&view), Reach::Anywhere).unwrap()),
        views: vec![Arc::clone(&view), view],
        dns_target,
        sites: Arc::new(sites.clone()),
        key,
        audit_signer: audit_signer(),
        mail_from: "Meadow Hosting <hello@host.example>".to_owned(),
        host_name: "Meadow Hosting".to_owned(),
        support: "help@host.example".to_owned(),
        depot,
        alerts: worker::Alerts { limits: Limits::default(), mail: "staff@host.example".to_owned(), webhook: None },
    };
    (state, Arc::new(deps))
}
