//! Whatever goes wrong at whichever request of an operator, the end is the same.
//!
//! Each workflow is run three times undisturbed, which tells its requests and what there is in the end. Then, for every request
//! and every trouble (`plan.rs`), it is run with that trouble at that request, and on to quiescence: the end must be the same, field by
//! field; nothing was made or unmade that an undisturbed run does not make or unmade; and then nothing is written.
//!
//! `./dev test` takes a sample of a hundred plans; `./dev faults` takes all of them, or the one that `--plan` names.

mod lanes;
mod plan;
#[cfg(feature = "seeded-bugs")]
mod prove;
mod reference;
mod snapshot;
mod workflows;
mod world;

use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context as _;
use futures::future::try_join_all;

use self::lanes::{Outcome, Ready, References, carry_out};
use self::plan::{Asked, Plan};
use self::reference::Reference;
use self::workflows::{ROUNDS, Workflow};
use self::world::World;
use super::apart::ALONE;

/// How many plans `./dev test` takes.
const SAMPLE: usize = 100;

/// What `PADDOCK_REQUESTS` asks for.
enum Choice {
    /// A sample, drawn with this seed.
    Sample(u64),
    /// All plans.
    All,
    /// All plans of one workflow.
    Of(&'static Workflow),
    /// One plan.
    One(Asked),
    /// What each number stands for, and nothing else.
    List,
    /// That mistakes in the operator are found; needs the feature `seeded-bugs`.
    Prove,
}

fn choice() -> anyhow::Result<Choice> {
    let text = std::env::var("PADDOCK_REQUESTS").unwrap_or_default();
    let workflow = workflows::WORKFLOWS.iter().find(|workflow| workflow.name == text);
    Ok(match (text.as_str(), workflow) {
        ("", _) => Choice::Sample(1),
        ("all", _) => Choice::All,
        ("list", _) => Choice::List,
        ("prove", _) => Choice::Prove,
        (_, Some(workflow)) => Choice::Of(workflow),
        (text, None) => match text.parse() {
            Ok(seed) => Choice::Sample(seed),
            Err(_) => Choice::One(text.parse()?),
        },
    })
}

/// How all workflows go that are needed, and servers that are ready for more.
async fn learn(world: &World, needed: impl Fn(&Workflow) -> bool) -> anyhow::Result<(References, Ready<'_>)> {
    let rounds = ROUNDS.iter().filter(|round| round.workflows().any(&needed));
    let learnt = try_join_all(rounds.map(|round| reference::learn(world, round))).await?;
    let (references, servers): (Vec<_>, Vec<_>) = learnt.into_iter().map(|one| (one.references, one.servers)).unzip();
    Ok((references.into_iter().flatten().collect(), servers.into_iter().flatten().collect()))
}

fn plans(choice: &Choice, references: &References) -> anyhow::Result<Vec<Plan>> {
    let all =
        || references.iter().flat_map(|(workflow, reference)| plan::all(workflow, &reference.boundaries)).collect::<Vec<_>>();
    Ok(match choice {
        Choice::Sample(seed) => plan::sample(all(), SAMPLE, *seed),
        Choice::All => all(),
        Choice::Of(workflow) => all().into_iter().filter(|plan| plan.workflow == *workflow).collect(),
        Choice::One(asked) => {
            let (_, reference) = references.iter().find(|(workflow, _)| *workflow == asked.workflow).context("no reference")?;
            vec![asked.find(&reference.boundaries)?]
        }
        Choice::List | Choice::Prove => Vec::new(),
    })
}

/// The first lines, and how many more there are.
fn some_of(lines: &[String]) -> String {
    let shown: Vec<&str> = lines.iter().take(12).map(String::as_str).collect();
    let more = lines.len().saturating_sub(shown.len());
    if more == 0 { shown.join("\n  ") } else { format!("{}\n  … and {more} more", shown.join("\n  ")) }
}

/// Seconds of processor time that this process and the control plane have used.
async fn processor_seconds(world: &World) -> f64 {
    // Fields 14 and 15 (proc(5)), in hundredths; the name, which may hold spaces, is the second.
    let of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let times = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
        times.map(|ticks| ticks.parse::<u32>().ok().map(|ticks| f64::from(ticks) / 100.0)).sum::<Option<f64>>()
    };
    let pids = world.pids().await.into_iter().map(|(_, pid)| pid).chain([std::process::id()]);
    pids.filter_map(of).sum()
}

#[cfg(feature = "seeded-bugs")]
async fn prove(world: &World, references: &References) {
    prove::every_mistake_is_found(world, references).await;
}

#[cfg(not(feature = "seeded-bugs"))]
fn prove(_: &World, _: &References) -> std::future::Ready<()> {
    panic!("this build can make no mistakes: ./dev faults --prove builds one that can");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_at_a_request_the_end_is_the_same() {
    let choice = choice().unwrap();
    let _others_may = ALONE.read().await;
    let world = World::open().await.unwrap();
    let begun = Instant::now();
    let needed = |workflow: &Workflow| match &choice {
        Choice::Of(wanted) => *wanted == workflow,
        Choice::One(asked) => asked.workflow == workflow,
        Choice::Sample(_) | Choice::All | Choice::List | Choice::Prove => true,
    };
    let (references, mut ready) = learn(&world, needed).await.unwrap();
    for (workflow, Reference { boundaries, likeness, .. }) in &references {
        let (compared, masked) = likeness.fields();
        println!("{}: {} requests; {compared} fields are compared, {masked} differ by chance", workflow.name, boundaries.len());
        if let Choice::List = choice {
            for (index, at) in boundaries.iter().enumerate() {
                println!("  {}:{}  {}#{}", workflow.name, index + 1, at.name, at.nth);
            }
        }
    }
    if let Choice::Prove = choice {
        prove(&world, &references).await;
        return;
    }
    world.narrow();
    let plans = plans(&choice, &references).unwrap();
    let count = u32::try_from(plans.len()).unwrap();
    let used = processor_seconds(&world).await;
    println!("learnt in {:.1} s; processor seconds so far: {used:.1}; {count} plans", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let (failed, not_met) = (Mutex::new(Vec::new()), Mutex::new(0));
    let told = |plan: Option<&Plan>, outcome: Outcome| {
        match (plan, outcome) {
            (_, Outcome::Same) => {}
            (_, Outcome::NotMet) => *not_met.lock().unwrap() += 1,
            (Some(plan), Outcome::Other(why)) => {
                println!("FAILED  ./dev faults --plan {plan}    (the request {}#{})\n  {why}", plan.at.name, plan.at.nth);
                failed.lock().unwrap().push(plan.to_string());
            }
            (None, Outcome::Other(why)) => {
                println!("FAILED  without any trouble\n  {why}");
                failed.lock().unwrap().push("undisturbed".to_owned());
            }
        }
        true
    };
    let thorough = !matches!(choice, Choice::Sample(_));
    if thorough {
        ready.clear();
    }
    carry_out(&world, &references, ready, plans, thorough, &told).await;
    let (took, used) = (begun.elapsed().as_secs_f64(), processor_seconds(&world).await - used);
    let (failed, not_met) = (failed.into_inner().unwrap(), not_met.into_inner().unwrap());
    println!(
        "plans: {count}; failed: {}; request not made: {not_met}; seconds: {took:.1}; processor seconds per plan: {:.2}",
        failed.len(),
        used / f64::from(count.max(1))
    );
    assert!(failed.is_empty(), "{failed:#?}");
    // Some requests are made only where a watch happens to be slow; few enough for the sample to mean something.
    assert!(not_met * 10 <= count, "{not_met} of {count} plans did not meet their request");
}
