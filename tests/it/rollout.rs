//! Releases reach the servers that run: in steps, at a pace, in their owners' hours, and no further once too many fail. What an operator
//! would say is written into the rows, as the fleet does it.

mod acts;
mod customers;
mod releases;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use paddock::clock::Clock as _;
use paddock::ids::{InstanceId, RolloutId};
use paddock::queue;
use paddock::resource::{ConditionKind, Finding, InstanceStatus, conditions};
use paddock::rollout::jobs::AdvanceRollouts;
use paddock::rollout::{self, ItemState, Policy, Rollout, RolloutState};
use serde_json::json;

use crate::harness::{Client, TestApp};

/// What most servers run here.
const OLD: &str = "4.6.9";
/// A patch of it.
const PATCH: &str = "4.6.10";

/// What the operator says of a server that runs `version` and is well, or is not.
fn status(version: &str, findings: &[Finding], since: DateTime<Utc>) -> InstanceStatus {
    InstanceStatus {
        observed_generation: Some(1),
        version: Some(version.to_owned()),
        conditions: conditions(&[], findings, 1, since),
        ..InstanceStatus::default()
    }
}

fn ready() -> Finding {
    Finding::holds(ConditionKind::Ready, "Ready", "")
}

fn ill() -> Finding {
    Finding::fails(ConditionKind::Ready, "Rolling", "web does not answer")
}

fn stalled() -> Finding {
    Finding::holds(ConditionKind::Stalled, "MigrationFailed", "the Job failed three times")
}

/// Servers that run and are well.
async fn servers(app: &TestApp, owner: &Client, count: usize, version: &str) -> Vec<InstanceId> {
    let plan = app.state.catalogue.offered().next().unwrap();
    let mut size = serde_json::to_value(&plan.size).unwrap();
    size["media_gib"] = json!(plan.limits.media_gib);
    let now = app.clock.now();
    let said = serde_json::to_value(status(version, &[ready()], now)).unwrap();
    let mut ids = Vec::new();
    for number in 0..count {
        let id = InstanceId::new();
        sqlx::query(
            "insert into instances (id, account_id, cluster_id, domain, domain_skeleton, hosted, owner_username, owner_email, locale,
               plan_code, size, mastodon_version, intent, generation, pushed_generation, observed_generation, observed, observed_at,
               intent_at, ready_at, created_at)
             select $1, $2, id, $3, $3, true, 'wren', 'wren@mail.example', 'en', $4, $5, $6, 'running', 1, 1, 1, $7, $8, $8, $8, $8
             from clusters order by name limit 1",
        )
        .bind(id)
        .bind(owner.who.account())
        .bind(format!("{version}-{number}.meadow.social").replace('.', "-"))
        .bind(&plan.code)
        .bind(&size)
        .bind(version)
        .bind(&said)
        .bind(now)
        .execute(app.sql())
        .await
        .unwrap();
        ids.push(id);
    }
    ids
}

/// Time passes, and the worker looks at the rollouts.
async fn after(app: &TestApp, by: TimeDelta) {
    app.advance(by);
    let mut conn = app.db.worker().acquire().await.unwrap();
    queue::enqueue(&mut conn, &AdvanceRollouts {}, None).await.unwrap();
    drop(conn);
    app.run_jobs().await;
}

/// The operator has brought all who are being changed to what they should run, or says something else of them.
async fn operator(app: &TestApp, id: RolloutId, said: impl Fn(&str) -> InstanceStatus) {
    for (instance, state) in states(app, id).await {
        if [ItemState::Upgrading, ItemState::Returning].contains(&state) {
            let wanted = app.find_instance(instance).await.mastodon_version;
            app.observe(instance, &said(&wanted)).await;
        }
    }
}

/// The same, when all goes well.
async fn operator_works(app: &TestApp, id: RolloutId) {
    let now = app.clock.now();
    operator(app, id, |wanted| status(wanted, &[ready()], now)).await;
}

async fn states(app: &TestApp, id: RolloutId) -> BTreeMap<InstanceId, ItemState> {
    let rows: Vec<(InstanceId, ItemState)> = sqlx::query_as("select instance_id, state from rollout_items where rollout_id = $1")
        .bind(id)
        .fetch_all(app.sql())
        .await
        .unwrap();
    rows.into_iter().collect()
}

async fn count(app: &TestApp, id: RolloutId, state: ItemState) -> usize {
    states(app, id).await.into_values().filter(|is| *is == state).count()
}

async fn find(app: &TestApp, id: RolloutId) -> Rollout {
    rollout::find_rollout(&mut app.sql().acquire().await.unwrap(), id).await.unwrap().unwrap()
}

async fn audited(app: &TestApp, action: &str) -> i64 {
    sqlx::query_scalar("select count(*) from audit_events where action = $1").bind(action).fetch_one(app.sql()).await.unwrap()
}

/// Adds a release by the staff's page, as somebody would who has its digests.
async fn add_release(staff: &Client, version: &str, min_from: &str, security: bool) {
    let image = |name: &str, digit: &str| format!("ghcr.io/mastodon/{name}:v{version}@sha256:{}", digit.repeat(64));
    let page = staff.get("/staff/releases").await.is(200);
    let fields = [
        ("version", version),
        ("web", &image("mastodon", "a")),
        ("streaming", &image("mastodon-streaming", "b")),
        ("min_from", min_from),
        ("notes", "a patch"),
        ("changes", "Nothing that you see."),
        ("verified", "yes"),
    ];
    let security = security.then_some(("security", "yes"));
    let fields: Vec<_> = fields.into_iter().chain(security).collect();
    staff.submit(&page, "/staff/releases", &fields).await.redirects_to("/staff/releases");
}

/// Begins a rollout by the staff's pages: plan, then the button.
async fn begin(staff: &Client, version: &str, policy: &Policy) -> RolloutId {
    let numbers: Vec<String> = policy.numbers().iter().map(|(field, number)| format!("{field}={number}")).collect();
    let steps = policy.steps_text().replace(", ", "%2C");
    let plan = staff.get(&format!("/staff/rollouts/new?version={version}&steps={steps}&{}", numbers.join("&"))).await.is(200);
    let answer = staff.submit(&plan, "/staff/rollouts", &[]).await.is(303);
    answer.location().rsplit('/').next().unwrap().parse().unwrap()
}

/// Presses a button of a rollout's page.
async fn press(staff: &Client, id: RolloutId, button: &str, reason: &str) -> crate::harness::Answer {
    let page = staff.get(&format!("/staff/rollouts/{id}")).await.is(200);
    let answer = staff.submit(&page, &format!("/staff/rollouts/{id}/{button}"), &[("reason", reason)]).await;
    if answer.status.is_redirection() { staff.follow(answer).await } else { answer }
}

fn quick() -> Policy {
    Policy { pause_minutes: 60, observe_minutes: 30, per_hour: 600, at_once: 100, notice_hours: 48, ..Policy::usual(false) }
}

async fn state(app: &TestApp, id: RolloutId) -> RolloutState {
    find(app, id).await.state
}
