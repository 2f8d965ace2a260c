//! The first question: the address. Checked while it is typed, and again when it is sent.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::draft::{Draft, address_rules, check_address, read_draft, write_draft};
use super::progress;
use crate::ids::AccountId;
use crate::instance;
use crate::instance::address::{Address, AddressFault, AddressField, AddressKind, AddressProblem, Severity, WebDomain, clean};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::order::place::own_order;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, Verified};
use crate::words::Words;

/// Fields of the form, and the query of the check.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AddressForm {
    kind: String,
    name: String,
    domain: String,
    web_domain: String,
}

/// What is known about an address. `state` is empty (nothing typed yet), `free`, `own` (a domain that can be used), `taken`, `yours`,
/// `reserved`, `look_alike` or `invalid`.
#[derive(Debug, Default, PartialEq, Eq)]
struct AddressCheck {
    state: &'static str,
    /// The full address as people read it.
    address: String,
    /// The same in ASCII, only when it differs.
    ascii: String,
    /// What is wrong and the remedy.
    reason: String,
    /// What should be known before going on.
    warnings: Vec<String>,
    /// `yours`: the order that has it.
    href: String,
}

#[derive(Template)]
#[template(path = "pages/new/address.html")]
struct NewAddressPage {
    page: PageContext,
    step: String,
    steps: String,
    form: AddressForm,
    host_domain: String,
    check: AddressCheck,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/new/_check.html")]
struct AddressCheckFragment {
    page: PageContext,
    check: AddressCheck,
}

pages!(NewAddressPage, AddressCheckFragment);

impl AddressForm {
    /// What the browser carries, in the alphabet that people read.
    fn of(draft: &Draft) -> Self {
        let read = |domain: &str| idna::domain_to_unicode(domain).0;
        Self {
            kind: draft.kind.clone(),
            name: draft.name.clone(),
            domain: read(&draft.domain),
            web_domain: read(&draft.web_domain),
        }
    }

    /// The answer to the question that `kind` chose; what stands in the other one's fields is left behind.
    fn answer(&self) -> Draft {
        let own = self.kind == "own";
        let only = |text: &str, wanted: bool| if wanted { text.to_owned() } else { String::new() };
        Draft {
            kind: self.kind.clone(),
            name: only(&self.name, !own),
            domain: only(&self.domain, own),
            web_domain: only(&self.web_domain, own),
            ..Draft::default()
        }
    }
}

/// GET `/new/address`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let draft = read_draft(&state, &headers).unwrap_or_default();
    let form = AddressForm::of(&draft);
    let check = look(&state, &page.w, &customer, &form).await?;
    let ((step, steps), host_domain) = (progress(&draft, "/new/address"), state.host.domain.clone());
    Ok(html(&NewAddressPage { page, step, steps, form, host_domain, check, errors: FieldErrors::default() })?)
}

/// GET `/new/address/check`: what is known about the address, as a piece of the page. Bad input is answered like good input: the
/// answer is the message.
pub(super) async fn check(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Query(form): Query<AddressForm>,
) -> Result<Response, WebError> {
    let check = look(&state, &page.w, &customer, &form).await?;
    Ok(html(&AddressCheckFragment { page, check })?)
}

/// POST `/new/address`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    headers: HeaderMap,
    Form(form): Form<AddressForm>,
) -> Result<Response, WebError> {
    let answer = form.answer();
    let errors = match check_address(&page.w, &address_rules(&state), &answer) {
        Err(errors) => errors,
        Ok((address, web)) => match conflict(&state, customer.account, &address, web.as_ref()).await? {
            None => {
                let before = read_draft(&state, &headers).unwrap_or_default();
                let draft = answered(before, &state.host.domain, &address, web.as_ref());
                let next = if draft.kind == "own" { "/new/dns" } else { "/new/owner" };
                return Ok((AppendHeaders([write_draft(&state, &draft)]), Redirect::to(next)).into_response());
            }
            Some(problem) => fault(&page.w, &answer.kind, &problem),
        },
    };
    let ((step, steps), host_domain) = (progress(&answer, "/new/address"), state.host.domain.clone());
    Ok(refused(&NewAddressPage { page, step, steps, form, host_domain, check: AddressCheck::default(), errors })?)
}

/// The draft with this address, cleaned; what was answered further on stays.
fn answered(before: Draft, hosts_domain: &str, address: &Address, web: Option<&WebDomain>) -> Draft {
    let hosted = address.kind() == AddressKind::Hosted;
    let name = address.domain().strip_suffix(hosts_domain).map(|name| name.trim_end_matches('.').to_owned());
    Draft {
        kind: if hosted { "hosted" } else { "own" }.to_owned(),
        name: name.filter(|_| hosted).unwrap_or_default(),
        domain: if hosted { String::new() } else { address.domain().to_owned() },
        web_domain: web.map(|web| web.domain().to_owned()).unwrap_or_default(),
        ..before
    }
}

pub(in crate::web) fn fault(words: &Words, kind: &str, problem: &AddressProblem) -> FieldErrors {
    let field = match (problem.field, kind) {
        (AddressField::WebDomain, _) => "web_domain",
        (AddressField::Address, "own") => "domain",
        (AddressField::Address, _) => "name",
    };
    let mut errors = FieldErrors::default();
    errors.add(field, words.said(problem.key(), &problem.args()));
    errors
}

