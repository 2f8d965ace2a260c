//! What pages show of runs: the tools that ask for them, and how far each is. Pure: rows, the present and what is usual go in.

use chrono::{DateTime, Utc};

use super::time;
use crate::instance::run::{Run, RunState};
use crate::resource::{Action, Bounded, Counters, Domain, InviteTime, Maintenance, Media, RegistrationMode};
use crate::web::page::{FieldErrors, StateView};
use crate::words::Words;

/// A run as it is shown. An empty text means "none".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct RunView {
    /// Which.
    pub id: String,
    /// What it does.
    pub title: String,
    /// How far it is.
    pub state: StateView,
    /// Why, in a sentence.
    pub text: String,
    /// RFC 3339 begin, while it is at work.
    pub since: String,
    /// Time since then, at rendering.
    pub elapsed: String,
    /// How long it usually takes.
    pub typical: String,
    /// The end of what it printed.
    pub output: String,
    /// Whether it can be called off.
    pub open: bool,
}

/// What a run is shown with.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Usual<'a> {
    /// Seconds that runs of a kind usually take on this server.
    pub here: &'a [(String, f64)],
    /// The same over all servers, by the name of the step.
    pub anywhere: &'a [(String, f64)],
}

impl Usual<'_> {
    /// How long a kind usually takes: here, or else anywhere; nothing where nobody knows.
    pub fn seconds(&self, kind: &str) -> Option<f64> {
        let of = |all: &[(String, f64)], name: &str| all.iter().find(|(of, _)| of == name).map(|(_, seconds)| *seconds);
        of(self.here, kind).or_else(|| of(self.anywhere, &format!("run:{kind}")))
    }

    fn about(&self, words: &Words, kind: &str) -> String {
        self.seconds(kind).map(|seconds| time::about(words, seconds)).unwrap_or_default()
    }
}

/// A run as it is shown.
pub(in crate::web) fn run_view(words: &Words, run: &Run, usual: &Usual<'_>, now: DateTime<Utc>) -> RunView {
    let at_work = run.state == RunState::Running;
    let began = run.started_at.unwrap_or(run.created_at);
    let detail = match (run.state.is_over(), run.started_at, run.finished_at) {
        (true, Some(began), Some(ended)) => {
            words.t2("run-took", "time", time::took(words, ended - began), "at", time::moment(words, ended))
        }
        (true, None, Some(ended)) => time::moment(words, ended),
        _ => String::new(),
    };
    RunView {
        id: run.id.to_string(),
        title: title(words, &run.action),
        state: StateView::new(words, mark(run.state), &format!("run-state-{}", run.state.word().replace('_', "-")), detail),
        text: why(words, run),
        since: if at_work { time::stamp(began) } else { String::new() },
        elapsed: if at_work { time::elapsed(now - began) } else { String::new() },
        typical: if at_work { usual.about(words, &run.kind) } else { String::new() },
        output: run.output.clone().unwrap_or_default(),
        open: !run.state.is_over() && !run.cancelled,
    }
}

impl RunView {
    /// The same for a stream of events: without what changes every second by itself.
    pub fn without_running_times(mut self) -> Self {
        self.elapsed.clear();
        self
    }
}

/// What a run does, in a few words.
pub(in crate::web) fn title(words: &Words, action: &Action) -> String {
    let key = format!("tool-{}", action.kind());
    let Action::Maintenance(maintenance) = action else { return words.t(&key) };
    let choice = match maintenance {
        Maintenance::MediaRemoval { what, days: _ } => Some(media_word(*what)),
        Maintenance::Recount { what } => Some(counters_word(*what)),
        Maintenance::Registrations { mode } => Some(mode_word(*mode)),
        Maintenance::FeedBuild { clear_first: true } => Some("choice-feeds-empty"),
        Maintenance::FeedBuild { clear_first: false }
        | Maintenance::PreviewCardRemoval { days: _ }
        | Maintenance::Retention { media_days: _, archive_days: _ }
        | Maintenance::CacheClear {}
        | Maintenance::AccountRefresh { domain: _ }
        | Maintenance::OwnerInvite { uses: _, valid: _ }
        | Maintenance::PasswordMail {} => None,
    };
    match choice {
        Some(choice) => words.t2("tool-with", "tool", words.t(&key), "choice", words.t(choice)),
        None => words.t(&key),
    }
}

fn mark(state: RunState) -> &'static str {
    match state {
        RunState::Requested | RunState::Queued | RunState::Waiting | RunState::Cancelled => "waiting",
        RunState::Running => "doing",
        RunState::Succeeded => "done",
        RunState::Failed | RunState::TimedOut | RunState::Refused => "failed",
    }
}

