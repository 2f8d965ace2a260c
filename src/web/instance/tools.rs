//! Tools of a server: what its owner can have done to it, and what became of what was asked for.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::live::{self, Frame};
use super::runs::{RunView, Tool, ToolForm, Usual, run_view, tools};
use super::view::readable;
use crate::account::Role;
use crate::ids::{AccountId, InstanceId};
use crate::instance::run::{self, Run, RunError};
use crate::instance::{self, Instance, Intent};
use crate::resource::Action;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, OwnedInstance, OwnedRun};
use crate::words::Words;

/// Runs on the page.
const SHOWN: i64 = 30;

#[derive(Template)]
#[template(path = "pages/instance/tools.html")]
struct ToolsPage {
    page: PageContext,
    id: String,
    address: String,
    runs: RunsView,
    tools: Vec<Tool>,
    /// Whether the server runs, so that anything can be asked for.
    fit: bool,
    /// Whether the one who looks may ask.
    may: bool,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/instance/_runs.html")]
struct RunsFragment {
    page: PageContext,
    id: String,
    runs: RunsView,
    may: bool,
}

pages!(ToolsPage, RunsFragment);

/// What was asked for: what is not over, and what is.
struct RunsView {
    open: Vec<RunView>,
    over: Vec<RunView>,
}

struct Loaded {
    instance: Instance,
    runs: Vec<Run>,
    here: Vec<(String, f64)>,
    anywhere: Vec<(String, f64)>,
}

impl Loaded {
    async fn load(state: &AppState, account: AccountId, id: InstanceId) -> Result<Self, WebError> {
        let mut tx = state.db.begin_account(account).await?;
        let instance = instance::find_owned(tx.conn(), account, id).await?.ok_or(WebError::NotFound)?;
        let runs = run::list_runs(tx.conn(), id, SHOWN).await?;
        let here = run::typical_run_seconds(tx.conn(), id).await?;
        let anywhere = instance::typical_seconds(tx.conn()).await?;
        Ok(Self { instance, runs, here, anywhere })
    }

    fn usual(&self) -> Usual<'_> {
        Usual { here: &self.here, anywhere: &self.anywhere }
    }

    fn runs(&self, state: &AppState, words: &Words) -> RunsView {
        let (over, open): (Vec<&Run>, Vec<&Run>) = self.runs.iter().partition(|run| run.state.is_over());
        let view = |run: &Run| run_view(words, run, &self.usual(), state.clock.now());
        // What is not over in the order in which it is worked off, what is over the newest first.
        RunsView { open: open.into_iter().rev().map(view).collect(), over: over.into_iter().map(view).collect() }
    }

    fn page(&self, state: &AppState, page: PageContext, customer: &Customer, form: &ToolForm, errors: FieldErrors) -> ToolsPage {
        let open: Vec<&str> = self.runs.iter().filter(|run| !run.state.is_over()).map(|run| run.kind.as_str()).collect();
        ToolsPage {
            id: self.instance.id.to_string(),
            address: readable(&self.instance.domain),
            runs: self.runs(state, &page.w),
            tools: tools(&page.w, form, &open, &self.usual()),
            fit: self.instance.intent == Intent::Running && self.instance.ready_at.is_some(),
            may: may(customer),
            errors,
            page,
        }
    }
}

fn may(customer: &Customer) -> bool {
    customer.role >= Role::Admin
}

/// GET `/instances/{id}/tools`
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state, customer.account, instance.id).await?;
    Ok(html(&loaded.page(&state, page, &customer, &ToolForm::default(), FieldErrors::default()))?)
}

/// GET `/instances/{id}/tools/live`: the runs as a stream of events, or once as HTML.
pub(super) async fn watch(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    headers: HeaderMap,
    page: PageContext,
) -> Result<Response, WebError> {
    let (id, may) = (instance.id.to_string(), may(&customer));
    if !live::wanted(&headers) {
        let runs = Loaded::load(&state, customer.account, instance.id).await?.runs(&state, &page.w);
        return Ok(html(&RunsFragment { page, id, runs, may })?);
    }
    let (renders, account) = (state.clone(), customer.account);
    Ok(live::stream(&state, &headers, &customer, instance.id, move || {
        let (state, page, id) = (renders.clone(), page.clone(), id.clone());
        async move {
            let mut runs = Loaded::load(&state, account, instance.id).await?.runs(&state, &page.w);
            runs.open = runs.open.into_iter().map(RunView::without_running_times).collect();
            let last = runs.open.is_empty();
            Ok(Frame { html: RunsFragment { page, id, runs, may }.render()?, last })
        }
    }))
}

/// POST `/instances/{id}/tools`: asks for a run.
pub(super) async fn ask(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<ToolForm>,
) -> Result<Response, WebError> {
    let maintenance = match form.read(&page.w) {
        Ok(maintenance) => maintenance,
        Err(errors) => {
            let loaded = Loaded::load(&state, customer.account, instance.id).await?;
            let errors = errors.unwrap_or_else(|| {
                let mut unknown = FieldErrors::default();
                unknown.add("tools", page.w.t("tool-unknown"));
                unknown
            });
            return Ok(refused(&loaded.page(&state, page, &customer, &form, errors))?);
        }
    };
    let to = format!("/instances/{}/tools", instance.id);
    let mut tx = state.db.begin_account(customer.account).await?;
    let action = Action::Maintenance(maintenance);
    let asked = run::request_run(tx.conn(), state.clock.as_ref(), customer.actor(), &instance, &action).await;
    let (kind, key) = match asked {
        Ok(_) => {
            tx.commit().await?;
            ("done", "tool-asked")
        }
        Err(RunError::NotRunning) => ("failed", "tool-not-running"),
        Err(RunError::Open) => ("failed", "tool-open"),
        Err(RunError::TooSoon { until: _ }) => ("failed", "tool-too-soon"),
        Err(RunError::Database(error)) => return Err(error.into()),
    };
    Ok(with_message(&state, &to, kind, key))
}

/// POST `/instances/{id}/runs/{run}/cancel`
pub(super) async fn cancel(
    State(state): State<AppState>,
    customer: Customer,
    OwnedRun(run): OwnedRun,
) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let done = run::cancel_run(tx.conn(), state.clock.as_ref(), customer.actor(), &run).await?;
    tx.commit().await?;
    let (kind, key) = if done { ("done", "run-called-off") } else { ("failed", "run-over-already") };
    Ok(with_message(&state, &format!("/instances/{}/tools", run.instance_id), kind, key))
}
