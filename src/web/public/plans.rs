//! Plans as pages show them: the public list, and the question of the order path.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::plan::{Catalogue, Interval, Plan};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::page::{PageContext, html, pages};
use crate::words::Words;

/// A plan for one period.
pub(in crate::web) struct PlanView {
    pub id: String,
    pub name: String,
    pub summary: String,
    pub price: String,
    /// Of what: "a month".
    pub per: String,
    /// The other way to pay.
    pub also: String,
    pub limits: Vec<LimitView>,
    pub chosen: bool,
}

/// What a plan has room for.
pub(in crate::web) struct LimitView {
    pub label: String,
    pub value: String,
}

/// `?period=`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Period {
    pub period: String,
}

#[derive(Template)]
#[template(path = "pages/public/plans.html")]
struct PlansPage {
    page: PageContext,
    plans: Vec<PlanView>,
    limit_names: Vec<String>,
    yearly: bool,
}

pages!(PlansPage);

/// GET `/plans`
pub(super) async fn plans(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<Period>,
) -> Result<Response, WebError> {
    let interval = Interval::from_word(&query.period).unwrap_or(Interval::Month);
    let plans = plan_views(&page.w, &state.catalogue, interval, "");
    let limit_names = limit_names(&page.w);
    Ok(html(&PlansPage { page, plans, limit_names, yearly: interval == Interval::Year })?)
}

/// The plans that can be ordered, in the catalogue's order.
pub(in crate::web) fn plan_views(words: &Words, catalogue: &Catalogue, interval: Interval, chosen: &str) -> Vec<PlanView> {
    let view = |plan: &Plan| {
        let other = if interval == Interval::Month { Interval::Year } else { Interval::Month };
        PlanView {
            id: plan.code.clone(),
            name: plan.name.clone(),
            summary: plan.summary.clone(),
            price: plan.price(interval).to_string(),
            per: per(words, interval),
            also: words.t2("plan-also", "price", plan.price(other), "per", per(words, other)),
            limits: limits(words, plan),
            chosen: plan.code == chosen,
        }
    };
    catalogue.offered().map(view).collect()
}

/// "a month" or "a year".
pub(in crate::web) fn per(words: &Words, interval: Interval) -> String {
    words.t(match interval {
        Interval::Month => "per-month",
        Interval::Year => "per-year",
    })
}

/// Names of the limits, in the order of [`limits`].
pub(in crate::web) fn limit_names(words: &Words) -> Vec<String> {
    ["limit-people", "limit-media", "limit-database"].map(|key| words.t(key)).to_vec()
}

/// What the plan has room for.
pub(in crate::web) fn limits(words: &Words, plan: &Plan) -> Vec<LimitView> {
    let limits = &plan.limits;
    let values = [
        words.t1("limit-people-value", "n", limits.users_hint),
        words.t1("limit-room-value", "n", limits.media_gib),
        words.t1("limit-room-value", "n", limits.database_gib),
    ];
    limit_names(words).into_iter().zip(values).map(|(label, value)| LimitView { label, value }).collect()
}
