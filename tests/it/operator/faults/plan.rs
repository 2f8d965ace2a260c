//! What can go wrong at a request, and the plans made of it: one trouble at one request of one workflow.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::Value;

use super::super::wire::{Act, Call, Carried, Rule};
use super::workflows::{WORKFLOWS, Workflow};

/// For how long watches show nothing new.
const FREEZE: Duration = Duration::from_secs(1);

/// Of a read that is repeated, so many are counted.
const LOOKS: usize = 3;

/// What goes wrong at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The operator dies before it is sent.
    AbortBefore,
    /// The operator dies after it is sent, before the answer.
    AbortAfter,
    /// Answered, and nothing done.
    Error(u16),
    /// No answer, and nothing done.
    Timeout,
    /// No answer, and all is done.
    TimeoutWithEffect,
    /// Delivered twice.
    Twice,
    /// Delivered a second time when the next workflow is over.
    Late,
    /// Watches show nothing new for a while from here on.
    Freeze,
}

impl Trouble {
    /// All of them. Of the errors those that the API server really gives: a conflict, too many requests (with `Retry-After`), a
    /// fault of its own, and being away.
    const ALL: [(Self, &str); 11] = [
        (Self::AbortBefore, "abort-before"),
        (Self::AbortAfter, "abort-after"),
        (Self::Error(409), "error-409"),
        (Self::Error(429), "error-429"),
        (Self::Error(500), "error-500"),
        (Self::Error(503), "error-503"),
        (Self::Timeout, "timeout"),
        (Self::TimeoutWithEffect, "timeout-with-effect"),
        (Self::Twice, "twice"),
        (Self::Late, "late"),
        (Self::Freeze, "freeze"),
    ];

    /// Whether it makes sense there: a read has no effect that could conflict, or be missed by watches.
    fn fits(self, at: &Boundary) -> bool {
        match self {
            Self::Error(409) | Self::Freeze => at.writes,
            // A late apply is a change like anybody's, and repaired; what is deleted late is not what was meant.
            Self::Late => at.name.starts_with("delete "),
            Self::AbortBefore | Self::AbortAfter | Self::Error(_) | Self::Timeout | Self::TimeoutWithEffect | Self::Twice => true,
        }
    }

    /// What is done to the request.
    fn act(self) -> Act {
        match self {
            Self::AbortBefore => Act::CrashBefore,
            Self::AbortAfter => Act::CrashAfter,
            Self::Error(code) => Act::Answer { code, retry_after: (code == 429).then_some(1) },
            Self::Timeout => Act::Lose,
            Self::TimeoutWithEffect => Act::LoseAnswer,
            Self::Twice => Act::Twice,
            Self::Late => Act::Keep,
            Self::Freeze => Act::Freeze(FREEZE),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(trouble, _)| trouble == self).map_or("?", |(_, word)| word))
    }
}

/// A request of a workflow at which something can go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// As in [`Call`].
    pub name: String,
    /// As in [`Call`].
    pub nth: usize,
    /// As in [`Call`].
    pub writes: bool,
}

/// The requests that each of several undisturbed runs made, numbered by their place here plus one.
///
/// First ones come first: how often a status is written differs a little from run to run, and the numbers of all that happens once
/// should not.
pub fn boundaries(runs: &[Vec<Carried>]) -> Vec<Boundary> {
    let of = |run: &Vec<Carried>| -> BTreeMap<(usize, String), bool> {
        run.iter().map(|carried| ((carried.nth, carried.name.clone()), carried.writes)).collect()
    };
    let Some(first) = runs.first() else { return Vec::new() };
    let others: Vec<_> = runs[1..].iter().map(of).collect();
    let common = of(first).into_iter().filter(|(key, _)| others.iter().all(|other| other.contains_key(key)));
    // What is read again and again while something is awaited is the same request each time.
    let common = common.filter(|((nth, _), writes)| *writes || *nth <= LOOKS);
    common.map(|((nth, name), writes)| Boundary { name, nth, writes }).collect()
}

