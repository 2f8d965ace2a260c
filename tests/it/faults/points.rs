//! `kill -9` at every named point of the journey, and of everything around the program.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use paddock::demo::rig::Fault;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::customer::Customer;
use super::outcome::{Excuse, assert_one_of_everything};
use super::world::{Split, World};
use super::{Choice, LOOK, choice};

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The program dies, once at each of these points.
    Dies(&'static [&'static str]),
    /// Postgres is killed and started again.
    Postgres(Moment),
    /// So is the API server.
    ApiServer(Moment),
    /// Processes of the parts are killed, whichever and whenever the seed says.
    Processes(u64),
}

impl Trouble {
    /// Whether a mail may be on its way to the mail server when it happens: then we can't know that it was taken.
    fn may_meet_a_mail(self) -> bool {
        match self {
            // The first two enqueue a mail with the transaction that they follow; it is sent at once.
            Self::Dies(points) => {
                points.iter().any(|point| ["sign_up.committed", "fleet.ready_committed", "mail.after_send"].contains(point))
            }
            Self::Postgres(_) | Self::Processes(_) => true,
            Self::ApiServer(_) => false,
        }
    }
}

/// How far the journey is.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The order is placed.
    Ordered,
    /// Stripe has taken the money.
    Paid,
    /// The custom resource is there.
    Wanted,
    /// The database and all else that holds data is there.
    Initialised,
    /// The tables are there.
    Migrated,
}

/// Every case. A point of `src` that is missing here fails [`every_point_has_a_case`].
const CASES: &[(&str, Trouble)] = &[
    ("sign_up.before_commit", Trouble::Dies(&["sign_up.before_commit"])),
    ("sign_up.committed", Trouble::Dies(&["sign_up.committed"])),
    ("verify.before_commit", Trouble::Dies(&["verify.before_commit"])),
    ("verify.committed", Trouble::Dies(&["verify.committed"])),
    ("log_in.committed", Trouble::Dies(&["log_in.committed"])),
    ("order.before_commit", Trouble::Dies(&["order.before_commit"])),
    ("order.committed", Trouble::Dies(&["order.committed"])),
    ("checkout.customer_made", Trouble::Dies(&["checkout.customer_made"])),
    ("checkout.session_made", Trouble::Dies(&["checkout.session_made"])),
    ("checkout.session_kept", Trouble::Dies(&["checkout.session_kept"])),
    ("hook.verified", Trouble::Dies(&["hook.verified"])),
    ("hook.before_commit", Trouble::Dies(&["hook.before_commit"])),
    ("hook.committed", Trouble::Dies(&["hook.committed"])),
    ("sync.fetched", Trouble::Dies(&["sync.fetched"])),
    ("sync.before_commit", Trouble::Dies(&["sync.before_commit"])),
    ("sync.committed", Trouble::Dies(&["sync.committed"])),
    ("mail.before_send", Trouble::Dies(&["mail.before_send"])),
    ("mail.after_send", Trouble::Dies(&["mail.after_send"])),
    ("mail.noted", Trouble::Dies(&["mail.noted"])),
    ("fleet.before_apply", Trouble::Dies(&["fleet.before_apply"])),
    ("fleet.applied", Trouble::Dies(&["fleet.applied"])),
    ("fleet.noted", Trouble::Dies(&["fleet.noted"])),
    ("fleet.ready_before_commit", Trouble::Dies(&["fleet.ready_before_commit"])),
    ("fleet.ready_committed", Trouble::Dies(&["fleet.ready_committed"])),
    ("operator.held", Trouble::Dies(&["operator.held"])),
    ("operator.namespace_applied", Trouble::Dies(&["operator.namespace_applied"])),
    ("operator.identity_sealed", Trouble::Dies(&["operator.identity_sealed"])),
    ("operator.identity_made", Trouble::Dies(&["operator.identity_made"])),
    ("operator.identity_settled", Trouble::Dies(&["operator.identity_settled"])),
    ("operator.secrets_made", Trouble::Dies(&["operator.secrets_made"])),
    ("operator.bucket_made", Trouble::Dies(&["operator.bucket_made"])),
    ("operator.backup_bucket_made", Trouble::Dies(&["operator.backup_bucket_made"])),
    ("operator.walls_applied", Trouble::Dies(&["operator.walls_applied"])),
    ("operator.stores_applied", Trouble::Dies(&["operator.stores_applied"])),
    ("operator.before_status", Trouble::Dies(&["operator.before_status"])),
    ("operator.status_written", Trouble::Dies(&["operator.status_written"])),
    ("operator.before_initialised", Trouble::Dies(&["operator.before_initialised"])),
    ("operator.initialised", Trouble::Dies(&["operator.initialised"])),
    ("operator.job_applied", Trouble::Dies(&["operator.job_applied"])),
    ("operator.before_migrated", Trouble::Dies(&["operator.before_migrated"])),
    ("operator.migrated", Trouble::Dies(&["operator.migrated"])),
    ("operator.processes_applied", Trouble::Dies(&["operator.processes_applied"])),
    ("operator.before_ready", Trouble::Dies(&["operator.before_ready"])),
    ("operator.ready", Trouble::Dies(&["operator.ready"])),
    (
        "one after the other",
        Trouble::Dies(&[
            "order.committed",
            "checkout.session_made",
            "hook.committed",
            "fleet.applied",
            "operator.initialised",
            "operator.migrated",
        ]),
    ),
    ("Postgres, ordered", Trouble::Postgres(Moment::Ordered)),
    ("Postgres, paid", Trouble::Postgres(Moment::Paid)),
    ("Postgres, initialised", Trouble::Postgres(Moment::Initialised)),
    ("API server, paid", Trouble::ApiServer(Moment::Paid)),
    ("API server, wanted", Trouble::ApiServer(Moment::Wanted)),
    ("API server, migrated", Trouble::ApiServer(Moment::Migrated)),
    ("processes 1", Trouble::Processes(1)),
    ("processes 2", Trouble::Processes(2)),
    ("processes 3", Trouble::Processes(3)),
];

