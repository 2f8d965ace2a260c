//! The second question, for own domains: are the DNS records set? Nothing here is in the way: they can be set later.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

use super::draft::{address_rules, check_address, read_draft};
use super::{back_to, progress};
use crate::instance::address::{AddressKind, WebDomain};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, html, pages};
use crate::web::records::{Found, Names, RecordsView};
use crate::web::session::Verified;

#[derive(Template)]
#[template(path = "pages/new/dns.html")]
struct NewDnsPage {
    page: PageContext,
    step: String,
    steps: String,
    domain: String,
    dns: RecordsView,
}

pages!(NewDnsPage);

/// GET `/new/dns`; "check again" is the same.
pub(super) async fn records(
    State(state): State<AppState>,
    page: PageContext,
    _: Verified,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let draft = read_draft(&state, &headers).unwrap_or_default();
    let (address, web) = match check_address(&page.w, &address_rules(&state), &draft) {
        Ok(good) => good,
        Err(errors) => return Ok(back_to(&errors)),
    };
    if address.kind() == AddressKind::Hosted {
        return Ok(Redirect::to("/new/owner").into_response());
    }
    let names = Names { domain: address.domain(), hosted: false, web_domain: web.as_ref().map(WebDomain::domain) };
    let found = Found::look_up(&state, names).await;
    let (step, steps) = progress(&draft, "/new/dns");
    let dns = RecordsView::new(&page.w, names, &found);
    // The domain in whose zone the records are.
    let domain = web.as_ref().map_or(address.display(), WebDomain::display).to_owned();
    Ok(html(&NewDnsPage { page, step, steps, domain, dns })?)
}

/// POST `/new/dns`
pub(super) async fn go_on(_: Verified) -> Redirect {
    Redirect::to("/new/owner")
}
