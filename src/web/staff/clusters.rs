//! Clusters: what each has, what is taken of it, whether it answers, and whether it gets new servers.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use super::OPERATES;
use crate::account::StaffMember;
use crate::audit::Actor;
use crate::capacity::{self, BadCluster, ClusterRow, ClusterState, NewCluster, promised};
use crate::ids::ClusterId;
use crate::plan::{Amounts, Dimension};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/clusters.html")]
struct StaffClustersPage {
    page: PageContext,
    clusters: Vec<ClusterView>,
    /// Whether whoever looks may change anything.
    may_change: bool,
    /// What was typed into the form for a new one.
    new: NewClusterForm,
    amounts: Vec<AmountField>,
    errors: FieldErrors,
}

pages!(StaffClustersPage);

struct ClusterView {
    id: String,
    name: String,
    region: String,
    state: StateView,
    drained: bool,
    seen: StateView,
    /// Why it does not answer.
    trouble: String,
    access: String,
    servers: String,
    /// How many more servers of each plan fit.
    rooms: String,
    amounts: Vec<AmountView>,
}

/// One amount of a cluster.
struct AmountView {
    field: &'static str,
    label: String,
    taken: String,
    promised: String,
    has: String,
    share: String,
    /// It is the fullest.
    fullest: bool,
}

struct AmountField {
    field: &'static str,
    label: String,
    value: String,
}

/// Fields of the form for a new cluster, beside its amounts.
#[derive(Debug, Default)]
pub(super) struct NewClusterForm {
    name: String,
    region: String,
    kubeconfig: String,
    namespace: String,
}

/// Forms whose fields have the names of amounts.
type Fields = BTreeMap<String, String>;

fn text<'a>(fields: &'a Fields, field: &str) -> &'a str {
    fields.get(field).map(|text| text.trim()).unwrap_or_default()
}

/// The amounts of a form, all faults at once.
fn read_amounts(words: &Words, fields: &Fields) -> Result<Amounts, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut read = BTreeMap::new();
    for dimension in Dimension::ALL {
        match text(fields, dimension.word()).parse::<i64>() {
            Ok(amount) if amount >= 0 => {
                read.insert(dimension, amount);
            }
            Ok(_) | Err(_) => {
                let label = words.t(&format!("amount-{}", dimension.word()));
                errors.add(dimension.word(), words.t1("cluster-bad-amount", "amount", label));
            }
        }
    }
    if errors.is_empty() { Ok(Amounts::each(|dimension| read.get(&dimension).copied().unwrap_or(0))) } else { Err(errors) }
}

/// The fleet asks three times a minute; after this it was missed more than once.
const LATE: TimeDelta = TimeDelta::minutes(3);

/// Whether a cluster answers.
pub(super) fn seen(words: &Words, cluster: &ClusterRow, now: DateTime<Utc>) -> StateView {
    let at = cluster.seen_at.map(|at| time::moment(words, at)).unwrap_or_default();
    match (cluster.seen_at, &cluster.trouble) {
        (None, None) => StateView::new(words, "waiting", "cluster-not-asked", ""),
        (None, Some(_)) => StateView::new(words, "failed", "cluster-never-seen", ""),
        (Some(seen), None) if now - seen <= LATE => StateView::new(words, "done", "cluster-answers", at),
        (Some(_), _) => StateView::new(words, "failed", "cluster-away", words.t1("since", "time", at)),
    }
}

/// Whether a cluster gets new servers; `room`: whether any finds a place.
pub(super) fn state(words: &Words, cluster: &ClusterRow, room: bool) -> StateView {
    match cluster.state {
        ClusterState::Drained => StateView::new(words, "waiting", "staff-cluster-drained", ""),
        ClusterState::Open if room => StateView::new(words, "done", "staff-cluster-open", ""),
        ClusterState::Open => StateView::new(words, "failed", "staff-cluster-full", ""),
    }
}

/// The share of an amount that is taken of what is promised, in hundredths.
fn share(cluster: &ClusterRow, dimension: Dimension) -> i64 {
    cluster.taken.of(dimension).saturating_mul(100) / promised(cluster.has.of(dimension)).max(1)
}

/// The amount that is fullest, and how full it is, in hundredths of what is promised.
pub(super) fn fullest(cluster: &ClusterRow) -> (Dimension, i64) {
    let most = Dimension::ALL.into_iter().rev().max_by_key(|dimension| share(cluster, *dimension));
    let most = most.unwrap_or(Dimension::Services);
    (most, share(cluster, most))
}

fn cluster_view(state: &AppState, words: &Words, cluster: &ClusterRow) -> ClusterView {
    let now = state.clock.now();
    let rooms: Vec<(String, i64)> =
        state.catalogue.offered().map(|plan| (plan.name.clone(), cluster.left(&plan.size.footprint(), now))).collect();
    let (most, _) = fullest(cluster);
    let amount = |dimension: Dimension| AmountView {
        field: dimension.word(),
        label: words.t(&format!("amount-{}", dimension.word())),
        taken: cluster.taken.of(dimension).to_string(),
        promised: promised(cluster.has.of(dimension)).to_string(),
        has: cluster.has.of(dimension).to_string(),
        share: words.t1("staff-percent", "n", share(cluster, dimension)),
        fullest: dimension == most && cluster.servers > 0,
    };
    ClusterView {
        id: cluster.id.to_string(),
        name: cluster.name.clone(),
        region: cluster.region.clone(),
        state: self::state(words, cluster, rooms.iter().any(|(_, room)| *room > 0)),
        drained: cluster.state == ClusterState::Drained,
        seen: seen(words, cluster, now),
        trouble: cluster.trouble.clone().unwrap_or_default(),
        access: match &cluster.kubeconfig {
            Some(file) => words.t2("cluster-access-file", "file", file, "namespace", &cluster.namespace),
            None => words.t1("cluster-access-own", "namespace", &cluster.namespace),
        },
        servers: cluster.servers.to_string(),
        rooms: rooms.iter().map(|(name, room)| format!("{name} {room}")).collect::<Vec<_>>().join(", "),
        amounts: Dimension::ALL.into_iter().map(amount).collect(),
    }
}

