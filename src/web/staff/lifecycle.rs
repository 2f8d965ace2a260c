//! Pausing a server, letting it run again, ending it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::account::StaffMember;
use crate::audit::Actor;
use crate::ids::InstanceId;
use crate::instance::{self, Instance, Intent};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::words::Words;

/// Why staff pause a server; its visitors read more about it (`paddock park`).
const REASONS: [&str; 4] = ["asked", "abuse", "moving", "unpaid"];
/// Characters of the reason for an end.
const END_REASON: std::ops::RangeInclusive<usize> = 3..=200;

#[derive(Template)]
#[template(path = "pages/staff/pause.html")]
struct StaffPausePage {
    page: PageContext,
    back: String,
    address: String,
    reasons: Vec<ReasonView>,
    errors: FieldErrors,
}

struct ReasonView {
    word: &'static str,
    label: String,
    note: String,
}

#[derive(Template)]
#[template(path = "pages/staff/end.html")]
struct StaffEndPage {
    page: PageContext,
    back: String,
    address: String,
    reason: String,
    errors: FieldErrors,
}

pages!(StaffPausePage, StaffEndPage);

/// The instance of the path.
pub(super) async fn instance(state: &AppState, id: &str) -> Result<Instance, WebError> {
    let id: InstanceId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut conn = state.db.staff().acquire().await?;
    instance::find(&mut conn, id).await?.ok_or(WebError::NotFound)
}

/// Where a server's page is.
pub(super) fn href(id: InstanceId) -> String {
    format!("/staff/instances/{id}")
}

fn pause_page(page: PageContext, instance: &Instance, errors: FieldErrors) -> StaffPausePage {
    let reason = |words: &Words, word| ReasonView {
        word,
        label: words.t(&format!("pause-{word}")),
        note: words.t(&format!("pause-{word}-note")),
    };
    StaffPausePage {
        back: href(instance.id),
        address: readable(&instance.domain),
        reasons: REASONS.into_iter().map(|word| reason(&page.w, word)).collect(),
        errors,
        page,
    }
}

/// GET `/staff/instances/{id}/pause`
pub(super) async fn pause_form(
    State(state): State<AppState>,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    Ok(html(&pause_page(page, &instance(&state, &id).await?, FieldErrors::default()))?)
}

/// Fields of both forms.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasonForm {
    reason: String,
}

/// POST `/staff/instances/{id}/pause`
pub(super) async fn pause(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    if !REASONS.contains(&form.reason.as_str()) {
        let mut errors = FieldErrors::default();
        errors.add("reason", page.w.t("pause-choose"));
        return Ok(refused(&pause_page(page, &instance, errors))?);
    }
    set(&state, &member, &instance, Intent::Suspended, &form.reason).await
}

/// POST `/staff/instances/{id}/resume`
pub(super) async fn resume(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    if instance.intent == Intent::Absent {
        // What was never paid is not begun by a button.
        return Ok(with_message(&state, &href(instance.id), "failed", "staff-intent-not"));
    }
    set(&state, &member, &instance, Intent::Running, "staff").await
}

fn end_page(page: PageContext, instance: &Instance, reason: String, errors: FieldErrors) -> StaffEndPage {
    StaffEndPage { page, back: href(instance.id), address: readable(&instance.domain), reason, errors }
}

/// GET `/staff/instances/{id}/end`
pub(super) async fn end_form(
    State(state): State<AppState>,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    Ok(html(&end_page(page, &instance(&state, &id).await?, String::new(), FieldErrors::default()))?)
}

/// POST `/staff/instances/{id}/end`
pub(super) async fn end(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let reason = form.reason.trim();
    if !END_REASON.contains(&reason.chars().count()) {
        let mut errors = FieldErrors::default();
        errors.add("reason", page.w.t("end-reason-length"));
        return Ok(refused(&end_page(page, &instance, form.reason, errors))?);
    }
    set(&state, &member, &instance, Intent::Archived, reason).await
}

async fn set(
    state: &AppState,
    member: &StaffMember,
    instance: &Instance,
    intent: Intent,
    reason: &str,
) -> Result<Response, WebError> {
    let (back, clock) = (href(instance.id), state.clock.as_ref());
    let mut tx = state.db.staff().begin().await?;
    match instance::set_intent(&mut tx, clock, Actor::Staff(member.id), instance.id, intent, reason).await {
        Ok(()) => tx.commit().await?,
        Err(sqlx::Error::RowNotFound) => return Ok(with_message(state, &back, "failed", "staff-intent-not")),
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&back).into_response())
}
