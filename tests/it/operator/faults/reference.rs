//! How a workflow goes when nothing disturbs it, learnt from three runs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::future::try_join_all;

use super::super::wire::Carried;
use super::plan::{Boundary, boundaries};
use super::snapshot::Likeness;
use super::workflows::{Round, Workflow};
use super::world::{Run, Server, World, effects};

/// How each workflow is learnt: so many servers, each of which goes through its round so often.
const RUNS: [usize; 3] = [1, 1, 2];

/// How one workflow goes.
pub struct Reference {
    /// Its requests.
    pub boundaries: Vec<Boundary>,
    /// What there is at its end.
    pub likeness: Likeness,
    /// How often it makes and unmakes what, at most.
    effects: BTreeMap<String, usize>,
}

impl Reference {
    fn learn(runs: &[Run]) -> anyhow::Result<Self> {
        let carried: Vec<Vec<Carried>> = runs.iter().map(|run| run.carried.clone()).collect();
        let mut most: BTreeMap<String, usize> = BTreeMap::new();
        for (effect, count) in carried.iter().flat_map(|carried| effects(carried)) {
            let known = most.entry(effect).or_default();
            *known = count.max(*known);
        }
        let snapshots: Vec<_> = runs.iter().map(|run| run.snapshot.clone()).collect();
        Ok(Self { boundaries: boundaries(&carried), likeness: Likeness::learn(&snapshots)?, effects: most })
    }

    /// What an operator made or unmade that an undisturbed one does not, or more often.
    pub fn effects_too_much(&self, carried: &[Carried]) -> Vec<String> {
        let more = effects(carried).into_iter().filter(|(effect, count)| *count > self.effects.get(effect).copied().unwrap_or(0));
        more.map(|(effect, count)| {
            format!("{effect}: {count} times instead of {}", self.effects.get(&effect).copied().unwrap_or(0))
        })
        .collect()
    }
}

/// The references of all workflows of a round, in turn.
///
/// Each comes from three servers, of which two go through the round once and the third twice: so it is learnt as well what differs on
/// the way (generations, revisions).
pub async fn learn<'a>(world: &'a World, round: &'static Round) -> anyhow::Result<Learnt<'a>> {
    let servers = RUNS.into_iter().map(|times| async move {
        let mut server = Server::new(world, round.start).await?;
        let mut runs = Vec::new();
        for _ in 0..if round.again { times } else { 1 } {
            runs.clear();
            for workflow in round.workflows() {
                runs.push(server.go(workflow, None, None).await.with_context(|| format!("{}, undisturbed", workflow.name))?);
                server.forget();
            }
        }
        anyhow::Ok((server, runs))
    });
    let (servers, runs): (Vec<Server<'a>>, Vec<Vec<Run>>) = try_join_all(servers).await?.into_iter().unzip();
    let mut of_servers: Vec<std::vec::IntoIter<Run>> = runs.into_iter().map(Vec::into_iter).collect();
    let references = round.workflows().map(|workflow| {
        let runs: Vec<Run> = of_servers.iter_mut().filter_map(Iterator::next).collect();
        Ok((workflow, Reference::learn(&runs).context(workflow.name)?))
    });
    let references = references.collect::<anyhow::Result<_>>()?;
    let servers = servers.into_iter().filter(|_| round.again).map(|server| (round, server)).collect();
    Ok(Learnt { references, servers })
}

/// What was learnt of a round.
pub struct Learnt<'a> {
    /// How each of its workflows goes.
    pub references: Vec<(&'static Workflow, Reference)>,
    /// The servers that it was learnt from, where they can go through the round again.
    pub servers: Vec<(&'static Round, Server<'a>)>,
}