/// Whether somebody has the address, as far as the database tells now; it tells again when the order is placed.
pub(in crate::web) async fn conflict(
    state: &AppState,
    account: AccountId,
    address: &Address,
    web: Option<&WebDomain>,
) -> Result<Option<AddressProblem>, WebError> {
    let mut tx = state.db.begin_account(account).await?;
    let hosted = address.kind() == AddressKind::Hosted;
    let found = instance::conflict(tx.conn(), address.domain(), web.map(WebDomain::domain), &address.skeleton(), hosted).await?;
    Ok(found.map(|what| taken(address, web, &what)))
}

/// What it means that the database found a `domain`, `web_domain` or `look_alike`; see [`instance::conflict`].
pub(in crate::web) fn taken(address: &Address, web: Option<&WebDomain>, what: &str) -> AddressProblem {
    let display = address.display().to_owned();
    match what {
        "web_domain" => AddressProblem {
            field: AddressField::WebDomain,
            fault: AddressFault::Taken(web.map(|web| web.display().to_owned()).unwrap_or_default()),
        },
        "look_alike" => AddressProblem { field: AddressField::Address, fault: AddressFault::LooksTaken(display) },
        _ => AddressProblem { field: AddressField::Address, fault: AddressFault::Taken(display) },
    }
}

async fn look(state: &AppState, words: &Words, customer: &Customer, form: &AddressForm) -> Result<AddressCheck, WebError> {
    let rules = address_rules(state);
    let typed = if form.kind == "own" { &form.domain } else { &form.name };
    if clean(typed).is_empty() {
        return Ok(AddressCheck::default());
    }
    let parsed = if form.kind == "own" { Address::parse_own(typed, &rules) } else { Address::parse_name(typed, &rules) };
    let address = match parsed {
        Ok(address) => address,
        Err(problems) => {
            let shown = if form.kind == "own" { clean(typed) } else { format!("{}.{}", clean(typed), rules.hosts_domain) };
            return Ok(told(words, shown, &problems));
        }
    };
    let web = match WebDomain::parse(&form.web_domain, &address, &rules) {
        _ if form.kind != "own" || clean(&form.web_domain).is_empty() => None,
        Ok(web) => Some(web),
        Err(problems) => return Ok(told(words, address.display().to_owned(), &problems)),
    };
    if let Some(problem) = conflict(state, customer.account, &address, web.as_ref()).await? {
        if let Some((order, _)) = own_order(state, customer, address.domain()).await? {
            let (address, href) = (address.display().to_owned(), format!("/orders/{}", order.id));
            return Ok(AddressCheck { state: "yours", address, href, ..AddressCheck::default() });
        }
        return Ok(told(words, address.display().to_owned(), &[problem]));
    }
    Ok(AddressCheck {
        state: if address.kind() == AddressKind::Hosted { "free" } else { "own" },
        address: address.display().to_owned(),
        ascii: if address.domain() == address.display() { String::new() } else { address.domain().to_owned() },
        reason: String::new(),
        warnings: warnings(words, &address, web.as_ref()),
        href: String::new(),
    })
}

/// The first thing that is wrong.
fn told(words: &Words, address: String, problems: &[AddressProblem]) -> AddressCheck {
    let Some(problem) = problems.iter().find(|problem| problem.severity() == Severity::Refuse) else {
        return AddressCheck::default();
    };
    let state = match (&problem.fault, problem.field) {
        (AddressFault::Taken(_), AddressField::Address) => "taken",
        (AddressFault::Reserved(_) | AddressFault::LooksReserved(_), _) => "reserved",
        (AddressFault::LooksTaken(_) | AddressFault::LooksLikeHost(_), _) => "look_alike",
        _ => "invalid",
    };
    AddressCheck { state, address, reason: words.said(problem.key(), &problem.args()), ..AddressCheck::default() }
}

/// What should be known before going on: trademark, mixed alphabets.
pub(in crate::web) fn warnings(words: &Words, address: &Address, web: Option<&WebDomain>) -> Vec<String> {
    let of_web = web.map(WebDomain::warnings).unwrap_or_default();
    address.warnings().iter().chain(of_web).map(|problem| words.said(problem.key(), &problem.args())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::address::AddressRules;

    #[test]
    fn an_answer_is_kept_clean_and_the_rest_of_the_draft_stays() {
        let rules = AddressRules::new("paddock.social");
        let before = Draft { plan: "family".to_owned(), web_domain: "old.example.org".to_owned(), ..Draft::default() };
        let hosted = Address::parse_name(" https://Harbour.paddock.social/ ", &rules).unwrap();
        let draft = answered(before.clone(), "paddock.social", &hosted, None);
        assert_eq!((draft.kind.as_str(), draft.name.as_str(), draft.web_domain.as_str()), ("hosted", "harbour", ""));
        assert_eq!(draft.plan, "family");
        let own = Address::parse_own("Bücher.example.org", &rules).unwrap();
        let draft = answered(before, "paddock.social", &own, None);
        assert_eq!((draft.kind.as_str(), draft.name.as_str(), draft.domain.as_str()), ("own", "", "xn--bcher-kva.example.org"));
        assert_eq!(AddressForm::of(&draft).domain, "bücher.example.org");
    }

    #[test]
    fn the_first_refusal_is_told_not_a_warning() {
        let rules = AddressRules::new("paddock.social");
        let problems = Address::parse_name("-mastodon-", &rules).unwrap_err();
        let check = told(&Words::english(), "-mastodon-.paddock.social".to_owned(), &problems);
        assert_eq!(check.state, "invalid");
        assert!(check.reason.contains("hyphen"), "{check:?}");
        let reserved = Address::parse_name("admin", &rules).unwrap_err();
        assert_eq!(told(&Words::english(), String::new(), &reserved).state, "reserved");
    }
}
