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

/// Every point of `src`. One that is missing here fails [`every_point_has_a_case`].
const POINTS: [&str; 46] = [
    "sign_up.before_commit",
    "sign_up.committed",
    "verify.before_commit",
    "verify.committed",
    "log_in.committed",
    "order.before_commit",
    "order.committed",
    "checkout.customer_made",
    "checkout.session_made",
    "checkout.session_kept",
    "hook.verified",
    "hook.before_commit",
    "hook.committed",
    "inbox.before_commit",
    "inbox.committed",
    "sync.fetched",
    "sync.before_commit",
    "sync.committed",
    "mail.before_send",
    "mail.after_send",
    "mail.noted",
    "fleet.before_apply",
    "fleet.applied",
    "fleet.noted",
    "fleet.ready_before_commit",
    "fleet.ready_committed",
    "operator.held",
    "operator.namespace_applied",
    "operator.identity_sealed",
    "operator.identity_made",
    "operator.identity_settled",
    "operator.secrets_made",
    "operator.bucket_made",
    "operator.backup_bucket_made",
    "operator.walls_applied",
    "operator.stores_applied",
    "operator.before_status",
    "operator.status_written",
    "operator.before_initialised",
    "operator.initialised",
    "operator.job_applied",
    "operator.before_migrated",
    "operator.migrated",
    "operator.processes_applied",
    "operator.before_ready",
    "operator.ready",
];

/// Points at which the program is held up while a server that it depends on is killed and started again.
const HELD: [&str; 15] = [
    "sign_up.before_commit",
    "verify.before_commit",
    "order.before_commit",
    "order.committed",
    "checkout.session_made",
    "hook.before_commit",
    "sync.fetched",
    "sync.before_commit",
    "mail.before_send",
    "fleet.applied",
    "fleet.ready_before_commit",
    "operator.identity_sealed",
    "operator.secrets_made",
    "operator.initialised",
    "operator.before_ready",
];

/// Points of several parts, one death after the other.
const IN_A_ROW: [&str; 6] =
    ["order.committed", "checkout.session_made", "hook.committed", "fleet.applied", "operator.initialised", "operator.migrated"];

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The program dies, once at each of these points.
    Dies(&'static [&'static str]),
    /// Postgres is killed and started again while the program is at this point.
    Postgres(&'static str),
    /// So is the API server.
    ApiServer(&'static str),
    /// Processes of the parts are killed, whichever and whenever the seed says.
    Processes(u64),
}

impl Trouble {
    /// Whether a process may die while it hands a mail over: nobody knows then whether it was taken. One that lives on while something
    /// else dies knows it, and has no excuse.
    fn may_kill_a_sender(self) -> bool {
        match self {
            // The first two enqueue a mail with the transaction that they follow; it is sent at once.
            Self::Dies(points) => {
                points.iter().any(|point| ["sign_up.committed", "fleet.ready_committed", "mail.after_send"].contains(point))
            }
            Self::Processes(_) => true,
            Self::Postgres(_) | Self::ApiServer(_) => false,
        }
    }

    /// Where the program dies.
    fn deaths(self) -> &'static [&'static str] {
        match self {
            Self::Dies(points) => points,
            Self::Postgres(_) | Self::ApiServer(_) | Self::Processes(_) => &[],
        }
    }

    /// Where the program is held up.
    fn hold(self) -> Option<&'static str> {
        match self {
            Self::Postgres(point) | Self::ApiServer(point) => Some(point),
            Self::Dies(_) | Self::Processes(_) => None,
        }
    }
}

/// Every case, with its name and how the program runs: as one process and as one for each part in turn.
fn cases() -> Vec<(String, Trouble, Split)> {
    let mut all: Vec<(String, Trouble)> =
        POINTS.iter().map(|point| ((*point).to_owned(), Trouble::Dies(std::slice::from_ref(point)))).collect();
    all.push(("one after the other".to_owned(), Trouble::Dies(&IN_A_ROW)));
    all.extend(HELD.map(|point| (format!("Postgres at {point}"), Trouble::Postgres(point))));
    all.extend(HELD.map(|point| (format!("API server at {point}"), Trouble::ApiServer(point))));
    all.extend([1, 2, 3].map(|seed| (format!("processes {seed}"), Trouble::Processes(seed))));
    all.into_iter()
        .enumerate()
        .map(|(number, (name, trouble))| {
            let apart = number % 2 == 1 || matches!(trouble, Trouble::Processes(_));
            (name, trouble, if apart { Split::Parts } else { Split::Whole })
        })
        .collect()
}

