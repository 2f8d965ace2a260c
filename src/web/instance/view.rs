//! What pages show of an instance: the words, marks and times behind its phase. Pure: the row, the present and what is usual go in.

use chrono::{DateTime, TimeDelta, Utc};

use super::time;
use crate::instance::{Instance, Phase, phase};
use crate::resource::{ConditionKind, InstanceStatus, StepName, Suspension, condition, instant};
use crate::words::Words;

/// One row of a definition list. `change` leads to where the value can be changed, `href` makes the value a link; both may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Fact {
    /// What it is.
    pub label: String,
    /// What it is now.
    pub value: String,
    /// Where the value leads.
    pub href: String,
    /// Where it can be changed.
    pub change: String,
}

impl Fact {
    /// A fact that leads nowhere; `key` is its label's.
    pub fn new(words: &Words, key: &str, value: impl Into<String>) -> Self {
        Self { label: words.t(key), value: value.into(), ..Self::default() }
    }
}

/// A state as a word. `kind` is the mark's shape: `waiting`, `doing`, `done` or `failed`; `detail` is a date or a reason and may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct State {
    /// Shape of the mark.
    pub kind: String,
    /// The word.
    pub word: String,
    /// Since when, or why.
    pub detail: String,
}

impl State {
    /// A state whose word has the key `key`.
    pub fn new(words: &Words, kind: &str, key: &str, detail: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), word: words.t(key), detail: detail.into() }
    }
}

/// A step of the building as it is shown. `state` is `waiting`, `doing`, `done` or `failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct StepView {
    /// What is done.
    pub title: String,
    /// What that means, in a sentence.
    pub note: String,
    /// How far it is.
    pub state: String,
    /// How long it took.
    pub took: String,
    /// RFC 3339 begin, while it is being done.
    pub since: String,
    /// Time since then, at rendering.
    pub elapsed: String,
    /// How long it usually takes.
    pub typical: String,
}

/// An instance as its page shows it. An empty text means "none".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct StatusView {
    /// The address as people read it.
    pub address: String,
    /// Where its pages are.
    pub url: String,
    /// `reserved`, `preparing`, `stuck`, `ready`, `degraded`, `upgrading`, `suspended`, `leaving` or `gone`.
    pub phase: String,
    /// The same as a word with a date.
    pub state: State,
    /// Steps of the building.
    pub steps: Vec<StepView>,
    /// How many of them are done, in digits.
    pub done: String,
    /// How many there are.
    pub count: String,
    /// The number of the one that is being done.
    pub current: String,
    /// Its title.
    pub current_title: String,
    /// RFC 3339 time of the payment.
    pub since: String,
    /// Time since then, at rendering.
    pub elapsed: String,
    /// How long all of it usually takes.
    pub typical: String,
    /// How long it took.
    pub took: String,
    /// The owner's handle.
    pub handle: String,
    /// The owner's address.
    pub owner_email: String,
    /// Mastodon's page on which the owner sets the password.
    pub password_url: String,
    /// What the phase means and what happens next.
    pub text: String,
    /// What it costs by when that it does not answer.
    pub more: String,
}

impl StatusView {
    /// Without the times that run on by themselves: two of these differ only when something happened. Browsers that watch count
    /// for themselves.
    pub fn without_running_times(mut self) -> Self {
        self.elapsed.clear();
        self.steps.iter_mut().for_each(|step| step.elapsed.clear());
        self
    }

    /// Whether nothing will change any more that a customer waits for.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase.as_str(), "ready" | "gone")
    }
}

/// What a status is made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Seen<'a> {
    /// The row.
    pub instance: &'a Instance,
    /// When its order was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// Seconds that steps usually take, by name.
    pub typical: &'a [(String, f64)],
    /// The present.
    pub now: DateTime<Utc>,
}

/// Without a usual time to go by, a building that shows nothing new for this long is stuck.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(10);
/// And never before this: five times a very short step is soon over.
const NEVER_STUCK_BEFORE: TimeDelta = TimeDelta::minutes(1);
/// This many times its usual time is too long for a step.
const STUCK_FACTOR: f64 = 5.0;

