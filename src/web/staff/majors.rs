//! Asking for another major release of PostgreSQL or Valkey for a server, and taking that back.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::lifecycle::{href, instance};
use crate::account::StaffMember;
use crate::audit::Actor;
use crate::instance::Instance;
use crate::instance::upkeep::{self, AskedMajors};
use crate::resource::{ConditionKind, Majors, condition};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{Fact, FieldErrors, PageContext, html, pages, refused};

/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 3..=200;
/// Major releases that can be asked for at all, as in the table's checks.
const POSTGRES: std::ops::RangeInclusive<i16> = 10..=99;
const VALKEY: std::ops::RangeInclusive<i16> = 7..=99;

#[derive(Template)]
#[template(path = "pages/staff/majors.html")]
struct StaffMajorsPage {
    page: PageContext,
    back: String,
    address: String,
    /// What runs, and how far another one is.
    facts: Vec<Fact>,
    postgres: String,
    valkey: String,
    reason: String,
    errors: FieldErrors,
}

pages!(StaffMajorsPage);

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MajorsForm {
    postgres: String,
    valkey: String,
    reason: String,
}

/// What runs, as far as the operator has said.
fn running(instance: &Instance) -> Majors {
    instance.status().map(|status| status.majors).unwrap_or_default()
}

fn majors_page(page: PageContext, instance: &Instance, typed: MajorsForm, errors: FieldErrors) -> StaffMajorsPage {
    let Majors { postgres, valkey } = running(instance);
    let number = |major: Option<u16>| major.map_or_else(|| "–".to_owned(), |major| major.to_string());
    let mut facts =
        vec![Fact::new(&page.w, "majors-postgres", number(postgres)), Fact::new(&page.w, "majors-valkey", number(valkey))];
    let told = instance.status().and_then(|status| condition(&status.conditions, ConditionKind::DatabaseUpgrading));
    facts.extend(told.map(|told| Fact::new(&page.w, "majors-state", format!("{}: {}", told.reason, told.message))));
    let MajorsForm { postgres, valkey, reason } = typed;
    StaffMajorsPage {
        back: href(instance.id),
        address: readable(&instance.domain),
        facts,
        postgres,
        valkey,
        reason,
        errors,
        page,
    }
}

/// GET `/staff/instances/{id}/majors`
pub(super) async fn show(State(state): State<AppState>, Path(id): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let mut conn = state.db.staff().acquire().await?;
    let AskedMajors { postgres, valkey } = upkeep::asked_majors(&mut conn, instance.id).await?;
    let number = |major: Option<i16>| major.map(|major| major.to_string()).unwrap_or_default();
    let typed = MajorsForm { postgres: number(postgres), valkey: number(valkey), reason: String::new() };
    Ok(html(&majors_page(page, &instance, typed, FieldErrors::default()))?)
}

/// POST `/staff/instances/{id}/majors`
pub(super) async fn submit(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<MajorsForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let runs = running(&instance);
    let mut errors = FieldErrors::default();
    let mut read = |field: &'static str, typed: &str, range: &std::ops::RangeInclusive<i16>, running: Option<u16>| {
        let typed = typed.trim();
        if typed.is_empty() {
            return None;
        }
        let major = typed.parse::<i16>().ok().filter(|major| range.contains(major));
        match major {
            None => errors.add(field, page.w.t("majors-number")),
            Some(major) if running.is_some_and(|running| i32::from(major) < i32::from(running)) => {
                errors.add(field, page.w.t("majors-back"));
            }
            Some(_) => {}
        }
        major
    };
    let asked = AskedMajors {
        postgres: read("postgres", &form.postgres, &POSTGRES, runs.postgres),
        valkey: read("valkey", &form.valkey, &VALKEY, runs.valkey),
    };
    if !REASON.contains(&form.reason.trim().chars().count()) {
        errors.add("reason", page.w.t("majors-reason-length"));
    }
    if !errors.is_empty() {
        return Ok(refused(&majors_page(page, &instance, form, errors))?);
    }
    let (back, clock) = (href(instance.id), state.clock.as_ref());
    let mut tx = state.db.staff().begin().await?;
    let actor = Actor::Staff(member.id);
    if !upkeep::ask_for_majors(&mut tx, clock, actor, instance.id, asked, form.reason.trim()).await? {
        return Ok(with_message(&state, &back, "failed", "majors-same"));
    }
    tx.commit().await?;
    Ok(with_message(&state, &back, "done", "majors-done"))
}
