//! Removing a server with all its data: by one with a proven archive, else asked for by one and confirmed by another (`account::approval`).

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::StepperView;
use super::lifecycle::{href, instance};
use crate::account::approval::{self, Kind};
use crate::account::{self, StaffMember};
use crate::instance::{self, Instance, Intent, Keeping, RemovalError, RemovalRequest, RemovalTerms};
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
    /// `not-ended`, `proven`, `none`, `requested` or `confirmed`.
    step: &'static str,
    /// As of when the proven final archive is; empty where there is none.
    proven: String,
    /// The ways to go: asking, confirming, and that it is done.
    way: Vec<StepperView>,
    /// What was asked for, by whom and when.
    request: String,
    reason: String,
    /// Until when its data should be kept; empty once that is over.
    kept: String,
    early: String,
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
    early: String,
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
    let clock = state.clock.as_ref();
    let waits = approval::open_about(&mut conn, clock, Kind::Removal, &instance.id.to_string()).await?;
    let request = instance::removal_of(&mut conn, instance.id).await?;
    // One that nobody confirmed in time is as good as none.
    let request = request.filter(|request| request.confirmed_at.is_some() || waits.is_some());
    let by = match &request {
        Some(request) => account::find_staff(&mut conn, request.requested_by).await?.map(|by| by.email).unwrap_or_default(),
        None => String::new(),
    };
    let terms = instance::removal_terms(&mut conn, clock, instance.id, state.dates.removal).await?;
    let step = match (&request, instance.intent) {
        (Some(request), _) if request.confirmed_at.is_some() => "confirmed",
        (_, Intent::Absent | Intent::Running | Intent::Suspended) => "not-ended",
        (Some(_), Intent::Archived) => "requested",
        (None, Intent::Archived) => match &terms {
            None => "not-ended",
            Some(RemovalTerms { archive: Some(_), kept_until: _ }) => "proven",
            Some(RemovalTerms { archive: None, kept_until: _ }) => "none",
        },
    };
    let (proven, kept) = terms.map(|RemovalTerms { archive, kept_until }| (archive, kept_until)).unwrap_or_default();
    let in_the_way = match (&waits, step) {
        (Some(waits), "requested") => {
            approval::in_the_way(&mut conn, clock, member.id, waits).await.err().map(RemovalError::from)
        }
        (Some(_) | None, _) => None,
    };
    let not_yet = in_the_way.and_then(|error| error.key()).map(|key| page.w.t(key)).unwrap_or_default();
    let told = |request: &RemovalRequest| {
        let at = time::moment(&page.w, request.requested_at);
        let asked = page.w.with("removal-requested-by", &[("by", &by), ("at", &at), ("reason", &request.reason)]);
        let early = request.early_reason.as_ref().map(|reason| page.w.t1("removal-early-because", "reason", reason));
        early.into_iter().fold(asked, |asked, early| format!("{asked} {early}"))
    };
    Ok(StaffRemovalPage {
        back: href(instance.id),
        address: readable(&instance.domain),
        step,
        way: way(&page.w, step),
        proven: proven.map(|archive| time::moment(&page.w, archive.snapshot_at)).unwrap_or_default(),
        request: request.as_ref().map(told).unwrap_or_default(),
        reason: typed.reason,
        kept: kept.map(|at| time::moment(&page.w, at)).unwrap_or_default(),
        early: typed.early,
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

/// The fields of the first step.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestForm {
    reason: String,
    early: String,
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
    let keeping = Keeping { days: state.dates.removal, early: &form.early };
    let asked = instance::request_removal(&mut tx, state.clock.as_ref(), member.id, instance.id, &form.reason, keeping).await;
    if let Err(error) = asked {
        drop(tx);
        let field = if matches!(error, RemovalError::Kept) { "early" } else { "reason" };
        let RequestForm { reason, early } = form;
        let typed = Typed { reason, early, errors: why(&page, field, error)?, ..Typed::default() };
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

/// The fields of the only step.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ArchivedForm {
    address: String,
    early: String,
}

/// POST `/staff/instances/{id}/removal/archived`: the only step where the final archive is proven.
pub(super) async fn archived(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<ArchivedForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let ArchivedForm { address, early } = form;
    let keeping = Keeping { days: state.dates.removal, early: &early };
    let mut tx = state.db.staff().begin().await?;
    let removed = instance::remove_archived(&mut tx, state.clock.as_ref(), member.id, instance.id, &address, keeping).await;
    if let Err(error) = removed {
        drop(tx);
        let field = if matches!(error, RemovalError::Kept) { "early" } else { "address" };
        let typed = Typed { errors: why(&page, field, error)?, address, early, ..Typed::default() };
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
        Err(
            RemovalError::NotEnded
            | RemovalError::Kept
            | RemovalError::NoArchive
            | RemovalError::Approval(_)
            | RemovalError::WrongName,
        ) => {
            return Ok(with_message(&state, &href(instance.id), "failed", "removal-not-open"));
        }
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