/// Why a run is as far as it is, where that needs saying.
fn why(words: &Words, run: &Run) -> String {
    if run.cancelled && !run.state.is_over() {
        return words.t("run-why-ending");
    }
    if let (RunState::Queued, Some(ahead)) = (run.state, run.position) {
        return words.count("run-ahead", "n", ahead.into());
    }
    let key = match (run.state, run.reason.as_deref().unwrap_or_default()) {
        (RunState::Requested | RunState::Queued | RunState::Running | RunState::Succeeded | RunState::Cancelled, _) => {
            return String::new();
        }
        (RunState::TimedOut, _) => "run-why-timed-out",
        (_, "Suspended") => "run-why-suspended",
        (_, "Upgrading") => "run-why-upgrading",
        (_, "NotBuilt") => "run-why-not-built",
        (_, "NotReady" | "Stalled") => "run-why-not-well",
        (_, "NeverBegun") => "run-why-never-begun",
        (_, "NotOffered") => "run-why-not-offered",
        (_, "JobGone" | "Deleted") => "run-why-lost",
        (RunState::Failed, _) => "run-why-failed",
        (RunState::Waiting | RunState::Refused, _) => "run-why-host",
    };
    words.t(key)
}

/// One tool of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Tool {
    /// The action's word.
    pub kind: &'static str,
    /// What it does, in a few words.
    pub title: String,
    /// What it does and what that means.
    pub text: String,
    /// How long it takes.
    pub typical: String,
    /// What has to be chosen.
    pub fields: Vec<Field>,
    /// What its button says.
    pub button: String,
    /// Whether one of the kind is not over yet.
    pub open: bool,
}

/// A choice of a tool. With `options` a list to choose from, else a line to type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Field {
    /// Its name in the form.
    pub name: &'static str,
    /// What it is.
    pub label: String,
    /// What may be typed.
    pub hint: String,
    /// What is typed.
    pub value: String,
    /// What can be chosen.
    pub options: Vec<Choice>,
    /// How a phone's keyboard should be: `numeric` or `url`.
    pub mode: &'static str,
}

/// One of the things to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Choice {
    /// Its value in the form.
    pub value: &'static str,
    /// What it says.
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// What was typed and chosen, as it came.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(default)]
pub(in crate::web) struct ToolForm {
    /// Which tool.
    pub tool: String,
    media_what: String,
    media_days: String,
    card_days: String,
    keep_media_days: String,
    keep_archive_days: String,
    feeds: String,
    recount: String,
    refresh_domain: String,
    registrations: String,
    invite_uses: String,
    invite_valid: String,
}

impl Default for ToolForm {
    fn default() -> Self {
        Self {
            tool: String::new(),
            media_what: "attachments".to_owned(),
            media_days: "7".to_owned(),
            card_days: "30".to_owned(),
            keep_media_days: "30".to_owned(),
            keep_archive_days: "7".to_owned(),
            feeds: "keep".to_owned(),
            recount: "accounts".to_owned(),
            refresh_domain: String::new(),
            registrations: "approved".to_owned(),
            invite_uses: "1".to_owned(),
            invite_valid: "week".to_owned(),
        }
    }
}

const MEDIA: [(&str, Media); 3] =
    [("attachments", Media::Attachments), ("profiles", Media::Profiles), ("headers", Media::Headers)];
const COUNTERS: [(&str, Counters); 2] = [("accounts", Counters::Accounts), ("statuses", Counters::Statuses)];
const MODES: [(&str, RegistrationMode); 3] =
    [("approved", RegistrationMode::Approved), ("open", RegistrationMode::Open), ("closed", RegistrationMode::Closed)];
const TIMES: [(&str, InviteTime); 4] =
    [("hour", InviteTime::Hour), ("half-day", InviteTime::HalfDay), ("day", InviteTime::Day), ("week", InviteTime::Week)];
const FEEDS: [(&str, bool); 2] = [("keep", false), ("empty", true)];

fn media_word(what: Media) -> &'static str {
    match what {
        Media::Attachments => "choice-media-attachments",
        Media::Profiles => "choice-media-profiles",
        Media::Headers => "choice-media-headers",
    }
}

fn counters_word(what: Counters) -> &'static str {
    match what {
        Counters::Accounts => "choice-recount-accounts",
        Counters::Statuses => "choice-recount-statuses",
    }
}

fn mode_word(mode: RegistrationMode) -> &'static str {
    match mode {
        RegistrationMode::Open => "choice-registrations-open",
        RegistrationMode::Approved => "choice-registrations-approved",
        RegistrationMode::Closed => "choice-registrations-closed",
    }
}