async fn clusters_page(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    new: NewClusterForm,
    fields: &Fields,
    errors: FieldErrors,
) -> Result<StaffClustersPage, WebError> {
    let clusters = capacity::list_clusters(&mut *state.db.staff().acquire().await?).await?;
    let words = page.w.clone();
    let amount = |dimension: Dimension| AmountField {
        field: dimension.word(),
        label: words.t(&format!("amount-{}", dimension.word())),
        value: text(fields, dimension.word()).to_owned(),
    };
    Ok(StaffClustersPage {
        clusters: clusters.iter().map(|cluster| cluster_view(state, &words, cluster)).collect(),
        may_change: member.may(OPERATES),
        new,
        amounts: Dimension::ALL.into_iter().map(amount).collect(),
        errors,
        page,
    })
}

/// GET `/staff/clusters`
pub(super) async fn list(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let new = NewClusterForm { namespace: "paddock".to_owned(), ..NewClusterForm::default() };
    Ok(html(&clusters_page(&state, &member, page, new, &Fields::new(), FieldErrors::default()).await?)?)
}

/// POST `/staff/clusters`: a new one. The kubeconfig itself never passes through here: it lies in the folder of kubeconfigs.
pub(super) async fn add(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let words = page.w.clone();
    let form = NewClusterForm {
        name: text(&fields, "name").to_owned(),
        region: text(&fields, "region").to_owned(),
        kubeconfig: text(&fields, "kubeconfig").to_owned(),
        namespace: text(&fields, "namespace").to_owned(),
    };
    let mut errors = FieldErrors::default();
    let amounts = read_amounts(&words, &fields).map_err(|found| errors.list.extend(found.list));
    let new = NewCluster {
        name: form.name.clone(),
        region: form.region.clone(),
        kubeconfig: Some(form.kubeconfig.clone()).filter(|name| !name.is_empty()),
        namespace: form.namespace.clone(),
        has: amounts.unwrap_or_default(),
    };
    let mut tx = state.db.staff().begin().await?;
    let added = capacity::add_cluster(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), &new).await;
    match added {
        Err(BadCluster::Database(error)) => return Err(error.into()),
        Err(BadCluster::Name { field, value: _ }) => errors.add(field, words.t("cluster-bad-name")),
        Err(BadCluster::Taken(name)) => errors.add("name", words.t1("cluster-taken", "name", name)),
        Err(BadCluster::Negative { .. }) | Ok(_) => {}
    }
    if !errors.is_empty() {
        drop(tx);
        return Ok(refused(&clusters_page(&state, &member, page, form, &fields, errors).await?)?);
    }
    tx.commit().await?;
    Ok(with_message(&state, "/staff/clusters", "done", "cluster-added"))
}

async fn find(conn: &mut sqlx::PgConnection, id: &str) -> Result<ClusterRow, WebError> {
    let id: ClusterId = id.parse().map_err(|_| WebError::NotFound)?;
    capacity::find_cluster(conn, &id.to_string()).await?.ok_or(WebError::NotFound)
}

/// POST `/staff/clusters/{id}/drain`
pub(super) async fn drain(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let mut tx = state.db.staff().begin().await?;
    let cluster = find(&mut tx, &id).await?;
    capacity::drain(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), &cluster).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/staff/clusters", "done", "cluster-drained"))
}

/// POST `/staff/clusters/{id}/undrain`
pub(super) async fn undrain(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let mut tx = state.db.staff().begin().await?;
    let cluster = find(&mut tx, &id).await?;
    capacity::undrain(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), &cluster).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/staff/clusters", "done", "cluster-opened"))
}

/// POST `/staff/clusters/{id}/capacity`
pub(super) async fn set_capacity(
    State(state): State<AppState>,
    member: StaffMember,
    page: PageContext,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let mut tx = state.db.staff().begin().await?;
    let cluster = find(&mut tx, &id).await?;
    let has = match read_amounts(&page.w, &fields) {
        Ok(has) => has,
        Err(errors) => {
            drop(tx);
            return Ok(refused(&clusters_page(&state, &member, page, NewClusterForm::default(), &Fields::new(), errors).await?)?);
        }
    };
    match capacity::set_capacity(&mut tx, state.clock.as_ref(), Actor::Staff(member.id), &cluster, &has).await {
        Ok(()) => {}
        Err(BadCluster::Database(error)) => return Err(error.into()),
        Err(error) => return Err(WebError::Conflict(error.to_string())),
    }
    tx.commit().await?;
    Ok(with_message(&state, "/staff/clusters", "done", "cluster-capacity-set"))
}
