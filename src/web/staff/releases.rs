//! Releases of Mastodon: which can run, which new servers start with, and a form for the next.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::{OPERATES, yes_or_no};
use crate::account::StaffMember;
use crate::audit::Actor;
use crate::plan::{self, FileError, ListedRelease, Release, Version};
use crate::rollout::{self, BadRelease};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/releases.html")]
struct StaffReleasesPage {
    page: PageContext,
    releases: Vec<ReleaseView>,
    /// Whether whoever looks may change anything.
    may_change: bool,
    form: ReleaseForm,
    errors: FieldErrors,
}

pages!(StaffReleasesPage);

#[expect(clippy::struct_excessive_bools, reason = "each decides about another part of the page")]
struct ReleaseView {
    version: String,
    state: StateView,
    security: bool,
    verified: bool,
    offered: bool,
    withdrawn: bool,
    from: String,
    web: String,
    streaming: String,
    notes: String,
    changes: String,
    servers: String,
    added: String,
}

/// Fields of the form for a release. A box that is ticked sends a text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReleaseForm {
    version: String,
    web: String,
    streaming: String,
    min_from: String,
    notes: String,
    changes: String,
    security: String,
    offered: String,
    verified: String,
}

impl ReleaseForm {
    /// The release, or what is wrong with it, by field of the form.
    fn read(&self) -> Result<Release, FieldErrors> {
        let texts = [
            ("version", &self.version),
            ("web", &self.web),
            ("streaming", &self.streaming),
            ("min_from", &self.min_from),
            ("notes", &self.notes),
            ("changes", &self.changes),
        ];
        let flags = [("security", &self.security), ("offered", &self.offered), ("digest_verified", &self.verified)];
        let texts = texts.map(|(field, text)| (field.to_owned(), toml::Value::from(text.as_str())));
        let flags = flags.map(|(field, flag)| (field.to_owned(), toml::Value::from(!flag.is_empty())));
        Release::read(texts.into_iter().chain(flags).collect()).map_err(|error: FileError| {
            let mut errors = FieldErrors::default();
            for fault in error.faults() {
                let field = if fault.field == "digest_verified" { "verified" } else { &fault.field };
                errors.add(field, format!("{} {}", fault.field, fault.remedy));
            }
            errors
        })
    }
}

fn release_view(words: &Words, listed: &ListedRelease, running: &[(String, i64)]) -> ReleaseView {
    let ListedRelease { release, added_at, withdrawn_at, withdrawn_because } = listed;
    let version = release.version.to_string();
    let state = match (withdrawn_at, release.offered) {
        (Some(at), _) => {
            let because = withdrawn_because.clone().unwrap_or_default();
            StateView::new(words, "waiting", "release-withdrawn", format!("{}: {because}", time::day(words, *at)))
        }
        (None, true) => StateView::new(words, "done", "release-offered", ""),
        (None, false) => StateView::new(words, "waiting", "release-known", ""),
    };
    ReleaseView {
        state,
        security: release.security,
        verified: release.digest_verified,
        offered: release.offered,
        withdrawn: withdrawn_at.is_some(),
        from: release.min_from.to_string(),
        web: release.web.reference(),
        streaming: release.streaming.reference(),
        notes: release.notes.clone(),
        changes: release.changes.clone(),
        servers: running.iter().find(|(of, _)| *of == version).map_or(0, |(_, count)| *count).to_string(),
        added: time::day(words, *added_at),
        version,
    }
}

async fn releases_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    form: ReleaseForm,
    errors: FieldErrors,
) -> Result<StaffReleasesPage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let releases = plan::list_releases(&mut conn).await?;
    let running = rollout::count_by_version(&mut conn).await?;
    let words = page.w.clone();
    let releases = releases.iter().map(|listed| release_view(&words, listed, &running)).collect();
    Ok(StaffReleasesPage { page, releases, may_change: member.may(OPERATES), form, errors })
}

/// GET `/staff/releases`
pub(super) async fn list(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    Ok(html(&releases_page(&state, &member, page, ReleaseForm::default(), FieldErrors::default()).await?)?)
}

/// POST `/staff/releases`: a new one, or another in the place of one that nobody runs.
pub(super) async fn add(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(form): Form<ReleaseForm>,
) -> Result<Response, WebError> {
    let errors = match form.read() {
        Ok(release) => {
            let mut tx = state.db.staff().begin().await?;
            let actor = Actor::Staff(member.id);
            match rollout::add_release(&mut tx, state.clock.as_ref(), actor, &release, !state.trial).await {
                Ok(_) => {
                    tx.commit().await?;
                    return Ok(with_message(&state, "/staff/releases", "done", "release-added"));
                }
                Err(BadRelease::Database(error)) => return Err(error.into()),
                Err(error) => {
                    let field = if matches!(error, BadRelease::NotVerified(_)) { "verified" } else { "version" };
                    let mut errors = FieldErrors::default();
                    errors.add(field, error.to_string());
                    errors
                }
            }
        }
        Err(errors) => errors,
    };
    Ok(refused(&releases_page(&state, &member, page, form, errors).await?)?)
}

fn to_answer(state: &AppState, done: Result<(), BadRelease>, key: &str) -> Result<Response, WebError> {
    match done {
        Ok(()) => Ok(with_message(state, "/staff/releases", "done", key)),
        Err(BadRelease::Unknown(_)) => Err(WebError::NotFound),
        Err(BadRelease::Database(error)) => Err(error.into()),
        Err(error) => Err(WebError::Conflict(error.to_string())),
    }
}

fn version(text: &str) -> Result<Version, WebError> {
    text.parse().map_err(|_| WebError::NotFound)
}

/// Field of the form of a row.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OfferForm {
    /// `yes` or `no`: whether new servers start with it.
    offered: String,
}

/// POST `/staff/releases/{version}/offer`
pub(super) async fn offer(
    State(state): State<AppState>,
    member: StaffMember,
    Path(text): Path<String>,
    Form(form): Form<OfferForm>,
) -> Result<Response, WebError> {
    let (version, actor) = (version(&text)?, Actor::Staff(member.id));
    let Some(offered) = yes_or_no(&form.offered) else {
        return Ok(with_message(&state, "/staff/releases", "failed", "staff-choice-missing"));
    };
    let mut tx = state.db.staff().begin().await?;
    let done = rollout::offer(&mut tx, state.clock.as_ref(), actor, version, offered).await;
    if done.is_ok() {
        tx.commit().await?;
    }
    to_answer(&state, done, "release-offer-set")
}

/// Field of the form of a row.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WithdrawForm {
    because: String,
}

/// POST `/staff/releases/{version}/withdraw`
pub(super) async fn withdraw(
    State(state): State<AppState>,
    member: StaffMember,
    Path(text): Path<String>,
    Form(form): Form<WithdrawForm>,
) -> Result<Response, WebError> {
    let version = version(&text)?;
    let because = form.because.trim();
    if because.is_empty() {
        return Ok(with_message(&state, "/staff/releases", "failed", "staff-reason-missing"));
    }
    let mut tx = state.db.staff().begin().await?;
    let done = rollout::withdraw(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), version, because).await;
    if done.is_ok() {
        tx.commit().await?;
    }
    to_answer(&state, done, "release-withdrawn-now")
}