impl ToolForm {
    /// What the form asks for.
    ///
    /// # Errors
    /// `None` for a tool that there is not, else what is wrong with which field.
    pub fn read(&self, words: &Words) -> Result<Maintenance, Option<FieldErrors>> {
        let mut errors = FieldErrors::default();
        let days = |text: &str| text.trim().parse::<u16>().ok();
        let wanted = match self.tool.as_str() {
            "media-removal" => {
                let days = days(&self.media_days).and_then(Bounded::new);
                if days.is_none() {
                    errors.add("media_days", words.t2("tool-number-wrong", "least", 1, "most", 365));
                }
                let what = chosen(&MEDIA, &self.media_what);
                days.zip(what).map(|(days, what)| Maintenance::MediaRemoval { what, days })
            }
            "preview-card-removal" => {
                let days = days(&self.card_days).and_then(Bounded::new);
                if days.is_none() {
                    errors.add("card_days", words.t2("tool-number-wrong", "least", 14, "most", 730));
                }
                days.map(|days| Maintenance::PreviewCardRemoval { days })
            }
            "retention" => {
                let media = match self.keep_media_days.trim() {
                    "" => Some(None),
                    text => days(text).and_then(Bounded::new).map(Some),
                };
                if media.is_none() {
                    errors.add("keep_media_days", words.t2("tool-number-wrong", "least", 1, "most", 730));
                }
                let archive = days(&self.keep_archive_days).and_then(Bounded::new);
                if archive.is_none() {
                    errors.add("keep_archive_days", words.t2("tool-number-wrong", "least", 1, "most", 90));
                }
                media.zip(archive).map(|(media_days, archive_days)| Maintenance::Retention { media_days, archive_days })
            }
            "feed-build" => chosen(&FEEDS, &self.feeds).map(|clear_first| Maintenance::FeedBuild { clear_first }),
            "cache-clear" => Some(Maintenance::CacheClear {}),
            "recount" => chosen(&COUNTERS, &self.recount).map(|what| Maintenance::Recount { what }),
            "account-refresh" => match self.refresh_domain.trim() {
                "" => Some(Maintenance::AccountRefresh { domain: None }),
                text => {
                    let ascii = idna::domain_to_ascii(text).unwrap_or_default();
                    let domain = Domain::new(&ascii);
                    if domain.is_none() {
                        errors.add("refresh_domain", words.t("tool-domain-wrong"));
                    }
                    domain.map(|domain| Maintenance::AccountRefresh { domain: Some(domain) })
                }
            },
            "registrations" => chosen(&MODES, &self.registrations).map(|mode| Maintenance::Registrations { mode }),
            "owner-invite" => {
                let uses = days(&self.invite_uses).and_then(Bounded::new);
                if uses.is_none() {
                    errors.add("invite_uses", words.t2("tool-number-wrong", "least", 1, "most", 100));
                }
                let valid = chosen(&TIMES, &self.invite_valid);
                uses.zip(valid).map(|(uses, valid)| Maintenance::OwnerInvite { uses, valid })
            }
            "password-mail" => Some(Maintenance::PasswordMail {}),
            _ => return Err(None),
        };
        match wanted {
            Some(wanted) => Ok(wanted),
            // A choice that the page does not offer comes from no page of ours.
            None if errors.is_empty() => Err(None),
            None => Err(Some(errors)),
        }
    }

    fn fields(&self, words: &Words, kind: &str) -> Vec<Field> {
        let number = |name, value: &str, least: u16, most: u16| Field {
            name,
            label: words.t(&format!("field-{}", name.replace('_', "-"))),
            hint: words.t2("tool-number-hint", "least", least, "most", most),
            value: value.to_owned(),
            mode: "numeric",
            ..Field::default()
        };
        let choice = |name, options| Field {
            name,
            label: words.t(&format!("field-{}", name.replace('_', "-"))),
            options,
            ..Field::default()
        };
        let options = |all: &[(&'static str, &'static str)], value: &str| -> Vec<Choice> {
            all.iter().map(|(of, key)| Choice { value: of, label: words.t(key), chosen: *of == value }).collect()
        };
        match kind {
            "media-removal" => vec![
                choice("media_what", options(&MEDIA.map(|(of, what)| (of, media_word(what))), &self.media_what)),
                number("media_days", &self.media_days, 1, 365),
            ],
            "preview-card-removal" => vec![number("card_days", &self.card_days, 14, 730)],
            "retention" => vec![
                Field { hint: words.t("field-keep-media-days-hint"), ..number("keep_media_days", &self.keep_media_days, 1, 730) },
                number("keep_archive_days", &self.keep_archive_days, 1, 90),
            ],
            "feed-build" => {
                vec![choice("feeds", options(&[("keep", "choice-feeds-keep"), ("empty", "choice-feeds-empty")], &self.feeds))]
            }
            "recount" => vec![choice("recount", options(&COUNTERS.map(|(of, what)| (of, counters_word(what))), &self.recount))],
            "account-refresh" => vec![Field {
                name: "refresh_domain",
                label: words.t("field-refresh-domain"),
                hint: words.t("field-refresh-domain-hint"),
                value: self.refresh_domain.clone(),
                mode: "url",
                ..Field::default()
            }],
            "registrations" => {
                vec![choice("registrations", options(&MODES.map(|(of, mode)| (of, mode_word(mode))), &self.registrations))]
            }
            "owner-invite" => vec![
                number("invite_uses", &self.invite_uses, 1, 100),
                choice(
                    "invite_valid",
                    options(
                        &[
                            ("hour", "choice-invite-hour"),
                            ("half-day", "choice-invite-half-day"),
                            ("day", "choice-invite-day"),
                            ("week", "choice-invite-week"),
                        ],
                        &self.invite_valid,
                    ),
                ),
            ],
            _ => Vec::new(),
        }
    }
}

