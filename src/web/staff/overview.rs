//! The first screen: is money, are servers, are jobs well.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use super::{OPERATES, OrderRow, clusters, order_rows};
use crate::account::StaffMember;
use crate::billing::{self, Order};
use crate::capacity::{self, ClusterRow, ClusterState};
use crate::instance::{self, Instance, Intent, Phase, Seen, claim};
use crate::mail;
use crate::plan::Amounts;
use crate::queue::{self, JobRow as Job};
use crate::rollout;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::instance::view::{readable, state as state_view};
use crate::web::page::{Fact, PageContext, StateView, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/overview.html")]
struct StaffOverviewPage {
    page: PageContext,
    figures: Vec<Figure>,
    phases: Vec<Fact>,
    clusters: Vec<ClusterView>,
    failed_jobs: Vec<JobView>,
    /// Whether whoever looks may give them their tries again.
    may_retry: bool,
    unwell: Vec<UnwellRow>,
    waiting: Vec<OrderRow>,
}

pages!(StaffOverviewPage);

/// A number of the first screen; `alarm`: somebody should look.
struct Figure {
    label: String,
    value: String,
    alarm: bool,
    href: String,
}

struct ClusterView {
    name: String,
    state: StateView,
    seen: StateView,
    servers: String,
    fullest: String,
    left: String,
}

struct JobView {
    id: String,
    kind: String,
    subject: String,
    attempts: String,
    next: String,
    error: String,
}

struct UnwellRow {
    href: String,
    address: String,
    state: StateView,
}

/// An order that waits for longer than its deadline and this was not settled: something is wrong with Stripe or with jobs.
const SETTLED_BY: TimeDelta = TimeDelta::minutes(10);

/// All that the page reads.
struct Loaded {
    now: DateTime<Utc>,
    unpaid: Vec<Order>,
    jobs: Vec<Job>,
    intents: Vec<(Intent, i64)>,
    not_ready: Vec<Instance>,
    typical: Vec<(String, f64)>,
    clusters: Vec<capacity::ClusterRow>,
    paused: i64,
    list: (i64, Option<DateTime<Utc>>),
    mails: i64,
    differences: i64,
}

impl Loaded {
    async fn load(state: &AppState) -> Result<Self, WebError> {
        let mut conn = state.db.staff().acquire().await?;
        Ok(Self {
            now: state.clock.now(),
            unpaid: billing::orders_to_sweep(&mut conn).await?,
            jobs: queue::list(state.db.owner()).await?.into_iter().filter(|job| job.last_error.is_some()).collect(),
            intents: instance::count_by_intent(&mut conn).await?,
            not_ready: instance::list_not_ready(&mut conn).await?,
            typical: instance::typical_seconds(&mut conn).await?,
            clusters: capacity::list_clusters(&mut conn).await?,
            paused: rollout::count_paused(&mut conn).await?,
            list: capacity::waiting_total(&mut conn).await?,
            mails: mail::count_troubled(&mut conn, state.clock.as_ref()).await?,
            differences: billing::difference::count_open(&mut conn).await?,
        })
    }

    fn seen<'a>(&'a self, instance: &'a Instance) -> Seen<'a> {
        Seen { instance, paid_at: None, typical: &self.typical, now: self.now }
    }

    fn count(&self, word: &str) -> usize {
        self.not_ready.iter().filter(|instance| self.seen(instance).phase().word() == word).count()
    }

    /// Whether it is built and its domain has pointed elsewhere for so long that somebody should ask the customer.
    fn is_forgotten(&self, seen: &Seen<'_>) -> bool {
        let since = seen.instance.intent_at.unwrap_or(seen.instance.created_at);
        seen.phase() == Phase::AwaitingRecords && self.now - since > claim::PATIENCE
    }

    /// How many more servers of the plan that needs least fit into a cluster.
    fn left(&self, smallest: &Amounts, cluster: &ClusterRow) -> i64 {
        match cluster.state {
            ClusterState::Open => clusters::open(cluster).room(smallest, self.now),
            ClusterState::Drained => 0,
        }
    }

    fn cluster_view(&self, words: &Words, smallest: &Amounts, cluster: &ClusterRow) -> ClusterView {
        let left = self.left(smallest, cluster);
        let (most, share) = clusters::fullest(cluster);
        let most = words.t(&format!("amount-{}", most.word()));
        ClusterView {
            name: cluster.name.clone(),
            state: clusters::state(words, cluster, left > 0),
            seen: clusters::seen(words, cluster, self.now),
            servers: cluster.servers.to_string(),
            fullest: words.t2("staff-fullest", "amount", most, "n", share),
            left: left.to_string(),
        }
    }

    fn figures(&self, words: &Words, smallest: &Amounts) -> Vec<Figure> {
        let figure = |key: &str, value: String, alarm: bool, href: &str| Figure {
            label: words.t(&format!("staff-figure-{key}")),
            value,
            alarm,
            href: href.to_owned(),
        };
        let age = |since: Option<DateTime<Utc>>| since.map_or_else(|| "–".to_owned(), |at| time::age(words, self.now - at));
        let oldest = self.unpaid.first().map(|order| order.created_at);
        let overdue = self.unpaid.iter().any(|order| self.now - order.checkout_expires_at > SETTLED_BY);
        let dead = self.jobs.iter().filter(|job| job.is_dead()).count();
        let left: i64 = self.clusters.iter().map(|cluster| self.left(smallest, cluster)).sum();
        let away = self.clusters.iter().filter(|cluster| clusters::seen(words, cluster, self.now).kind == "failed").count();
        let (stuck, claims) = (self.count("stuck"), self.count("awaiting-records"));
        let unwell = self.needing_somebody().count() - stuck;
        let forgotten = self.not_ready.iter().any(|instance| self.is_forgotten(&self.seen(instance)));
        let (waiting, first) = self.list;
        vec![
            figure("waiting", self.unpaid.len().to_string(), false, "/staff/orders"),
            figure("oldest", age(oldest), overdue, "/staff/orders"),
            figure("jobs", dead.to_string(), dead > 0, ""),
            figure("building", self.count("preparing").to_string(), false, "/staff/instances"),
            figure("stuck", stuck.to_string(), stuck > 0, ""),
            figure("unwell", unwell.to_string(), unwell > 0, ""),
            figure("claims", claims.to_string(), forgotten, "/staff/instances"),
            figure("left", left.to_string(), left == 0, "/staff/clusters"),
            figure("away", away.to_string(), away > 0, "/staff/clusters"),
            figure("paused", self.paused.to_string(), self.paused > 0, "/staff/rollouts"),
            figure("list", waiting.to_string(), waiting > 0 && left > 0, ""),
            figure("list-oldest", age(first), false, ""),
            figure("differences", self.differences.to_string(), self.differences > 0, "/staff/differences"),
            figure("mails", self.mails.to_string(), self.mails > 0, ""),
        ]
    }

    fn phases(&self, words: &Words) -> Vec<Fact> {
        let fact =
            |(intent, count): &(Intent, i64)| Fact::new(words, &format!("staff-intent-{}", intent.as_str()), count.to_string());
        let not_ready = ["preparing", "awaiting-records", "stuck", "degraded", "upgrading"].into_iter().filter_map(|word| {
            let count = self.count(word);
            (count > 0).then(|| Fact::new(words, &format!("staff-of-these-{word}"), count.to_string()))
        });
        self.intents.iter().map(fact).chain(not_ready).collect()
    }

    /// Servers that somebody should look at: stuck, unwell, or well while the operator can't do what is wanted of it.
    fn needing_somebody(&self) -> impl Iterator<Item = (&Instance, Seen<'_>)> {
        let all = self.not_ready.iter().map(|instance| (instance, self.seen(instance)));
        all.filter(|(_, seen)| needs_somebody(seen))
    }

    fn unwell(&self, words: &Words) -> Vec<UnwellRow> {
        let state = |seen: &Seen<'_>| match seen.phase() {
            Phase::Stuck(_) | Phase::Degraded(_) | Phase::AwaitingRecords => state_view(words, seen),
            Phase::Reserved
            | Phase::Preparing(_)
            | Phase::Running
            | Phase::Upgrading
            | Phase::Suspended(_)
            | Phase::Leaving
            | Phase::Gone(_) => StateView::new(words, "failed", "staff-stalled", ""),
        };
        let all = self.not_ready.iter().map(|instance| (instance, self.seen(instance)));
        all.filter(|(_, seen)| needs_somebody(seen) || self.is_forgotten(seen))
            .map(|(instance, seen)| UnwellRow {
                href: format!("/staff/instances/{}", instance.id),
                address: readable(&instance.domain),
                state: state(&seen),
            })
            .collect()
    }
}

