//! Servers: what each is, how far its building is, and how its owner gets in.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Answer;
use super::paged::PageQuery;
use super::window::{Upgrade, Window};
use crate::billing;
use crate::ids::InstanceId;
use crate::instance::{self, BuildingStep, Instance, Phase, Seen};
use crate::resource::{ConditionKind, condition, instant};
use crate::rollout;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::session::{Customer, OwnedInstance};

/// What the owner of an account may see of what the operator says: whether the parts work, and not how they are made.
const PUBLIC: [ConditionKind; 9] = [
    ConditionKind::DatabaseReady,
    ConditionKind::WebReady,
    ConditionKind::StreamingReady,
    ConditionKind::WorkersReady,
    ConditionKind::RouteReady,
    ConditionKind::CertificateReady,
    ConditionKind::BackedUp,
    ConditionKind::RestoreProven,
    ConditionKind::Ready,
];

/// The account's servers, newest first, those that wait for their payment among them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Instances {
    instances: Vec<InstanceView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// One server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceView {
    /// Which.
    #[schema(example = "ins_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// What ends its handles. Can never change.
    domain: String,
    /// Where its pages are.
    url: String,
    /// `reserved`, `preparing`, `stuck` (its first start has stopped or takes far too long: the host's staff see that), `awaiting-records`
    /// (built, and served once DNS records point here), `running`, `degraded`, `upgrading`, `suspended`, `leaving` or `gone`.
    #[schema(example = "preparing")]
    phase: &'static str,
    /// Why, when there is something to say.
    reason: Option<String>,
    /// Code of the plan.
    plan: String,
    /// Release of Mastodon that it has or gets.
    version: String,
    /// When it was ordered.
    ordered_at: DateTime<Utc>,
    /// When all was ready for the first time.
    ready_at: Option<DateTime<Utc>>,
    /// Whose it is inside Mastodon.
    owner: Owner,
}

/// The first account of a server, and how its owner gets in. Its password is set on the server itself; the host never learns it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Owner {
    /// In full, with the domain.
    #[schema(example = "@ada@harbour.example.social")]
    handle: String,
    /// The address to which the server sends the link.
    email: String,
    /// The server's own page for a first or new password: enter `email` there. It answers once the server runs.
    password_url: String,
}

/// One server with the steps of its building and what is known of its parts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceDetail {
    #[serde(flatten)]
    instance: InstanceView,
    /// The steps of the first start in order, the payment first.
    steps: Vec<StepView>,
    /// Statements about its parts, as far as they have been made.
    conditions: Vec<ConditionView>,
    /// When what the operator says last changed.
    observed_at: Option<DateTime<Utc>>,
    /// Since when nobody has seen the server, because its machines do not answer: what is told here is from then. `null` while it is seen.
    unseen_since: Option<DateTime<Utc>>,
    /// When it may be upgraded; `null`: at any time.
    maintenance_window: Option<Window>,
    /// The upgrade that is planned or being made, if there is one.
    upgrade: Option<Upgrade>,
}

/// A step of the first start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepView {
    /// Which, for programs.
    #[schema(example = "database")]
    name: &'static str,
    /// `waiting`, `doing`, `done` or `failed`.
    #[schema(example = "doing")]
    state: &'static str,
    /// When it began; null for the payment.
    started_at: Option<DateTime<Utc>>,
    /// When it was done.
    finished_at: Option<DateTime<Utc>>,
    /// Seconds that it usually takes; unknown until it was seen often enough.
    typical_seconds: Option<f64>,
}

/// A statement about a part.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConditionView {
    /// About what.
    #[schema(example = "DatabaseReady")]
    kind: String,
    /// `True`, `False` or `Unknown`.
    #[schema(example = "True")]
    status: String,
    /// Since when.
    since: DateTime<Utc>,
}

fn view(seen: &Seen<'_>) -> InstanceView {
    let (now, instance) = (seen.phase(), seen.instance);
    let host = instance.web_host();
    InstanceView {
        id: instance.id.to_string(),
        domain: instance.domain.clone(),
        url: format!("https://{host}"),
        phase: now.word(),
        reason: match &now {
            Phase::Stuck(why) | Phase::Degraded(why) | Phase::Suspended(why) => Some(why.clone()).filter(|why| !why.is_empty()),
            Phase::Reserved
            | Phase::Preparing(_)
            | Phase::AwaitingRecords
            | Phase::Running
            | Phase::Upgrading
            | Phase::Leaving
            | Phase::Gone(_) => None,
        },
        plan: instance.plan_code.clone(),
        version: instance.mastodon_version.clone(),
        ordered_at: instance.created_at,
        ready_at: instance.ready_at,
        owner: Owner {
            handle: format!("@{}@{}", instance.owner_username, instance.domain),
            email: instance.owner_email.clone(),
            password_url: format!("https://{host}/auth/password/new"),
        },
    }
}

impl From<BuildingStep> for StepView {
    fn from(step: BuildingStep) -> Self {
        let BuildingStep { name, state, started_at, finished_at, typical: typical_seconds } = step;
        Self { name, state: state.word(), started_at, finished_at, typical_seconds }
    }
}

fn conditions(instance: &Instance) -> Vec<ConditionView> {
    let stated = instance.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    PUBLIC
        .into_iter()
        .filter_map(|kind| condition(stated, kind))
        .map(|found| ConditionView {
            kind: found.type_.clone(),
            status: found.status.clone(),
            since: instant(&found.last_transition_time),
        })
        .collect()
}

/// List my servers
#[utoipa::path(get, path = "/api/v1/instances", tag = "instance", operation_id = "list_instances", params(PageQuery),
    responses((status = 200, description = "The account's servers", body = Instances)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Instances>, WebError> {
    let part = query.read::<InstanceId>()?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let instances = instance::page_owned(tx.conn(), customer.account, part.after, part.rows()).await?;
    let (instances, next) = part.cut(instances, |instance| instance.id);
    let typical = instance::typical_seconds(tx.conn()).await?;
    let seen = |instance| view(&Seen { instance, paid_at: None, typical: &typical, now: state.clock.now() });
    Ok(Answer(StatusCode::OK, Instances { instances: instances.iter().map(seen).collect(), next }))
}

/// Look at a server
///
/// Ask again every few seconds while `phase` is `preparing` or `stuck`.
#[utoipa::path(get, path = "/api/v1/instances/{id}", tag = "instance", operation_id = "get_instance",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "The server", body = InstanceDetail)))]
pub(super) async fn get(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<InstanceDetail>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let typical = instance::typical_seconds(tx.conn()).await?;
    let due = rollout::due_of(tx.conn(), instance.id).await?;
    let paid_at = billing::find_order_of(tx.conn(), instance.id).await?.and_then(|order| order.paid_at);
    let seen = Seen { instance: &instance, paid_at, typical: &typical, now: state.clock.now() };
    let detail = InstanceDetail {
        steps: seen.steps().into_iter().map(StepView::from).collect(),
        conditions: conditions(&instance),
        observed_at: instance.observed_at,
        unseen_since: instance.unseen_since(state.clock.now()),
        maintenance_window: instance.maintenance_window.as_ref().map(|window| Window::from(&window.0)),
        upgrade: due.map(|due| Upgrade::new(due, &instance)),
        instance: view(&seen),
    };
    Ok(Answer(StatusCode::OK, detail))
}