/// One trouble at one request of one workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The workflow.
    pub workflow: &'static Workflow,
    /// The number of the request.
    pub number: usize,
    /// The request.
    pub at: Boundary,
    /// What goes wrong.
    pub trouble: Trouble,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workflow, number, at: _, trouble } = self;
        write!(f, "{}:{number}:{trouble}", workflow.name)
    }
}

/// All plans of a workflow.
pub fn all(workflow: &'static Workflow, boundaries: &[Boundary]) -> Vec<Plan> {
    let at_each = boundaries.iter().enumerate();
    let plans = at_each.flat_map(|(index, at)| {
        let fitting = Trouble::ALL.iter().map(|(trouble, _)| *trouble).filter(|trouble| trouble.fits(at));
        fitting.map(move |trouble| Plan { workflow, number: index + 1, at: at.clone(), trouble })
    });
    plans.collect()
}

/// A sample of at most `count` plans: as many of each workflow, whichever the seed says.
pub fn sample(mut plans: Vec<Plan>, count: usize, seed: u64) -> Vec<Plan> {
    plans.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Plan)> = plans
        .into_iter()
        .map(|plan| {
            let place = places.entry(plan.workflow.name).and_modify(|place| *place += 1).or_default();
            (*place, plan)
        })
        .collect();
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, plan)| plan).take(count).collect()
}

/// A plan as it is asked for, before it is known which request has the number: `provision:37:twice`. Instead of the number a request
/// may be named: `provision:apply deployments/web#1:twice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The workflow.
    pub workflow: &'static Workflow,
    at: String,
    trouble: Trouble,
}

impl FromStr for Asked {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split(':');
        let (Some(workflow), Some(at), Some(trouble), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            bail!("a plan is WORKFLOW:REQUEST:TROUBLE, such as provision:37:timeout-with-effect, not {text:?}");
        };
        let known = || WORKFLOWS.iter().map(|workflow| workflow.name).collect::<Vec<_>>().join(", ");
        let workflow = WORKFLOWS
            .iter()
            .find(|one| one.name == workflow)
            .with_context(|| format!("no workflow {workflow:?}; there are {}", known()))?;
        let words = || Trouble::ALL.map(|(_, word)| word).join(", ");
        let (trouble, _) = Trouble::ALL
            .into_iter()
            .find(|(_, word)| *word == trouble)
            .with_context(|| format!("no trouble {trouble:?}; there are {}", words()))?;
        Ok(Self { workflow, at: at.to_owned(), trouble })
    }
}

impl Asked {
    /// The plan, now that the workflow's requests are known.
    pub fn find(&self, boundaries: &[Boundary]) -> anyhow::Result<Plan> {
        let place = match self.at.parse::<usize>() {
            Ok(number) => number.checked_sub(1).filter(|index| *index < boundaries.len()),
            Err(_) => boundaries.iter().position(|at| format!("{}#{}", at.name, at.nth) == self.at),
        };
        let index = place.with_context(|| format!("{} has no request {}", self.workflow.name, self.at))?;
        let plan = Plan { workflow: self.workflow, number: index + 1, at: boundaries[index].clone(), trouble: self.trouble };
        ensure!(plan.trouble.fits(&plan.at), "{} makes no sense at {:?}", plan.trouble, plan.at.name);
        Ok(plan)
    }
}

/// What a [`Once`] has noticed.
#[derive(Debug, Default)]
pub struct Noticed {
    /// The trouble has happened.
    pub met: AtomicBool,
    /// What must never happen and did, in words.
    pub broken: Mutex<Vec<String>>,
}

/// Does what a plan says, once; watches meanwhile over what must hold at every moment.
pub struct Once {
    plan: Option<Plan>,
    noticed: Arc<Noticed>,
    initialised: bool,
}

impl Once {
    /// The rule of a plan; without one everything passes.
    pub fn new(plan: Option<Plan>) -> (Self, Arc<Noticed>) {
        let noticed = Arc::<Noticed>::default();
        (Self { plan, noticed: Arc::clone(&noticed), initialised: false }, noticed)
    }

