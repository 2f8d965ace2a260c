//! `provision`: from a paid order to a running server, one at a time and many at once, beside a client without logic.
//!
//! What runs: the rig's real Postgres, API server, etcd, controllers, scheduler and S3 server, with pods, Jobs, databases and
//! volumes simulated (KWOK and stand-ins), and `paddock serve` as one process with all its parts. Everything is on this machine
//! and shares its cores.
//!
//! Measured of Paddock: customers have signed up and placed their orders before. Then each order is committed as paid, which is the
//! transaction that a webhook's job ends in and that sets the instance's intent. From there on nothing is done from outside:
//! the fleet pushes the row, the operator builds, the fleet pulls the status back. `intent_at` and `ready_at` of the rows are
//! the two ends of each server's time. After one server to warm up, three are ordered one after the other (`single_ms`, the
//! middle one), then N at once. `objects_per_s` counts the objects that the operator has written (the custom resource and Events
//! apart) from the first commit to the last Ready.
//!
//! The peer, in the same run: on a second rig just like the first, and after the same warm-up, a client without any logic
//! makes N servers (see `learn` and `bare`).
//! * The same: the requests that write. Each object by the same verb, path, field manager and body, but for the names: applies of
//!   fleet and operator, creates of Secrets, the finalizer, as many PUTs of the status with the same bodies, the same Events; the
//!   same requests to the object store; the same order inside a server, with what the operator sends at once sent at once; 16
//!   servers at a time; the same kind of client; the same watches' worth of readiness at the end: all Deployments, the
//!   StatefulSet, the Jobs, the database and the route of every server.
//! * Not the same, all in the peer's favour: it waits for nothing inside a server (Paddock's prepare Job waits for database and
//!   cache, seed for prepare, the Deployments for seed), it reads nothing, keeps no caches, hardly looks at the answers, makes
//!   no keys, and has no database: no rows, no jobs, no mails, no audit, no pages. It does not follow all objects by watches, but
//!   only those that it waits for.
//! * Not the same, in Paddock's favour: what counts as requests of the template is one server in the middle of the N; others may
//!   have needed a status more or less. `requests_per_instance` is what `paddock serve` really has sent, reads included, on
//!   average; `bare_requests_per_instance` what the peer has sent.
//!
//! `ratio` is Paddock's rate over the peer's, both in objects per second until everything is ready.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::ExposeSecret as _;

use super::bare::{self, AT_ONCE, Recipe};
use super::child::Program;
use super::learn::{self, Diary};
use super::orders::{self, Placed};
use super::sides::{Side, percentile, step};
use crate::db::Db;
use crate::demo::stage::{Stage, StageSettings};
use crate::instance;
use crate::resource::resource_name;

/// Servers that are ordered one after the other.
const SINGLES: u32 = 3;
/// Orders that are committed at a time.
const COMMITS_AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_mins(15);

/// What `paddock serve` did.
struct Ours {
    /// Milliseconds of each server, sorted.
    many: Vec<i64>,
    /// The middle one of the singles.
    single: i64,
    /// From the first commit to the last Ready.
    wall: Duration,
    peak_mib: u64,
    requests: BTreeMap<String, u64>,
    recipe: Recipe,
}

/// The whole measurement; returns its line.
pub(super) async fn measure(dir: &Path, instances: u32) -> anyhow::Result<String> {
    let ours = measure_ours(&dir.join("paddock"), instances).await?;
    let Ours { many, single, wall, peak_mib, requests, recipe } = ours;
    eprintln!("one server: {}", recipe.in_words());
    eprintln!("requests that paddock serve sent, for all {instances}: {requests:?}");
    let (objects, bare_requests) = (recipe.objects, recipe.requests());
    let theirs = measure_theirs(&dir.join("bare"), instances, recipe).await?;

    let all_objects = f64::from(instances) * f64::from(u32::try_from(objects)?);
    let rate = |wall: Duration| all_objects / wall.as_secs_f64();
    let all_requests = f64::from(u32::try_from(requests.values().sum::<u64>())?);
    Ok(format!(
        "provision: instances {instances}; p50_ms {}; p99_ms {}; single_ms {single}; objects_per_s {:.0}; bare_objects_per_s {:.0}; \
         ratio {:.2}; peak_mib {peak_mib}; requests_per_instance {:.1}; bare_requests_per_instance {bare_requests}; \
         objects_per_instance {objects}; all_ms {}; bare_all_ms {}; bare_sent_ms {}",
        percentile(&many, 50),
        percentile(&many, 99),
        rate(wall),
        rate(theirs.ready),
        rate(wall) / rate(theirs.ready),
        all_requests / f64::from(instances),
        wall.as_millis(),
        theirs.ready.as_millis(),
        theirs.sent.as_millis(),
    ))
}

