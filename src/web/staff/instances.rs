//! A server of any account, with all that is known of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::extend::standing_facts;
use super::jobs::{JobView, job_view};
use super::{BILLS, DESTROYS, OPERATES, order_state};
use crate::account::StaffMember;
use crate::audit::{self, Actor};
use crate::billing::{self, Order, Standing, Subscription};
use crate::capacity;
use crate::desk;
use crate::ids::InstanceId;
use crate::instance::run::{self, Run};
use crate::instance::{self, Change, Hold, HoldRow, Instance, Intent, Seen};
use crate::resource::{DatabaseUpgrade, InstanceStatus, Majors, RemovalProgress, Suspension, Upgrade, instant};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::runs::{Usual, run_view};
use crate::web::instance::upgrades::window_words;
use crate::web::instance::view::{StepView, backups, readable, state as state_view, steps, unseen};
use crate::web::instance::{plan_name, price_of, time};
use crate::web::page::{Fact, PageContext, StateView, html, pages};
use crate::{account, words::Words};

#[derive(Template)]
#[template(path = "pages/staff/instance.html")]
#[expect(clippy::struct_excessive_bools, reason = "one for each button")]
struct StaffInstancePage {
    page: PageContext,
    address: String,
    state: StateView,
    facts: Vec<Fact>,
    steps: Vec<StepView>,
    conditions: Vec<ConditionRow>,
    /// What became of them, newest first.
    changes: Vec<ConditionRow>,
    runs: Vec<StaffRunRow>,
    jobs: Vec<JobView>,
    /// The operator's status as it stands in the row, for those who look closer; empty before the first.
    raw: String,
    audit: Vec<AuditRow>,
    id: String,
    /// Why it does not run.
    holds: Vec<HoldView>,
    /// What the buttons lead to, by the intent and by who looks.
    may_pause: bool,
    may_extend: bool,
    /// Whether whoever looks may give money back.
    may_give: bool,
    may_end: bool,
    may_ask_for_majors: bool,
    may_remove: bool,
    /// Whether whoever looks may say whether it gets new releases before the others.
    may_choose: bool,
    /// It does.
    canary: bool,
    /// What nobody has seen for a while.
    unseen: String,
    /// Its cluster knows a later intent than its row, which was put back; empty when not.
    outrun: String,
    /// Whether whoever looks may say that the row is right.
    may_settle: bool,
}

/// A reason for which it does not run.
struct HoldView {
    word: &'static str,
    label: String,
    since: String,
    note: String,
    /// Whether whoever looks may lift it; what follows from the subscription nobody lifts by a button.
    may_lift: bool,
}

/// A run with the operator's own words.
struct StaffRunRow {
    title: String,
    state: StateView,
    why: String,
    output: String,
    asked: String,
}

struct ConditionRow {
    kind: String,
    status: String,
    reason: String,
    message: String,
    since: String,
}

/// An entry of the audit log.
pub(super) struct AuditRow {
    pub action: String,
    pub at: String,
    pub actor: String,
    pub detail: String,
}

pages!(StaffInstancePage);

/// Entries of the audit log on the page.
const ENTRIES: i64 = 50;
/// Changes of conditions on the page.
const CHANGES: i64 = 50;
/// Runs on the page.
const RUNS: i64 = 20;

