//! What every page needs, and how a page becomes an answer.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::error::{FieldError, WebError};
use super::session::{Caller, Glass};
use super::{AppState, assets, csrf, signed};
use crate::account::Role;
use crate::words::Words;

/// What every page needs, whoever looks at it. An empty text means "none".
#[derive(Debug, Clone)]
pub(super) struct PageContext {
    /// Words of the page's language.
    pub w: Words,
    /// The host's name.
    pub brand: String,
    /// BCP 47 tag of that language.
    pub lang: String,
    /// Path of the request.
    pub path: String,
    /// What the navigation marks as current.
    pub section: String,
    /// Server's time, RFC 3339: the script counts by it.
    pub now: String,
    /// Token for the hidden field `csrf`.
    pub csrf: String,
    /// One-time messages from the redirect before.
    pub flash: Vec<Flash>,
    /// Address of who is signed in.
    pub email: String,
    /// Whether that is one of the host's people.
    pub staff: bool,
    /// What stands above everything while staff look into a customer's account.
    pub glass: String,
    /// Whether whoever is signed in may order servers: the way there is shown to nobody else.
    pub may_order: bool,
    /// Whether they may pay for orders, give them up and leave the waiting list.
    pub may_pay: bool,
    /// Where the pages are, without a slash at the end.
    pub base_url: String,
    /// Whom to write to when stuck.
    pub support_email: String,
    /// Hash of the assets, so that they can be cached for a year.
    pub asset_version: String,
    /// Headers that go out with the page: a first browser cookie, a used-up flash.
    pub set_cookies: Vec<HeaderValue>,
}

/// A one-time message. `kind` is `done` or `failed`.
#[derive(Debug, Clone)]
pub(super) struct Flash {
    /// How it is shown.
    pub kind: String,
    /// What it says.
    pub text: String,
}

const FLASH: &str = "paddock_flash";

impl PageContext {
    /// For a request with these headers.
    pub fn new(state: &AppState, headers: &HeaderMap, path: &str, caller: &Caller) -> Self {
        let accepted =
            || Words::accepted(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default());
        let words = match caller {
            Caller::Customer(customer) => Words::of(&customer.person.locale),
            Caller::Nobody | Caller::Staff(_) => accepted(),
        };
        let (browser, cookie) = csrf::browser(state, headers);
        let mut set_cookies: Vec<_> = cookie.into_iter().collect();
        let mut flash = Vec::new();
        if signed::is_there(state, headers, FLASH) {
            set_cookies.push(signed::forget(state, FLASH).1);
            flash.extend(signed::read(state, headers, FLASH).and_then(|text| read_flash(&words, text)));
        }
        let (email, staff, role) = match caller {
            Caller::Nobody => (String::new(), false, None),
            Caller::Customer(customer) => {
                let email = customer.glass.as_ref().map_or(&customer.person.email, |glass| &glass.email);
                (email.clone(), false, Some(customer.role))
            }
            Caller::Staff(colleague) => (colleague.member.email.clone(), true, None),
        };
        let glass = match caller {
            Caller::Customer(customer) => customer.glass.as_ref().map(|glass| banner(&words, glass)).unwrap_or_default(),
            Caller::Nobody | Caller::Staff(_) => String::new(),
        };
        Self {
            brand: state.host.name.clone(),
            glass,
            lang: words.language(),
            w: words,
            path: path.to_owned(),
            section: section(path).to_owned(),
            now: state.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            csrf: csrf::token(state, &browser),
            flash,
            email,
            staff,
            may_order: role >= Some(Role::Admin),
            may_pay: role >= Some(Role::Billing),
            base_url: state.host.base_url.as_str().trim_end_matches('/').to_owned(),
            support_email: state.host.support.clone(),
            asset_version: assets::version().to_owned(),
            set_cookies,
        }
    }
}

/// That staff look into an account, for what, until when, and whether they may change anything.
fn banner(words: &Words, glass: &Glass) -> String {
    let key = if glass.access.may_change() { "glass-changes" } else { "glass-reads" };
    words.t2(key, "until", glass.access.ends_at.format("%-H:%M UTC"), "ticket", &glass.access.ticket)
}

impl PageContext {
    /// The same for somebody who is nobody any more.
    pub fn signed_out(self) -> Self {
        Self { email: String::new(), may_order: false, may_pay: false, ..self }
    }
}

impl FromRequestParts<AppState> for PageContext {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self::new(state, &parts.headers, parts.uri.path(), &caller))
    }
}

