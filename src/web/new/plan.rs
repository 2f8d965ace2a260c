//! The question for the plan and how often it is paid.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::draft::{Draft, address_rules, check_address, check_owner, check_plan, read_draft, write_draft};
use super::{back_to, progress};
use crate::plan::Interval;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::public::plans::{Period, PlanView, limit_names, plan_views};
use crate::web::session::Verified;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/new/plan.html")]
struct NewPlanPage {
    page: PageContext,
    step: String,
    steps: String,
    plans: Vec<PlanView>,
    limit_names: Vec<String>,
    yearly: bool,
    errors: FieldErrors,
}

pages!(NewPlanPage);

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PlanForm {
    plan: String,
    period: String,
}

/// GET `/new/plan`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    _: Verified,
    headers: HeaderMap,
    Query(query): Query<Period>,
) -> Result<Response, WebError> {
    let mut draft = read_draft(&state, &headers).unwrap_or_default();
    if let Err(errors) = earlier(&page.w, &state, &draft) {
        return Ok(back_to(&errors));
    }
    if Interval::from_word(&query.period).is_some() {
        draft.interval = query.period;
    }
    Ok(html(&new_page(&state, page, &draft, FieldErrors::default()))?)
}

/// POST `/new/plan`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    _: Verified,
    headers: HeaderMap,
    Form(form): Form<PlanForm>,
) -> Result<Response, WebError> {
    let before = read_draft(&state, &headers).unwrap_or_default();
    if let Err(errors) = earlier(&page.w, &state, &before) {
        return Ok(back_to(&errors));
    }
    let draft = Draft { plan: form.plan, interval: form.period, ..before };
    if let Err(errors) = check_plan(&page.w, &state, &draft) {
        return Ok(refused(&new_page(&state, page, &draft, errors))?);
    }
    Ok((AppendHeaders([write_draft(&state, &draft)]), Redirect::to("/new/review")).into_response())
}

fn earlier(words: &Words, state: &AppState, draft: &Draft) -> Result<(), FieldErrors> {
    check_address(words, &address_rules(state), draft)?;
    check_owner(words, draft)?;
    Ok(())
}

fn new_page(state: &AppState, page: PageContext, draft: &Draft, mut errors: FieldErrors) -> NewPlanPage {
    let interval = Interval::from_word(&draft.interval).unwrap_or(Interval::Month);
    let plans = plan_views(&page.w, &state.catalogue, interval, &draft.plan);
    // The links of the summary lead to the first radio button: plan and period have no input of these names.
    let first = plans.first().map(|plan| format!("plan-{}", plan.id)).unwrap_or_default();
    errors.list.iter_mut().for_each(|error| error.field.clone_from(&first));
    let ((step, steps), limit_names) = (progress(draft, "/new/plan"), limit_names(&page.w));
    NewPlanPage { page, step, steps, plans, limit_names, yearly: interval == Interval::Year, errors }
}
