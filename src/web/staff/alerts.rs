//! What somebody should look at, what each rule says, and what to do about it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use super::OPERATES;
use crate::account::{self, StaffMember};
use crate::desk::alerts::{self, Alert, Judged, Rule};
use crate::ids::{AlertId, StaffId};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::text;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/alerts.html")]
struct StaffAlertsPage {
    page: PageContext,
    open: Vec<AlertView>,
    rules: Vec<RuleView>,
    over: Vec<AlertView>,
    /// Whether whoever looks may say that they look after one.
    may_acknowledge: bool,
}

pages!(StaffAlertsPage);

/// An alert.
struct AlertView {
    id: String,
    title: String,
    said: String,
    began: String,
    over: String,
    /// Who looks after it, in words; empty while nobody does.
    looked_after: String,
    /// That it is quiet, in words.
    quiet: String,
    runbook: String,
}

/// What a rule says.
struct RuleView {
    title: String,
    state: StateView,
    looked: String,
    runbook: String,
}

/// Rules are judged each minute: what was judged before this says nothing of now.
const JUDGED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// So many of those that are over are shown.
const SHOWN: i64 = 30;

/// Where the text of a rule lies in `docs/`.
fn file(rule: Rule) -> String {
    format!("runbooks/{}.md", rule.word())
}

/// The page of what to do; empty for a rule that there is no more.
fn runbook(rule: &str) -> String {
    Rule::from_word(rule).map(|rule| format!("/staff/runbooks/{}", rule.word())).unwrap_or_default()
}

fn alert_view(words: &Words, alert: &Alert, people: &[(StaffId, String)]) -> AlertView {
    let known = Rule::from_word(&alert.rule).is_some();
    let after = alert.acknowledged_by.zip(alert.acknowledged_at).map(|(who, at)| {
        let who = super::named(people, who).map_or_else(|| who.to_string(), str::to_owned);
        words.t2("alerts-looked-after", "who", who, "time", time::moment(words, at))
    });
    AlertView {
        id: alert.id.to_string(),
        title: if known { words.t(&format!("alert-rule-{}", alert.rule)) } else { alert.rule.clone() },
        said: if known { alerts::sentence(words, &alert.rule, alert.n) } else { alert.n.to_string() },
        began: time::moment(words, alert.began_at),
        over: alert.over_at.map(|at| time::moment(words, at)).unwrap_or_default(),
        looked_after: after.unwrap_or_default(),
        quiet: alert.quiet_since.map(|at| words.t1("alerts-quiet-soon", "time", time::moment(words, at))).unwrap_or_default(),
        runbook: runbook(&alert.rule),
    }
}

/// What a rule says, or that nobody knows: a verdict that is old is none.
fn rule_view(words: &Words, rule: Rule, judged: Option<&Judged>, now: DateTime<Utc>) -> RuleView {
    let unknown = |detail: String| StateView::new(words, "failed", "alert-verdict-unknown", detail);
    let since = |at: Option<DateTime<Utc>>, never: &str| match at {
        Some(at) => words.t1("since", "time", time::moment(words, at)),
        None => words.t(never),
    };
    let state = match judged {
        None => unknown(words.t("alert-never-judged")),
        Some(judged) if now - judged.looked_at > JUDGED_WITHIN => {
            unknown(words.t1("alert-not-judged", "time", time::moment(words, judged.looked_at)))
        }
        Some(judged) => match judged.verdict.as_str() {
            "quiet" => StateView::new(words, "done", "alert-verdict-quiet", since(judged.since, "alert-never-known")),
            "firing" => {
                let said = alerts::sentence(words, rule.word(), judged.n);
                StateView::new(words, "failed", "alert-verdict-firing", said)
            }
            _ => unknown(since(judged.since, "alert-never-known")),
        },
    };
    RuleView {
        title: words.t(&format!("alert-rule-{}", rule.word())),
        state,
        looked: judged.map_or_else(|| "–".to_owned(), |judged| time::moment(words, judged.looked_at)),
        runbook: runbook(rule.word()),
    }
}

/// GET `/staff/alerts`
pub(super) async fn list(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let open = alerts::list_open(&mut conn).await?;
    let over = alerts::list_over(&mut conn, SHOWN).await?;
    let judged = alerts::judged(&mut conn).await?;
    let who: Vec<StaffId> = open.iter().chain(&over).filter_map(|alert| alert.acknowledged_by).collect();
    let people = if who.is_empty() { Vec::new() } else { account::staff_emails(&mut conn, &who).await? };
    drop(conn);
    let (words, now) = (page.w.clone(), state.clock.now());
    let views = |all: &[Alert]| all.iter().map(|alert| alert_view(&words, alert, &people)).collect();
    let rules = Rule::ALL.map(|rule| rule_view(&words, rule, judged.iter().find(|judged| judged.rule == rule.word()), now));
    Ok(html(&StaffAlertsPage {
        open: views(&open),
        over: views(&over),
        rules: rules.into(),
        may_acknowledge: member.may(OPERATES),
        page,
    })?)
}

/// POST `/staff/alerts/{id}/acknowledge`: whoever sends it looks after it.
pub(super) async fn acknowledge(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: AlertId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.staff().begin().await?;
    let done = alerts::acknowledge(&mut tx, state.clock.as_ref(), &member, id).await?;
    tx.commit().await?;
    let (kind, key) = if done { ("done", "alerts-acknowledged") } else { ("failed", "alerts-acknowledged-not") };
    Ok(with_message(&state, "/staff/alerts", kind, key))
}

/// GET `/staff/runbooks/{rule}`
pub(super) async fn show_runbook(Path(rule): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let rule = Rule::from_word(&rule).ok_or(WebError::NotFound)?;
    let back = page.w.t("alerts-title");
    text::show(page, &file(rule), "/staff/alerts", back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_page_of_what_to_do() {
        for rule in Rule::ALL {
            assert!(text::exists(&file(rule)), "docs/{} is missing", file(rule));
        }
    }

    #[test]
    fn an_old_verdict_and_none_at_all_are_never_well() {
        let (words, now) = (Words::english(), DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let judged = |minutes, verdict: &str, since| Judged {
            rule: "capacity".to_owned(),
            verdict: verdict.to_owned(),
            since,
            n: 0,
            looked_at: now - TimeDelta::minutes(minutes),
        };
        let says = |judged: Option<&Judged>| rule_view(&words, Rule::Capacity, judged, now).state;
        assert_eq!(says(Some(&judged(1, "quiet", Some(now)))).kind, "done");
        for (found, detail) in [
            (None, "Nobody has looked yet"),
            (Some(judged(6, "quiet", Some(now))), "nobody has looked since then"),
            (Some(judged(0, "unknown", None)), "it never was"),
            (Some(judged(0, "unknown", Some(now))), "since"),
        ] {
            let state = says(found.as_ref());
            assert_eq!((state.kind, state.word.as_str()), ("failed", "Not known"));
            assert!(state.detail.contains(detail), "{}", state.detail);
        }
    }
}