/// Steps that run side by side, in the order of the building: the whole takes as long as the slowest of each row.
const STAGES: [&[StepName]; 4] = [
    &[StepName::Namespace],
    &[StepName::Identity, StepName::Bucket, StepName::Database, StepName::Cache],
    &[StepName::Migrations],
    &[StepName::Owner, StepName::Processes, StepName::Address],
];

impl Seen<'_> {
    fn status(&self) -> Option<&InstanceStatus> {
        self.instance.status()
    }

    fn typical_of(&self, step: StepName) -> Option<f64> {
        self.typical.iter().find(|(name, _)| name == step.as_str()).map(|(_, seconds)| *seconds)
    }

    /// Seconds from the payment to the end; `None` until steps of that kind were seen.
    fn typical_total(&self) -> Option<f64> {
        let stage = |steps: &[StepName]| steps.iter().filter_map(|step| self.typical_of(*step)).reduce(f64::max);
        let known: Vec<f64> = STAGES.iter().filter_map(|steps| stage(steps)).collect();
        (known.len() == STAGES.len()).then(|| known.iter().sum())
    }

    /// When a step last began or ended, or the whole began.
    fn last_progress(&self) -> DateTime<Utc> {
        let begun = self.instance.intent_at.or(self.paid_at).unwrap_or(self.instance.created_at);
        let steps = self.status().map(|status| status.steps.as_slice()).unwrap_or_default();
        steps
            .iter()
            .flat_map(|step| std::iter::once(&step.started_at).chain(&step.finished_at))
            .map(instant)
            .fold(begun, DateTime::max)
    }

    /// Whether a building that goes on has gone on for too long without a step's beginning or end.
    fn overdue(&self, under_way: Option<StepName>) -> bool {
        let allowed = under_way
            .and_then(|step| self.typical_of(step))
            .and_then(|seconds| TimeDelta::try_milliseconds(time::whole(seconds * 1000.0 * STUCK_FACTOR)))
            .map_or(STUCK_AFTER, |typical| typical.max(NEVER_STUCK_BEFORE));
        self.now - self.last_progress() > allowed
    }

    /// What a pause costs by when, or that a removal goes on.
    fn more(&self, words: &Words) -> String {
        let Some(status) = self.status() else { return String::new() };
        if status.removal.is_some() {
            return words.t("removal-under-way");
        }
        let Some(Suspension { since: _, posts_lost_from, peers_stop_from }) = &status.suspended else { return String::new() };
        let (lost, stop) = (instant(posts_lost_from), instant(peers_stop_from));
        let key = match self.now {
            now if now < lost => "suspended-clock-waiting",
            now if now < stop => "suspended-clock-losing",
            _ => "suspended-clock-stopped",
        };
        words.t2(key, "lost", time::moment(lost), "stop", time::moment(stop))
    }

    /// Whether the operator can't go on by itself with something.
    pub fn stalled(&self) -> bool {
        self.status()
            .and_then(|status| condition(&status.conditions, ConditionKind::Stalled))
            .is_some_and(|stalled| stalled.status == "True")
    }

    /// The phase as pages tell it: what stops before it ever ran is `stuck`, not a server that is unwell.
    pub fn word(&self) -> &'static str {
        match phase(self.instance) {
            Phase::Preparing(under_way) if self.overdue(under_way) => "stuck",
            Phase::Degraded(_) if self.instance.ready_at.is_none() => "stuck",
            Phase::Running => "ready",
            other => other.word(),
        }
    }

    /// The phase as a word with its date.
    pub fn state(&self, words: &Words) -> State {
        let since = |at: Option<DateTime<Utc>>| at.map(|at| words.t1("since", "time", time::moment(at))).unwrap_or_default();
        let ready_since = || {
            let status = self.status();
            status.and_then(|status| status.ready_since.as_ref()).map(instant).or(self.instance.ready_at)
        };
        let turned = || {
            let ready = self.status().and_then(|status| condition(&status.conditions, ConditionKind::Ready));
            ready.map(|ready| instant(&ready.last_transition_time))
        };
        match self.word() {
            "preparing" => State::new(words, "doing", "phase-preparing", ""),
            "stuck" => State::new(words, "failed", "phase-stuck", since(Some(self.last_progress()))),
            "ready" => State::new(words, "done", "phase-running", since(ready_since())),
            "degraded" => State::new(words, "failed", "phase-degraded", since(turned())),
            "upgrading" => State::new(words, "doing", "phase-upgrading", &self.instance.mastodon_version),
            "gone" => State::new(words, "waiting", "phase-gone", since(self.instance.released_at)),
            "reserved" => State::new(words, "waiting", "phase-reserved", ""),
            word => State::new(words, "waiting", &format!("phase-{word}"), since(self.instance.intent_at)),
        }
    }

    /// The steps of the building, the payment first.
    pub fn steps(&self, words: &Words) -> Vec<StepView> {
        let paid = self.paid_at.is_some();
        let payment = StepView {
            title: words.t("step-payment"),
            note: words.t("step-payment-note"),
            state: if paid { "done" } else { "doing" }.to_owned(),
            ..StepView::default()
        };
        std::iter::once(payment).chain(StepName::ALL.into_iter().map(|name| self.step(words, name))).collect()
    }

    fn step(&self, words: &Words, name: StepName) -> StepView {
        let key = format!("step-{}", word_of(name));
        let mut view = StepView {
            title: words.t(&key),
            note: words.t(&format!("{key}-note")),
            state: "waiting".to_owned(),
            typical: self.typical_of(name).map(|seconds| time::about(words, seconds)).unwrap_or_default(),
            ..StepView::default()
        };
        let seen = self.status().and_then(|status| status.steps.iter().find(|step| step.name == name));
        let Some(seen) = seen else { return view };
        let began = instant(&seen.started_at);
        if let Some(finished) = &seen.finished_at {
            "done".clone_into(&mut view.state);
            view.took = time::took(words, instant(finished) - began);
        } else if self.stalled() {
            "failed".clone_into(&mut view.state);
        } else {
            "doing".clone_into(&mut view.state);
            view.since = time::stamp(began);
            view.elapsed = time::elapsed(self.now - began);
        }
        view
    }
}

