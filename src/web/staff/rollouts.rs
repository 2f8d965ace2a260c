//! Rollouts: what a release would do, starting it, and watching it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::rollout_view::{Counts, ItemRow, StepRow, item_row, progress, rollout_state, step_name, step_rows};
use super::{OPERATES, yes_or_no};
use crate::account::StaffMember;
use crate::audit::Actor;
use crate::ids::{InstanceId, RolloutId};
use crate::instance::{self, upkeep};
use crate::plan::{self, Version};
use crate::rollout::{self, BadAct, LeftOut, Policy, Preview, Rollout, RolloutState};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{Choice, Fact, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/rollouts.html")]
struct StaffRolloutsPage {
    page: PageContext,
    rollouts: Vec<RolloutRow>,
}

struct RolloutRow {
    href: String,
    version: String,
    state: StateView,
    progress: String,
    began: String,
}

#[derive(Template)]
#[template(path = "pages/staff/rollout_new.html")]
struct StaffRolloutNewPage {
    page: PageContext,
    versions: Vec<Choice>,
    version: String,
    steps: String,
    numbers: Vec<NumberField>,
    /// Empty before a release is chosen.
    plan: Vec<StepRow>,
    left_out: Vec<String>,
    notes: String,
    /// Whether whoever looks may begin it.
    may_begin: bool,
    errors: FieldErrors,
}

struct NumberField {
    field: &'static str,
    label: String,
    hint: String,
    value: String,
}

#[expect(clippy::struct_excessive_bools, reason = "each decides about another part of the page")]
#[derive(Template)]
#[template(path = "pages/staff/rollout.html")]
struct StaffRolloutPage {
    page: PageContext,
    id: String,
    version: String,
    state: StateView,
    reason: String,
    progress: String,
    /// How many are over, and how many there are, in digits.
    done: String,
    count: String,
    facts: Vec<Fact>,
    steps: Vec<StepRow>,
    next: Vec<ItemRow>,
    failed: Vec<ItemRow>,
    can_pause: bool,
    can_resume: bool,
    can_abort: bool,
    can_roll_back: bool,
}

pages!(StaffRolloutsPage, StaffRolloutNewPage, StaffRolloutPage);

/// Servers on a page, of each kind.
const SHOWN: i64 = 50;

/// GET `/staff/rollouts`
pub(super) async fn list(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let mut rows = Vec::new();
    for rollout in rollout::list_rollouts(&mut conn).await? {
        let counts = Counts::of(&rollout::counts(&mut conn, rollout.id).await?);
        rows.push(RolloutRow {
            href: format!("/staff/rollouts/{}", rollout.id),
            version: rollout.version.to_string(),
            state: rollout_state(&page.w, &rollout),
            progress: progress(&page.w, counts),
            began: time::moment(&page.w, rollout.created_at),
        });
    }
    Ok(html(&StaffRolloutsPage { page, rollouts: rows })?)
}

/// What is wanted: as the address of the preview has it, and as the form that begins sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    version: String,
    steps: String,
    per_hour: String,
    at_once: String,
    pause_minutes: String,
    observe_minutes: String,
    limit_minutes: String,
    failed_percent: String,
    patience_hours: String,
    notice_hours: String,
}

impl Wanted {
    /// The text of a field of [`Policy::numbers`].
    fn number(&self, field: &str) -> &str {
        match field {
            "per_hour" => &self.per_hour,
            "at_once" => &self.at_once,
            "pause_minutes" => &self.pause_minutes,
            "observe_minutes" => &self.observe_minutes,
            "limit_minutes" => &self.limit_minutes,
            "failed_percent" => &self.failed_percent,
            "patience_hours" => &self.patience_hours,
            "notice_hours" => &self.notice_hours,
            _ => "",
        }
    }

    /// Before anything but the release is chosen, the policy is what is usual for it.
    fn policy(&self, words: &Words, usual: &Policy) -> Result<Policy, FieldErrors> {
        if self.steps.is_empty() {
            return Ok(usual.clone());
        }
        Policy::read(&self.steps, |field| self.number(field)).map_err(|faults| {
            let mut errors = FieldErrors::default();
            for fault in faults {
                let text = match fault {
                    rollout::BadPolicy::Steps => words.t("policy-bad-steps"),
                    rollout::BadPolicy::Number(bounds) => {
                        let label = words.t(&format!("policy-{}", bounds.field));
                        words.with("policy-bad-number", &[("label", &label), ("low", &bounds.low), ("high", &bounds.high)])
                    }
                };
                errors.add(fault.field(), text);
            }
            errors
        })
    }
}

fn left_out(words: &Words, preview: &Preview) -> Vec<String> {
    [LeftOut::NotRunning, LeftOut::TooOld, LeftOut::Busy]
        .into_iter()
        .filter_map(|why| {
            let count = preview.plan.left_out.iter().filter(|(_, because)| *because == why).count();
            (count > 0).then(|| words.count(&format!("left-out-{}", why.word()), "n", i64::try_from(count).unwrap_or(i64::MAX)))
        })
        .collect()
}

