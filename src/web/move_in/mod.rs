//! Moving in: a look at the archive of a server that is to come here, before anything of it is fetched or restored.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::AppState;
use super::access::{Access, Routes};
use super::error::WebError;
use super::form::Form;
use super::instance::archive_view::size;
use super::page::{Fact, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::account::Role;
use crate::archive::inspect::{Facts, Problem, Report};
use crate::instance::arrival::{self, LookFailed};
use crate::plan::Catalogue;
use crate::words::Words;

pub(super) fn routes(routes: Routes) -> Routes {
    let keeper = Access::Member(Role::Admin);
    routes.get("/move-in", keeper, show).post("/move-in", keeper, look)
}

#[derive(Template)]
#[template(path = "pages/move_in/look.html")]
struct MoveInPage {
    page: PageContext,
    address: String,
    errors: FieldErrors,
    /// What was found; nothing before somebody has asked.
    report: Option<ReportView>,
}

pages!(MoveInPage);

/// What is shown of a report.
struct ReportView {
    state: StateView,
    facts: Vec<Fact>,
    problems: Vec<ProblemView>,
}

struct ProblemView {
    refuses: bool,
    what: String,
    remedy: String,
}

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LookForm {
    address: String,
}

/// GET `/move-in`
async fn show(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&MoveInPage { page, address: String::new(), errors: FieldErrors::default(), report: None })?)
}

/// POST `/move-in`: looks, and says what was found.
async fn look(State(state): State<AppState>, page: PageContext, Form(form): Form<LookForm>) -> Result<Response, WebError> {
    match arrival::look(state.sites.as_ref(), &form.address).await {
        Ok(report) => {
            let report = Some(report_view(&page.w, &report, &state.catalogue));
            Ok(html(&MoveInPage { page, address: form.address, errors: FieldErrors::default(), report })?)
        }
        Err(failed) => {
            let mut errors = FieldErrors::default();
            errors.add("address", why(&page.w, &failed));
            Ok(refused(&MoveInPage { page, address: form.address, errors, report: None })?)
        }
    }
}

fn why(words: &Words, failed: &LookFailed) -> String {
    match failed {
        LookFailed::Address => words.t("move-in-address-wrong"),
        LookFailed::File { file, why } => words.t2("move-in-unreachable", "file", file, "why", words.t(why.key())),
    }
}

fn report_view(words: &Words, report: &Report, catalogue: &Catalogue) -> ReportView {
    let (mark, key) = match (report.fits(), report.problems.is_empty()) {
        (true, true) => ("done", "move-in-fits"),
        (true, false) => ("done", "move-in-fits-with"),
        (false, _) => ("failed", "move-in-refused"),
    };
    ReportView {
        state: StateView::new(words, mark, key, ""),
        facts: report.facts.as_ref().map(|told| facts(words, told, catalogue)).unwrap_or_default(),
        problems: report.problems.iter().map(|problem| problem_view(words, problem)).collect(),
    }
}

/// What it is and what to do about it. The names of keys are `move-in-problem-…` and `move-in-remedy-…`.
fn problem_view(words: &Words, problem: &Problem) -> ProblemView {
    let word = problem.word();
    ProblemView {
        refuses: problem.refuses(),
        what: words.t1(&format!("move-in-problem-{word}"), "detail", problem.detail()),
        remedy: words.t(&format!("move-in-remedy-{word}")),
    }
}

fn facts(words: &Words, told: &Facts, catalogue: &Catalogue) -> Vec<Fact> {
    let Facts { domain, web_domain, mastodon, postgres, snapshot, database_bytes, accounts, users, statuses, actors, .. } = told;
    let plan = arrival::fitting(catalogue, *database_bytes, told.object_bytes);
    let fact = |key: &str, value: String| Fact::new(words, key, value);
    let mut all = vec![fact("move-in-fact-domain", domain.clone())];
    all.extend((web_domain != domain).then(|| fact("move-in-fact-web", web_domain.clone())));
    all.extend([
        fact("move-in-fact-release", mastodon.clone().unwrap_or_else(|| words.t("move-in-unknown"))),
        fact("move-in-fact-snapshot", snapshot.clone()),
        fact("move-in-fact-database", words.t2("move-in-database", "version", postgres, "size", size(*database_bytes))),
        fact("move-in-fact-people", users.to_string()),
        fact("move-in-fact-accounts", accounts.to_string()),
        fact("move-in-fact-posts", statuses.to_string()),
        fact("move-in-fact-keys", actors.to_string()),
        fact("move-in-fact-media", words.t2("move-in-media", "files", told.objects, "size", size(told.object_bytes))),
        fact("move-in-fact-size", words.t2("move-in-parts", "parts", told.parts, "size", size(told.bytes))),
        fact("move-in-fact-signer", told.signer.clone()),
        fact("move-in-fact-plan", plan.map_or_else(|| words.t("move-in-no-plan"), |plan| plan.name.clone())),
    ]);
    all
}
