//! One field that finds everything: ids of ours and of Stripe, addresses, names, mail addresses.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use crate::desk::search::{self, Hit};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::instance::view::readable;
use crate::web::list::ListQuery;
use crate::web::page::{PageContext, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/search.html")]
struct StaffSearchPage {
    page: PageContext,
    q: String,
    hits: Vec<HitView>,
    /// Whether there may be more than are shown.
    more: bool,
}

pages!(StaffSearchPage);

/// Something that was found.
struct HitView {
    href: String,
    name: String,
    kind: String,
}

fn hit_view(words: &Words, hit: Hit) -> HitView {
    match hit {
        Hit::Server { id, domain } => {
            HitView { href: format!("/staff/instances/{id}"), name: readable(&domain), kind: words.t("search-server") }
        }
        Hit::Customer { id, name, email } => HitView {
            href: format!("/staff/customers/{id}"),
            kind: match email.filter(|email| *email != name) {
                Some(email) => words.t1("search-customer-of", "email", email),
                None => words.t("search-customer"),
            },
            name,
        },
        Hit::Incident { id } => {
            HitView { href: format!("/staff/incidents/{id}"), name: id.to_string(), kind: words.t("search-incident") }
        }
    }
}

/// GET `/staff/search?q=…`: what is found alone is shown at once.
pub(super) async fn show(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let hits = search::search(&mut *state.db.staff().acquire().await?, &query.q).await?;
    let more = hits.len() >= search::MOST;
    let mut hits: Vec<HitView> = hits.into_iter().map(|hit| hit_view(&page.w, hit)).collect();
    if hits.len() == 1
        && let Some(hit) = hits.pop()
    {
        return Ok(Redirect::to(&hit.href).into_response());
    }
    Ok(html(&StaffSearchPage { q: query.q.trim().to_owned(), page, hits, more })?)
}
