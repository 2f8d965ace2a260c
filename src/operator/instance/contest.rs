//! Who else writes what we write. What others change is put right; when they change it again and again, only so often, and a
//! person is told: two controllers that fight over a field would keep the API server busy and get nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use tokio::time::Instant;

use super::Context;
use crate::operator::seen::Key;

/// How often an object is put right within [`WITHIN`].
const AT_MOST: usize = 3;
/// See [`AT_MOST`]; also how long there must be peace before nothing is told any more.
const WITHIN: Duration = Duration::from_mins(1);

/// The objects of an instance that were put right of late.
#[derive(Debug, Default)]
pub struct Contests {
    met: BTreeMap<Key, Contest>,
    /// What we have deleted ourselves: that it is missing is nobody's doing.
    let_go: BTreeSet<Key>,
}

#[derive(Debug, Default)]
struct Contest {
    /// When we wrote, within the last minute.
    writes: Vec<Instant>,
    /// Who else writes, once we had to hold back.
    rival: Option<String>,
}

/// Whether an object may be put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Granted,
    /// Not now. `first`: it is not known yet who the other is.
    Refused {
        /// See above.
        first: bool,
    },
}

impl Contests {
    /// Asks whether an object may be put right, and notes that it is.
    pub fn ask(&mut self, key: &Key, now: Instant) -> Leave {
        self.forget(now);
        let contest = self.met.entry(key.clone()).or_default();
        if contest.writes.len() >= AT_MOST {
            return Leave::Refused { first: contest.rival.is_none() };
        }
        contest.writes.push(now);
        Leave::Granted
    }

    /// Notes a write more that putting right took.
    pub fn wrote(&mut self, key: &Key, now: Instant) {
        self.met.entry(key.clone()).or_default().writes.push(now);
    }

    /// Notes that we have deleted an object.
    pub fn let_go(&mut self, key: &Key) {
        self.let_go.insert(key.clone());
    }

    /// Whether a missing object is one that we have deleted; asked once, for then it is made again.
    pub fn was_let_go(&mut self, key: &Key) -> bool {
        self.let_go.remove(key)
    }

    /// Notes who the other is.
    pub fn meet(&mut self, key: &Key, rival: String) {
        self.met.entry(key.clone()).or_default().rival = Some(rival);
    }

    /// What a person is told, and when to look again; nothing while there is peace.
    pub fn told(&mut self, now: Instant) -> Option<(String, Duration)> {
        self.forget(now);
        let contested =
            self.met.iter().filter_map(|(key, contest)| Some((key, contest.rival.as_ref()?, contest.writes.first()?)));
        let (mut lines, mut wait) = (Vec::new(), WITHIN);
        for ((kind, name), rival, oldest) in contested {
            lines.push(format!("{} {name} is changed by {rival} again and again", kind.as_str()));
            wait = wait.min((*oldest + WITHIN).saturating_duration_since(now));
        }
        let remedy =
            format!("it is put right {AT_MOST} times a minute, no more: see to it that nobody but the operator changes it");
        (!lines.is_empty()).then(|| (format!("{}; {remedy}", lines.join(", ")), wait))
    }

    /// Forgets writes of more than a minute ago, and with the last of them the contest.
    fn forget(&mut self, now: Instant) {
        self.met.retain(|_, contest| {
            contest.writes.retain(|at| now.saturating_duration_since(*at) < WITHIN);
            !contest.writes.is_empty()
        });
    }
}

/// Whether an object of this instance may be put right now. The first time that it may not, finds out who else writes it.
pub async fn may_repair(context: &Context, instance: &str, key: &Key, api: &Api<DynamicObject>) -> bool {
    match context.with_memory(instance, |memory| memory.contests.ask(key, Instant::now())) {
        Leave::Granted => true,
        Leave::Refused { first } => {
            if first {
                let live = api.get_metadata(&key.1).await.ok();
                let rival = live.and_then(|live| rival(&live.metadata, &context.settings.field_manager));
                let rival = rival.unwrap_or_else(|| "somebody".to_owned());
                tracing::warn!(instance.name = instance, kind = key.0.as_str(), object.name = key.1, rival, "is contested");
                context.with_memory(instance, |memory| memory.contests.meet(key, rival));
            }
            false
        }
    }
}

/// Whoever else has changed an object last. A controller that writes the status is no rival.
fn rival(metadata: &kube::api::ObjectMeta, field_manager: &str) -> Option<String> {
    let others =
        metadata.managed_fields.iter().flatten().filter(|entry| {
            entry.subresource.is_none() && entry.manager.as_deref().is_some_and(|manager| manager != field_manager)
        });
    others.max_by_key(|entry| entry.time.as_ref().map(|at| at.0)).and_then(|entry| entry.manager.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operator::kind::Kind;

    #[test]
    fn an_object_is_put_right_three_times_a_minute_and_peace_is_told_after_one() {
        let (web, cache) = ((Kind::Deployment, "web".to_owned()), (Kind::StatefulSet, "cache".to_owned()));
        let (start, mut contests) = (Instant::now(), Contests::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in [0, 1, 2] {
            assert_eq!(contests.ask(&web, at(second)), Leave::Granted);
            assert_eq!(contests.told(at(second)), None);
        }
        assert_eq!(contests.ask(&web, at(3)), Leave::Refused { first: true });
        contests.meet(&web, "kubectl-edit".into());
        assert_eq!(contests.ask(&web, at(4)), Leave::Refused { first: false });
        assert_eq!(contests.ask(&cache, at(4)), Leave::Granted, "others are not concerned");
        let (told, wait) = contests.told(at(5)).unwrap();
        assert!(told.starts_with("Deployment web is changed by kubectl-edit again and again; "), "{told}");
        assert_eq!(wait, Duration::from_secs(55));
        // A minute after the first write there may be another; as long as the fight lasts, the same is told.
        assert_eq!(contests.ask(&web, at(61)), Leave::Granted);
        assert_eq!(contests.ask(&web, at(61)), Leave::Granted);
        assert_eq!(contests.ask(&web, at(61)), Leave::Refused { first: false });
        assert_eq!(contests.told(at(62)).unwrap().0, told);
        assert_eq!(contests.told(at(122)), None, "a minute without a write is peace");
    }

    #[test]
    fn what_we_delete_ourselves_is_no_contest_when_it_comes_back() {
        let (budget, mut contests) = ((Kind::PodDisruptionBudget, "web".to_owned()), Contests::default());
        assert!(!contests.was_let_go(&budget));
        contests.let_go(&budget);
        assert!(contests.was_let_go(&budget));
        assert!(!contests.was_let_go(&budget), "the next time it was somebody else");
    }

    #[test]
    fn the_rival_is_who_changed_the_fields_last() {
        let entry = |manager: &str, at: u32, subresource: Option<&str>| json!({"manager": manager, "operation": "Update", "time": format!("2026-01-01T00:00:{at:02}Z"), "subresource": subresource});
        let entries = [
            entry("paddock", 9, None),
            entry("kubectl-edit", 3, None),
            entry("scaler", 5, None),
            entry("kcm", 7, Some("status")),
        ];
        let metadata = serde_json::from_value(json!({"managedFields": entries})).unwrap();
        assert_eq!(rival(&metadata, "paddock").as_deref(), Some("scaler"));
        assert_eq!(rival(&kube::api::ObjectMeta::default(), "paddock"), None);
    }
}
