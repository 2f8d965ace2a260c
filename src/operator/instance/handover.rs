//! Who answers under a server's name: the server itself, or `paddock park` while it is paused. Pure.
//!
//! Two routes for one name never contradict each other: the Gateway follows the older one. So the new way in is made and accepted
//! first, then the old one goes, and only then the pods; and the other way round when the server comes back. In between there is
//! always one that answers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::build::names;
use super::progress::pods_answer;
use super::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, State};
use crate::resource::{InstanceStatus, Suspension};

/// How long the processes of a paused server run on for the sake of its visitors, when the Gateway does not take the new route: a
/// server that must not answer any more must not go on because of that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which way in there should be, and whether processes should run behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// The server's own route.
    pub own: bool,
    /// The route to who answers in its place.
    pub park: bool,
    /// The processes.
    pub processes: bool,
}

impl Doors {
    /// Those of an instance, by what is there.
    pub fn of(valid: &Valid<'_>, status: &InstanceStatus, seen: &BTreeMap<Key, Seen>, now: DateTime<Utc>) -> Self {
        let should_run = valid.spec.mode.runs();
        if valid.settings.park.is_none() {
            return Self { own: true, park: false, processes: should_run };
        }
        let route = |name: &str| seen.get(&(Kind::HttpRoute, name.to_owned()));
        let accepted = |seen: &Seen| !seen.deleting && matches!(seen.state, State::Route { accepted: true, objection: _ });
        let (own, park) = (route(names::MASTODON), route(&valid.name));
        if should_run {
            let answers = [names::WEB, names::STREAMING].into_iter().all(|name| pods_answer(seen, Kind::Deployment, name));
            return Self {
                own: park.is_none() || own.is_some() || answers,
                park: park.is_some() && !(own.is_some_and(accepted) && answers),
                processes: true,
            };
        }
        let since = status.suspended.as_ref().map(Suspension::since).or(valid.database.paused_since());
        let hurry = since.is_some_and(|since| (now - since).to_std().is_ok_and(|passed| passed >= PATIENCE));
        Self { own: own.is_some() && !park.is_some_and(accepted), park: true, processes: own.is_some() && !hurry }
    }

    /// How long until it is looked at again without cause.
    pub fn wait(self, valid: &Valid<'_>) -> Option<Duration> {
        (self.processes && !valid.spec.mode.runs()).then_some(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::super::validate::validate;
    use super::*;

    const NAME: &str = "ins-01jd0000000000000000000000";

    fn seen(state: State) -> Seen {
        Seen::bare(state)
    }

    /// Routes by name and whether they are accepted, and whether pods answer.
    fn doors(mode: &serde_json::Value, routes: &[(&str, bool)], answers: bool, after: i64) -> Doors {
        let mut settings = settings();
        settings.park = Some(serde_json::from_value(json!({"namespace": "paddock", "service": "park", "port": 80})).unwrap());
        let instance = instance(mode, 1);
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let status = InstanceStatus { suspended: Some(Suspension::beginning(start)), ..InstanceStatus::default() };
        let route = |accepted| seen(State::Route { accepted, objection: String::new() });
        let mut all: BTreeMap<Key, Seen> =
            routes.iter().map(|(name, accepted)| ((Kind::HttpRoute, (*name).to_owned()), route(*accepted))).collect();
        let ready = i64::from(answers);
        for name in [names::WEB, names::STREAMING] {
            let pods = State::Pods { current: true, updated: 1, all: 1, ready, stuck: false };
            all.insert((Kind::Deployment, name.to_owned()), seen(pods));
        }
        let valid = validate(&settings, &instance, &InstanceStatus::default(), &all).unwrap();
        Doors::of(&valid, &status, &all, start + TimeDelta::seconds(after))
    }

    #[test]
    fn a_pause_makes_the_new_way_in_before_the_old_one_goes() {
        let paused = json!({"suspended": {"reason": "unpaid"}});
        let step = |routes: &[(&str, bool)], after| {
            let Doors { own, park, processes } = doors(&paused, routes, true, after);
            [own, park, processes]
        };
        assert_eq!(step(&[("mastodon", true)], 0), [true, true, true], "the server answers until the other way in is there");
        assert_eq!(step(&[("mastodon", true), (NAME, false)], 1), [true, true, true], "and is accepted");
        assert_eq!(step(&[("mastodon", true), (NAME, true)], 2), [false, true, true], "then the old way goes");
        assert_eq!(step(&[(NAME, true)], 3), [false, true, false], "and the pods last");
        assert_eq!(step(&[("mastodon", true), (NAME, false)], 30), [true, true, false], "but never for long");
        assert_eq!(step(&[], 0), [false, true, false], "one that never ran just gets its page");
    }

    #[test]
    fn a_server_that_comes_back_answers_before_the_page_goes() {
        let running = json!({"running": {}});
        let step = |routes: &[(&str, bool)], answers| {
            let Doors { own, park, processes } = doors(&running, routes, answers, 0);
            [own, park, processes]
        };
        assert_eq!(step(&[], false), [true, false, true], "the first start");
        assert_eq!(step(&[(NAME, true)], false), [false, true, true], "pods first");
        assert_eq!(step(&[(NAME, true)], true), [true, true, true], "then its own way in");
        assert_eq!(step(&[("mastodon", false), (NAME, true)], true), [true, true, true], "until it is accepted");
        assert_eq!(step(&[("mastodon", true), (NAME, true)], true), [true, false, true], "then the page goes");
        assert_eq!(step(&[("mastodon", true)], false), [true, false, true], "and does not come back with a crash");
    }

    #[test]
    fn without_a_park_the_route_stays() {
        let (settings, instance) = (settings(), instance(&json!({"archived": {}}), 1));
        let valid = validate(&settings, &instance, &InstanceStatus::default(), &BTreeMap::new()).unwrap();
        let doors = Doors::of(&valid, &InstanceStatus::default(), &BTreeMap::new(), DateTime::UNIX_EPOCH);
        assert_eq!(doors, Doors { own: true, park: false, processes: false });
    }
}
