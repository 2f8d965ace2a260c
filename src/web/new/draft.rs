//! The answers of the order path so far. They travel in one signed cookie, so an unfinished order costs no row, survives a log-in, and
//! is gone a day later. Whoever needs them checks them again: rules, catalogue and releases may have changed meanwhile.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::account::email::EmailAddress;
use crate::billing::NewOrder;
use crate::instance::address::{Address, AddressKind, AddressProblem, AddressRules, Severity, WebDomain};
use crate::instance::owner::OwnerName;
use crate::plan::{Interval, Plan};
use crate::web::AppState;
use crate::web::page::FieldErrors;
use crate::web::signed;
use crate::words::Words;

const COOKIE: &str = "paddock_draft";
const LIFETIME: cookie::time::Duration = cookie::time::Duration::days(1);

/// What was answered, as typed or cleaned; empty where nothing was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Draft {
    /// `hosted` for a name under the host's domain, `own` for a domain that the customer brings.
    pub kind: String,
    /// The name, when hosted.
    pub name: String,
    /// The domain, when own.
    pub domain: String,
    /// `WEB_DOMAIN`, for own domains only.
    pub web_domain: String,
    /// User name of the owner's Mastodon account.
    pub owner_username: String,
    /// Their mail address.
    pub owner_email: String,
    /// Code of the plan.
    pub plan: String,
    /// `month` or `year`.
    pub interval: String,
}

/// A whole draft whose every answer is good: all that an order needs.
#[derive(Debug)]
pub(in crate::web) struct Checked<'a> {
    /// What is bought.
    pub plan: &'a Plan,
    /// How often it is paid.
    pub interval: Interval,
    /// `LOCAL_DOMAIN`.
    pub address: Address,
    /// `WEB_DOMAIN`, when it differs.
    pub web_domain: Option<WebDomain>,
    /// User name of the owner.
    pub owner: OwnerName,
    /// Their mail address.
    pub email: EmailAddress,
    skeleton: String,
    email_text: String,
}

impl Checked<'_> {
    /// The order, with Stripe's page open for so many minutes.
    pub fn new_order(&self, checkout_minutes: i64) -> NewOrder<'_> {
        NewOrder {
            plan: self.plan,
            interval: self.interval,
            domain: self.address.domain(),
            skeleton: &self.skeleton,
            hosted: self.address.kind() == AddressKind::Hosted,
            web_domain: self.web_domain.as_ref().map(WebDomain::domain),
            owner_username: self.owner.as_str(),
            owner_email: &self.email_text,
            locale: "en",
            checkout_minutes,
        }
    }
}

/// The rules for addresses of this host.
pub(in crate::web) fn address_rules(state: &AppState) -> AddressRules {
    AddressRules {
        hosts_domain: state.host.domain.clone(),
        other_domains: state.host.base_url.host_str().map(str::to_owned).into_iter().collect(),
        allow_test: state.trial,
    }
}

/// Everything that is needed for an order, or every fault by field: `kind`, `name`, `domain`, `web_domain`, `owner_name`,
/// `owner_email`, `plan`, `period`. Looks nothing up: whether the address is free, the database decides.
pub(in crate::web) fn check_draft<'a>(words: &Words, state: &'a AppState, draft: &Draft) -> Result<Checked<'a>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let address = keep(check_address(words, &address_rules(state), draft), &mut errors);
    let owner = keep(check_owner(words, draft), &mut errors);
    let plan = keep(check_plan(words, state, draft), &mut errors);
    let (Some((address, web_domain)), Some((owner, email)), Some((plan, interval))) = (address, owner, plan) else {
        return Err(errors);
    };
    let (skeleton, email_text) = (address.skeleton(), email.smtp());
    Ok(Checked { plan, interval, address, web_domain, owner, email, skeleton, email_text })
}

fn keep<T>(checked: Result<T, FieldErrors>, errors: &mut FieldErrors) -> Option<T> {
    checked.map_err(|found| errors.list.extend(found.list)).ok()
}

/// The answer to the first question.
pub(in crate::web) fn check_address(
    words: &Words,
    rules: &AddressRules,
    draft: &Draft,
) -> Result<(Address, Option<WebDomain>), FieldErrors> {
    let mut errors = FieldErrors::default();
    let (field, address) = match draft.kind.as_str() {
        "hosted" => ("name", Address::parse_name(&draft.name, rules)),
        "own" => ("domain", Address::parse_own(&draft.domain, rules)),
        _ => {
            errors.add("kind", words.t1("form-kind", "domain", &rules.hosts_domain));
            return Err(errors);
        }
    };
    let address = address.map_err(|problems| note(words, &mut errors, field, &problems)).ok();
    let wanted = draft.web_domain.trim();
    let web_domain = match &address {
        _ if wanted.is_empty() => None,
        _ if draft.kind == "hosted" => {
            errors.add("web_domain", words.t("form-web-domain-hosted"));
            None
        }
        Some(address) => {
            WebDomain::parse(wanted, address, rules).map_err(|problems| note(words, &mut errors, "web_domain", &problems)).ok()
        }
        None => None,
    };
    match address {
        Some(address) if errors.is_empty() => Ok((address, web_domain)),
        _ => Err(errors),
    }
}

/// What is wrong, without what is only worth a warning.
fn note(words: &Words, errors: &mut FieldErrors, field: &str, problems: &[AddressProblem]) {
    for problem in problems.iter().filter(|problem| problem.severity() == Severity::Refuse) {
        errors.add(field, words.said(problem.key(), &problem.args()));
    }
}

