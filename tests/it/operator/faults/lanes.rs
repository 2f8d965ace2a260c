//! Many plans at a time: lanes that take a server each, and lead it from plan to plan.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::future::join_all;

use super::plan::{Plan, Trouble};
use super::reference::Reference;
use super::workflows::{ROUNDS, Round, Workflow};
use super::world::{NotMet, Server, World};

/// How many plans are carried out at a time: each waits more than it works.
const LANES: usize = 10;
/// How many workflows one server goes through.
const TURNS: usize = 12;

/// Servers that can go through a round at once: it was learnt from them.
pub type Ready<'a> = Vec<(&'static Round, Server<'a>)>;
/// The references of all workflows that are needed.
pub type References = Vec<(&'static Workflow, Reference)>;

/// What became of a plan.
pub enum Outcome {
    /// The end was the same.
    Same,
    /// Its request was not made this time.
    NotMet,
    /// The end was another, in words.
    Other(String),
}

impl Outcome {
    fn of<T>(result: anyhow::Result<T>) -> Self {
        match result {
            Ok(_) => Self::Same,
            Err(error) if error.is::<NotMet>() => Self::NotMet,
            Err(error) => Self::Other(format!("{error:#}")),
        }
    }

    fn is_well(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

/// Hears what became of each plan (of none where a server was led without any), and says whether to go on.
pub type Told<'a> = &'a (dyn Fn(Option<&Plan>, Outcome) -> bool + Sync);

/// Carries out all plans. `thorough`: servers that are done with are cleared away, and each workflow begins with an operator that has just
/// started and remembers nothing; else it goes on with the one that led the server there, unless that has died. A start costs two dozen
/// lists and as many applies.
pub async fn carry_out<'a>(
    world: &'a World,
    references: &'a References,
    ready: Ready<'a>,
    plans: Vec<Plan>,
    thorough: bool,
    told: Told<'a>,
) {
    let lanes = Lanes { world, references, ready: Mutex::new(ready), waiting: Waiting::new(&plans), thorough, told };
    join_all((0..LANES).map(|_| lanes.one())).await;
}

struct Lanes<'a> {
    world: &'a World,
    references: &'a References,
    ready: Mutex<Ready<'a>>,
    waiting: Waiting,
    thorough: bool,
    told: Told<'a>,
}

impl<'a> Lanes<'a> {
    /// One lane: server after server, until no plan is left.
    async fn one(&self) {
        while let Some(round) = self.waiting.round() {
            let server = match self.ready_for(round) {
                Some(server) => Ok(server),
                None => Server::new(self.world, round.start).await,
            };
            let go_on = match server {
                Ok(server) => self.lead(server, round).await,
                Err(error) => (self.told)(None, Outcome::of::<()>(Err(error))),
            };
            if !go_on {
                return;
            }
        }
    }

    fn ready_for(&self, round: &Round) -> Option<Server<'a>> {
        let mut ready = self.ready.lock().unwrap();
        let place = ready.iter().position(|(one, _)| *one == round)?;
        Some(ready.swap_remove(place).1)
    }

    /// One server, workflow after workflow, as long as all goes well. Returns whether to go on.
    async fn lead(&self, mut server: Server<'a>, round: &'static Round) -> bool {
        // A plan whose request is to be delivered once more when the next workflow is over.
        let mut late: Option<Plan> = None;
        for (turn, workflow) in round.workflows().cycle().enumerate() {
            let over = turn > 0 && (!round.again || turn >= TURNS || !self.waiting.any_left(round));
            if over && late.is_none() {
                break;
            }
            let plan = if late.is_some() { None } else { self.waiting.next(workflow) };
            let outcome = Outcome::of(if over && !round.again {
                // A new server of the same name.
                server.lead_to(round.start).await
            } else {
                let reference = self.references.iter().find(|(one, _)| *one == workflow).map(|(_, reference)| reference);
                server.go(workflow, plan.as_ref(), reference).await.map(|_| ())
            });
            if self.thorough {
                server.forget();
            }
            let well = outcome.is_well();
            if well && let Some(plan) = late.take() {
                let outcome = Outcome::of(server.deliver_late().await);
                let well = outcome.is_well();
                if !(self.told)(Some(&plan), outcome) {
                    return false;
                }
                if !well {
                    return true;
                }
            } else if well && plan.as_ref().is_some_and(|plan| plan.trouble == Trouble::Late) {
                late = plan;
            } else if (plan.is_some() || !well) && !(self.told)(plan.as_ref().or(late.as_ref()), outcome) {
                return false;
            }
            if !well {
                return true;
            }
        }
        if self.thorough
            && let Err(error) = server.clear().await
        {
            println!("a server could not be cleared away: {error:#}");
        }
        true
    }
}

/// Plans of a round, by its workflows.
type OfRound = Vec<VecDeque<Plan>>;

/// Plans that wait, by round and by workflow in it.
struct Waiting(Mutex<Vec<(&'static Round, OfRound)>>);

impl Waiting {
    fn new(plans: &[Plan]) -> Self {
        let of_round = |round: &'static Round| {
            let of = |workflow: &Workflow| plans.iter().filter(|plan| plan.workflow == workflow).cloned().collect();
            (round, round.workflows().map(of).collect())
        };
        Self(Mutex::new(ROUNDS.iter().map(of_round).collect()))
    }

    /// The round with the most plans left.
    fn round(&self) -> Option<&'static Round> {
        let rounds = self.0.lock().unwrap();
        let (round, plans) = rounds.iter().max_by_key(|(_, plans)| left(plans))?;
        (left(plans) > 0).then_some(*round)
    }

    /// The next plan of a workflow.
    fn next(&self, workflow: &Workflow) -> Option<Plan> {
        let mut rounds = self.0.lock().unwrap();
        let (round, plans) = rounds.iter_mut().find(|(round, _)| round.turns.contains(&workflow.name))?;
        let place = round.turns.iter().position(|name| *name == workflow.name)?;
        plans[place].pop_front()
    }

    fn any_left(&self, round: &Round) -> bool {
        let rounds = self.0.lock().unwrap();
        rounds.iter().any(|(one, plans)| *one == round && left(plans) > 0)
    }
}

fn left(plans: &[VecDeque<Plan>]) -> usize {
    plans.iter().map(VecDeque::len).sum()
}
