//! Each part that pages are made of, on one page: what there is need not be made again, and what is changed is seen at once. Nothing on it
//! is anybody's, and no button of it does anything.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;

use super::StepperView;
use crate::db::slice::Slice;
use crate::web::AppState;
use crate::web::chart::{Bar, Line, bars};
use crate::web::error::WebError;
use crate::web::instance::view::StepView;
use crate::web::list::{Choice, Filter, Frame, ListQuery, ListView};
use crate::web::page::{Fact, FieldErrors, PageContext, StateView, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/styleguide.html")]
struct StaffStyleguidePage {
    page: PageContext,
    errors: FieldErrors,
    choices: Vec<Choice>,
    states: Vec<StateView>,
    facts: Vec<Fact>,
    steps: Vec<StepView>,
    stepper: Vec<StepperView>,
    list: ListView,
    /// The list when nothing of it is as it was asked for, and when there is nothing at all.
    narrowed: ListView,
    empty: ListView,
    line: String,
    bars: String,
}

pages!(StaffStyleguidePage);

const PATH: &str = "/staff/styleguide";

/// GET `/staff/styleguide`
pub(super) async fn show(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let words = page.w.clone();
    let begin = state.clock.now() - TimeDelta::days(1);
    let points =
        [3, 4, 4, 7, 6, 9, 12].into_iter().zip(0..).map(|(value, hours)| (begin + TimeDelta::hours(hours), value)).collect();
    let bar = |(value, day): (i64, i64)| Bar { label: day.to_string(), value };
    Ok(html(&StaffStyleguidePage {
        errors: errors(&words),
        choices: choices(&words),
        states: ["waiting", "doing", "done", "failed"]
            .into_iter()
            .map(|kind| StateView::new(&words, kind, &format!("guide-state-{kind}"), words.t("guide-detail")))
            .collect(),
        facts: vec![
            Fact::new(&words, "staff-address", "birds.example.org"),
            Fact { change: PATH.to_owned(), ..Fact::new(&words, "plan", words.t("guide-value")) },
            Fact { href: PATH.to_owned(), ..Fact::new(&words, "staff-account", words.t("guide-value")) },
        ],
        steps: ["done", "doing", "waiting", "failed"].into_iter().map(|kind| step(&words, kind)).collect(),
        stepper: ["done", "doing", "waiting"]
            .into_iter()
            .map(|state| StepperView { label: words.t(&format!("guide-state-{state}")), state })
            .collect(),
        list: list(&words, &ListQuery::default(), &["a", "b"]),
        narrowed: list(&words, &ListQuery { q: "zebra".to_owned(), ..ListQuery::default() }, &[]),
        empty: list(&words, &ListQuery::default(), &[]),
        line: Line { points }.svg(&words.t("guide-chart")),
        bars: bars(&[2, 5, 3, 8, 1, 0, 4].into_iter().zip(1..).map(bar).collect::<Vec<_>>(), &words.t("guide-chart")),
        page,
    })?)
}

fn errors(words: &Words) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add("wrong", words.t("guide-wrong"));
    errors.add("wrong-text", words.t("guide-wrong"));
    errors
}

fn choices(words: &Words) -> Vec<Choice> {
    let choice =
        |kind: &str| Choice { value: kind.to_owned(), label: words.t(&format!("guide-state-{kind}")), chosen: kind == "done" };
    ["waiting", "doing", "done"].into_iter().map(choice).collect()
}

fn step(words: &Words, kind: &'static str) -> StepView {
    StepView {
        title: words.t(&format!("guide-state-{kind}")),
        note: words.t("guide-detail"),
        state: kind,
        took: words.t1("span-seconds", "s", 4),
        elapsed: "0:12".to_owned(),
        typical: words.t1("about-seconds", "s", 20),
        ..StepView::default()
    }
}

fn list(words: &Words, query: &ListQuery, rows: &[&str]) -> ListView {
    let frame = Frame { words, path: PATH, query };
    let slice = Slice { rows: rows.to_vec(), before: true, behind: true };
    let heads = vec![
        frame.sorts("staff-address", "address", "address", "address-backwards"),
        frame.head("staff-state"),
        frame.number("price"),
    ];
    let filter = Filter { name: "show", label: words.t("list-show"), options: choices(words) };
    frame.view("list-find-server", vec![filter], heads, &slice, |row| (*row).to_owned())
}