/// The answer to the question for the owner.
pub(super) fn check_owner(words: &Words, draft: &Draft) -> Result<(OwnerName, EmailAddress), FieldErrors> {
    let mut errors = FieldErrors::default();
    let owner = OwnerName::parse(&draft.owner_username).map_err(|problems| {
        for problem in problems {
            errors.add("owner_name", words.said(problem.key(), &problem.args()));
        }
    });
    let email = EmailAddress::parse(&draft.owner_email)
        .map_err(|problem| errors.add("owner_email", words.said(problem.key(), &problem.args())));
    match (owner, email) {
        (Ok(owner), Ok(email)) => Ok((owner, email)),
        _ => Err(errors),
    }
}

/// The answer to the question for the plan.
pub(super) fn check_plan<'a>(words: &Words, state: &'a AppState, draft: &Draft) -> Result<(&'a Plan, Interval), FieldErrors> {
    let mut errors = FieldErrors::default();
    let plan = state.catalogue.offered().find(|plan| plan.code == draft.plan);
    if plan.is_none() {
        errors.add("plan", words.t("form-plan-missing"));
    }
    let interval = Interval::from_word(&draft.interval);
    if interval.is_none() {
        errors.add("period", words.t("form-period-missing"));
    }
    plan.zip(interval).ok_or(errors)
}

/// The page that asks for the first field that is wrong.
pub(in crate::web) fn question_of(errors: &FieldErrors) -> &'static str {
    let asked = |fields: &[&str]| errors.list.iter().any(|error| fields.contains(&error.field.as_str()));
    if asked(&["kind", "name", "domain", "web_domain"]) {
        "/new/address"
    } else if asked(&["owner_name", "owner_email"]) {
        "/new/owner"
    } else {
        "/new/plan"
    }
}

/// The draft that the browser carries; `None` without one, or when it is not from us.
pub(in crate::web) fn read_draft(state: &AppState, headers: &HeaderMap) -> Option<Draft> {
    serde_json::from_slice(&signed::read(state, headers, COOKIE)?).ok()
}

/// The header that makes the browser carry `draft`.
pub(in crate::web) fn write_draft(state: &AppState, draft: &Draft) -> (HeaderName, HeaderValue) {
    let text = serde_json::to_vec(draft).unwrap_or_default();
    signed::write(state, COOKIE, &text, LIFETIME)
}

/// The header that makes the browser forget it: somebody logs out. An order that is placed leaves it there, to order again from.
pub(in crate::web) fn forget_draft(state: &AppState) -> (HeaderName, HeaderValue) {
    signed::forget(state, COOKIE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AddressRules {
        AddressRules { other_domains: vec!["pages.example.net".to_owned()], ..AddressRules::new("paddock.social") }
    }

    fn draft(kind: &str, name: &str, domain: &str, web_domain: &str) -> Draft {
        let own = |text: &str| text.to_owned();
        Draft { kind: own(kind), name: own(name), domain: own(domain), web_domain: own(web_domain), ..Draft::default() }
    }

    /// Field that is named, if any.
    fn wrong(draft: &Draft) -> Option<String> {
        check_address(&Words::english(), &rules(), draft).err().map(|errors| {
            assert!(errors.list.iter().all(|error| !error.text.is_empty() && error.text.contains(' ')), "{errors:?}");
            errors.list[0].field.clone()
        })
    }

    #[test]
    fn each_fault_of_an_address_names_its_field() {
        let cases = [
            (draft("hosted", "harbour", "", ""), None),
            (draft("own", "", "harbour.org", ""), None),
            (draft("own", "", "harbour.org", "social.harbour.org"), None),
            (draft("hosted", "mastodon-friends", "", ""), None),
            (draft("", "harbour", "", ""), Some("kind")),
            (draft("other", "harbour", "", ""), Some("kind")),
            (draft("hosted", "", "harbour.org", ""), Some("name")),
            (draft("hosted", "a", "", ""), Some("name")),
            (draft("hosted", "admin", "", ""), Some("name")),
            (draft("hosted", "harbour", "", "social.harbour.org"), Some("web_domain")),
            (draft("own", "harbour", "", ""), Some("domain")),
            (draft("own", "", "pages.example.net", ""), Some("domain")),
            (draft("own", "", "x.paddock.social", ""), Some("domain")),
            (draft("own", "", "harbour.org", "harbour.org"), Some("web_domain")),
            (draft("own", "", "harbour.org", "10.0.0.1"), Some("web_domain")),
        ];
        for (draft, field) in cases {
            assert_eq!(wrong(&draft).as_deref(), field, "{draft:?}");
        }
    }

    #[test]
    fn owner_and_mail_are_both_told() {
        let draft = Draft { owner_username: "a b".to_owned(), owner_email: "nobody".to_owned(), ..Draft::default() };
        let errors = check_owner(&Words::english(), &draft).unwrap_err();
        assert!(!errors.text("owner_name").is_empty() && !errors.text("owner_email").is_empty(), "{errors:?}");
    }

    #[test]
    fn the_first_question_comes_first() {
        let asked = |fields: &[&str]| {
            let mut errors = FieldErrors::default();
            for field in fields {
                errors.add(field, "wrong");
            }
            question_of(&errors)
        };
        assert_eq!(asked(&["plan", "owner_name", "web_domain"]), "/new/address");
        assert_eq!(asked(&["plan", "owner_email"]), "/new/owner");
        assert_eq!(asked(&["period"]), "/new/plan");
    }

    #[test]
    fn a_cookie_of_an_older_version_still_reads() {
        let old: Draft = serde_json::from_str(r#"{"kind":"hosted","gone":"x"}"#).unwrap();
        assert_eq!(old, Draft { kind: "hosted".to_owned(), ..Draft::default() });
    }
}