/// Whether a case is in the sample anyway: without it a whole kind of trouble might be missing.
fn always(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Postgres(Moment::Paid) | Trouble::ApiServer(Moment::Wanted) | Trouble::Processes(1))
}

/// How many points a sample has.
const DRAWN: usize = 4;

fn chosen() -> Vec<&'static (&'static str, Trouble)> {
    match choice() {
        Choice::All => CASES.iter().collect(),
        Choice::Named(part) => CASES.iter().filter(|(name, _)| name.contains(&part)).collect(),
        Choice::Sample(seed) => {
            let (mut sample, mut others): (Vec<_>, Vec<_>) = CASES.iter().partition(|(_, trouble)| always(trouble));
            others.shuffle(&mut StdRng::seed_from_u64(seed));
            sample.extend(others.into_iter().take(DRAWN));
            sample
        }
    }
}

#[tokio::test]
async fn whatever_dies_there_is_one_of_everything() {
    let mut world = World::open("faults_points").await.unwrap();
    let mut failed = Vec::new();
    for (number, (name, trouble)) in chosen().into_iter().enumerate() {
        let began = Instant::now();
        let outcome = case(&mut world, number, *trouble).await;
        let took = began.elapsed().as_secs_f64();
        match outcome {
            Ok(told) => println!("{took:6.1} s  {name}: {told}"),
            Err(error) => {
                println!("{took:6.1} s  {name}: FAILED: {error:#}\n{}", world.logs());
                failed.push(*name);
            }
        }
        world.stop().await;
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// One customer, one trouble. Says what happened.
async fn case(world: &mut World, number: usize, trouble: Trouble) -> anyhow::Result<String> {
    let points = if let Trouble::Dies(points) = trouble { points } else { &[] };
    let split = if let Trouble::Processes(_) = trouble { Split::Parts } else { Split::Whole };
    world.start(split, points, &[])?;
    let mut customer = Customer::new(world, &format!("case{number}"))?;
    let email = customer.email().to_owned();
    let charged = world.stage.stripe.control().charges().len();
    let world = &*world;
    let happens = async {
        match trouble {
            Trouble::Dies(points) => {
                for point in points {
                    until(&format!("dying at {point}"), async || Ok(world.died_at(point))).await?;
                }
            }
            Trouble::Postgres(moment) => {
                moment.come(world, &email, charged).await?;
                world.rig.postgres().restart(Fault::Killed).await?;
            }
            Trouble::ApiServer(moment) => {
                moment.come(world, &email, charged).await?;
                world.rig.cluster().restart_apiserver(Fault::Killed).await?;
            }
            Trouble::Processes(seed) => return kill_processes(world, seed).await,
        }
        Ok(Instant::now())
    };
    let ready = async {
        customer.until_ready().await?;
        Ok(Instant::now())
    };
    let (happened, ready) = tokio::try_join!(happens, ready)?;
    let at_the_end = points.iter().any(|point| ["fleet.ready_committed", "operator.ready"].contains(point));
    ensure!(happened <= ready || at_the_end, "the server was ready before the trouble was over");
    let excuse = Excuse { a_mail_twice: trouble.may_meet_a_mail(), failed_jobs: points.is_empty(), sweeps: false };
    assert_one_of_everything(world, &customer, excuse).await?;
    Ok(format!("one of everything; the customer met {} errors", customer.troubles))
}

/// Four processes die, each at a time of its own.
async fn kill_processes(world: &World, seed: u64) -> anyhow::Result<Instant> {
    let mut dice = StdRng::seed_from_u64(seed);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(dice.random_range(400..1500))).await;
        let number = dice.random_range(0..world.processes());
        let starts = world.kill(number);
        tokio::time::timeout(Duration::from_secs(10), world.is_back(number, starts)).await.context("it was not started again")?;
    }
    Ok(Instant::now())
}

