//! `billing`: events of Stripe, as many and as badly delivered as they may come, and whether our rows are Stripe's in the end.
//!
//! What runs: real Postgres, with its writes made durable, the stateful fake of Stripe, `paddock web`, and `paddock worker`, each as a
//! process of its own. Everything is on this machine and shares its cores, the one that sends the events included.
//!
//! First N customers order and pay at the fake, and its clock then runs through months: renewals, cards that fail and are tried again,
//! subscriptions that are set to end, and ends that are taken back, until about fifty events for each are there. Nothing of it is told.
//! * `events_per_s`, `p50_ms`, `p99_ms`: then all events are sent at once, 32 at a time, each signed when it is sent: fully shuffled,
//!   one in twenty never, one in ten twice. `accepted` is how many deliveries got their 200, which stands behind a durable row and
//!   nothing else; `refused` is the others.
//! * `settled_ms`: workers begin to deal with the events, three are killed (`kill -9`) at random moments, and a last one goes on until
//!   nothing is due.
//! * `lost`: what the comparison with Stripe then finds and repairs: the events that never came.
//! * `differences`: between all rows and all of Stripe's objects after that. It has to be 0, like `double_charges` (an invoice that was
//!   paid twice).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::child::Program;
use super::orders::{self, Placed};
use super::sides::{percentile, step};
use crate::audit::Actor;
use crate::billing::jobs::SweepStripe;
use crate::billing::stripe::{EventId, RealStripe, Stripe, Terms, sign_webhook};
use crate::billing::{self, Checkouts, Urls, difference, inbox};
use crate::capacity::{self, NewCluster};
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::config::Config;
use crate::crypto::EXAMPLE_KEY;
use crate::db::Db;
use crate::demo::rig::Postgres;
use crate::demo::stage::HOSTS_DOMAIN;
use crate::demo::stripe::{Control, FakeStripe, Settings};
use crate::plan::{self, Catalogue, Releases};
use crate::queue;

/// Chance, the same in each run.
const SEED: u64 = 20_261_127;
const API_KEY: &str = "sk_test_bench";
const SECRET: &str = "whsec_bench";
/// Deliveries at a time.
const AT_ONCE: usize = 32;
/// Events for each subscription.
const EVENTS_EACH: usize = 50;
/// Workers that are killed.
const DEATHS: u32 = 3;
const PATIENCE: Duration = Duration::from_mins(15);
const GOOD: &str = "4242 4242 4242 4242";
const FAILS: &str = "4000 0000 0000 0341";

/// Everything around the two processes.
struct World {
    postgres: Postgres,
    fake: FakeStripe,
    control: Control,
    stripe: RealStripe,
    config: Config,
    config_file: PathBuf,
    pages: Url,
    db: Db,
    dir: PathBuf,
}

/// The whole measurement; returns its line.
pub(super) async fn measure(dir: &Path, subscriptions: u32) -> anyhow::Result<String> {
    let world = World::open(dir, subscriptions).await?;
    let mut chance = StdRng::seed_from_u64(SEED);
    let web = Program::start("web", &world.config_file, None, Some(world.pages.join("/readyz")?), &dir.join("web.log")).await?;
    let placed = step("customers who have ordered", orders::place(&world.db, &world.config, subscriptions)).await?;
    step("all have paid", pay(&world, &placed)).await?;
    let wanted = usize::try_from(subscriptions)?.saturating_mul(EVENTS_EACH);
    let events = step("months have passed", live(&world, &mut chance, wanted)).await?;
    let (made, deliveries) = (events.len(), shuffled(events, &mut chance));
    let rush = step("all events are sent", send(&world, deliveries)).await?;
    web.stop().await?;

    let began = Instant::now();
    step("workers deal with them, and die", settle(&world, &mut chance)).await?;
    let settled = began.elapsed();
    let (lost, left) = step("everything is compared", compare(&world)).await?;
    let double = double_charges(&world.control);
    world.fake.shutdown().await;
    world.postgres.stop(crate::demo::rig::Fault::Clean).await;

    let accepted = rush.micros.len();
    let rate = f64::from(u32::try_from(accepted)?) / rush.wall.as_secs_f64();
    let tenths = |percent: usize| {
        let micros = percentile(&rush.micros, percent);
        format!("{}.{}", micros / 1000, micros % 1000 / 100)
    };
    Ok(format!(
        "billing: subscriptions {subscriptions}; events {made}; events_per_s {rate:.0}; p50_ms {}; p99_ms {}; refused {}; settled_ms {}; \
         lost {lost}; double_charges {double}; differences {left}; accepted {accepted}",
        tenths(50),
        tenths(99),
        rush.refused,
        settled.as_millis(),
    ))
}