    fn watch(&self, call: &Call) {
        let broken = |what: String| self.noticed.broken.lock().unwrap().push(what);
        if call.name.starts_with("apply jobs/prepare") && !self.initialised {
            broken("the database is filled before the status says so".to_owned());
        }
        if let Some(status) = status_of(call) {
            let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            for stalled in conditions.iter().filter(|one| one["type"] == "Stalled" && one["status"] == "True") {
                broken(format!("a person is called without need: {stalled}"));
            }
        }
    }
}

/// The status that a request writes, if it does.
fn status_of(call: &Call) -> Option<Value> {
    let body = call.name.ends_with("mastodoninstances/~/status").then(|| serde_json::from_slice::<Value>(&call.body))?;
    body.ok().map(|mut body| body["status"].take())
}

impl Rule for Once {
    fn act(&mut self, call: &Call) -> Act {
        self.watch(call);
        match self.plan.take_if(|plan| plan.at.name == call.name && plan.at.nth == call.nth) {
            Some(plan) => {
                self.noticed.met.store(true, Ordering::Relaxed);
                plan.trouble.act()
            }
            None => Act::Pass,
        }
    }

    fn answered(&mut self, call: &Call, code: u16) {
        self.initialised |= code == 200 && status_of(call).is_some_and(|status| status["databaseInitialised"] == true);
    }
}

#[test]
fn plans_are_written_and_read_back() {
    let at = |name: &str, nth, writes| Boundary { name: name.into(), nth, writes };
    let boundaries = [at("apply deployments/web", 1, true), at("get secrets/keys", 1, false), at("delete namespaces/~", 1, true)];
    let plans = all(&WORKFLOWS[0], &boundaries);
    assert_eq!(plans.len(), 10 + 8 + 11);
    for plan in &plans {
        assert_eq!(plan.to_string().parse::<Asked>().unwrap().find(&boundaries).unwrap(), *plan);
    }
    let named = format!("{}:apply deployments/web#1:twice", WORKFLOWS[0].name);
    assert_eq!(named.parse::<Asked>().unwrap().find(&boundaries).unwrap().number, 1);
    for wrong in ["provision:1", "fly:1:twice", "provision:1:melt", "provision:x:1:twice"] {
        assert!(wrong.parse::<Asked>().is_err(), "{wrong}");
    }
    assert!("provision:4:twice".parse::<Asked>().unwrap().find(&boundaries).is_err());
    assert!("provision:2:late".parse::<Asked>().unwrap().find(&boundaries).is_err());
}

#[test]
fn requests_that_not_every_run_makes_are_left_out_and_first_ones_come_first() {
    let carried = |name: &str, nth| Carried { name: name.into(), nth, writes: true, at: tokio::time::Instant::now(), code: None };
    let one = vec![carried("b", 1), carried("b", 2), carried("a", 1), carried("c", 1)];
    let two = vec![carried("a", 1), carried("b", 1), carried("b", 2), carried("b", 3)];
    let found: Vec<_> = boundaries(&[one, two]).into_iter().map(|at| (at.name, at.nth)).collect();
    assert_eq!(found, [("a".to_owned(), 1), ("b".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[test]
fn a_sample_has_as_many_of_each_workflow_and_is_the_same_for_a_seed() {
    let at: Vec<_> = (1..9).map(|nth| Boundary { name: "apply x".into(), nth, writes: true }).collect();
    let plans: Vec<Plan> = WORKFLOWS.iter().take(2).flat_map(|workflow| all(workflow, &at)).collect();
    let drawn = sample(plans.clone(), 10, 7);
    assert_eq!(drawn.iter().filter(|plan| plan.workflow == &WORKFLOWS[0]).count(), 5);
    assert_eq!(sample(plans.clone(), 10, 7), drawn);
    assert_ne!(sample(plans, 10, 8), drawn);
}
