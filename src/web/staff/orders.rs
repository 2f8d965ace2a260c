//! Orders of all accounts, newest first, a page at a time.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{OrderRow, order_rows, show_filter};
use crate::desk::orders::{self, Show};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::list::{Frame, ListQuery, ListView};
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/staff/orders.html")]
struct StaffOrdersPage {
    page: PageContext,
    list: ListView,
    orders: Vec<OrderRow>,
}

pages!(StaffOrdersPage);

/// GET `/staff/orders`
pub(super) async fn list(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let show = Show::from_word(&query.show);
    let slice = orders::list(&mut *state.db.staff().acquire().await?, show, query.start()).await?;
    let words = page.w.clone();
    let all = Show::ALL.iter().map(|one| one.word());
    let filters = vec![show_filter(&words, all, show.word(), |word| words.t(&format!("show-order-{word}")))];
    let frame = Frame { words: &words, path: "/staff/orders", query: &query };
    let list = frame.view("", filters, Vec::new(), &slice, |order| order.id.to_string());
    let orders = order_rows(&state, &words, &slice.rows).await?;
    Ok(html(&StaffOrdersPage { page, list, orders })?)
}
