//! Reports of abuse and requests, each with its deadline.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::Deserialize;

use super::show_filter;
use crate::account::StaffMember;
use crate::desk::cases::{self, Case, CaseError, Kind, NewCase, Note, Outcome, Show};
use crate::ids::{CaseId, InstanceId};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::list::{Choice, Frame, ListQuery, ListView};
use crate::web::order::with_message;
use crate::web::page::{Fact, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/cases.html")]
struct StaffCasesPage {
    page: PageContext,
    list: ListView,
    cases: Vec<CaseView>,
}

#[derive(Template)]
#[template(path = "pages/staff/case_new.html")]
struct StaffCaseNewPage {
    page: PageContext,
    form: OpenForm,
    kinds: Vec<Choice>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/staff/case.html")]
struct StaffCasePage {
    page: PageContext,
    case: CaseView,
    facts: Vec<Fact>,
    notes: Vec<NoteView>,
    note: String,
    outcomes: Vec<Choice>,
    errors: FieldErrors,
}

pages!(StaffCasesPage, StaffCaseNewPage, StaffCasePage);

/// A case.
struct CaseView {
    href: String,
    title: String,
    kind: String,
    sender: String,
    state: StateView,
    open: bool,
}

struct NoteView {
    at: String,
    by: String,
    text: String,
}

/// Where a case's page is.
fn href(id: CaseId) -> String {
    format!("/staff/cases/{id}")
}

fn case_view(words: &Words, case: &Case, now: DateTime<Utc>) -> CaseView {
    let due = words.t1("case-due", "time", time::moment(words, case.due_at));
    let state = match (case.outcome.zip(case.closed_at), case.due_at < now) {
        (Some((outcome, at)), _) => {
            let key = format!("case-outcome-{}", outcome.word());
            StateView::new(words, "done", &key, time::moment(words, at))
        }
        (None, true) => StateView::new(words, "failed", "case-late", due),
        (None, false) => StateView::new(words, "doing", "case-open", due),
    };
    CaseView {
        href: href(case.id),
        title: case.title.clone(),
        kind: words.t(&format!("case-kind-{}", case.kind.word())),
        sender: case.sender.clone(),
        state,
        open: case.closed_at.is_none(),
    }
}

/// GET `/staff/cases`
pub(super) async fn list(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let show = Show::from_word(&query.show);
    let mut conn = state.db.staff().acquire().await?;
    let slice = cases::list(&mut conn, show, query.start()).await?;
    drop(conn);
    let (words, now) = (page.w.clone(), state.clock.now());
    let frame = Frame { words: &words, path: "/staff/cases", query: &query };
    let all = Show::ALL.iter().map(|one| one.word());
    let filters = vec![show_filter(&words, all, show.word(), |word| words.t(&format!("show-case-{word}")))];
    let list = frame.view("", filters, Vec::new(), &slice, |case| case.id.to_string());
    let cases = slice.rows.iter().map(|case| case_view(&words, case, now)).collect();
    Ok(html(&StaffCasesPage { page, list, cases })?)
}

/// Fields of a new case.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenForm {
    kind: String,
    title: String,
    sender: String,
    server: String,
    received: String,
    due: String,
    note: String,
}

fn new_page(page: PageContext, form: OpenForm, errors: FieldErrors) -> StaffCaseNewPage {
    let chosen = Kind::from_word(&form.kind).unwrap_or(Kind::Abuse);
    let choice = |kind: Kind| Choice {
        value: kind.word().to_owned(),
        label: page.w.t(&format!("case-kind-{}", kind.word())),
        chosen: kind == chosen,
    };
    StaffCaseNewPage { kinds: Kind::ALL.map(choice).into(), form, errors, page }
}

/// GET `/staff/cases/new`
pub(super) async fn new_form(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&new_page(page, OpenForm::default(), FieldErrors::default()))?)
}

/// A day as the field sends it; `Err` where it is none. Empty: none.
fn day(text: &str) -> Result<Option<NaiveDate>, ()> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Some).map_err(|_| ()) }
}

/// The end of a day: a deadline is that day itself.
fn end_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1) - TimeDelta::seconds(1)
}

/// What is wrong, at its field.
fn why(words: &Words, error: CaseError) -> Result<FieldErrors, WebError> {
    let (field, key) = match error {
        CaseError::Title => ("title", "case-title-length"),
        CaseError::Sender => ("sender", "case-sender-length"),
        CaseError::Note => ("note", "case-note-length"),
        CaseError::Received => ("received", "case-in-future"),
        CaseError::Due => ("due", "case-due-missing"),
        CaseError::Server => ("server", "case-no-server"),
        CaseError::Closed => ("note", "case-is-closed"),
        CaseError::Database(error) => return Err(error.into()),
    };
    let mut errors = FieldErrors::default();
    errors.add(field, words.t(key));
    Ok(errors)
}

