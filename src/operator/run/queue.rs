//! Which servers' runs are to be looked at when: each at most once at a time, sooner when it is woken. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

/// The first pause after an error, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(5));

/// Servers by when they are due.
#[derive(Debug, Default)]
pub struct Queue {
    due: HashMap<String, Instant>,
    busy: HashSet<String>,
    failures: HashMap<String, u32>,
}

impl Queue {
    /// Makes a server due at `at`, or leaves it due earlier.
    pub fn wake(&mut self, server: String, at: Instant) {
        let due = self.due.entry(server).or_insert(at);
        *due = at.min(*due);
    }

    /// When the next one is due that nobody is busy with.
    pub fn next(&self) -> Option<Instant> {
        self.due.iter().filter(|(server, _)| !self.busy.contains(*server)).map(|(_, at)| *at).min()
    }

    /// Takes what is due, as long as at most `most` are busy.
    pub fn take(&mut self, now: Instant, most: usize) -> Vec<String> {
        let room = most.saturating_sub(self.busy.len());
        let mut ready: Vec<(Instant, String)> = self
            .due
            .iter()
            .filter(|(server, at)| **at <= now && !self.busy.contains(*server))
            .map(|(server, at)| (*at, server.clone()))
            .collect();
        ready.sort();
        let taken: Vec<String> = ready.into_iter().take(room).map(|(_, server)| server).collect();
        for server in &taken {
            self.due.remove(server);
            self.busy.insert(server.clone());
        }
        taken
    }

    /// A look went well: the next is after `again`, unless there is nothing to look at.
    pub fn done(&mut self, server: &str, again: Option<Duration>, now: Instant) {
        self.busy.remove(server);
        self.failures.remove(server);
        if let Some(again) = again {
            self.wake(server.to_owned(), now + again);
        }
    }

    /// A look failed: the next is after a pause that doubles.
    pub fn failed(&mut self, server: &str, now: Instant) {
        self.busy.remove(server);
        let failures = self.failures.entry(server.to_owned()).or_default();
        let pause = PAUSES.0.saturating_mul(1 << (*failures).min(10)).min(PAUSES.1);
        *failures += 1;
        // Not sooner, whoever woke it meanwhile.
        self.due.insert(server.to_owned(), now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_looked_at_once_at_a_time_and_again_when_it_was_woken_meanwhile() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.wake("a".into(), now);
        queue.wake("b".into(), now + Duration::from_secs(1));
        assert_eq!(queue.take(now, 4), ["a"]);
        queue.wake("a".into(), now);
        assert!(queue.take(now, 4).is_empty(), "it is being looked at");
        assert_eq!(queue.next(), Some(now + Duration::from_secs(1)));
        queue.done("a", Some(Duration::from_mins(1)), now);
        assert_eq!(queue.take(now, 4), ["a"]);
        queue.done("a", None, now);
        assert_eq!(queue.take(now + Duration::from_secs(2), 4), ["b"]);
    }

    #[test]
    fn pauses_after_errors_grow_and_are_not_cut_short() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for seconds in [0.5, 1.0, 2.0] {
            queue.wake("a".into(), now);
            assert_eq!(queue.take(now + Duration::from_hours(1), 1), ["a"]);
            queue.failed("a", now);
            queue.wake("b".into(), now);
            assert_eq!(queue.next(), Some(now));
            queue.due.remove("b");
            assert_eq!(queue.next(), Some(now + Duration::from_secs_f64(seconds)));
        }
    }
}
