//! Pausing a server for a reason, lifting a reason, ending it. It runs when no reason is left.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::account::StaffMember;
use crate::audit::Actor;
use crate::ids::InstanceId;
use crate::instance::{self, Hold, Instance};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::words::Words;

/// Why staff pause a server; its visitors read more about it (`paddock park`). That one is not paid is for the subscription to say.
const REASONS: [Hold; 4] = [Hold::Asked, Hold::Abuse, Hold::Staff, Hold::Moving];
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
    let reason = |words: &Words, reason: Hold| {
        let word = reason.as_str();
        ReasonView { word, label: words.t(&format!("pause-{word}")), note: words.t(&format!("pause-{word}-note")) }
    };
    StaffPausePage {
        back: href(instance.id),
        address: readable(&instance.domain),
        reasons: REASONS.into_iter().map(|hold| reason(&page.w, hold)).collect(),
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
    let Some(reason) = REASONS.into_iter().find(|reason| reason.as_str() == form.reason) else {
        let mut errors = FieldErrors::default();
        errors.add("reason", page.w.t("pause-choose"));
        return Ok(refused(&pause_page(page, &instance, errors))?);
    };
    hold(&state, &member, &instance, reason, "").await
}

/// POST `/staff/instances/{id}/resume`: lifts the reason that the form names, or all that are the staff's to lift.
pub(super) async fn resume(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let (back, clock) = (href(instance.id), state.clock.as_ref());
    let reasons: Vec<Hold> =
        Hold::STAFFS.into_iter().filter(|reason| form.reason.is_empty() || reason.as_str() == form.reason).collect();
    let mut tx = state.db.staff().begin().await?;
    match instance::lift(&mut tx, clock, Actor::Staff(member.id), instance.id, &reasons, "staff").await {
        Ok(true) => tx.commit().await?,
        // What was never paid is not begun by a button, nor what is not paid any more.
        Ok(false) | Err(sqlx::Error::RowNotFound) => return Ok(with_message(&state, &back, "failed", "staff-intent-not")),
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&back).into_response())
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
    hold(&state, &member, &instance, Hold::Ended, reason).await
}

async fn hold(
    state: &AppState,
    member: &StaffMember,
    instance: &Instance,
    reason: Hold,
    note: &str,
) -> Result<Response, WebError> {
    let (back, clock) = (href(instance.id), state.clock.as_ref());
    let mut tx = state.db.staff().begin().await?;
    match instance::hold(&mut tx, clock, Actor::Staff(member.id), instance.id, reason, note).await {
        Ok(_) => tx.commit().await?,
        Err(sqlx::Error::RowNotFound) => return Ok(with_message(state, &back, "failed", "staff-intent-not")),
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&back).into_response())
}