/// GET `/staff/instances/{id}`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let (operates, destroys) = (member.may(OPERATES), member.may(DESTROYS));
    let id: InstanceId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut conn = state.db.staff().acquire().await?;
    let instance = instance::find(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    let order = billing::find_order_of(&mut conn, id).await?;
    let subscription = billing::find_subscription(&mut conn, id).await?;
    let typical = instance::typical_seconds(&mut conn).await?;
    let customer = account::account_name(&mut conn, instance.account_id).await?.unwrap_or_default();
    let cluster = capacity::find_cluster(&mut conn, &instance.cluster_id.to_string()).await?;
    let cluster = cluster.map(|cluster| cluster.name).unwrap_or_default();
    let of_order = order.iter().map(|order| order.id.to_string());
    let of_subscription = subscription.iter().map(|subscription| subscription.id.to_string());
    let subjects: Vec<String> = std::iter::once(id.to_string()).chain(of_order).chain(of_subscription).collect();
    let entries = audit::list(&mut conn, instance.account_id, &subjects, ENTRIES).await?;
    let runs = run::list_runs(&mut conn, id, RUNS).await?;
    let holds = instance::list_holds(&mut conn, id).await?;
    let outrun = instance::find_outrun(&mut conn, id).await?;
    let changes = instance::changes_of(&mut conn, id, CHANGES).await?;
    drop(conn);
    let remote = order.iter().filter_map(|order| order.checkout_id.as_ref().map(ToString::to_string));
    let mirrored = subscription.iter().map(|subscription| subscription.stripe_subscription_id.to_string());
    let named: Vec<String> = subjects.iter().cloned().chain(remote).chain(mirrored).collect();
    let jobs = desk::jobs::about(state.db.owner(), &named).await?;
    let paid_at = order.as_ref().and_then(|order| order.paid_at);
    let seen = Seen { instance: &instance, paid_at, typical: &typical, now: state.clock.now() };
    let facts = facts(&state, &page.w, &instance, order.as_ref(), subscription.as_ref(), &customer, &cluster);
    Ok(html(&StaffInstancePage {
        address: readable(&instance.domain),
        state: state_view(&page.w, &seen),
        facts,
        steps: if paid_at.is_some() { steps(&page.w, &seen) } else { Vec::new() },
        conditions: conditions(&page.w, &instance),
        changes: changes.into_iter().map(|change| change_row(&page.w, change)).collect(),
        runs: runs.iter().map(|run| run_row(&state, &page.w, run)).collect(),
        jobs: jobs.iter().map(|job| job_view(&page.w, job)).collect(),
        raw: instance.status().map(serde_json::to_string_pretty).transpose().unwrap_or_default().unwrap_or_default(),
        audit: entries.iter().map(|entry| audit_row(&page.w, entry)).collect(),
        id: id.to_string(),
        may_pause: operates && matches!(instance.intent, Intent::Running | Intent::Suspended),
        may_give: member.may(BILLS) && subscription.is_some(),
        may_extend: member.may(BILLS) && subscription.as_ref().is_some_and(|found| found.standing != Standing::Good),
        may_ask_for_majors: operates && instance.ready_at.is_some() && instance.released_at.is_none(),
        may_end: destroys && instance.intent != Intent::Absent && !holds.iter().any(|row| row.reason == Hold::Ended),
        may_remove: destroys && instance.intent == Intent::Archived,
        holds: holds.iter().map(|row| hold_view(&page.w, row, operates)).collect(),
        may_choose: operates,
        canary: instance.canary,
        unseen: unseen(&page.w, &seen),
        outrun: outrun.map(|outrun| page.w.t1("staff-outrun", "time", time::moment(&page.w, outrun.at))).unwrap_or_default(),
        may_settle: operates,
        page,
    })?)
}

/// POST `/staff/instances/{id}/outrun`
pub(super) async fn settle_outrun(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: InstanceId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.staff().begin().await?;
    instance::find(&mut tx, id).await?.ok_or(WebError::NotFound)?;
    instance::settle_outrun(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), id).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/staff/instances/{id}")).into_response())
}

fn hold_view(words: &Words, row: &HoldRow, operates: bool) -> HoldView {
    let HoldRow { reason, note, since } = row;
    HoldView {
        word: reason.as_str(),
        label: words.t(&format!("hold-{}", reason.as_str())),
        since: words.t1("since", "time", time::moment(words, *since)),
        note: note.clone(),
        may_lift: operates && Hold::STAFFS.contains(reason),
    }
}

fn conditions(words: &Words, instance: &Instance) -> Vec<ConditionRow> {
    let Some(status) = instance.status() else { return Vec::new() };
    let rows = status.conditions.iter().map(|condition| ConditionRow {
        kind: condition.type_.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: time::moment(words, instant(&condition.last_transition_time)),
    });
    rows.collect()
}

fn change_row(words: &Words, change: Change) -> ConditionRow {
    let Change { at, condition, status, reason, message } = change;
    ConditionRow { kind: condition, status, reason, message, since: time::moment(words, at) }
}

fn run_row(state: &AppState, words: &Words, run: &Run) -> StaffRunRow {
    let view = run_view(words, run, &Usual { here: &[], anywhere: &[] }, state.clock.now());
    let reason = run.reason.as_deref().unwrap_or_default();
    StaffRunRow {
        title: view.title,
        state: view.state,
        why: match run.message.as_deref().filter(|message| !message.is_empty()) {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        },
        output: view.output,
        asked: words.t2("staff-run-asked", "time", time::moment(words, run.created_at), "id", run.id),
    }
}

pub(super) fn audit_row(words: &Words, entry: &audit::Entry) -> AuditRow {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let facts = entry.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    AuditRow {
        action: entry.action.clone(),
        at: time::moment(words, entry.at),
        actor: format!("{} {}", entry.actor_kind, entry.actor_id),
        detail: facts.map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", "),
    }
}

