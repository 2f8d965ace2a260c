//! The proof that these tests see: with a mistake in the operator, they fail. Each mistake of `paddock::operator::seeded` in turn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use paddock::operator::seeded::Bug;

use super::lanes::{Outcome, References, carry_out};
use super::plan::{self, Plan};
use super::world::World;

/// The most plans that a mistake is looked for with.
const AT_MOST: usize = 600;

/// Puts each mistake into the operator and looks for it. Panics unless all are found.
pub async fn every_mistake_is_found(world: &World, references: &References) {
    let all: Vec<Plan> = references.iter().flat_map(|(workflow, reference)| plan::all(workflow, &reference.boundaries)).collect();
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        Bug::choose(Some(bug));
        let (begun, tried, over) = (Instant::now(), AtomicU32::new(0), AtomicBool::new(false));
        let found = Mutex::new(None);
        let told = |plan: Option<&Plan>, outcome: Outcome| {
            tried.fetch_add(1, Ordering::Relaxed);
            if let Outcome::Other(why) = outcome {
                over.store(true, Ordering::Relaxed);
                let plan = plan
                    .map_or_else(|| "an undisturbed run".to_owned(), |plan| format!("{plan} ({}#{})", plan.at.name, plan.at.nth));
                found.lock().unwrap().get_or_insert((plan, why));
            }
            !over.load(Ordering::Relaxed)
        };
        carry_out(world, references, Vec::new(), plan::sample(all.clone(), AT_MOST, 1), true, &told).await;
        Bug::choose(None);
        let (tried, took) = (tried.into_inner(), begun.elapsed().as_secs_f64());
        match found.into_inner().unwrap() {
            Some((plan, why)) => {
                let first = why.lines().take(3).collect::<Vec<_>>().join(" ");
                println!("found   {bug:?} after {tried} plans, {took:.0} s: {plan}: {first}");
            }
            None => {
                println!("MISSED  {bug:?}, {tried} plans, {took:.0} s");
                missed.push(bug);
            }
        }
    }
    println!("mistakes found: {} of {}", Bug::ALL.len() - missed.len(), Bug::ALL.len());
    assert!(missed.is_empty(), "{missed:?}");
}
