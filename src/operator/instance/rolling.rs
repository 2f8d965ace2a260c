//! Whose turn it is to have Postgres or Valkey exchanged for a newer one of the same major release: each exchange is a short outage of
//! that server, so only a share of all servers has one at a time, and when those do not come back no other begins.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Context;
use super::stores;
use super::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::seen::{JobState, Key, Seen, State};

/// Who waits looks again after this long.
const LOOK: Duration = Duration::from_secs(30);

/// The servers that have their turn.
#[derive(Debug)]
pub struct Rolling {
    /// Since when we look: who had a turn before is not known at once.
    since: Instant,
    /// Those whose stores did not answer when we began to look, once that was asked.
    found: bool,
    /// Since when each has its turn.
    turns: BTreeMap<String, Instant>,
}

/// How many may have a turn, and how long each at least.
#[derive(Debug, Clone, Copy)]
struct Rules {
    most: usize,
    settle: Duration,
}

impl Rolling {
    /// Nobody has a turn.
    pub fn new(now: Instant) -> Self {
        Self { since: now, found: false, turns: BTreeMap::new() }
    }

    /// Whether it is the turn of this server. A place is kept for as long as the rules say, and beyond until the server answers again.
    fn ask(
        &mut self,
        name: &str,
        now: Instant,
        rules: Rules,
        answers: &dyn Fn(&str) -> bool,
        silent: impl FnOnce() -> Vec<String>,
    ) -> bool {
        let Rules { most, settle } = rules;
        if now.saturating_duration_since(self.since) < settle {
            return false;
        }
        if !self.found {
            self.turns.extend(silent().into_iter().map(|silent| (silent, self.since)));
            self.found = true;
        }
        self.turns.retain(|name, began| now.saturating_duration_since(*began) < settle || !answers(name));
        if !self.turns.contains_key(name) {
            if self.turns.len() >= most {
                return false;
            }
            self.turns.insert(name.to_owned(), now);
        }
        true
    }

    /// Its turn has led to nothing.
    pub fn give_back(&mut self, name: &str) {
        self.turns.remove(name);
    }
}

/// What became of a server's wish for newer images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has none.
    NotNeeded,
    /// It is its turn: they are taken.
    Taken,
    /// It waits, and looks again then.
    Waits(Duration),
}

impl Turn {
    /// How long until it is looked at again.
    pub fn wait(self) -> Option<Duration> {
        match self {
            Self::NotNeeded | Self::Taken => None,
            Self::Waits(wait) => Some(wait),
        }
    }
}

/// Takes the newer images if it is this server's turn.
pub fn take_turn(context: &Context, valid: &mut Valid<'_>, seen: &BTreeMap<Key, Seen>) -> Turn {
    if valid.images.newer.is_empty() {
        return Turn::NotNeeded;
    }
    // An upgrade, or any other work, would break off. One that does not answer has other troubles.
    if valid.under_way.is_some() || is_at_work(seen) || !stores::answer(seen) {
        return Turn::Waits(LOOK);
    }
    let settings = &valid.settings.stores;
    let most = (context.seen.count() * usize::from(settings.percent_at_once) / 100).max(1);
    let rules = Rules { most, settle: Duration::from_secs(settings.settle_seconds.into()) };
    let answers = |name: &str| {
        let seen = context.seen.of(name);
        // One that is gone waits for nothing.
        seen.is_empty() || stores::answer(&seen)
    };
    // What was never filled is not exchanged but made.
    let filled = |seen: &BTreeMap<Key, Seen>| seen.iter().any(|((kind, _), seen)| *kind == Kind::Namespace && seen.holds_data);
    let silent = || context.seen.names(&|seen| filled(seen) && !stores::answer(seen));
    if !context.with_rolling(|rolling| rolling.ask(&valid.name, Instant::now(), rules, &answers, silent)) {
        return Turn::Waits(LOOK.min(rules.settle.max(Duration::from_secs(1))));
    }
    tracing::info!(instance.name = valid.name, images = ?valid.images.newer, "has its turn to get newer stores");
    valid.images.take_newer();
    Turn::Taken
}

/// Whether a Job of the server runs.
pub fn is_at_work(seen: &BTreeMap<Key, Seen>) -> bool {
    seen.values().any(|seen| seen.state == State::Job(JobState::Active))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_more_than_may_have_their_turn_and_who_does_not_come_back_keeps_the_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let silent: RefCell<BTreeSet<&str>> = RefCell::new(BTreeSet::from(["e"]));
        let mut rolling = Rolling::new(start);
        let rules = Rules { most: 2, settle: Duration::from_secs(60) };
        let mut ask = |name: &str, seconds| {
            let answers = |name: &str| !silent.borrow().contains(name);
            rolling.ask(name, at(seconds), rules, &answers, || vec!["e".to_owned()])
        };
        assert!(!ask("a", 59), "who had a turn before we looked may not be seen yet");
        assert!(ask("a", 60));
        assert!(!ask("b", 61), "one does not answer and one has its turn");
        assert!(ask("a", 61), "whose turn it is may ask again");
        silent.borrow_mut().remove("e");
        assert!(ask("b", 62) && !ask("c", 62));
        // Both seem well before anybody has touched their pods: the places are kept.
        assert!(!ask("c", 119));
        silent.borrow_mut().insert("b");
        assert!(ask("c", 120), "a is well again");
        assert!(!ask("d", 179));
        assert!(ask("d", 180), "c is well; b still is not");
        silent.borrow_mut().insert("d");
        assert!(!ask("f", 10_000), "two that do not come back stop the rest");
        rolling.give_back("d");
        let nobody = |_: &str| true;
        assert!(rolling.ask("f", at(10_001), rules, &nobody, Vec::new));
    }
}
