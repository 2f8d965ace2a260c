//! What is done to a server, as a table: from which state it leads to which.

use paddock::ids::InstanceId;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, MastodonInstance, condition, is_true, resource_name};
use serde_json::{Value, json};

use super::super::Host;
use super::super::wire::GROUP;

/// A state in which a server stays by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no custom resource, and nothing else.
    Nothing,
    /// All that holds data was made, and nothing was ever put in: there is no volume for the cache.
    Unfilled,
    /// It serves.
    Running,
    /// It serves, with more of everything.
    Larger,
    /// Its processes are stopped.
    Suspended,
}

/// One thing that is done to a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Workflow {
    /// In plans.
    pub name: &'static str,
    /// Where it begins.
    pub from: State,
    /// Where it ends.
    pub to: State,
}

/// All of them.
pub const WORKFLOWS: &[Workflow] = &[
    Workflow { name: "provision", from: State::Nothing, to: State::Running },
    Workflow { name: "suspend", from: State::Running, to: State::Suspended },
    Workflow { name: "resume", from: State::Suspended, to: State::Running },
    Workflow { name: "resize", from: State::Running, to: State::Larger },
    Workflow { name: "shrink", from: State::Larger, to: State::Running },
    Workflow { name: "delete", from: State::Unfilled, to: State::Nothing },
];

/// Workflows that one server goes through, again and again where the end is the beginning.
pub const ROUNDS: &[Round] = &[
    Round { start: State::Nothing, turns: &["provision"], again: false },
    Round { start: State::Running, turns: &["suspend", "resume"], again: true },
    Round { start: State::Running, turns: &["resize", "shrink"], again: true },
    Round { start: State::Unfilled, turns: &["delete"], again: false },
];

/// See [`ROUNDS`]. Those that change different things don't mix: a server that was resized has old `ReplicaSets`, one that was only
/// suspended has none.
#[derive(Debug, PartialEq, Eq)]
pub struct Round {
    /// The state of the server that it begins with.
    pub start: State,
    /// The workflows in turn.
    pub turns: &'static [&'static str],
    /// Whether the same server can go through it again.
    pub again: bool,
}

impl Round {
    /// The workflows in turn.
    pub fn workflows(&self) -> impl Iterator<Item = &'static Workflow> + Clone + use<> {
        self.turns.iter().filter_map(|name| WORKFLOWS.iter().find(|workflow| workflow.name == *name))
    }
}

impl State {
    /// What the fleet asks for in this state; nothing when the custom resource is to go.
    pub fn wanted(self, id: InstanceId) -> Option<Value> {
        let mut order = Host::wanted(&resource_name(id));
        order["metadata"]["labels"][GROUP] = resource_name(id).into();
        let spec = &mut order["spec"];
        match self {
            Self::Nothing => return None,
            Self::Unfilled | Self::Running => {}
            Self::Larger => {
                spec["size"]["web"]["replicas"] = 3.into();
                spec["size"]["sidekiq"]["replicas"] = 2.into();
                spec["size"]["streaming"]["memoryMib"] = 300.into();
                spec["size"]["database"]["memoryMib"] = 2048.into();
                spec["size"]["cache"]["memoryMib"] = 512.into();
            }
            Self::Suspended => spec["mode"] = json!({"suspended": {"reason": "unpaid"}}),
        }
        Some(order)
    }

    /// What the operator has to be told otherwise than usual.
    pub fn settle(self, settings: &mut Settings) {
        if self == Self::Unfilled {
            settings.storage_class = Some("there-is-none".to_owned());
        }
    }

    /// Whether a server says that it is in this state.
    pub fn is_told(self, instance: Option<&MastodonInstance>) -> bool {
        let Some(instance) = instance else { return self == Self::Nothing };
        let status = instance.status.clone().unwrap_or_default();
        if status.observed_generation != instance.metadata.generation {
            return false;
        }
        let ready = condition(&status.conditions, ConditionKind::Ready).map(|ready| ready.reason.as_str());
        let stopped = |kind| condition(&status.conditions, kind).is_some_and(|condition| condition.reason == "Stopped");
        match self {
            Self::Nothing => false,
            Self::Unfilled => {
                is_true(&status.conditions, ConditionKind::DatabaseReady)
                    && is_true(&status.conditions, ConditionKind::RouteReady)
            }
            Self::Running | Self::Larger => is_true(&status.conditions, ConditionKind::Ready),
            // The way in is handed over first, and the processes stop after that.
            Self::Suspended => ready == Some("Stopped") && stopped(ConditionKind::CacheReady),
        }
    }
}

#[test]
fn every_workflow_has_its_turn_and_rounds_close() {
    for workflow in WORKFLOWS {
        assert_eq!(ROUNDS.iter().filter(|round| round.turns.contains(&workflow.name)).count(), 1, "{}", workflow.name);
    }
    for round in ROUNDS {
        let mut at = round.start;
        for workflow in round.workflows() {
            assert_eq!(workflow.from, at, "{}", workflow.name);
            at = workflow.to;
        }
        assert_eq!(at == round.start, round.again);
    }
}
