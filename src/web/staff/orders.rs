//! Orders of all accounts, newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{OrderRow, order_rows};
use crate::billing;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/staff/orders.html")]
struct StaffOrdersPage {
    page: PageContext,
    orders: Vec<OrderRow>,
}

pages!(StaffOrdersPage);

/// GET `/staff/orders`
pub(super) async fn list(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let orders = billing::list_orders(&mut *state.db.staff().acquire().await?).await?;
    let orders = order_rows(&state, &page.w, &orders).await?;
    Ok(html(&StaffOrdersPage { page, orders })?)
}
