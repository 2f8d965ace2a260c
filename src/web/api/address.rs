//! Addresses: whether one can be had, and which DNS records it needs.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::json::Answer;
use crate::instance::address::WebDomain;
use crate::instance::dns::{self, Purpose, RecordKind, RecordState};
use crate::instance::webfinger;
use crate::web::AppState;
use crate::web::error::{FieldError, WebError};
use crate::web::form::Query;
use crate::web::new::address::{conflict, fault, warnings};
use crate::web::new::draft::{Draft, address_rules, check_address};
use crate::web::records::{Found, Names};
use crate::web::session::Customer;
use crate::words::Words;

/// An address as an order has it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `hosted` for a name under the host's domain, `own` for a domain that the customer brings.
    #[serde(default)]
    #[param(required, example = "hosted")]
    kind: String,
    /// The name, when hosted.
    #[serde(default)]
    name: String,
    /// The domain, when own.
    #[serde(default)]
    domain: String,
    /// Where Mastodon itself is, when that is not the domain; only for own domains.
    #[serde(default)]
    web_domain: String,
}

/// Whether an address can be had at this moment. Only an order decides.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddressCheck {
    /// Whether an order with it would be taken.
    free: bool,
    /// The domain as people read it.
    #[schema(example = "harbour.example.social")]
    address: Option<String>,
    /// The domain as machines write it. It can never change.
    #[schema(example = "harbour.example.social")]
    domain: Option<String>,
    /// What is in the way.
    errors: Vec<FieldError>,
    /// What is worth knowing before it is ordered.
    warnings: Vec<String>,
}

/// Can I have this address?
///
/// The answer is 200 also for an address that can't be had: `errors` then says why and what to do.
#[utoipa::path(get, path = "/api/v1/addresses/check", tag = "order", operation_id = "check_address", params(Wanted),
    responses((status = 200, description = "What is known about the address", body = AddressCheck)))]
pub(super) async fn check(
    State(state): State<AppState>,
    customer: Customer,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<AddressCheck>, WebError> {
    let Wanted { kind, name, domain, web_domain } = wanted;
    let draft = Draft { kind, name, domain, web_domain, ..Draft::default() };
    let (address, web) = match check_address(&Words::english(), &address_rules(&state), &draft) {
        Ok(found) => found,
        Err(errors) => {
            let check = AddressCheck { free: false, address: None, domain: None, errors: errors.list, warnings: Vec::new() };
            return Ok(Answer(StatusCode::OK, check));
        }
    };
    let words = Words::english();
    let problem = conflict(&state, customer.account, &address, web.as_ref()).await?;
    let errors = match problem {
        Some(problem) => fault(&words, &draft.kind, &problem).list,
        None => Vec::new(),
    };
    let warnings = warnings(&words, &address, web.as_ref());
    let (shown, domain) = (Some(address.display().to_owned()), Some(address.domain().to_owned()));
    Ok(Answer(StatusCode::OK, AddressCheck { free: errors.is_empty(), address: shown, domain, errors, warnings }))
}

/// A domain of one's own.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OwnDomain {
    /// The domain that ends the handles.
    #[serde(default)]
    #[param(required, example = "harbour.example")]
    domain: String,
    /// Where Mastodon itself is, when that is not the domain.
    #[serde(default)]
    web_domain: String,
}

/// The records that a domain needs, and what is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Dns {
    /// The domain as machines write it.
    domain: String,
    /// Whether every record that is required is there.
    all_right: bool,
    /// When our resolver looked; nothing is cached.
    checked_at: DateTime<Utc>,
    /// One for each record to set.
    records: Vec<DnsRecord>,
    /// The way to handles, when Mastodon itself is elsewhere.
    handles: Option<Handles>,
}

/// A record to set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DnsRecord {
    /// Its full name.
    name: String,
    /// Its type.
    kind: RecordKind,
    /// Its value.
    value: String,
    /// What it is for.
    purpose: Purpose,
    /// Whether the server can't work without it.
    required: bool,
    /// An ALIAS, ANAME or flattened CNAME to this name is as good, and follows when our addresses change.
    or_alias_to: Option<String>,
    /// What our resolver saw: `found`, `missing`, `different`, or `unknown` when the lookup failed.
    #[schema(example = "missing")]
    state: &'static str,
    /// What is there instead, when `different`.
    seen: Vec<String>,
    /// The same as a sentence, with what to do.
    text: String,
}

/// How other servers find accounts when Mastodon itself is elsewhere: they ask at `from`, which must redirect to `to` with the question and
/// with the header `access-control-allow-origin: *`. Either a site of the customer's own does, or the domain points to us and we do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Handles {
    /// Where other servers ask.
    from: String,
    /// Where they must be led.
    to: String,
    /// What was found there: `right`, `answers` (no redirect), `elsewhere`, `without_question`, `without_origin` or `unreachable`.
    #[schema(example = "right")]
    redirect: &'static str,
    /// The same as a sentence, with what to do.
    text: String,
}

impl Handles {
    /// None when Mastodon itself is at the domain.
    pub fn of(names: Names<'_>, found: &Found) -> Option<Self> {
        let (web, redirect) = names.web_domain.zip(found.redirect.as_ref())?;
        let [from, to] = webfinger::addresses(names.domain, web);
        let text = Words::english().said(redirect.key(), &redirect.args());
        Some(Self { from, to, redirect: redirect.word(), text })
    }
}

/// Which DNS records does my domain need?
#[utoipa::path(get, path = "/api/v1/addresses/dns", tag = "order", operation_id = "check_dns", params(OwnDomain),
    responses((status = 200, description = "The records to set, and their state", body = Dns)))]
pub(super) async fn dns(
    State(state): State<AppState>,
    _: Customer,
    Query(wanted): Query<OwnDomain>,
) -> Result<Answer<Dns>, WebError> {
    let draft = Draft { kind: "own".to_owned(), domain: wanted.domain, web_domain: wanted.web_domain, ..Draft::default() };
    let (address, web) =
        check_address(&Words::english(), &address_rules(&state), &draft).map_err(|errors| WebError::Invalid(errors.list))?;
    let names = Names { domain: address.domain(), hosted: false, web_domain: web.as_ref().map(WebDomain::domain) };
    let found = Found::look_up(&state, names).await;
    let dns = Dns {
        domain: address.domain().to_owned(),
        all_right: found.all_right(),
        checked_at: found.at,
        records: found.records.iter().map(|(record, state)| told(record, state)).collect(),
        handles: Handles::of(names, &found),
    };
    Ok(Answer(StatusCode::OK, dns))
}

/// A record and what was seen of it.
pub(super) fn told(record: &dns::Record, found: &RecordState) -> DnsRecord {
    let (words, key) = (Words::english(), found.key());
    let (state, seen, args) = match found {
        RecordState::Found => ("found", Vec::new(), Vec::new()),
        RecordState::Missing => ("missing", Vec::new(), Vec::new()),
        RecordState::Different(seen) => ("different", seen.clone(), vec![("seen", seen.join(", "))]),
        RecordState::Unknown(why) => ("unknown", Vec::new(), vec![("why", words.t(why.key()))]),
    };
    DnsRecord {
        name: record.name.clone(),
        kind: record.kind,
        value: record.value.clone(),
        purpose: record.purpose,
        required: record.purpose.is_required(),
        or_alias_to: record.or_alias_to.clone(),
        state,
        seen,
        text: words.said(key, &args),
    }
}