async fn measure_ours(dir: &Path, instances: u32) -> anyhow::Result<Ours> {
    let side = Side::start(dir, true).await?;
    let settings = StageSettings {
        dir: dir.to_path_buf(),
        database: "paddock".to_owned(),
        ports: [0; 3],
        // Stripe is not asked: it does not know of these orders.
        sweep_seconds: 86400,
        capacity: instances + SINGLES + 1,
        identity: "admin".to_owned(),
    };
    let stage = Stage::open(&side.rig, &settings).await?;
    let db = Db::new(stage.config.database.url.expose_secret(), stage.config.database.connections)?;
    let mut serve = Program::start(
        "serve",
        &stage.config_file,
        Some(&stage.kubeconfig),
        Some(stage.pages.join("/readyz")?),
        &dir.join("serve.log"),
    )
    .await?;
    let count = usize::try_from(instances)?;
    let mut orders = step("customers who have ordered", place(&db, &stage, instances + SINGLES + 1)).await?;
    let many = orders.split_off(orders.len() - count);

    let mut singles = Vec::new();
    for order in &orders {
        singles.push(step("one server", one(&db, &mut serve, *order)).await?);
    }
    // The first was to warm up.
    singles.remove(0);
    singles.sort_unstable();

    let middle = many.get(count / 2).context("no orders")?;
    let name = resource_name(middle.instance);
    let client = side.rig.cluster().client().await?;
    let diary = Diary::open(client.clone(), &name).await?;
    let before = serve.requests().await?;
    let used = side.used(Some(&serve)).await;
    let times = step("all servers at once", all(&db, &mut serve, &many)).await?;
    side.used(Some(&serve)).await.tell_since(&used);
    let requests = serve.requests().await?.into_iter().map(|(verb, count)| {
        let count = count - before.get(&verb).copied().unwrap_or(0);
        (verb, count)
    });
    let requests = requests.collect();
    let recipe = learn::learn(&client, &name, diary).await?;
    let peak_mib = serve.peak_kib()? / 1024;
    serve.stop().await?;
    stage.stripe.shutdown().await;
    side.rig.stop().await;

    let first = times.iter().map(|(paid, _)| *paid).min().context("no times")?;
    let last = times.iter().map(|(_, ready)| *ready).max().context("no times")?;
    let mut many: Vec<i64> = times.iter().map(|(paid, ready)| (*ready - *paid).num_milliseconds()).collect();
    many.sort_unstable();
    let single = percentile(&singles, 50);
    Ok(Ours { many, single, wall: (last - first).to_std()?, peak_mib, requests, recipe })
}

async fn measure_theirs(dir: &Path, instances: u32, recipe: Recipe) -> anyhow::Result<bare::Outcome> {
    let side = Side::start(dir, true).await?;
    let (client, buckets, recipe) = (side.rig.cluster().client().await?, side.buckets()?, Arc::new(recipe));
    for _ in 0..=SINGLES {
        step("one server of the peer", bare::replay(&client, &buckets, &recipe, 1, AT_ONCE)).await?;
    }
    let used = side.used(None).await;
    let count = usize::try_from(instances)?;
    let outcome = step("all servers of the peer", bare::replay(&client, &buckets, &recipe, count, AT_ONCE)).await?;
    side.used(None).await.tell_since(&used);
    side.rig.stop().await;
    Ok(outcome)
}

/// Places the orders, and waits until the mails of the sign-ups are out of the way.
async fn place(db: &Db, stage: &Stage, count: u32) -> anyhow::Result<Vec<Placed>> {
    let placed = orders::place(db, &stage.config, count).await?;
    let end = Instant::now() + Duration::from_mins(2);
    while stage.mailbox.mails().len() < placed.len() {
        anyhow::ensure!(Instant::now() < end, "the mails of the sign-ups did not arrive");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(placed)
}

/// Commits one order; the milliseconds until Ready.
async fn one(db: &Db, serve: &mut Program, order: Placed) -> anyhow::Result<i64> {
    let times = all(db, serve, &[order]).await?;
    times.first().map(|(paid, ready)| (*ready - *paid).num_milliseconds()).context("no time")
}

type Times = Vec<(DateTime<Utc>, DateTime<Utc>)>;

/// Commits orders and waits until all of them run.
async fn all(db: &Db, serve: &mut Program, placed: &[Placed]) -> anyhow::Result<Times> {
    let end = Instant::now() + PATIENCE;
    stream::iter(placed).map(|order| orders::pay(db, *order)).buffer_unordered(COMMITS_AT_ONCE).try_collect::<Vec<()>>().await?;
    loop {
        let mut conn = db.owner().acquire().await?;
        if instance::building_since(&mut conn).await?.is_none() {
            break;
        }
        drop(conn);
        serve.check()?;
        anyhow::ensure!(Instant::now() < end, "not all servers are ready after {} minutes", PATIENCE.as_secs() / 60);
        // The times come out of the rows: this only has to notice that it is over.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut times = Times::new();
    for order in placed {
        times.push(orders::times(db, order.instance).await?.context("a server is neither being built nor ready")?);
    }
    Ok(times)
}
