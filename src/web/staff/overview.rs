//! The first screen: is money, are servers, are jobs well.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use super::jobs::{JobView, job_view};
use super::{BILLS, OPERATES, OrderRow, clusters, order_rows};
use crate::account::StaffMember;
use crate::billing::{self, Order};
use crate::capacity::{self, ClusterRow};
use crate::desk::alerts::{self, SETTLED_BY, USUALLY_PAST_DUE};
use crate::desk::cases;
use crate::desk::figures::{self, Figure, History, Reading};
use crate::instance::{self, Instance, Intent, Phase, Seen, claim};
use crate::mail;
use crate::money::{Currency, Money};
use crate::plan::Amounts;
use crate::queue::{self, JobRow as Job};
use crate::rollout;
use crate::web::AppState;
use crate::web::chart::Line;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::instance::view::{readable, state as state_view};
use crate::web::page::{Fact, PageContext, StateView, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/overview.html")]
struct StaffOverviewPage {
    page: PageContext,
    /// The numbers that matter, each with its trend.
    figures: Vec<FigureView>,
    /// What else is counted.
    others: Vec<FigureView>,
    phases: Vec<Fact>,
    clusters: Vec<ClusterView>,
    failed_jobs: Vec<JobView>,
    /// Whether whoever looks may give them their tries again.
    may_retry: bool,
    /// Whether whoever looks may see the page of money.
    sees_money: bool,
    unwell: Vec<UnwellRow>,
    waiting: Vec<OrderRow>,
}

pages!(StaffOverviewPage);

/// A number of the first screen; `alarm`: somebody should look.
struct FigureView {
    label: String,
    value: String,
    alarm: bool,
    href: String,
    /// How it has been: a picture, and what it was a day ago. Empty where that is not known yet.
    chart: String,
    before: String,
}

struct ClusterView {
    name: String,
    state: StateView,
    seen: StateView,
    servers: String,
    fullest: String,
    left: String,
    /// For the meter: the share of that amount that is taken, in hundredths of what is promised.
    taken: i64,
}

struct UnwellRow {
    href: String,
    address: String,
    state: StateView,
}

/// A job that has been due for longer than this many seconds: nobody works, or too few.
const LATE: i64 = 600;

/// All that the page reads.
struct Loaded {
    now: DateTime<Utc>,
    currency: Currency,
    reading: Reading,
    history: History,
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
    not_backed_up: i64,
    alerts: i64,
    late_cases: i64,
}

impl Loaded {
    async fn load(state: &AppState) -> Result<Self, WebError> {
        let mut conn = state.db.staff().acquire().await?;
        let (now, currency) = (state.clock.now(), state.catalogue.currency());
        Ok(Self {
            now,
            currency,
            reading: figures::read(&mut conn, state.db.owner(), &state.catalogue, now).await?,
            history: History::load(&mut conn, now).await?,
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
            not_backed_up: figures::count_not_backed_up(&mut conn, now).await?,
            alerts: alerts::count_open(&mut conn).await?,
            late_cases: cases::count_late(&mut conn, now).await?,
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

    fn cluster_view(&self, words: &Words, smallest: &Amounts, cluster: &ClusterRow) -> ClusterView {
        let left = cluster.left(smallest, self.now);
        let (most, share) = clusters::fullest(cluster);
        let most = words.t(&format!("amount-{}", most.word()));
        ClusterView {
            name: cluster.name.clone(),
            state: clusters::state(words, cluster, left > 0),
            seen: clusters::seen(words, cluster, self.now),
            servers: cluster.servers.to_string(),
            fullest: words.t2("staff-fullest", "amount", most, "n", share),
            left: left.to_string(),
            taken: share,
        }
    }

    fn figures(&self, words: &Words) -> Vec<FigureView> {
        Figure::ALL.into_iter().map(|figure| self.figure(words, figure)).collect()
    }

    fn figure(&self, words: &Words, figure: Figure) -> FigureView {
        let value = self.reading.of(figure);
        let before = self.history.a_day_before(figure, self.now);
        let label = words.t(&format!("staff-figure-{}", figure.word()));
        let points = self.history.of(figure).chain(std::iter::once((self.now, value))).collect();
        FigureView {
            value: self.written(words, figure, value),
            alarm: self.alarms(figure, value, before),
            href: leads_to(figure).to_owned(),
            chart: Line { points }.svg(&words.t1("figure-trend", "figure", &label)),
            before: before.map(|was| words.t1("figure-before", "value", self.written(words, figure, was))).unwrap_or_default(),
            label,
        }
    }

    fn written(&self, words: &Words, figure: Figure, value: i64) -> String {
        match figure {
            Figure::OldestJob if value == 0 => "–".to_owned(),
            Figure::OldestJob => time::took(words, TimeDelta::seconds(value)),
            Figure::Money => Money::new(value, self.currency).to_string(),
            Figure::Waiting
            | Figure::Jobs
            | Figure::Unwell
            | Figure::PastDue
            | Figure::Unproven
            | Figure::Left
            | Figure::Behind
            | Figure::Certificates
            | Figure::Incidents => value.to_string(),
        }
    }

    /// Whether somebody should look.
    fn alarms(&self, figure: Figure, value: i64, before: Option<i64>) -> bool {
        match figure {
            // An order that nobody settles, however few there are.
            Figure::Waiting => self.unpaid.iter().any(|order| self.now - order.checkout_expires_at > SETTLED_BY),
            Figure::OldestJob => value > LATE,
            Figure::PastDue => value > USUALLY_PAST_DUE.max(before.unwrap_or(0).saturating_mul(2)),
            Figure::Left => value == 0,
            Figure::Jobs | Figure::Unwell | Figure::Unproven | Figure::Certificates | Figure::Incidents => value > 0,
            Figure::Behind | Figure::Money => false,
        }
    }

    fn others(&self, words: &Words) -> Vec<FigureView> {
        let figure = |key: &str, value: String, alarm: bool, href: &str| FigureView {
            label: words.t(&format!("staff-figure-{key}")),
            value,
            alarm,
            href: href.to_owned(),
            chart: String::new(),
            before: String::new(),
        };
        let age = |since: Option<DateTime<Utc>>| since.map_or_else(|| "–".to_owned(), |at| time::age(words, self.now - at));
        let oldest = self.unpaid.first().map(|order| order.created_at);
        let away = self.clusters.iter().filter(|cluster| clusters::seen(words, cluster, self.now).kind == "failed").count();
        let (stuck, claims) = (self.count("stuck"), self.count("awaiting-records"));
        let forgotten = self.not_ready.iter().any(|instance| self.is_forgotten(&self.seen(instance)));
        let (waiting, first) = self.list;
        vec![
            figure("oldest", age(oldest), false, "/staff/orders?show=waiting"),
            figure("building", self.count("preparing").to_string(), false, "/staff/instances?show=building"),
            figure("stuck", stuck.to_string(), stuck > 0, "/staff/instances?show=look"),
            figure("claims", claims.to_string(), forgotten, "/staff/instances?show=building"),
            figure(
                "list",
                waiting.to_string(),
                waiting > 0 && self.reading.of(Figure::Left) > 0,
                "/staff/customers?show=waiting",
            ),
            figure("list-oldest", age(first), false, "/staff/customers?show=waiting"),
            figure(
                "not-backed-up",
                self.not_backed_up.to_string(),
                self.not_backed_up > 0,
                "/staff/instances?show=not-backed-up",
            ),
            figure("away", away.to_string(), away > 0, "/staff/clusters"),
            figure("paused", self.paused.to_string(), self.paused > 0, "/staff/rollouts"),
            figure("differences", self.differences.to_string(), self.differences > 0, "/staff/differences"),
            figure("cases", self.late_cases.to_string(), self.late_cases > 0, "/staff/cases"),
            figure("alerts", self.alerts.to_string(), self.alerts > 0, "/staff/alerts"),
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

/// Where what a figure counts is shown.
fn leads_to(figure: Figure) -> &'static str {
    match figure {
        Figure::Waiting => "/staff/orders?show=waiting",
        Figure::Money => "/staff/orders?show=paid",
        Figure::OldestJob => "/staff/queue",
        Figure::Jobs => "/staff/queue?show=dead",
        Figure::Unwell => "/staff/instances?show=look",
        Figure::PastDue => "/staff/customers?show=past-due",
        Figure::Unproven => "/staff/instances?show=unproven",
        Figure::Left => "/staff/clusters",
        Figure::Behind => "/staff/instances?show=behind",
        Figure::Certificates => "/staff/instances?show=certificate",
        Figure::Incidents => "/staff/incidents",
    }
}

/// Stuck, unwell, or well while the operator can't do what is wanted of it.
fn needs_somebody(seen: &Seen<'_>) -> bool {
    matches!(seen.phase(), Phase::Stuck(_) | Phase::Degraded(_)) || seen.stalled()
}

/// GET `/staff`
pub(super) async fn show(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state).await?;
    let words = page.w.clone();
    let smallest = state.catalogue.smallest();
    let content = StaffOverviewPage {
        page,
        figures: loaded.figures(&words),
        others: loaded.others(&words),
        phases: loaded.phases(&words),
        clusters: loaded.clusters.iter().map(|cluster| loaded.cluster_view(&words, &smallest, cluster)).collect(),
        failed_jobs: loaded.jobs.iter().map(|job| job_view(&words, job)).collect(),
        may_retry: member.may(OPERATES),
        sees_money: member.may(BILLS),
        unwell: loaded.unwell(&words),
        waiting: order_rows(&state, &words, &loaded.unpaid).await?,
    };
    Ok(html(&content)?)
}
