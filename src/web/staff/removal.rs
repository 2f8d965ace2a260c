//! Removing a server with all its data, without a proven archive: asked for by one, confirmed by another.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::StepperView;
use super::lifecycle::{href, instance};
use crate::account::{self, StaffMember};
use crate::instance::{self, Hold, Instance, Intent, RemovalError, RemovalRequest};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/removal.html")]
struct StaffRemovalPage {
    page: PageContext,
    back: String,
    address: String,
    /// `not-ended`, `none`, `requested` or `confirmed`.
    step: &'static str,
    /// The ways to go: asking, confirming, and that it is done.
    way: Vec<StepperView>,
    /// What was asked for, by whom and when.
    request: String,
    reason: String,
    typed: String,
    /// Why whoever looks can't confirm it now.
    not_yet: String,
    errors: FieldErrors,
}

pages!(StaffRemovalPage);

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    reason: String,
    address: String,
    errors: FieldErrors,
}

async fn removal_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    instance: &Instance,
    typed: Typed,
) -> Result<StaffRemovalPage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let request = instance::removal_of(&mut conn, instance.id).await?;
    let admins = account::count_admins(&mut conn).await?;
    let by = match &request {
        Some(request) => account::find_staff(&mut conn, request.requested_by).await?.map(|by| by.email).unwrap_or_default(),
        None => String::new(),
    };
    let ended = instance::list_holds(&mut conn, instance.id).await?.iter().any(|row| row.reason == Hold::Ended);
    let step = match (&request, instance.intent) {
        (Some(request), _) if request.confirmed_at.is_some() => "confirmed",
        (_, Intent::Absent | Intent::Running | Intent::Suspended) => "not-ended",
        (Some(_), Intent::Archived) => "requested",
        (None, Intent::Archived) if !ended => "not-ended",
        (None, Intent::Archived) => "none",
    };
    let not_yet = match &request {
        Some(request) if request.requested_by == member.id && admins > 1 => page.w.t("removal-same-person"),
        Some(request) if state.clock.now() < request.confirmable_from() => page.w.t("removal-too-soon"),
        Some(_) | None => String::new(),
    };
    let told = |request: &RemovalRequest| {
        let at = time::moment(&page.w, request.requested_at);
        page.w.with("removal-requested-by", &[("by", &by), ("at", &at), ("reason", &request.reason)])
    };
    Ok(StaffRemovalPage {
        back: href(instance.id),
        address: readable(&instance.domain),
        step,
        way: way(&page.w, step),
        request: request.as_ref().map(told).unwrap_or_default(),
        reason: typed.reason,
        typed: typed.address,
        not_yet,
        errors: typed.errors,
        page,
    })
}

/// How far it is.
fn way(words: &Words, step: &str) -> Vec<StepperView> {
    let (asked, confirmed) = match step {
        "confirmed" => ("done", "done"),
        "requested" => ("done", "doing"),
        _ => ("doing", "waiting"),
    };
    let last = if confirmed == "done" { "doing" } else { "waiting" };
    [("removal-way-ask", asked), ("removal-way-confirm", confirmed), ("removal-way-done", last)]
        .into_iter()
        .map(|(key, state)| StepperView { label: words.t(key), state })
        .collect()
}

/// GET `/staff/instances/{id}/removal`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    Ok(html(&removal_page(&state, &member, page, &instance, Typed::default()).await?)?)
}

/// The field of the first step.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestForm {
    reason: String,
}

/// POST `/staff/instances/{id}/removal`: the first step.
pub(super) async fn request(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<RequestForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let mut tx = state.db.staff().begin().await?;
    let asked = instance::request_removal(&mut tx, state.clock.as_ref(), member.id, instance.id, &form.reason).await;
    if let Err(error) = asked {
        drop(tx);
        let typed = Typed { reason: form.reason, errors: why(&page, "reason", error)?, ..Typed::default() };
        return Ok(refused(&removal_page(&state, &member, page, &instance, typed).await?)?);
    }
    tx.commit().await?;
    Ok(with_message(&state, &format!("{}/removal", href(instance.id)), "done", "removal-requested"))
}

/// The field of the second step.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmForm {
    address: String,
}

/// POST `/staff/instances/{id}/removal/confirm`: the second step.
pub(super) async fn confirm(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let mut tx = state.db.staff().begin().await?;
    let confirmed = instance::confirm_removal(&mut tx, state.clock.as_ref(), member.id, instance.id, &form.address).await;
    if let Err(error) = confirmed {
        drop(tx);
        let typed = Typed { errors: why(&page, "address", error)?, address: form.address, ..Typed::default() };
        return Ok(refused(&removal_page(&state, &member, page, &instance, typed).await?)?);
    }
    tx.commit().await?;
    Ok(with_message(&state, &href(instance.id), "done", "removal-confirmed"))
}

/// POST `/staff/instances/{id}/removal/withdraw`
pub(super) async fn withdraw(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let mut tx = state.db.staff().begin().await?;
    match instance::withdraw_removal(&mut tx, state.clock.as_ref(), member.id, instance.id).await {
        Ok(()) => tx.commit().await?,
        Err(RemovalError::Database(error)) => return Err(error.into()),
        Err(_) => return Ok(with_message(&state, &href(instance.id), "failed", "removal-not-open")),
    }
    Ok(with_message(&state, &href(instance.id), "done", "removal-withdrawn"))
}

/// What is wrong, at a field.
fn why(page: &PageContext, field: &str, error: RemovalError) -> Result<FieldErrors, WebError> {
    let mut errors = FieldErrors::default();
    match (error.key(), error) {
        (Some(key), _) => errors.add(field, page.w.t(key)),
        (None, RemovalError::Database(error)) => return Err(error.into()),
        (None, other) => return Err(WebError::Internal(other.to_string())),
    }
    Ok(errors)
}