fn section(path: &str) -> &'static str {
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        [""] => "home",
        ["plans"] => "plans",
        ["status"] => "status",
        ["instances" | "orders", ..] => "instances",
        ["new", ..] => "new",
        ["account", ..] => "account",
        ["log-in"] => "log_in",
        ["sign-up"] => "sign_up",
        ["staff"] => "staff",
        ["staff", "instances", ..] => "staff_instances",
        ["staff", "orders", ..] => "staff_orders",
        ["staff", "rollouts" | "releases", ..] => "staff_rollouts",
        ["staff", "clusters", ..] => "staff_clusters",
        ["staff", "customers", ..] => "staff_customers",
        ["staff", "queue", ..] => "staff_queue",
        ["staff", "incidents", ..] => "staff_incidents",
        ["staff", "alerts" | "runbooks", ..] => "staff_alerts",
        _ => "",
    }
}

/// The header that shows a message on the next page. `key` is a word of the locale files; the cookie is signed, so nobody can make
/// our pages say something else.
pub(super) fn flash(state: &AppState, kind: &str, key: &str) -> (header::HeaderName, HeaderValue) {
    signed::write(state, FLASH, format!("{kind} {key}").as_bytes(), cookie::time::Duration::minutes(5))
}

/// [`flash`] for a word with a number in it, its `$n`.
pub(super) fn flash_number(state: &AppState, kind: &str, key: &str, n: i64) -> (header::HeaderName, HeaderValue) {
    flash(state, kind, &format!("{key} {n}"))
}

fn read_flash(words: &Words, text: Vec<u8>) -> Option<Flash> {
    let text = String::from_utf8(text).ok()?;
    let (kind, said) = text.split_once(' ')?;
    let text = match said.split_once(' ') {
        Some((key, n)) => words.t1(key, "n", n),
        None => words.t(said),
    };
    Some(Flash { kind: kind.to_owned(), text })
}

/// What was wrong with a form, in the order of its fields.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldErrors {
    /// The faults; `field` is also the id of the input.
    pub list: Vec<FieldError>,
}

impl FieldErrors {
    /// Notes a fault.
    pub fn add(&mut self, field: &str, text: impl Into<String>) {
        self.list.push(FieldError { field: field.to_owned(), text: text.into() });
    }

    /// What is wrong with a field; empty when it is right.
    pub fn text(&self, field: &str) -> &str {
        self.list.iter().find(|error| error.field == field).map_or("", |error| &error.text)
    }

    /// Whether all is right.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// One of several, for the macro `select`.
pub(super) struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

impl Choice {
    pub fn new(value: impl std::fmt::Display, label: impl Into<String>, chosen: bool) -> Self {
        Self { value: format!("{value}"), label: label.into(), chosen }
    }
}

/// State as a word, for the macro `state`. `kind` (`waiting`, `doing`, `done` or `failed`) is the shape of its mark, `detail` a date or a
/// reason; it may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StateView {
    pub kind: &'static str,
    pub word: String,
    pub detail: String,
}

impl StateView {
    /// A state whose word has the key `key`.
    pub fn new(words: &Words, kind: &'static str, key: &str, detail: impl Into<String>) -> Self {
        Self { kind, word: words.t(key), detail: detail.into() }
    }
}

/// One row of a definition list, for the macro `facts`. `change` leads to where the value can be changed, `href` makes the value a link;
/// both may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fact {
    pub label: String,
    pub value: String,
    pub href: String,
    pub change: String,
}

impl Fact {
    /// A fact that leads nowhere; `key` is its label's.
    pub fn new(words: &Words, key: &str, value: impl Into<String>) -> Self {
        Self { label: words.t(key), value: value.into(), ..Self::default() }
    }
}

/// The error page.
#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage {
    pub page: PageContext,
    pub title: String,
    pub text: String,
    pub way_out: String,
    pub way_out_label: String,
    pub reference: String,
}

/// A page: a template that holds a [`PageContext`].
pub(super) trait Page: Template {
    /// Its context.
    fn context(&self) -> &PageContext;
}

/// Writes `Page` for structs whose context is the field `page`.
macro_rules! pages {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::web::page::Page for $name {
            fn context(&self) -> &$crate::web::page::PageContext {
                &self.page
            }
        }
    )+};
}
pub(super) use pages;

pages!(ErrorPage);

/// The page as the answer to a form that was refused: what was typed and what is wrong with it.
pub(super) fn refused(page: &impl Page) -> Result<Response, askama::Error> {
    let mut response = html(page)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The page as an answer, with the cookies that its context brought up.
pub(super) fn html(page: &impl Page) -> Result<Response, askama::Error> {
    let mut response = Html(page.render()?).into_response();
    for cookie in &page.context().set_cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    // Pages hold tokens and what belongs to one account: nobody in between may keep them.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