impl World {
    async fn open(dir: &Path, subscriptions: u32) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let fake = FakeStripe::start(Settings {
            listen: "127.0.0.1:0".parse()?,
            api_key: SecretString::from(API_KEY),
            webhook_secret: SecretString::from(SECRET),
            // They are sent from here, as badly as it may come.
            webhook_url: None,
            clock,
            state_file: None,
        })
        .await?;
        let postgres = step("Postgres", async { Ok(Postgres::start(&dir.join("rig"), true).await?) }).await?;
        postgres.create_database("paddock", None).await?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let pages: Url = format!("http://127.0.0.1:{port}/").parse()?;
        let text = configuration(dir, &postgres, fake.base_url(), &pages);
        let config_file = dir.join("paddock.toml");
        std::fs::write(&config_file, &text).with_context(|| format!("writing {}", config_file.display()))?;
        let config = Config::from_toml(&text)?;
        let db = Db::new(config.database.url.expose_secret(), config.database.connections)?;
        db.migrate().await?;
        make_room(&db, &config, subscriptions).await?;
        let stripe = RealStripe::new(&SecretString::from(API_KEY), Some(fake.base_url()))?;
        let control = fake.control();
        Ok(Self { postgres, fake, control, stripe, config, config_file, pages, db, dir: dir.to_path_buf() })
    }
}

/// A cluster that nobody asks, with room for so many servers of the first plan, and the releases that orders need.
pub(super) async fn make_room(db: &Db, config: &Config, subscriptions: u32) -> anyhow::Result<()> {
    let catalogue = Catalogue::load(&config.catalogue.plans)?;
    let plan = catalogue.offered().next().context("the catalogue offers no plan")?;
    let new = NewCluster {
        name: "bench".to_owned(),
        region: String::new(),
        kubeconfig: None,
        namespace: "paddock".to_owned(),
        has: capacity::enough_for(&plan.size.footprint(), subscriptions.into()),
    };
    let mut tx = db.owner().begin().await?;
    let id = capacity::add_cluster(&mut tx, &SystemClock, Actor::System("bench"), &new).await?;
    capacity::note_seen(&mut tx, &SystemClock, id).await?;
    plan::seed_releases(&mut tx, &SystemClock, &Releases::load(&config.catalogue.releases)?).await?;
    Ok(tx.commit().await?)
}

pub(super) fn configuration(dir: &Path, postgres: &Postgres, stripe: &Url, pages: &Url) -> String {
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    format!(
        r#"# Written by the measurement.
mode = "trial"
host = {{ name = "Meadow Hosting", base_url = "{pages}", domain = "{HOSTS_DOMAIN}", support = "help@paddock.test" }}
http = {{ listen = "127.0.0.1:{port}", trusted_proxies = ["127.0.0.0/8"] }}
database = {{ url = "{database}", connections = 8 }}
secrets.key = "{EXAMPLE_KEY}"
mail = {{ from = "Meadow Hosting <hello@paddock.test>", folder = "{mails}" }}
catalogue = {{ plans = "{plans}", releases = "{releases}" }}
dns = {{ target = "gate.{HOSTS_DOMAIN}", addresses = ["192.0.2.1"], resolvers = ["127.0.0.1:53"] }}

[stripe]
api_key = "{API_KEY}"
api_url = "{stripe}"
webhook_secrets = ["{SECRET}"]
"#,
        port = pages.port().unwrap_or(0),
        database = postgres.url("paddock"),
        mails = dir.join("mails").display(),
        plans = catalogue.join("plans.toml").display(),
        releases = catalogue.join("releases.toml").display(),
    )
}

