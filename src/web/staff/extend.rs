//! Giving a customer time: the dates of what is not paid, or is over, move; the reason stays with them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::lifecycle::{href, instance};
use crate::account::StaffMember;
use crate::billing::{self, ExtendError, ExtensionRow, Standing, Subscription};
use crate::instance::Instance;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{Fact, FieldErrors, PageContext, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/extend.html")]
struct StaffExtendPage {
    page: PageContext,
    back: String,
    address: String,
    /// Where the subscription stands; empty when it has none.
    facts: Vec<Fact>,
    /// Whether there is anything to give time for.
    due: bool,
    given: Vec<GivenRow>,
    days: String,
    reason: String,
    errors: FieldErrors,
}

struct GivenRow {
    until: String,
    at: String,
    reason: String,
}

pages!(StaffExtendPage);

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ExtendForm {
    days: String,
    reason: String,
}

/// Where a subscription stands, as facts for staff.
pub(super) fn standing_facts(words: &Words, subscription: &Subscription) -> Vec<Fact> {
    let standing = words.t(&format!("standing-{}", subscription.standing.as_str()));
    let since = subscription.standing_since.map(|at| words.t1("since", "time", time::moment(words, at))).unwrap_or_default();
    let mut facts = vec![Fact::new(words, "staff-fact-standing", format!("{standing} {since}").trim_end())];
    facts.extend(subscription.standing_until.map(|at| Fact::new(words, "staff-fact-standing-until", time::moment(words, at))));
    facts.extend(subscription.extended_until.map(|at| Fact::new(words, "staff-fact-extended", time::moment(words, at))));
    facts.extend(subscription.cancel_at.map(|at| Fact::new(words, "fact-ends", time::day(words, at))));
    facts
}

async fn extend_page(
    state: &AppState,
    page: PageContext,
    instance: &Instance,
    typed: ExtendForm,
    errors: FieldErrors,
) -> Result<StaffExtendPage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let subscription = billing::find_subscription(&mut conn, instance.id).await?;
    let given = billing::list_extensions(&mut conn, instance.id).await?;
    let row = |row: &ExtensionRow| GivenRow {
        until: time::moment(&page.w, row.until),
        at: page.w.t2("extend-by", "time", time::moment(&page.w, row.created_at), "who", row.staff_id),
        reason: row.reason.clone(),
    };
    Ok(StaffExtendPage {
        back: href(instance.id),
        address: readable(&instance.domain),
        facts: subscription.as_ref().map(|found| standing_facts(&page.w, found)).unwrap_or_default(),
        due: subscription.is_some_and(|found| found.standing != Standing::Good),
        given: given.iter().map(row).collect(),
        days: typed.days,
        reason: typed.reason,
        errors,
        page,
    })
}

/// GET `/staff/instances/{id}/extend`
pub(super) async fn show(State(state): State<AppState>, Path(id): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    Ok(html(&extend_page(&state, page, &instance, ExtendForm::default(), FieldErrors::default()).await?)?)
}

/// POST `/staff/instances/{id}/extend`
pub(super) async fn submit(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<ExtendForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let mut tx = state.db.staff().begin().await?;
    // What is no number of days is as wrong as none.
    let days = form.days.trim().parse().unwrap_or(0);
    match billing::extend(&mut tx, state.clock.as_ref(), member.id, &instance, days, &form.reason).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(with_message(&state, &href(instance.id), "done", "extend-done"))
        }
        Err(ExtendError::Database(error)) => Err(error.into()),
        Err(error) => {
            let mut errors = FieldErrors::default();
            let field = match error {
                ExtendError::Date => "days",
                ExtendError::Reason | ExtendError::NothingDue | ExtendError::Database(_) => "reason",
            };
            errors.add(field, page.w.t(error.key().unwrap_or("error-500-text")));
            drop(tx);
            Ok(refused(&extend_page(&state, page, &instance, form, errors).await?)?)
        }
    }
}
