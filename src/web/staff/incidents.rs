//! Incidents: what staff tell everybody on the status page and in its feeds.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use super::OPERATES;
use crate::account::StaffMember;
use crate::ids::IncidentId;
use crate::incident::{self, Impact, Incident, IncidentError, NewIncident};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::list::{Choice, Frame, ListQuery, ListView};
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::public::incidents::{IncidentView, incident_view};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/incidents.html")]
struct StaffIncidentsPage {
    page: PageContext,
    list: ListView,
    incidents: Vec<IncidentView>,
    may_tell: bool,
}

#[derive(Template)]
#[template(path = "pages/staff/incident_new.html")]
struct StaffIncidentNewPage {
    page: PageContext,
    title: String,
    began: String,
    text: String,
    impacts: Vec<Choice>,
    states: Vec<Choice>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/staff/incident.html")]
struct StaffIncidentPage {
    page: PageContext,
    id: String,
    incident: IncidentView,
    text: String,
    states: Vec<Choice>,
    errors: FieldErrors,
    /// Whether more can be said, and by whoever looks.
    may_say: bool,
}

pages!(StaffIncidentsPage, StaffIncidentNewPage, StaffIncidentPage);

/// Where an incident's page is.
fn href(id: IncidentId) -> String {
    format!("/staff/incidents/{id}")
}

fn states(words: &Words, chosen: incident::State) -> Vec<Choice> {
    let choice = |state: incident::State| Choice {
        value: state.word().to_owned(),
        label: words.t(&format!("incident-state-{}", state.word())),
        chosen: state == chosen,
    };
    incident::State::ALL.into_iter().map(choice).collect()
}

fn impacts(words: &Words, chosen: Impact) -> Vec<Choice> {
    let choice = |impact: Impact| Choice {
        value: impact.word().to_owned(),
        label: words.t(&format!("incident-impact-{}", impact.word())),
        chosen: impact == chosen,
    };
    Impact::ALL.into_iter().map(choice).collect()
}

/// GET `/staff/incidents`
pub(super) async fn list(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let slice = incident::list(&mut conn, query.start()).await?;
    drop(conn);
    let words = page.w.clone();
    let frame = Frame { words: &words, path: "/staff/incidents", query: &query };
    let list = frame.view("", Vec::new(), Vec::new(), &slice, |incident| incident.id.to_string());
    let view = |incident: &Incident| IncidentView { href: href(incident.id), ..incident_view(&words, incident, &[]) };
    let incidents = slice.rows.iter().map(view).collect();
    Ok(html(&StaffIncidentsPage { page, list, incidents, may_tell: member.may(OPERATES) })?)
}

/// Fields of a new incident.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenForm {
    title: String,
    impact: String,
    state: String,
    began: String,
    text: String,
}

/// GET `/staff/incidents/new`
pub(super) async fn new_form(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&new_page(page, OpenForm::default(), FieldErrors::default()))?)
}

fn new_page(page: PageContext, form: OpenForm, errors: FieldErrors) -> StaffIncidentNewPage {
    let OpenForm { title, impact, state, began, text } = form;
    StaffIncidentNewPage {
        impacts: impacts(&page.w, Impact::from_word(&impact).unwrap_or(Impact::Degraded)),
        states: states(&page.w, incident::State::from_word(&state).unwrap_or(incident::State::Investigating)),
        page,
        title,
        began,
        text,
        errors,
    }
}

/// What the field of a date and a time sends; `None` where it is no moment. Empty: now.
fn moment(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(now);
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    forms.into_iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| at.and_utc())
}

/// POST `/staff/incidents`
pub(super) async fn open(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(form): Form<OpenForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let (impact, stands) = (Impact::from_word(&form.impact), incident::State::from_word(&form.state));
    let began_at = moment(&form.began, state.clock.now());
    if impact.is_none() {
        errors.add("impact", page.w.t("incident-choose"));
    }
    if stands.is_none() {
        errors.add("state", page.w.t("incident-choose"));
    }
    if began_at.is_none() {
        errors.add("began", page.w.t("incident-no-moment"));
    }
    let (Some(impact), Some(stands), Some(began_at)) = (impact, stands, began_at) else {
        return Ok(refused(&new_page(page, form, errors))?);
    };
    let new = NewIncident { title: &form.title, impact, state: stands, text: &form.text, began_at };
    let mut tx = state.db.staff().begin().await?;
    match incident::open(&mut tx, state.clock.as_ref(), member.id, &new).await {
        Ok(id) => {
            tx.commit().await?;
            Ok(with_message(&state, &href(id), "done", "incident-told"))
        }
        Err(error) => {
            drop(tx);
            let errors = why(&page.w, error)?;
            Ok(refused(&new_page(page, form, errors))?)
        }
    }
}

/// What is wrong, at its field.
fn why(words: &Words, error: IncidentError) -> Result<FieldErrors, WebError> {
    let (field, key) = match error {
        IncidentError::Title => ("title", "incident-title-length"),
        IncidentError::Text => ("text", "incident-text-length"),
        IncidentError::Future => ("began", "incident-in-future"),
        IncidentError::Over => ("text", "incident-is-over"),
        IncidentError::Database(error) => return Err(error.into()),
    };
    let mut errors = FieldErrors::default();
    errors.add(field, words.t(key));
    Ok(errors)
}

/// What was typed into the form that says more.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SayForm {
    state: String,
    text: String,
}

async fn incident_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    id: IncidentId,
    form: SayForm,
    errors: FieldErrors,
) -> Result<StaffIncidentPage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let found = incident::find(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    let updates = incident::updates_of(&mut conn, &[id]).await?;
    drop(conn);
    Ok(StaffIncidentPage {
        id: id.to_string(),
        incident: incident_view(&page.w, &found, &updates),
        states: states(&page.w, incident::State::from_word(&form.state).unwrap_or(found.state)),
        text: form.text,
        errors,
        may_say: found.over_at.is_none() && member.may(OPERATES),
        page,
    })
}

/// GET `/staff/incidents/{id}`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let id = id.parse().map_err(|_| WebError::NotFound)?;
    Ok(html(&incident_page(&state, &member, page, id, SayForm::default(), FieldErrors::default()).await?)?)
}

/// POST `/staff/incidents/{id}/say`
pub(super) async fn say(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<SayForm>,
) -> Result<Response, WebError> {
    let id: IncidentId = id.parse().map_err(|_| WebError::NotFound)?;
    let Some(stands) = incident::State::from_word(&form.state) else {
        let mut errors = FieldErrors::default();
        errors.add("state", page.w.t("incident-choose"));
        return Ok(refused(&incident_page(&state, &member, page, id, form, errors).await?)?);
    };
    let mut tx = state.db.staff().begin().await?;
    match incident::say(&mut tx, state.clock.as_ref(), member.id, id, stands, &form.text).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(with_message(&state, &href(id), "done", "incident-told"))
        }
        Err(error) => {
            drop(tx);
            let errors = why(&page.w, error)?;
            Ok(refused(&incident_page(&state, &member, page, id, form, errors).await?)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_what_browsers_send_for_one() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(moment(" ", now), Some(now));
        let at = moment("2026-11-25T14:30", now).unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-25T14:30:00+00:00");
        assert_eq!(moment("2026-11-25 14:30", now), Some(at));
        assert_eq!([moment("yesterday", now), moment("2026-02-30T10:00", now)], [None, None]);
    }
}