/// Opens each order's page and pays on it.
async fn pay(world: &World, placed: &[Placed]) -> anyhow::Result<()> {
    let catalogue = Catalogue::load(&world.config.catalogue.plans)?;
    let urls = Urls { base: world.pages.clone(), terms: Terms::default() };
    let (catalogue, urls) = (&catalogue, &urls);
    let one = |(number, placed): (usize, &Placed)| {
        let order = placed.order;
        async move {
            let found =
                billing::find_order(&mut *world.db.owner().acquire().await?, order).await?.context("the order is gone")?;
            let checkouts = Checkouts { db: &world.db, clock: &SystemClock, stripe: &world.stripe, catalogue, urls };
            let email = format!("owner-{number}@example.org");
            billing::open_checkout(checkouts, Actor::System("bench"), found.account_id, &email, order).await?;
            let found =
                billing::find_order(&mut *world.db.owner().acquire().await?, order).await?.context("the order is gone")?;
            world.control.pay(&found.checkout_id.context("the order has no checkout")?, GOOD)?;
            anyhow::Ok(())
        }
    };
    // One after the other until the price is there: then four at a time.
    let mut all = placed.iter().enumerate();
    if let Some(first) = all.next() {
        one(first).await?;
    }
    stream::iter(all).map(one).buffer_unordered(4).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// Months pass at Stripe until there are enough events; all of them, with their bodies.
async fn live(world: &World, chance: &mut StdRng, wanted: usize) -> anyhow::Result<Vec<String>> {
    let (mut seen, mut bodies): (BTreeSet<EventId>, Vec<String>) = (BTreeSet::new(), Vec::new());
    let mut note = |seen: &mut BTreeSet<EventId>| {
        for (id, body) in world.control.events() {
            if seen.insert(id) {
                bodies.push(body);
            }
        }
        bodies.len()
    };
    let all = subscriptions(world).await?;
    let mut before = note(&mut seen);
    while before < wanted {
        for (id, customer) in &all {
            // Cards fail from some month on and are good again later; few ends are not taken back, or nothing would be left.
            match chance.random_range(0..24) {
                0 | 1 => world.control.set_card(customer, FAILS)?,
                2..=4 => world.control.set_card(customer, GOOD)?,
                5 => ask(world, id, &[("cancel_at_period_end", "true")]).await?,
                6..=8 => ask(world, id, &[("cancel_at", "")]).await?,
                _ => {}
            }
        }
        // In three steps: Stripe shows what happened within 30 days.
        for days in [10, 10, 11] {
            world.control.advance(TimeDelta::days(days));
            note(&mut seen);
        }
        let now = note(&mut seen);
        anyhow::ensure!(now > before, "nothing happens at Stripe any more after {now} events");
        before = now;
    }
    Ok(bodies)
}

/// All subscriptions with their customers.
async fn subscriptions(
    world: &World,
) -> anyhow::Result<Vec<(billing::stripe::RemoteSubscriptionId, billing::stripe::CustomerId)>> {
    let theirs = difference::look(&world.stripe, &SystemClock, &[]).await?;
    Ok(theirs.subscriptions.into_iter().map(|(id, listed)| (id, listed.subscription.customer)).collect())
}

/// Changes a subscription; one that is over can't be.
async fn ask(world: &World, id: &billing::stripe::RemoteSubscriptionId, form: &[(&str, &str)]) -> anyhow::Result<()> {
    let url = world.fake.base_url().join(&format!("v1/subscriptions/{id}"))?;
    let answer = reqwest::Client::new().post(url).bearer_auth(API_KEY).form(form).send().await?;
    anyhow::ensure!(answer.status().is_success() || answer.status().as_u16() == 400, "the fake answered {}", answer.status());
    Ok(())
}

/// In an order of its own, some twice, some never.
fn shuffled(events: Vec<String>, chance: &mut StdRng) -> Vec<Arc<str>> {
    let mut deliveries: Vec<Arc<str>> = Vec::new();
    for event in events {
        let event: Arc<str> = event.into();
        let times = match chance.random_range(0..20) {
            0 => 0,
            1 | 2 => 2,
            _ => 1,
        };
        deliveries.extend(std::iter::repeat_n(event, times));
    }
    deliveries.shuffle(chance);
    deliveries
}

/// How the deliveries went.
struct Rush {
    wall: Duration,
    /// Microseconds of each that was accepted, sorted.
    micros: Vec<i64>,
    refused: usize,
}

async fn send(world: &World, deliveries: Vec<Arc<str>>) -> anyhow::Result<Rush> {
    let (client, url, secret) =
        (reqwest::Client::builder().no_proxy().build()?, world.pages.join("/hooks/stripe")?, SecretString::from(SECRET));
    let (client, url, secret) = (&client, &url, &secret);
    let one = |body: Arc<str>| async move {
        let signature = sign_webhook(body.as_bytes(), secret, SystemClock.now());
        let request = client.post(url.clone()).header("content-type", "application/json").header("stripe-signature", signature);
        let began = Instant::now();
        let answer = request.body(body.to_string()).send().await;
        let micros = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        answer.is_ok_and(|answer| answer.status().is_success()).then_some(micros)
    };
    let began = Instant::now();
    let answers: Vec<Option<i64>> = stream::iter(deliveries).map(one).buffer_unordered(AT_ONCE).collect().await;
    let wall = began.elapsed();
    let refused = answers.iter().filter(|answer| answer.is_none()).count();
    let mut micros: Vec<i64> = answers.into_iter().flatten().collect();
    micros.sort_unstable();
    Ok(Rush { wall, micros, refused })
}

/// Workers begin and are killed; the last one goes on until nothing is due.
async fn settle(world: &World, chance: &mut StdRng) -> anyhow::Result<()> {
    for death in 0..DEATHS {
        let doomed =
            Program::start("worker", &world.config_file, None, None, &world.dir.join(format!("worker-{death}.log"))).await?;
        tokio::time::sleep(Duration::from_millis(chance.random_range(300..2500))).await;
        // Dropped is killed: no orderly end.
        drop(doomed);
    }
    let mut worker = Program::start("worker", &world.config_file, None, None, &world.dir.join("worker.log")).await?;
    quiet(world, &mut worker).await?;
    worker.stop().await
}

/// Returns once no event waits and no job is due or running.
async fn quiet(world: &World, worker: &mut Program) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let waiting = inbox::waiting(&mut *world.db.worker().acquire().await?).await?;
        let now = SystemClock.now();
        let busy = queue::list(world.db.owner())
            .await?
            .into_iter()
            .filter(|job| !job.is_dead() && (job.running || job.run_at <= now))
            .count();
        if waiting == 0 && busy == 0 {
            return Ok(());
        }
        worker.check()?;
        anyhow::ensure!(
            Instant::now() < end,
            "{waiting} events and {busy} jobs or more still wait after {} minutes",
            PATIENCE.as_secs() / 60
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Has everything compared and repaired, then compares once more: what was found, and what is left.
async fn compare(world: &World) -> anyhow::Result<(usize, usize)> {
    queue::enqueue(&mut *world.db.worker().acquire().await?, &SweepStripe {}, None).await?;
    let mut worker = Program::start("worker", &world.config_file, None, None, &world.dir.join("sweep.log")).await?;
    quiet(world, &mut worker).await?;
    worker.stop().await?;
    let mut conn = world.db.worker().acquire().await?;
    let lost = difference::list(&mut *world.db.staff().acquire().await?).await?.len();
    let orders = billing::orders_to_sweep(&mut conn).await?;
    let theirs = difference::look(&world.stripe as &dyn Stripe, &SystemClock, &orders).await?;
    let left = difference::compare(&difference::mirrors(&mut conn).await?, &orders, &theirs);
    for one in left.iter().take(20) {
        eprintln!("{} {}: {} here, {} at Stripe", one.subject, one.what.as_str(), one.ours, one.theirs);
    }
    Ok((lost, left.len()))
}

/// Invoices that were paid more than once.
fn double_charges(control: &Control) -> usize {
    let mut paid = BTreeSet::new();
    control.charges().into_iter().filter(|charge| !paid.insert(charge.invoice.clone())).count()
}