/// Whether a case is in the sample anyway: without it a whole kind of trouble might be missing.
fn always(trouble: Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Postgres("sync.before_commit")
            | Trouble::ApiServer("operator.initialised")
            | Trouble::Processes(1)
            | Trouble::Dies(["sync.fetched"])
    )
}

/// How many cases a sample has beside those.
const DRAWN: usize = 4;

fn chosen() -> Vec<(String, Trouble, Split)> {
    let all = cases().into_iter();
    match choice() {
        Choice::All => all.collect(),
        Choice::Named(part) => all.filter(|(name, _, _)| name.contains(&part)).collect(),
        Choice::Sample(seed) => {
            let (mut sample, mut others): (Vec<_>, Vec<_>) = all.partition(|(_, trouble, _)| always(*trouble));
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
    for (number, (name, trouble, split)) in chosen().into_iter().enumerate() {
        let began = Instant::now();
        let outcome = case(&mut world, number, trouble, split).await;
        let took = began.elapsed().as_secs_f64();
        match outcome {
            Ok(told) => println!("{took:6.1} s  {name}: {told}"),
            Err(error) => {
                println!("{took:6.1} s  {name}: FAILED: {error:#}\n{}", world.logs());
                failed.push(name);
            }
        }
        world.stop().await;
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// One customer, one trouble. Says what happened.
async fn case(world: &mut World, number: usize, trouble: Trouble, split: Split) -> anyhow::Result<String> {
    let (deaths, hold) = (trouble.deaths(), trouble.hold());
    world.start(split, deaths, &[("PADDOCK_HOLD_AT", hold.unwrap_or_default().to_owned())])?;
    let mut customer = Customer::new(world, &format!("case{number}"))?;
    let world = &*world;
    let happens = async {
        for point in deaths.iter().copied().chain(hold) {
            until(point, async || Ok(world.was_at(point))).await?;
        }
        match trouble {
            Trouble::Dies(_) => {}
            Trouble::Postgres(_) => world.rig.postgres().restart(Fault::Killed).await?,
            Trouble::ApiServer(_) => world.rig.cluster().restart_apiserver(Fault::Killed).await?,
            Trouble::Processes(seed) => kill_processes(world, seed).await?,
        }
        if let Some(point) = hold {
            world.go_on(point)?;
        }
        anyhow::Ok(Instant::now())
    };
    let ready = async {
        customer.until_ready().await?;
        Ok(Instant::now())
    };
    let (happened, ready) = tokio::try_join!(happens, ready)?;
    let at_the_end = deaths.iter().any(|point| ["fleet.ready_committed", "operator.ready"].contains(point));
    ensure!(happened <= ready || at_the_end, "the server was ready before the trouble was over");
    let excuse = Excuse { a_mail_twice: trouble.may_kill_a_sender(), failed_jobs: deaths.is_empty(), sweeps: false };
    assert_one_of_everything(world, &customer, excuse).await?;
    Ok(format!("one of everything; {}; the customer met {} errors", split.in_words(), customer.troubles))
}

/// Four processes die, each at a time of its own.
async fn kill_processes(world: &World, seed: u64) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(seed);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(dice.random_range(400..1500))).await;
        let number = dice.random_range(0..world.processes());
        let starts = world.kill(number);
        tokio::time::timeout(Duration::from_secs(10), world.is_back(number, starts)).await.context("it was not started again")?;
    }
    Ok(())
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
        if path.extension().is_none_or(|ending| ending != "rs") {
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
    let cases: BTreeSet<String> = POINTS.map(str::to_owned).into();
    assert_eq!(there, cases);
    assert!(HELD.len() >= 12 && HELD.iter().chain(&IN_A_ROW).all(|point| POINTS.contains(point)));
}
