//! What is sold.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::Answer;
use super::paged::PageQuery;
use crate::money::Money;
use crate::plan::Limits;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;

/// The plans that can be ordered, in the order of the page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plans {
    plans: Vec<Plan>,
    /// Room for media that can be had on top of a plan; `null` when none is sold.
    storage_pack: Option<StoragePack>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// Room for media, in packs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoragePack {
    /// What people call it.
    name: String,
    /// GiB that one brings.
    gib: u32,
    /// Price of one for a month.
    monthly: Money,
    /// Price of one for a year.
    yearly: Money,
    /// The most that one server may have.
    most: u32,
}

/// One thing that can be bought. Prices are before tax.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan {
    /// What an order calls it.
    code: String,
    /// What people call it.
    name: String,
    /// For whom it is.
    summary: String,
    /// Price of a month.
    monthly: Money,
    /// Price of a year.
    yearly: Money,
    /// What it is made for; never the base of a surprise charge.
    limits: Limits,
}

/// List the plans
#[utoipa::path(get, path = "/api/v1/plans", tag = "order", operation_id = "list_plans", params(PageQuery),
    responses((status = 200, description = "What can be ordered", body = Plans)))]
pub(super) async fn list(State(state): State<AppState>, Query(query): Query<PageQuery>) -> Result<Answer<Plans>, WebError> {
    // A plan's id is its code; the order is the page's, which only changes with the program.
    let part = query.read::<String>()?;
    let offered: Vec<&crate::plan::Plan> = match &part.after {
        None => state.catalogue.offered().collect(),
        Some(code) => state.catalogue.offered().skip_while(|plan| plan.code != *code).skip(1).collect(),
    };
    let (offered, next) = part.cut(offered, |plan| plan.code.clone());
    let plan = |plan: &crate::plan::Plan| Plan {
        code: plan.code.clone(),
        name: plan.name.clone(),
        summary: plan.summary.clone(),
        monthly: plan.monthly,
        yearly: plan.yearly,
        limits: plan.limits.clone(),
    };
    let pack = |pack: &crate::plan::StoragePack| StoragePack {
        name: pack.name.clone(),
        gib: pack.gib,
        monthly: pack.monthly,
        yearly: pack.yearly,
        most: pack.most,
    };
    let storage_pack = state.catalogue.pack().map(pack);
    Ok(Answer(StatusCode::OK, Plans { plans: offered.into_iter().map(plan).collect(), storage_pack, next }))
}
