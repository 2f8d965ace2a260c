//! The queue: how far it is behind, what is in it, and what waits for a person because its tries are used up.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{OPERATES, show_filter};
use crate::account::StaffMember;
use crate::audit::{self, Actor};
use crate::desk::jobs::{self, OfTask, Show};
use crate::queue::{self, Backlog, JobRow};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::list::{Frame, ListQuery, ListView};
use crate::web::order::with_message;
use crate::web::page::{Fact, PageContext, flash_number, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/queue.html")]
struct StaffQueuePage {
    page: PageContext,
    backlog: Vec<Fact>,
    tasks: Vec<TaskView>,
    list: ListView,
    jobs: Vec<JobView>,
    /// Whether whoever looks may give jobs their tries again.
    may_retry: bool,
}

pages!(StaffQueuePage);

/// Jobs of one kind.
struct TaskView {
    task: String,
    all: String,
    dead: String,
    /// Whether there are some to try again.
    has_dead: bool,
    next: String,
}

/// A job.
pub(super) struct JobView {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub attempts: String,
    pub next: String,
    pub error: String,
    /// Whether it can be tried again: nobody works on it.
    pub rests: bool,
}

pub(super) fn job_view(words: &Words, job: &JobRow) -> JobView {
    let ids = job.payload.as_object().into_iter().flat_map(serde_json::Map::values).filter_map(serde_json::Value::as_str);
    JobView {
        id: job.id.to_string(),
        kind: job.task.clone(),
        subject: ids.collect::<Vec<_>>().join(", "),
        attempts: words.t2("staff-attempts-of", "n", job.attempts, "most", job.max_attempts),
        next: match (job.running, job.is_dead()) {
            (true, _) => words.t("staff-job-running"),
            (false, true) => words.t("staff-job-dead"),
            (false, false) => time::moment(words, job.run_at),
        },
        error: job.last_error.clone().unwrap_or_default(),
        rests: !job.running && job.last_error.is_some(),
    }
}

fn task_view(words: &Words, task: &OfTask) -> TaskView {
    let OfTask { task, all, dead, next } = task;
    TaskView {
        task: task.clone(),
        all: all.to_string(),
        dead: dead.to_string(),
        has_dead: *dead > 0,
        next: next.map_or_else(|| "–".to_owned(), |at| time::moment(words, at)),
    }
}

/// GET `/staff/queue`
pub(super) async fn list(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let show = Show::from_word(&query.show);
    let owner = state.db.owner();
    let backlog = queue::backlog(owner, state.clock.now()).await?;
    let tasks = jobs::by_task(owner).await?;
    let slice = jobs::list(owner, show, query.start()).await?;
    let words = page.w.clone();
    let frame = Frame { words: &words, path: "/staff/queue", query: &query };
    let heads = ["staff-job", "staff-subject", "staff-attempts", "staff-next-try", "staff-error", "queue-do"];
    let heads = heads.into_iter().map(|key| frame.head(key)).collect();
    let all = Show::ALL.iter().map(|one| one.word());
    let filters = vec![show_filter(&words, all, show.word(), |word| words.t(&format!("show-job-{word}")))];
    let list = frame.view("", filters, heads, &slice, |job| job.id.to_string());
    Ok(html(&StaffQueuePage {
        backlog: behind(&words, backlog),
        tasks: tasks.iter().map(|task| task_view(&words, task)).collect(),
        list,
        jobs: slice.rows.iter().map(|job| job_view(&words, job)).collect(),
        may_retry: member.may(OPERATES),
        page,
    })?)
}

fn behind(words: &Words, backlog: Backlog) -> Vec<Fact> {
    let Backlog { due, oldest_seconds, dead } = backlog;
    let oldest = chrono::TimeDelta::seconds(time::whole(oldest_seconds));
    vec![
        Fact::new(words, "queue-due", due.to_string()),
        Fact::new(words, "queue-oldest", if due == 0 { "–".to_owned() } else { time::took(words, oldest) }),
        Fact::new(words, "queue-dead", dead.to_string()),
    ]
}

/// Where the button was.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RetryForm {
    back: String,
}

/// POST `/staff/jobs/{id}/retry`: all its tries again, from now on. One that is being worked on is left alone.
pub(super) async fn retry(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<RetryForm>,
) -> Result<Response, WebError> {
    let id: i64 = id.parse().map_err(|_| WebError::NotFound)?;
    let back = if form.back == "queue" { "/staff/queue" } else { "/staff" };
    // The queue's tables belong to the log-in user; no other role may touch them.
    let mut tx = state.db.owner().begin().await?;
    let Some(task) = queue::retry(&mut tx, id, state.clock.now()).await? else {
        return Ok(with_message(&state, back, "failed", "staff-retry-not"));
    };
    let (actor, subject) = (Actor::Staff(member.id), format!("job_{id}"));
    audit::record(&mut tx, state.clock.as_ref(), actor, None, "job.retried", &subject, json!({ "job": task })).await?;
    tx.commit().await?;
    Ok(with_message(&state, back, "done", "staff-retried"))
}

/// Of which kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RetryAllForm {
    task: String,
}

/// POST `/staff/queue/retry`: all jobs of a kind that were given up get their tries again.
pub(super) async fn retry_all(
    State(state): State<AppState>,
    member: StaffMember,
    Form(form): Form<RetryAllForm>,
) -> Result<Response, WebError> {
    let task: String = form.task.chars().filter(|letter| !letter.is_control()).collect();
    let mut tx = state.db.owner().begin().await?;
    let count = jobs::retry_dead(&mut tx, &task, state.clock.now()).await?;
    if count == 0 {
        return Ok(with_message(&state, "/staff/queue", "failed", "queue-none-to-retry"));
    }
    let (actor, detail) = (Actor::Staff(member.id), json!({ "jobs": count }));
    audit::record(&mut tx, state.clock.as_ref(), actor, None, "jobs.retried", &task, detail).await?;
    tx.commit().await?;
    let message = flash_number(&state, "done", "queue-retried", count);
    Ok((AppendHeaders([message]), Redirect::to("/staff/queue")).into_response())
}
