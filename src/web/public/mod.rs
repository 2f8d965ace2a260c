//! Pages that anybody may see: home, plans, status, terms, and health for whoever watches this process.

mod help;
pub(in crate::web) mod incidents;
pub(in crate::web) mod plans;
pub(in crate::web) mod status;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::AppState;
use super::access::{Access, Routes};
use super::error::WebError;
use super::page::{PageContext, html, pages};
use crate::capacity::{self, OpenCluster};
use crate::config::Processor;
use crate::privacy::agreement::Document;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/", Access::Public, home)
        .get("/plans", Access::Public, plans::plans)
        .get("/status", Access::Public, status::status)
        .get("/status/live", Access::Public, status::live)
        .get("/status.atom", Access::Public, incidents::atom)
        .get("/status.json", Access::Public, incidents::json)
        .get("/what-we-keep", Access::Public, what_we_keep)
        .get("/terms", Access::Public, terms)
        .get("/dpa", Access::Public, dpa)
        .get("/sub-processors", Access::Public, sub_processors)
        .get("/help", Access::Public, help::list)
        .get("/help/{topic}", Access::Public, help::show)
        .get("/healthz", Access::Public, healthz)
        .get("/readyz", Access::Public, readyz)
}

#[derive(Template)]
#[template(path = "pages/public/home.html")]
struct HomePage {
    page: PageContext,
    from_price: String,
    host_domain: String,
    full: bool,
}

#[derive(Template)]
#[template(path = "pages/public/terms.html")]
struct TermsPage {
    page: PageContext,
    version: &'static str,
}

#[derive(Template)]
#[template(path = "pages/public/dpa.html")]
struct DpaPage {
    page: PageContext,
    version: &'static str,
}

#[derive(Template)]
#[template(path = "pages/public/sub_processors.html")]
struct SubProcessorsPage {
    page: PageContext,
    processors: Vec<Processor>,
}

#[derive(Template)]
#[template(path = "pages/public/what_we_keep.html")]
struct WhatWeKeepPage {
    page: PageContext,
}

pages!(HomePage, TermsPage, DpaPage, SubProcessorsPage, WhatWeKeepPage);

/// GET `/`
async fn home(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    // Two numbers without a row of anybody's: the pool of the staff pages may count across accounts.
    let mut conn = state.db.staff().acquire().await?;
    let full = !room_for_any(&state, &capacity::open_clusters(&mut conn, state.clock.as_ref(), None).await?);
    let cheapest = state.catalogue.offered().map(|plan| plan.monthly).min_by_key(|price| price.minor);
    Ok(html(&HomePage {
        page,
        from_price: cheapest.map(|price| price.to_string()).unwrap_or_default(),
        host_domain: state.host.domain.clone(),
        full,
    })?)
}

/// Whether a server of any plan that is sold finds a place.
pub(super) fn room_for_any(state: &AppState, clusters: &[OpenCluster]) -> bool {
    let now = state.clock.now();
    state.catalogue.offered().any(|plan| capacity::room(clusters, &plan.size.footprint(), now) > 0)
}

/// GET `/terms`
async fn terms(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&TermsPage { page, version: Document::Terms.version() })?)
}

/// GET `/dpa`: how we treat what others write on a customer's server.
async fn dpa(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&DpaPage { page, version: Document::Dpa.version() })?)
}

/// GET `/sub-processors`: who else has to do with the data.
async fn sub_processors(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    Ok(html(&SubProcessorsPage { page, processors: state.host.processors.clone() })?)
}

/// GET `/what-we-keep`: what is known of whom, for how long, and who can see it.
async fn what_we_keep(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&WhatWeKeepPage { page })?)
}

/// GET `/healthz`: this process answers. Nothing else is asked, or a tired database would have every process restarted.
async fn healthz() -> &'static str {
    "ok\n"
}

/// GET `/readyz`: whether requests should be sent here: 503 while the database does not answer.
async fn readyz(State(state): State<AppState>) -> (StatusCode, &'static str) {
    let answers = async {
        let mut conn = state.db.auth().acquire().await?;
        sqlx::Connection::ping(&mut *conn).await
    };
    match tokio::time::timeout(std::time::Duration::from_secs(3), answers).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