impl Moment {
    async fn come(self, world: &World, email: &str, charged: usize) -> anyhow::Result<()> {
        until(&format!("{self:?}"), async || match self {
            Self::Ordered => {
                let sql = "select count(*) from instances where owner_email = $1";
                let placed: i64 = sqlx::query_scalar(sql).bind(email).fetch_one(&mut world.database().await?).await?;
                Ok(placed > 0)
            }
            Self::Paid => Ok(world.stage.stripe.control().charges().len() > charged),
            Self::Wanted => Ok(world.resource_of(email).await?.is_some()),
            Self::Initialised | Self::Migrated => {
                let status = world.resource_of(email).await?.and_then(|resource| resource.status).unwrap_or_default();
                Ok(if let Self::Migrated = self { status.version.is_some() } else { status.database_initialised })
            }
        })
        .await
    }
}

async fn until(what: &str, look: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_mins(2);
    while !look().await? {
        ensure!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// All names of `crash::point("…")` in a folder, and those in tables of them.
fn points(folder: &std::path::Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            points(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("crash::point(") {
            continue;
        }
        // Some calls choose between names: every text of the form of a name counts, in files that have points at all.
        for part in text.split('"').skip(1).step_by(2) {
            let is_name = part.split_once('.').is_some_and(|(before, after)| {
                let plain =
                    |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
                plain(before) && plain(after)
            });
            if is_name {
                found.insert(part.to_owned());
            }
        }
    }
}

#[test]
fn every_point_has_a_case() {
    let mut there = BTreeSet::new();
    points(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut there);
    let cases: BTreeSet<String> = CASES
        .iter()
        .filter_map(|(_, trouble)| if let Trouble::Dies([point]) = trouble { Some((*point).to_owned()) } else { None })
        .collect();
    assert_eq!(there, cases);
    assert!(cases.len() >= 12);
}