/// The form with what is typed, and the plan that follows from it.
async fn new_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    wanted: &Wanted,
    mut errors: FieldErrors,
) -> Result<StaffRolloutNewPage, WebError> {
    let words = page.w.clone();
    let mut conn = state.db.staff().acquire().await?;
    let releases = plan::list_releases(&mut conn).await?;
    let known = releases.iter().filter(|listed| listed.withdrawn_at.is_none()).map(|listed| &listed.release);
    let release = known.clone().find(|release| release.version.to_string() == wanted.version);
    let none = Choice::new("", words.t("rollout-choose"), release.is_none());
    let choice = |version: Version| Choice::new(version, version.to_string(), wanted.version == version.to_string());
    let versions = std::iter::once(none).chain(known.map(|release| choice(release.version))).collect();
    let usual = Policy::usual(release.is_some_and(|release| release.security));
    let policy = match wanted.policy(&words, &usual) {
        Ok(policy) => policy,
        Err(found) => {
            errors.list.extend(found.list);
            usual
        }
    };
    let preview = match release {
        Some(release) if errors.is_empty() => {
            Some(rollout::preview(&mut conn, release.version, &policy, state.clock.now()).await.map_err(refusal)?)
        }
        Some(_) | None => None,
    };
    let number = |(field, number): (&'static str, u32)| NumberField {
        field,
        label: words.t(&format!("policy-{field}")),
        hint: words.t(&format!("policy-{field}-hint")),
        value: if wanted.steps.is_empty() { number.to_string() } else { wanted.number(field).to_owned() },
    };
    Ok(StaffRolloutNewPage {
        versions,
        version: release.map(|release| release.version.to_string()).unwrap_or_default(),
        steps: if wanted.steps.is_empty() { policy.steps_text() } else { wanted.steps.clone() },
        numbers: policy.numbers().into_iter().map(number).collect(),
        plan: preview.as_ref().map(|preview| planned(&words, &policy, preview)).unwrap_or_default(),
        left_out: preview.as_ref().map(|preview| left_out(&words, preview)).unwrap_or_default(),
        notes: release.map(|release| release.notes.clone()).unwrap_or_default(),
        may_begin: member.may(OPERATES),
        errors,
        page,
    })
}

/// The steps of a plan that is not begun.
fn planned(words: &Words, policy: &Policy, preview: &Preview) -> Vec<StepRow> {
    let step = |number: usize| {
        let turns = preview.plan.turns.iter().filter(move |turn| turn.step == number);
        let (first, last) = (turns.clone().next(), turns.clone().next_back());
        StepRow {
            name: step_name(words, policy, number),
            count: turns.count().to_string(),
            first: first.map(|turn| time::moment(words, turn.at)).unwrap_or_default(),
            last: last.map(|turn| time::moment(words, turn.at)).unwrap_or_default(),
            ..StepRow::default()
        }
    };
    (0..policy.steps.len()).map(step).collect()
}

/// GET `/staff/rollouts/new`: the plan of what is typed. Nothing is written.
pub(super) async fn plan_new(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Query(wanted): Query<Wanted>,
) -> Result<Response, WebError> {
    let content = new_page(&state, &member, page, &wanted, FieldErrors::default()).await?;
    if content.errors.is_empty() { Ok(html(&content)?) } else { Ok(refused(&content)?) }
}

fn refusal(error: BadAct) -> WebError {
    match error {
        BadAct::Database(sqlx::Error::RowNotFound) => WebError::NotFound,
        BadAct::Database(error) => error.into(),
        error => WebError::Conflict(error.to_string()),
    }
}

/// POST `/staff/rollouts`
pub(super) async fn begin(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(wanted): Form<Wanted>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let version: Option<Version> = wanted.version.parse().ok();
    if version.is_none() {
        errors.add("version", page.w.t("rollout-choose"));
    }
    // Here all must be said: what is usual is only the form's beginning.
    let policy = Policy::read(&wanted.steps, |field| wanted.number(field));
    let (Some(version), Ok(policy)) = (version, policy) else {
        return Ok(refused(&new_page(&state, &member, page, &wanted, errors).await?)?);
    };
    let mut tx = state.db.staff().begin().await?;
    let id = rollout::begin(&mut tx, state.clock.as_ref(), member.id, version, &policy).await.map_err(refusal)?;
    tx.commit().await?;
    Ok(with_message(&state, &format!("/staff/rollouts/{id}"), "done", "rollout-begun"))
}

fn facts(words: &Words, rollout: &Rollout) -> Vec<Fact> {
    let policy = &rollout.policy;
    let mut facts = vec![
        Fact::new(words, "staff-fact-began", time::moment(words, rollout.created_at)),
        Fact::new(words, "policy-steps", policy.steps_text()),
    ];
    facts.extend(rollout.ended_at.map(|at| Fact::new(words, "staff-fact-ended", time::moment(words, at))));
    facts.extend(policy.numbers().map(|(field, number)| Fact::new(words, &format!("policy-{field}"), number.to_string())));
    facts
}

fn parse(id: &str) -> Result<RolloutId, WebError> {
    id.parse().map_err(|_| WebError::NotFound)
}

