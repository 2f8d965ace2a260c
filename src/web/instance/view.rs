//! What pages show of an instance: the words, marks and times behind its phase. Pure: the row, the present and what is usual go in.

use chrono::{DateTime, Utc};

use super::time;
use crate::instance::{BuildingStep, Phase, Seen, StepState};
use crate::resource::{Backups, ConditionKind, Finding, InstanceStatus, StepName, Suspension, condition, instant};
use crate::web::page::StateView;
use crate::words::Words;

/// A step of the building as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct StepView {
    /// What is done.
    pub title: String,
    /// What that means, in a sentence.
    pub note: String,
    /// [`StepState::word`].
    pub state: &'static str,
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
    /// [`Phase::word`].
    pub phase: &'static str,
    /// The same as a word with a date.
    pub state: StateView,
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
    /// Where the DNS records are shown, while they are missing.
    pub records_url: String,
    /// What it costs by when that it does not answer.
    pub more: String,
    /// Who gets a mail when it is ready. Not in the row: the page fills it in.
    pub told: String,
    /// What nobody has seen for a while, and since when.
    pub unseen: String,
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
        matches!(self.phase, "running" | "gone")
    }
}

/// The phase as a word with its date.
pub(in crate::web) fn state(words: &Words, seen: &Seen<'_>) -> StateView {
    let instance = seen.instance;
    let since = |at: Option<DateTime<Utc>>| at.map(|at| words.t1("since", "time", time::moment(words, at))).unwrap_or_default();
    let ready_since = || instance.status().and_then(|status| status.ready_since.as_ref()).map(instant).or(instance.ready_at);
    let turned = || {
        let ready = instance.status().and_then(|status| condition(&status.conditions, ConditionKind::Ready));
        ready.map(|ready| instant(&ready.last_transition_time))
    };
    let phase = seen.phase();
    let (kind, detail) = match &phase {
        Phase::Preparing(_) => ("doing", String::new()),
        Phase::Stuck(_) => ("failed", since(Some(seen.last_progress()))),
        Phase::Running => ("done", since(ready_since())),
        Phase::Degraded(_) => ("failed", since(turned())),
        Phase::Upgrading => ("doing", instance.mastodon_version.clone()),
        Phase::Gone(at) => ("waiting", since(Some(*at))),
        Phase::Reserved | Phase::AwaitingRecords => ("waiting", String::new()),
        Phase::Suspended(_) | Phase::Leaving => ("waiting", since(instance.intent_at)),
    };
    StateView::new(words, kind, &format!("phase-{}", phase.word()), detail)
}

/// A sentence when nobody has seen the server for a while: what is shown is from before. Otherwise empty.
pub(in crate::web) fn unseen(words: &Words, seen: &Seen<'_>) -> String {
    let since = seen.instance.unseen_since(seen.now).filter(|_| seen.instance.released_at.is_none());
    since.map(|since| words.t1("unseen-since", "time", time::moment(words, since))).unwrap_or_default()
}

/// The steps of the building, the payment first.
pub(in crate::web) fn steps(words: &Words, seen: &Seen<'_>) -> Vec<StepView> {
    let own = seen.instance.is_on_own_domain();
    seen.steps().iter().map(|step| step_view(words, step, own, seen.now)).collect()
}

fn step_view(words: &Words, step: &BuildingStep, own: bool, now: DateTime<Utc>) -> StepView {
    let BuildingStep { name, state, started_at, finished_at, typical } = step;
    // On the customer's own domain the last step is another: its certificates are signed for it alone.
    let kind = if own && *name == StepName::Address.as_str() { "-own" } else { "" };
    let running = started_at.filter(|_| *state == StepState::Doing);
    StepView {
        title: words.t(&format!("step-{name}")),
        note: words.t(&format!("step-{name}{kind}-note")),
        state: state.word(),
        took: started_at.zip(*finished_at).map(|(began, ended)| time::took(words, ended - began)).unwrap_or_default(),
        since: running.map(time::stamp).unwrap_or_default(),
        elapsed: running.map(|began| time::elapsed(now - began)).unwrap_or_default(),
        typical: typical.map(|seconds| time::about(words, seconds)).unwrap_or_default(),
    }
}

/// What a pause costs by when, or that a removal goes on.
fn more(words: &Words, seen: &Seen<'_>) -> String {
    let Some(status) = seen.instance.status() else { return String::new() };
    if status.removal.is_some() {
        return words.t("removal-under-way");
    }
    let Some(Suspension { since: _, posts_lost_from, peers_stop_from }) = &status.suspended else { return String::new() };
    let (lost, stop) = (instant(posts_lost_from), instant(peers_stop_from));
    let key = match seen.now {
        now if now < lost => "suspended-clock-waiting",
        now if now < stop => "suspended-clock-losing",
        _ => "suspended-clock-stopped",
    };
    words.t2(key, "lost", time::moment(words, lost), "stop", time::moment(words, stop))
}

/// How it is with the backups of the database: nothing before there is anything in it, and once it is being removed.
pub(in crate::web) fn backups(words: &Words, status: &InstanceStatus) -> Option<String> {
    let backed_up = condition(&status.conditions, ConditionKind::BackedUp)?;
    if !status.database_initialised || status.removal.is_some() {
        return None;
    }
    // Before the first is there, only one that has failed is trouble.
    let under_way = ["Running", Finding::WAITING].contains(&backed_up.reason.as_str());
    Some(match &status.backups {
        Some(Backups { since, last }) => {
            let (since, last) = (time::moment(words, instant(since)), time::moment(words, instant(last)));
            if backed_up.status == "True" {
                words.t2("fact-backups-value", "last", last, "since", since)
            } else {
                words.t1("fact-backups-trouble", "last", last)
            }
        }
        None if under_way => words.t("fact-backups-begun"),
        None => words.t("fact-backups-none"),
    })
}

/// A domain as people read it.
pub(in crate::web) fn readable(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// An instance as its page shows it.
pub(in crate::web) fn status(words: &Words, seen: &Seen<'_>) -> StatusView {
    let instance = seen.instance;
    let phase = seen.phase();
    let steps = steps(words, seen);
    let done = steps.iter().filter(|step| step.state == "done").count();
    let current = steps.iter().position(|step| step.state != "done").unwrap_or(steps.len().saturating_sub(1));
    let began = seen.paid_at.or(instance.intent_at).unwrap_or(instance.created_at);
    let address = readable(&instance.domain);
    let text = match phase {
        Phase::Preparing(_) | Phase::Running => String::new(),
        Phase::Reserved
        | Phase::Stuck(_)
        | Phase::AwaitingRecords
        | Phase::Degraded(_)
        | Phase::Upgrading
        | Phase::Suspended(_)
        | Phase::Leaving
        | Phase::Gone(_) => words.t(&format!("phase-{}-text", phase.word())),
    };
    StatusView {
        url: format!("https://{}", instance.web_host()),
        phase: phase.word(),
        state: state(words, seen),
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
        more: if matches!(phase, Phase::Suspended(_) | Phase::Leaving) { more(words, seen) } else { String::new() },
        told: String::new(),
        unseen: unseen(words, seen),
        address,
        records_url: if instance.awaits_records() { format!("/instances/{}/address", instance.id) } else { String::new() },
    }
}
