//! Servers that are given away to an account.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::account::{self, StaffMember};
use crate::billing::{self, FreeError, FreeServer};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::{plan_name, time};
use crate::web::order::with_message;
use crate::web::page::{Choice, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/free.html")]
struct StaffFreePage {
    page: PageContext,
    back: String,
    name: String,
    plans: Vec<Choice>,
    reason: String,
    given: Vec<FreeRow>,
    errors: FieldErrors,
}

struct FreeRow {
    id: String,
    plan: String,
    state: StateView,
    at: String,
    reason: String,
    /// It can be taken back.
    open: bool,
}

pages!(StaffFreePage);

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FreeForm {
    plan: String,
    reason: String,
}

/// Which is taken back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WithdrawForm {
    free: String,
}

/// The account of a path, and what it is called.
async fn account_of(state: &AppState, id: &str) -> Result<(AccountId, String), WebError> {
    let id: AccountId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut conn = state.db.staff().acquire().await?;
    Ok((id, account::account_name(&mut conn, id).await?.ok_or(WebError::NotFound)?))
}

fn row(state: &AppState, words: &Words, free: &FreeServer) -> FreeRow {
    let view = |kind, key, at: Option<_>| StateView::new(words, kind, key, at.map(|at| time::day(words, at)).unwrap_or_default());
    FreeRow {
        id: free.id.to_string(),
        plan: plan_name(state, &free.plan_code),
        state: match (free.withdrawn_at, free.order_id) {
            (Some(at), _) => view("failed", "free-state-withdrawn", Some(at)),
            (None, Some(_)) => view("done", "free-state-used", None),
            (None, None) => view("waiting", "free-state-open", None),
        },
        at: words.t2("extend-by", "time", time::moment(words, free.created_at), "who", free.staff_id),
        reason: free.reason.clone(),
        open: free.withdrawn_at.is_none() && free.order_id.is_none(),
    }
}

async fn free_page(
    state: &AppState,
    page: PageContext,
    (account, name): (AccountId, String),
    typed: FreeForm,
    errors: FieldErrors,
) -> Result<StaffFreePage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let given = billing::list_free(&mut conn, account).await?;
    drop(conn);
    let choice = |plan: &crate::plan::Plan| Choice::new(&plan.code, &plan.name, plan.code == typed.plan);
    Ok(StaffFreePage {
        back: format!("/staff/customers/{account}"),
        name,
        plans: state.catalogue.offered().map(choice).collect(),
        given: given.iter().map(|free| row(state, &page.w, free)).collect(),
        reason: typed.reason,
        errors,
        page,
    })
}

/// GET `/staff/customers/{id}/free`
pub(super) async fn show(State(state): State<AppState>, Path(id): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let account = account_of(&state, &id).await?;
    Ok(html(&free_page(&state, page, account, FreeForm::default(), FieldErrors::default()).await?)?)
}

/// POST `/staff/customers/{id}/free`
pub(super) async fn give(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<FreeForm>,
) -> Result<Response, WebError> {
    let (account, name) = account_of(&state, &id).await?;
    let mut errors = FieldErrors::default();
    let plan = state.catalogue.get(&form.plan).filter(|plan| plan.offered);
    if let Some(plan) = plan {
        let mut tx = state.db.staff().begin().await?;
        match billing::give_free(&mut tx, state.clock.as_ref(), member.id, account, plan, &form.reason).await {
            Ok(_) => {
                tx.commit().await?;
                return Ok(with_message(&state, &format!("/staff/customers/{account}/free"), "done", "free-given"));
            }
            Err(FreeError::Reason | FreeError::Used) => errors.add("reason", page.w.t("free-reason-length")),
            Err(FreeError::Database(error)) => return Err(error.into()),
        }
    } else {
        errors.add("plan", page.w.t("free-choose"));
    }
    Ok(refused(&free_page(&state, page, (account, name), form, errors).await?)?)
}

/// POST `/staff/customers/{id}/free/withdraw`
pub(super) async fn withdraw(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<WithdrawForm>,
) -> Result<Response, WebError> {
    let (account, _) = account_of(&state, &id).await?;
    let back = format!("/staff/customers/{account}/free");
    let Ok(free) = form.free.parse() else { return Ok(with_message(&state, &back, "failed", "free-used")) };
    let mut tx = state.db.staff().begin().await?;
    match billing::withdraw_free(&mut tx, state.clock.as_ref(), member.id, account, free).await {
        Ok(()) => tx.commit().await?,
        Err(FreeError::Used | FreeError::Reason) => return Ok(with_message(&state, &back, "failed", "free-used")),
        Err(FreeError::Database(error)) => return Err(error.into()),
    }
    Ok(with_message(&state, &back, "done", "free-withdrawn-done"))
}