fn chosen<T: Copy>(all: &[(&str, T)], word: &str) -> Option<T> {
    all.iter().find(|(of, _)| *of == word).map(|(_, value)| *value)
}

/// The kinds of tools, in the order of the page: people first, then what frees room, then what mends.
const KINDS: [&str; 10] = [
    "registrations",
    "owner-invite",
    "password-mail",
    "media-removal",
    "preview-card-removal",
    "retention",
    "feed-build",
    "recount",
    "account-refresh",
    "cache-clear",
];

/// The tools of the page.
pub(in crate::web) fn tools(words: &Words, form: &ToolForm, open: &[&str], usual: &Usual<'_>) -> Vec<Tool> {
    KINDS
        .into_iter()
        .map(|kind| Tool {
            kind,
            title: words.t(&format!("tool-{kind}")),
            text: words.t(&format!("tool-{kind}-text")),
            typical: match usual.seconds(kind) {
                Some(seconds) => words.t1("tool-typical", "time", time::about(words, seconds)),
                None => words.t("tool-typical-unknown"),
            },
            fields: form.fields(words, kind),
            button: words.t(&format!("tool-{kind}-button")),
            open: open.contains(&kind),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(tool: &str, change: impl FnOnce(&mut ToolForm)) -> ToolForm {
        let mut form = ToolForm { tool: tool.to_owned(), ..ToolForm::default() };
        change(&mut form);
        form
    }

    #[test]
    fn every_tool_can_be_used_as_it_stands_on_the_page_and_is_of_its_kind() {
        let words = Words::english();
        for kind in KINDS {
            let wanted = form(kind, |_| {}).read(&words).unwrap();
            assert_eq!(wanted.kind(), kind);
        }
    }

    #[test]
    fn what_is_typed_wrong_names_its_field() {
        let words = Words::english();
        let field = |form: ToolForm| form.read(&words).unwrap_err().map(|errors| errors.list[0].field.clone());
        for days in ["0", "366", "x", "-1", "7.5", ""] {
            assert_eq!(
                field(form("media-removal", |form| form.media_days = days.into())).as_deref(),
                Some("media_days"),
                "{days}"
            );
        }
        assert_eq!(field(form("preview-card-removal", |form| form.card_days = "13".into())).as_deref(), Some("card_days"));
        let kept = |media: &str, archive: &str| {
            form("retention", |form| (form.keep_media_days, form.keep_archive_days) = (media.into(), archive.into()))
        };
        assert_eq!(field(kept("731", "7")).as_deref(), Some("keep_media_days"));
        assert_eq!(field(kept("", "0")).as_deref(), Some("keep_archive_days"));
        let for_ever = kept(" ", "7").read(&words).unwrap();
        assert!(matches!(for_ever, Maintenance::Retention { media_days: None, archive_days } if archive_days.get() == 7));
        assert_eq!(
            field(form("account-refresh", |form| form.refresh_domain = "--all".into())).as_deref(),
            Some("refresh_domain")
        );
        assert_eq!(field(form("account-refresh", |form| form.refresh_domain = "a b".into())).as_deref(), Some("refresh_domain"));
        assert_eq!(field(form("self-destruct", |_| {})), None);
        assert_eq!(field(form("registrations", |form| form.registrations = "everybody".into())), None);
        let refresh = form("account-refresh", |form| form.refresh_domain = " Bücher.Example ".into()).read(&words).unwrap();
        assert!(
            matches!(refresh, Maintenance::AccountRefresh { domain: Some(domain) } if domain.as_str() == "xn--bcher-kva.example")
        );
    }
}
