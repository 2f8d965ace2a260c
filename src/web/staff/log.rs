//! The audit log over all accounts: who did what to what, newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::instances::{AuditRow, audit_row};
use super::show_filter;
use crate::desk::log::{self, Row, Show, Wanted};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::list::{Frame, ListQuery, ListView};
use crate::web::page::{PageContext, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/audit.html")]
struct StaffAuditPage {
    page: PageContext,
    list: ListView,
    entries: Vec<LogRow>,
}

pages!(StaffAuditPage);

/// An entry, and what it was done to.
struct LogRow {
    entry: AuditRow,
    subject: String,
    /// The search for that, which leads to it where it has a page.
    href: String,
}

/// GET `/staff/audit`
pub(super) async fn list(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let (names, show) = (query.text(), Show::from_word(&query.show));
    let mut conn = state.db.staff().acquire().await?;
    let slice = log::list(&mut conn, Wanted { names: &names, show, start: query.start() }).await?;
    drop(conn);
    let words = page.w.clone();
    let all = Show::ALL.iter().map(|one| one.word());
    let filters = vec![show_filter(&words, all, show.word(), |word| words.t(&format!("show-audit-{word}")))];
    let frame = Frame { words: &words, path: "/staff/audit", query: &query };
    let list = frame.view("audit-find", filters, Vec::new(), &slice, |row| row.id.to_string());
    let entries = slice.rows.iter().map(|one| row(&words, one)).collect();
    Ok(html(&StaffAuditPage { page, list, entries })?)
}

fn row(words: &Words, row: &Row) -> LogRow {
    let subject = row.entry.subject.clone();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &subject).finish();
    LogRow { entry: audit_row(words, &row.entry), href: format!("/staff/search?{query}"), subject }
}
