//! The DNS records of a domain that a customer brings, and the way to its handles, as they are now: for pages and API.

use chrono::{DateTime, Utc};

use super::AppState;
use super::page::StateView;
use crate::instance::dns::{Purpose, Record, RecordState, compare, look, records_for};
use crate::instance::webfinger::{self, RedirectState};
use crate::words::Words;

/// Names of a server, in ASCII form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    /// `LOCAL_DOMAIN`.
    pub domain: &'a str,
    /// Whether that lies under the host's own domain.
    pub hosted: bool,
    /// `WEB_DOMAIN`.
    pub web_domain: Option<&'a str>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The records to set, each with its state.
    pub records: Vec<(Record, RecordState)>,
    /// When the pages are elsewhere: how it is with the redirect of handles.
    pub redirect: Option<RedirectState>,
    /// When it was looked up; nothing is cached.
    pub at: DateTime<Utc>,
}

impl Found {
    /// Looks everything up at once.
    pub async fn look_up(state: &AppState, names: Names<'_>) -> Self {
        let Names { domain, hosted, web_domain } = names;
        let wanted = records_for(domain, hosted, web_domain, &state.dns_target);
        let redirect = async {
            let web = web_domain.filter(|_| !hosted)?;
            Some(webfinger::check_redirect(state.sites.as_ref(), domain, web).await)
        };
        let (seen, redirect) = futures::join!(look(state.resolver.as_ref(), &wanted), redirect);
        let states = compare(&wanted, &seen);
        Self { records: wanted.into_iter().zip(states).collect(), redirect, at: state.clock.now() }
    }

    /// Whether every record is there that the server can't work without.
    pub fn all_right(&self) -> bool {
        self.records.iter().all(|(record, state)| !record.purpose.is_required() || *state == RecordState::Found)
    }

    /// Whether the end of the handles points to us as a whole.
    fn handles_are_ours(&self) -> bool {
        let mut states = self.of(|purpose| purpose == Purpose::Handles).map(|(_, state)| state).peekable();
        states.peek().is_some() && states.all(|state| *state == RecordState::Found)
    }

    fn of(&self, wanted: impl Fn(Purpose) -> bool) -> impl Iterator<Item = &(Record, RecordState)> {
        self.records.iter().filter(move |(record, _)| wanted(record.purpose))
    }
}

/// A record as pages show it.
pub(super) struct DnsRecord {
    pub kind: String,
    pub name: String,
    pub value: String,
    /// What it is for.
    pub purpose: String,
    /// What is as good; empty for nothing.
    pub instead: String,
    pub state: StateView,
}

/// The way to handles, as pages show it.
pub(super) struct HandlesView {
    /// What they end in.
    pub domain: String,
    /// Where other servers ask, and where they must be led.
    pub from: String,
    pub to: String,
    /// How that is now.
    pub state: StateView,
    /// What to set when no site of the customer's own is there.
    pub records: Vec<DnsRecord>,
}

/// All of it, as pages show it.
pub(super) struct RecordsView {
    /// What must be set.
    pub required: Vec<DnsRecord>,
    /// When the pages are elsewhere.
    pub handles: Option<HandlesView>,
    pub all_right: bool,
    /// `6:42 UTC`.
    pub checked_at: String,
}

impl RecordsView {
    pub fn new(words: &Words, names: Names<'_>, found: &Found) -> Self {
        let view = |(record, state): &(Record, RecordState)| record_view(words, record, state);
        let handles = names.web_domain.zip(found.redirect.as_ref()).map(|(web, redirect)| {
            let [from, to] = webfinger::addresses(names.domain, web);
            HandlesView {
                domain: idna::domain_to_unicode(names.domain).0,
                from,
                to,
                state: redirect_view(words, redirect, found.handles_are_ours()),
                records: match redirect {
                    // A site is there and does what it should: nothing is to be pointed elsewhere.
                    RedirectState::Right => Vec::new(),
                    RedirectState::Failed(_)
                    | RedirectState::Answers(_)
                    | RedirectState::Elsewhere(_)
                    | RedirectState::WithoutQuestion
                    | RedirectState::WithoutOrigin => found.of(|purpose| purpose == Purpose::Handles).map(view).collect(),
                },
            }
        });
        Self {
            required: found.of(Purpose::is_required).map(view).collect(),
            handles,
            all_right: found.all_right(),
            checked_at: found.at.format("%-H:%M UTC").to_string(),
        }
    }
}

fn record_view(words: &Words, record: &Record, state: &RecordState) -> DnsRecord {
    let (kind, word, detail) = match state {
        RecordState::Found => ("done", "dns-right", String::new()),
        RecordState::Missing => ("waiting", "dns-missing", String::new()),
        RecordState::Different(seen) => ("failed", "dns-wrong", words.t1(state.key(), "seen", seen.join(", "))),
        RecordState::Unknown(why) => ("waiting", "dns-unknown", words.t(why.key())),
    };
    DnsRecord {
        kind: record.kind.to_string(),
        name: record.name.clone(),
        value: record.value.clone(),
        purpose: words.t(record.purpose.key()),
        instead: record.or_alias_to.as_ref().map(|host| words.t1("dns-or-alias", "host", host)).unwrap_or_default(),
        state: StateView { kind, word: words.t(word), detail },
    }
}

fn redirect_view(words: &Words, redirect: &RedirectState, ours: bool) -> StateView {
    let told = |kind, word: &str, detail| StateView { kind, word: words.t(word), detail };
    let said = words.said(redirect.key(), &redirect.args());
    match redirect {
        RedirectState::Right => told("done", "dns-right", String::new()),
        // As soon as the server is reached it is we who redirect; what is amiss until then is nothing to act on.
        _ if ours => told("waiting", "redirect-ours", words.t("redirect-ours-text")),
        RedirectState::Failed(_) => told("waiting", "dns-missing", said),
        RedirectState::Answers(_)
        | RedirectState::Elsewhere(_)
        | RedirectState::WithoutQuestion
        | RedirectState::WithoutOrigin => told("failed", "dns-wrong", said),
    }
}
