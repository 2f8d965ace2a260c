//! How a server is used: numbers with their history, when the plan will be full, and whether it answered.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::time;
use super::view::readable;
use crate::instance::Instance;
use crate::instance::usage::{self, Day, Forecast, Measure};
use crate::plan::Limits;
use crate::web::AppState;
use crate::web::chart::{Bar, Line, bars};
use crate::web::error::WebError;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

/// So many days are drawn.
const SHOWN: TimeDelta = TimeDelta::days(90);
/// What was told longer ago than this is not how it is now.
const FRESH: TimeDelta = TimeDelta::hours(2);

#[derive(Template)]
#[template(path = "pages/instance/usage.html")]
struct UsagePage {
    page: PageContext,
    id: String,
    address: String,
    /// Whether its numbers are known, and since when not.
    state: StateView,
    measures: Vec<MeasureView>,
    /// `99.52 %`, or that nobody has looked yet.
    uptime: String,
    /// Each day's share of answers.
    days: String,
}

pages!(UsagePage);

/// A number with its history. An empty text means "none".
struct MeasureView {
    label: String,
    value: String,
    /// What the plan has room for.
    limit: String,
    chart: String,
    forecast: String,
}

const GIB: i64 = 1 << 30;

/// What the plan says of a measure.
fn limit_of(measure: Measure, limits: &Limits) -> Option<i64> {
    match measure {
        Measure::Active => Some(i64::from(limits.users_hint)),
        Measure::Media => Some(i64::from(limits.media_gib) * GIB),
        Measure::Database => Some(i64::from(limits.database_gib) * GIB),
        Measure::Users | Measure::Posts | Measure::Queue => None,
    }
}

/// A value as people read it.
fn written(words: &Words, measure: Measure, value: i64) -> String {
    match measure {
        Measure::Users | Measure::Active | Measure::Posts => value.to_string(),
        Measure::Media | Measure::Database => {
            let tenths = value.max(0) * 10 / GIB;
            words.t1("usage-gb", "n", format!("{}.{}", tenths / 10, tenths % 10))
        }
        Measure::Queue => time::took(words, TimeDelta::seconds(value)),
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn measure_view(words: &Words, measure: Measure, days: &[Day], limits: Option<&Limits>) -> MeasureView {
    let known: Vec<(NaiveDate, i64)> = days.iter().filter_map(|day| Some((day.day, measure.of(day)?))).collect();
    let label = words.t(&format!("usage-{}", measure.word()));
    let limit = limits.and_then(|limits| limit_of(measure, limits));
    let Some((_, last)) = known.last() else {
        let value = words.t(match measure {
            Measure::Users | Measure::Active | Measure::Posts => "usage-not-told",
            Measure::Media | Measure::Database | Measure::Queue => "usage-not-measured",
        });
        let limit = limit.map(|limit| words.t1("usage-limit", "limit", written(words, measure, limit))).unwrap_or_default();
        return MeasureView { label, value, limit, chart: String::new(), forecast: String::new() };
    };
    let points = known.iter().map(|(day, value)| (midnight(*day), *value)).collect();
    let forecast = limit.map(|limit| match usage::forecast(&known, limit) {
        Forecast::TooFew => words.t("usage-forecast-few"),
        Forecast::Full => words.t("usage-forecast-full"),
        Forecast::FillsOn(day) => words.t1("usage-forecast-on", "day", time::day(words, midnight(day))),
        Forecast::NotInSight => words.t("usage-forecast-far"),
    });
    MeasureView {
        value: written(words, measure, *last),
        limit: limit.map(|limit| words.t1("usage-limit", "limit", written(words, measure, limit))).unwrap_or_default(),
        chart: Line { points }.svg(&words.t1("usage-trend", "what", &label)),
        forecast: forecast.unwrap_or_default(),
        label,
    }
}

/// Whether the numbers are those of now.
fn state(words: &Words, instance: &Instance, days: &[Day], now: DateTime<Utc>) -> StateView {
    let seen = days.iter().rev().find_map(|day| day.seen_at);
    let why = days.last().and_then(|day| day.trouble.as_deref()).map(|key| words.t(key)).unwrap_or_default();
    match (seen, instance.ready_at) {
        (Some(at), _) if now - at <= FRESH && why.is_empty() => {
            StateView::new(words, "done", "usage-known", words.t1("usage-asked", "time", time::moment(words, at)))
        }
        (Some(at), _) => {
            let since = words.t1("since", "time", time::moment(words, at));
            StateView::new(words, "failed", "usage-unknown", if why.is_empty() { since } else { format!("{since}. {why}") })
        }
        (None, Some(_)) if !why.is_empty() => StateView::new(words, "failed", "usage-unknown", why),
        (None, Some(_)) => StateView::new(words, "waiting", "usage-not-asked", ""),
        (None, None) => StateView::new(words, "waiting", "usage-not-ready", ""),
    }
}

/// Each day's answers in hundredths, as bars.
fn answered(words: &Words, days: &[Day]) -> String {
    let bar = |day: &Day| {
        let share = i64::from(day.answered) * 100 / i64::from(day.looks.max(1));
        Bar { label: time::day(words, midnight(day.day)), value: share }
    };
    bars(&days.iter().map(bar).collect::<Vec<_>>(), &words.t("usage-answered-chart"))
}

/// GET `/instances/{id}/usage`
pub(super) async fn show(
    State(app): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let now = app.clock.now();
    let mut tx = app.db.begin_account(customer.account).await?;
    let days = usage::list_days(tx.conn(), instance.id, (now - SHOWN).date_naive()).await?;
    drop(tx);
    let words = page.w.clone();
    let limits = app.catalogue.get(&instance.plan_code).map(|plan| &plan.limits);
    let uptime = usage::uptime(&days).map_or_else(
        || words.t("usage-uptime-unknown"),
        |share| words.t1("usage-uptime-value", "n", format!("{}.{:02}", share / 100, share % 100)),
    );
    Ok(html(&UsagePage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        state: state(&words, &instance, &days, now),
        measures: Measure::ALL.into_iter().map(|measure| measure_view(&words, measure, &days, limits)).collect(),
        uptime,
        days: answered(&words, &days),
        page,
    })?)
}