fn facts(
    state: &AppState,
    words: &Words,
    instance: &Instance,
    order: Option<&Order>,
    subscription: Option<&Subscription>,
    customer: &str,
    cluster: &str,
) -> Vec<Fact> {
    let fact = |key: &str, value: String| Fact::new(words, key, value);
    let intent = match &instance.intent_reason {
        Some(reason) => format!("{} ({reason})", instance.intent.as_str()),
        None => instance.intent.as_str().to_owned(),
    };
    let mut facts = vec![
        fact("staff-fact-id", instance.id.to_string()),
        Fact {
            href: format!("/staff/customers/{}", instance.account_id),
            ..fact("staff-account", format!("{customer} ({})", instance.account_id))
        },
        fact("staff-fact-intent", intent),
        fact("staff-fact-generation", format!("{} / {}", instance.generation, instance.observed_generation)),
        fact("staff-fact-observed", instance.observed_at.map(|at| time::moment(words, at)).unwrap_or_default()),
        fact("staff-cluster", cluster.to_owned()),
        fact("fact-window", window_words(words, instance.maintenance_window.as_ref().map(|window| &window.0))),
        fact("fact-version", instance.mastodon_version.clone()),
        fact("fact-plan", plan_name(state, &instance.plan_code)),
    ];
    if let Some(order) = order {
        let state = order_state(words, order);
        facts.push(fact("fact-price", price_of(words, order)));
        facts.push(fact("staff-fact-order", format!("{}: {} {}", order.id, state.word, state.detail)));
        facts.extend(order.checkout_id.as_ref().map(|checkout| fact("staff-fact-checkout", checkout.to_string())));
    }
    if let Some(subscription) = subscription {
        facts.push(fact("staff-fact-subscription", subscription.stripe_subscription_id.to_string()));
        facts.push(fact("fact-invoice", time::day(words, subscription.current_period_end)));
        facts.extend(standing_facts(words, subscription));
    }
    facts.push(fact("fact-handle", format!("@{}@{}", instance.owner_username, readable(&instance.domain))));
    facts.push(fact("fact-owner-email", instance.owner_email.clone()));
    facts.push(fact("fact-ordered", time::moment(words, instance.created_at)));
    if instance.is_on_own_domain() {
        let at = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or_else(|| "–".to_owned(), |at| time::moment(words, at));
        facts.push(fact("staff-fact-confirmed", at(instance.address_confirmed_at)));
        facts.push(fact("staff-fact-looked", at(instance.address_checked_at)));
    }
    facts.extend(instance.ready_at.map(|at| fact("staff-fact-ready", time::moment(words, at))));
    facts.extend(instance.status().into_iter().flat_map(|status| lifecycle_facts(words, status)));
    facts
}

/// Backups, another release on its way, a pause with what it costs, a removal.
fn lifecycle_facts(words: &Words, status: &InstanceStatus) -> Vec<Fact> {
    let fact = |key: &str, value: String| Fact::new(words, key, value);
    let mut facts = Vec::new();
    facts.extend(backups(words, status).map(|backups| fact("fact-backups", backups)));
    if let Some(Upgrade { from, to, phase, since: _, phase_since }) = &status.upgrade {
        let since = words.t1("since", "time", time::moment(words, instant(phase_since)));
        facts.push(fact("staff-fact-upgrade", format!("{from} → {to}: {} {since}", phase.as_str())));
    }
    let Majors { postgres, valkey } = status.majors;
    facts.extend(postgres.map(|major| fact("majors-postgres", major.to_string())));
    facts.extend(valkey.map(|major| fact("majors-valkey", major.to_string())));
    if let Some(DatabaseUpgrade { from: _, to, phase, since: _, phase_since }) = &status.database_upgrade {
        let since = words.t1("since", "time", time::moment(words, instant(phase_since)));
        facts.push(fact("majors-state", format!("{to}: {} {since}", phase.as_str())));
    }
    if let Some(Suspension { since, posts_lost_from, peers_stop_from }) = &status.suspended {
        facts.push(fact("staff-fact-suspended", time::moment(words, instant(since))));
        facts.push(fact("staff-fact-posts-lost", time::moment(words, instant(posts_lost_from))));
        facts.push(fact("staff-fact-peers-stop", time::moment(words, instant(peers_stop_from))));
    }
    if let Some(RemovalProgress { since, finished_at }) = &status.removal {
        facts.push(fact("staff-fact-removal", time::moment(words, instant(since))));
        facts.extend(finished_at.as_ref().map(|at| fact("staff-fact-removed", time::moment(words, instant(at)))));
    }
    facts
}
