//! The second question, for own domains: are the DNS records set? Nothing here is in the way: they can be set later.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

use super::draft::{address_rules, check_address, read_draft};
use super::{back_to, progress};
use crate::instance::address::AddressKind;
use crate::instance::dns::{Record, RecordState, compare, look, wanted_records};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::session::Verified;
use crate::words::Words;

struct DnsRecord {
    kind: String,
    name: String,
    value: String,
    /// What it is for.
    purpose: String,
    /// What is as good; empty for nothing.
    instead: String,
    state: StateView,
}

#[derive(Template)]
#[template(path = "pages/new/dns.html")]
struct NewDnsPage {
    page: PageContext,
    step: String,
    steps: String,
    domain: String,
    records: Vec<DnsRecord>,
    all_right: bool,
    checked_at: String,
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
    let (address, web) = match check_address(&address_rules(&state), &draft) {
        Ok(good) => good,
        Err(errors) => return Ok(back_to(&errors)),
    };
    if address.kind() == AddressKind::Hosted {
        return Ok(Redirect::to("/new/owner").into_response());
    }
    let wanted = wanted_records(&address, web.as_ref(), &state.dns_target);
    let states = compare(&wanted, &look(state.resolver.as_ref(), &wanted).await);
    let all_right =
        wanted.iter().zip(&states).all(|(record, state)| !record.purpose.is_required() || *state == RecordState::Found);
    let records = wanted.iter().zip(&states).map(|(record, state)| view(&page.w, record, state)).collect();
    let (step, steps) = progress(&draft, "/new/dns");
    let checked_at = state.clock.now().format("%-H:%M UTC").to_string();
    Ok(html(&NewDnsPage { page, step, steps, domain: address.display().to_owned(), records, all_right, checked_at })?)
}

/// POST `/new/dns`
pub(super) async fn go_on(_: Verified) -> Redirect {
    Redirect::to("/new/owner")
}

fn view(words: &Words, record: &Record, state: &RecordState) -> DnsRecord {
    let (kind, word, detail) = match state {
        RecordState::Found => ("done", "dns-right", String::new()),
        RecordState::Missing => ("waiting", "dns-missing", String::new()),
        RecordState::Different(seen) => ("failed", "dns-wrong", words.t1(state.key(), "seen", seen.join(", "))),
        RecordState::Unknown(why) => ("waiting", "dns-unknown", words.t(why.key())),
    };
    DnsRecord {
        kind: record.kind.to_string(),
        name: record.name.clone(),
        value: record.value.clone(),
        purpose: words.t(record.purpose.key()),
        instead: record.or_alias_to.as_ref().map(|host| words.t1("dns-or-alias", "host", host)).unwrap_or_default(),
        state: StateView { kind, word: words.t(word), detail },
    }
}
