//! What the host tells all its customers for a time.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use super::OPERATES;
use crate::account::StaffMember;
use crate::desk::announcements::{self, Announcement, AnnouncementError, NewAnnouncement};
use crate::ids::AnnouncementId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/announcements.html")]
struct StaffAnnouncementsPage {
    page: PageContext,
    all: Vec<AnnouncementView>,
    form: AnnounceForm,
    errors: FieldErrors,
    may_announce: bool,
}

pages!(StaffAnnouncementsPage);

/// An announcement.
struct AnnouncementView {
    id: String,
    title: String,
    text: String,
    state: StateView,
    /// Whether it can be taken down.
    up: bool,
}

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AnnounceForm {
    title: String,
    text: String,
    from: String,
    until: String,
    by_mail: String,
}

fn view(words: &Words, one: Announcement, now: DateTime<Utc>) -> AnnouncementView {
    let Announcement { id, title, text, from_at, until_at, ended_at } = one;
    let until = words.t1("until", "time", time::moment(words, until_at));
    let state = match ended_at {
        Some(at) => StateView::new(words, "done", "announcement-ended", time::moment(words, at)),
        None if until_at <= now => StateView::new(words, "done", "announcement-over", time::moment(words, until_at)),
        None if from_at > now => StateView::new(words, "waiting", "announcement-to-come", time::moment(words, from_at)),
        None => StateView::new(words, "doing", "announcement-shown", until),
    };
    AnnouncementView { id: id.to_string(), title, text, state, up: ended_at.is_none() && until_at > now }
}

async fn announcements_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    form: AnnounceForm,
    errors: FieldErrors,
) -> Result<StaffAnnouncementsPage, WebError> {
    let all = announcements::list(&mut *state.db.staff().acquire().await?).await?;
    let (words, now) = (page.w.clone(), state.clock.now());
    let all = all.into_iter().map(|one| view(&words, one, now)).collect();
    Ok(StaffAnnouncementsPage { page, all, form, errors, may_announce: member.may(OPERATES) })
}

/// GET `/staff/announcements`
pub(super) async fn list(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    Ok(html(&announcements_page(&state, &member, page, AnnounceForm::default(), FieldErrors::default()).await?)?)
}

/// What the field of a date and a time sends; `None` where it is no moment.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    forms.into_iter().find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok()).map(|at| at.and_utc())
}

/// POST `/staff/announcements`
pub(super) async fn announce(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(form): Form<AnnounceForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let from = if form.from.trim().is_empty() { Some(state.clock.now()) } else { moment(&form.from) };
    let until = moment(&form.until);
    for (field, at) in [("from", from), ("until", until)] {
        if at.is_none() {
            errors.add(field, page.w.t("announcement-no-moment"));
        }
    }
    let (Some(from_at), Some(until_at)) = (from, until) else {
        return Ok(refused(&announcements_page(&state, &member, page, form, errors).await?)?);
    };
    let new = NewAnnouncement { title: &form.title, text: &form.text, from_at, until_at, by_mail: !form.by_mail.is_empty() };
    let mut tx = state.db.staff().begin().await?;
    let (field, key) = match announcements::announce(&mut tx, state.clock.as_ref(), member.id, &new).await {
        Ok(_) => {
            tx.commit().await?;
            return Ok(with_message(&state, "/staff/announcements", "done", "announcement-made"));
        }
        Err(AnnouncementError::Title) => ("title", "announcement-title-length"),
        Err(AnnouncementError::Text) => ("text", "announcement-text-length"),
        Err(AnnouncementError::Until) => ("until", "announcement-until-wrong"),
        Err(AnnouncementError::Database(error)) => return Err(error.into()),
    };
    drop(tx);
    errors.add(field, page.w.t(key));
    Ok(refused(&announcements_page(&state, &member, page, form, errors).await?)?)
}

/// POST `/staff/announcements/{id}/end`
pub(super) async fn end(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: AnnouncementId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.staff().begin().await?;
    let done = announcements::take_down(&mut tx, state.clock.as_ref(), member.id, id).await?;
    tx.commit().await?;
    let (kind, key) = if done { ("done", "announcement-taken-down") } else { ("failed", "announcement-not-up") };
    Ok(with_message(&state, "/staff/announcements", kind, key))
}