fn needs_somebody(seen: &Seen<'_>) -> bool {
    matches!(seen.phase(), Phase::Stuck(_) | Phase::Degraded(_)) || seen.stalled()
}

fn job_view(words: &Words, job: &Job) -> JobView {
    let ids = job.payload.as_object().into_iter().flat_map(serde_json::Map::values).filter_map(serde_json::Value::as_str);
    JobView {
        id: job.id.to_string(),
        kind: job.task.clone(),
        subject: ids.collect::<Vec<_>>().join(", "),
        attempts: words.t2("staff-attempts-of", "n", job.attempts, "most", job.max_attempts),
        next: match (job.running, job.is_dead()) {
            (true, _) => words.t("staff-job-running"),
            (false, true) => words.t("staff-job-dead"),
            (false, false) => time::moment(job.run_at),
        },
        error: job.last_error.clone().unwrap_or_default(),
    }
}

/// GET `/staff`
pub(super) async fn show(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state).await?;
    let words = page.w.clone();
    let sizes: Vec<Amounts> = state.catalogue.offered().map(|plan| plan.size.footprint()).collect();
    let smallest = Amounts::each(|dimension| sizes.iter().map(|size| size.of(dimension)).min().unwrap_or(0));
    let content = StaffOverviewPage {
        page,
        figures: loaded.figures(&words, &smallest),
        phases: loaded.phases(&words),
        clusters: loaded.clusters.iter().map(|cluster| loaded.cluster_view(&words, &smallest, cluster)).collect(),
        failed_jobs: loaded.jobs.iter().map(|job| job_view(&words, job)).collect(),
        may_retry: member.may(OPERATES),
        unwell: loaded.unwell(&words),
        waiting: order_rows(&state, &words, &loaded.unpaid).await?,
    };
    Ok(html(&content)?)
}