/// The word under which the locale files have a step.
fn word_of(step: StepName) -> &'static str {
    match step {
        StepName::Namespace => "space",
        StepName::Identity => "keys",
        StepName::Bucket => "storage",
        StepName::Database => "database",
        StepName::Cache => "cache",
        StepName::Migrations => "tables",
        StepName::Owner => "owner",
        StepName::Processes => "processes",
        StepName::Address => "address",
    }
}

/// A domain as people read it.
pub(in crate::web) fn readable(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// An instance as its page shows it.
pub(in crate::web) fn status(words: &Words, seen: &Seen<'_>) -> StatusView {
    let instance = seen.instance;
    let phase = seen.word();
    let steps = seen.steps(words);
    let done = steps.iter().filter(|step| step.state == "done").count();
    let current = steps.iter().position(|step| step.state != "done").unwrap_or(steps.len().saturating_sub(1));
    let began = seen.paid_at.or(instance.intent_at).unwrap_or(instance.created_at);
    let address = readable(&instance.domain);
    let text = match phase {
        "stuck" => words.t("building-stuck-text"),
        "degraded" | "upgrading" | "suspended" | "leaving" | "gone" | "reserved" => words.t(&format!("phase-{phase}-text")),
        _ => String::new(),
    };
    StatusView {
        url: format!("https://{}", instance.web_host()),
        phase: phase.to_owned(),
        state: seen.state(words),
        done: done.to_string(),
        count: steps.len().to_string(),
        current: (current + 1).to_string(),
        current_title: steps.get(current).map(|step| step.title.clone()).unwrap_or_default(),
        steps,
        since: time::stamp(began),
        elapsed: time::elapsed(seen.now - began),
        typical: seen.typical_total().map(|seconds| time::about(words, seconds)).unwrap_or_default(),
        took: instance.ready_at.map(|ready| time::took(words, ready - began)).unwrap_or_default(),
        handle: format!("@{}@{address}", instance.owner_username),
        owner_email: instance.owner_email.clone(),
        password_url: format!("https://{}/auth/password/new", instance.web_host()),
        text,
        more: if matches!(phase, "suspended" | "leaving") { seen.more(words) } else { String::new() },
        address,
    }
}