/// GET `/staff/rollouts/{id}`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let id = parse(&id)?;
    let mut conn = state.db.staff().acquire().await?;
    let rollout = rollout::find_rollout(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    let counted = rollout::counts(&mut conn, id).await?;
    let next = rollout::list_next(&mut conn, id, SHOWN).await?;
    let failed = rollout::list_failed(&mut conn, id, SHOWN).await?;
    drop(conn);
    let (words, counts) = (page.w.clone(), Counts::of(&counted));
    let row = |item: &rollout::Item| item_row(&words, &rollout.policy, item);
    // What whoever looks may not do is not offered.
    let may = member.may(OPERATES);
    let is = |states: &[RolloutState]| may && states.contains(&rollout.state);
    Ok(html(&StaffRolloutPage {
        id: id.to_string(),
        version: rollout.version.to_string(),
        state: rollout_state(&words, &rollout),
        reason: rollout.reason.clone().unwrap_or_default(),
        progress: progress(&words, counts),
        done: counts.over.to_string(),
        count: counts.all.to_string(),
        facts: facts(&words, &rollout),
        steps: step_rows(&words, &rollout.policy, &counted),
        next: next.iter().map(row).collect(),
        failed: failed.iter().map(row).collect(),
        can_pause: is(&[RolloutState::Running]),
        can_resume: is(&[RolloutState::Paused]),
        can_abort: is(&[RolloutState::Running, RolloutState::Paused]),
        can_roll_back: may && !is(&[RolloutState::Returning, RolloutState::Returned]) && counts.changed > 0,
        page,
    })?)
}

/// Field of the forms of a rollout's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasonForm {
    reason: String,
    /// The server to leave out.
    instance: String,
}

/// What the buttons of a rollout's page do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Pause,
    Resume,
    Abort,
    RollBack,
    LeaveOut,
}

async fn act(state: &AppState, member: &StaffMember, id: &str, form: &ReasonForm, act: Act) -> Result<Response, WebError> {
    let id = parse(id)?;
    let (page, reason) = (format!("/staff/rollouts/{id}"), form.reason.trim());
    let mut tx = state.db.staff().begin().await?;
    // Whether there is such a rollout comes before what is wrong with the form.
    rollout::find_rollout(&mut tx, id).await?.ok_or(WebError::NotFound)?;
    if reason.is_empty() {
        return Ok(with_message(state, &page, "failed", "staff-reason-missing"));
    }
    let (clock, actor) = (state.clock.as_ref(), Actor::Staff(member.id));
    let said = match act {
        Act::Pause => rollout::pause(&mut tx, clock, actor, id, reason).await.map(|()| "rollout-paused-now"),
        Act::Resume => rollout::resume(&mut tx, clock, actor, id, reason).await.map(|()| "rollout-resumed"),
        Act::Abort => rollout::abort(&mut tx, clock, actor, id, reason).await.map(|()| "rollout-aborted-now"),
        Act::RollBack => rollout::roll_back(&mut tx, clock, actor, id, reason).await.map(|_| "rollout-returning-now"),
        Act::LeaveOut => {
            let instance: InstanceId = form.instance.parse().map_err(|_| WebError::NotFound)?;
            let done = rollout::leave_out(&mut tx, clock, actor, id, instance, reason).await;
            done.map(|waited| if waited { "rollout-left-out" } else { "rollout-left-out-not" })
        }
    };
    let said = said.map_err(refusal)?;
    tx.commit().await?;
    Ok(with_message(state, &page, "done", said))
}

/// POST `/staff/rollouts/{id}/pause`
pub(super) async fn pause(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    act(&state, &member, &id, &form, Act::Pause).await
}

/// POST `/staff/rollouts/{id}/resume`
pub(super) async fn resume(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    act(&state, &member, &id, &form, Act::Resume).await
}

/// POST `/staff/rollouts/{id}/abort`
pub(super) async fn abort(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    act(&state, &member, &id, &form, Act::Abort).await
}

/// POST `/staff/rollouts/{id}/roll-back`
pub(super) async fn roll_back(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    act(&state, &member, &id, &form, Act::RollBack).await
}

/// POST `/staff/rollouts/{id}/leave-out`
pub(super) async fn leave_out(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Result<Response, WebError> {
    act(&state, &member, &id, &form, Act::LeaveOut).await
}

/// Field of the form on a server's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CanaryForm {
    /// `yes` or `no`: whether it gets new releases before the others.
    canary: String,
}

/// POST `/staff/instances/{id}/canary`
pub(super) async fn set_canary(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    Form(form): Form<CanaryForm>,
) -> Result<Response, WebError> {
    let id: InstanceId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.staff().begin().await?;
    instance::find(&mut tx, id).await?.ok_or(WebError::NotFound)?;
    let back = format!("/staff/instances/{id}");
    let Some(canary) = yes_or_no(&form.canary) else {
        return Ok(with_message(&state, &back, "failed", "staff-choice-missing"));
    };
    upkeep::set_canary(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), id, canary).await?;
    tx.commit().await?;
    Ok(Redirect::to(&back).into_response())
}