/// POST `/staff/cases`
pub(super) async fn open(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(form): Form<OpenForm>,
) -> Result<Response, WebError> {
    let (now, mut errors) = (state.clock.now(), FieldErrors::default());
    let (kind, received, due) = (Kind::from_word(&form.kind), day(&form.received), day(&form.due));
    let server = form.server.trim();
    let instance = if server.is_empty() { Ok(None) } else { server.parse::<InstanceId>().map(Some) };
    if kind.is_none() {
        errors.add("kind", page.w.t("case-choose"));
    }
    if instance.is_err() {
        errors.add("server", page.w.t("case-no-server"));
    }
    if received.is_err() {
        errors.add("received", page.w.t("case-no-day"));
    }
    if due.is_err() {
        errors.add("due", page.w.t("case-no-day"));
    }
    let (Some(kind), Ok(received), Ok(due), Ok(instance)) = (kind, received, due, instance) else {
        return Ok(refused(&new_page(page, form, errors))?);
    };
    let new = NewCase {
        kind,
        title: &form.title,
        sender: &form.sender,
        note: &form.note,
        instance,
        received_at: received.map_or(now, |day| day.and_time(NaiveTime::MIN).and_utc()),
        due_at: due.map(end_of),
    };
    let mut tx = state.db.staff().begin().await?;
    match cases::open(&mut tx, state.clock.as_ref(), member.id, &new).await {
        Ok(id) => {
            tx.commit().await?;
            Ok(with_message(&state, &href(id), "done", "case-opened"))
        }
        Err(error) => {
            drop(tx);
            let errors = why(&page.w, error)?;
            Ok(refused(&new_page(page, form, errors))?)
        }
    }
}

/// What was typed into the form that says more.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SayForm {
    note: String,
    outcome: String,
}

async fn case_page(
    state: &AppState,
    page: PageContext,
    id: CaseId,
    form: SayForm,
    errors: FieldErrors,
) -> Result<StaffCasePage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let case = cases::find(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    let notes = cases::notes_of(&mut conn, id).await?;
    drop(conn);
    let words = page.w.clone();
    let outcome = |outcome: Outcome| Choice {
        value: outcome.word().to_owned(),
        label: words.t(&format!("case-outcome-{}", outcome.word())),
        chosen: form.outcome == outcome.word(),
    };
    let none = Choice { value: String::new(), label: words.t("case-stays-open"), chosen: form.outcome.is_empty() };
    let mut facts = vec![
        Fact::new(&words, "case-kind", words.t(&format!("case-kind-{}", case.kind.word()))),
        Fact::new(&words, "case-sender", &case.sender),
        Fact::new(&words, "case-received", time::moment(&words, case.received_at)),
        Fact::new(&words, "case-due-at", time::moment(&words, case.due_at)),
    ];
    facts.extend(case.instance_id.map(|instance| Fact {
        href: format!("/staff/instances/{instance}"),
        ..Fact::new(&words, "case-server", instance.to_string())
    }));
    let note = |note: Note| NoteView { at: time::moment(&words, note.at), by: note.email, text: note.text };
    Ok(StaffCasePage {
        case: case_view(&words, &case, state.clock.now()),
        facts,
        notes: notes.into_iter().map(note).collect(),
        outcomes: std::iter::once(none).chain(Outcome::ALL.map(outcome)).collect(),
        note: form.note,
        errors,
        page,
    })
}

/// GET `/staff/cases/{id}`
pub(super) async fn show(State(state): State<AppState>, Path(id): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let id = id.parse().map_err(|_| WebError::NotFound)?;
    Ok(html(&case_page(&state, page, id, SayForm::default(), FieldErrors::default()).await?)?)
}

/// POST `/staff/cases/{id}/say`
pub(super) async fn say(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<SayForm>,
) -> Result<Response, WebError> {
    let id: CaseId = id.parse().map_err(|_| WebError::NotFound)?;
    let outcome = Outcome::from_word(&form.outcome);
    if outcome.is_none() && !form.outcome.is_empty() {
        let mut errors = FieldErrors::default();
        errors.add("outcome", page.w.t("case-choose"));
        return Ok(refused(&case_page(&state, page, id, form, errors).await?)?);
    }
    let mut tx = state.db.staff().begin().await?;
    match cases::say(&mut tx, state.clock.as_ref(), member.id, id, &form.note, outcome).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(with_message(&state, &href(id), "done", "case-said"))
        }
        Err(error) => {
            drop(tx);
            let errors = why(&page.w, error)?;
            Ok(refused(&case_page(&state, page, id, form, errors).await?)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_the_whole_of_its_day() {
        let due = day("2026-11-25").unwrap().map(end_of).unwrap();
        assert_eq!(due.to_rfc3339(), "2026-11-25T23:59:59+00:00");
        assert_eq!((day(" "), day("tomorrow")), (Ok(None), Err(())));
    }
}
