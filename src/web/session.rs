//! Who calls: the guard in front of every handler, and the extractors that hand a handler only what the caller may have.

use std::borrow::Cow;

use axum::RequestPartsExt as _;
use axum::extract::{FromRequestParts, Path, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use cookie::{Cookie, SameSite};
use sqlx::PgConnection;

use super::access::Access;
use super::error::WebError;
use super::limit::Standing;
use super::origin::Origin;
use super::{AppState, csrf, once};
use crate::account::hook::{self, DeliveryRow, Endpoint};
use crate::account::session::{self, Kind, PROVEN_FOR, SessionSecret, Subject};
use crate::account::token::{Bearer, TokenScope};
use crate::account::{self, Person, Role, StaffMember, access, token};
use crate::audit::Actor;
use crate::billing::{self, Order};
use crate::crypto;
use crate::ids::{AccountId, ArchiveId, HookDeliveryId, HookEndpointId, InstanceId, OrderId, PersonId, RunId};
use crate::instance::export::{self, ServerArchive};
use crate::instance::run::{self, Run};
use crate::instance::{self, Instance};

/// Who calls. The guard puts it into the request's extensions.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Nobody that we know.
    Nobody,
    /// A customer.
    Customer(Customer),
    /// One of the host's people.
    Staff(Colleague),
}

/// One of the host's people who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Colleague {
    /// Who.
    pub member: StaffMember,
    /// When they last showed who they are.
    pub proven_at: DateTime<Utc>,
}

/// A customer who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    /// Who.
    pub person: Person,
    /// The account that they act for.
    pub account: AccountId,
    /// As what.
    pub role: Role,
    /// When they last showed who they are. A program never does.
    pub proven_at: Option<DateTime<Utc>>,
    /// One of the staff who looks into the account. `person` is its owner then, whose view they have, and who does nothing.
    pub glass: Option<Box<Glass>>,
}

/// Staff who look into a customer's account.
#[derive(Debug, Clone)]
pub(super) struct Glass {
    /// Why, until when, and what they may do.
    pub access: access::Access,
    /// Their address.
    pub email: String,
}

impl Customer {
    /// For the audit log.
    pub fn actor(&self) -> Actor {
        self.glass.as_ref().map_or(Actor::Person(self.person.id), |glass| Actor::Staff(glass.access.staff))
    }

    /// Which of the account's people they are; none of them for staff who look into it.
    pub fn me(&self) -> Option<PersonId> {
        self.glass.is_none().then_some(self.person.id)
    }

    /// Whether they may do what asks for having shown who they are a short while ago.
    pub fn is_fresh(&self, state: &AppState) -> bool {
        self.proven_at.is_some_and(|at| state.clock.now() - at < PROVEN_FOR)
    }
}

/// In front of every handler: finds out who calls, refuses who may not, and refuses forged forms.
pub(super) async fn guard(
    State((state, access)): State<(AppState, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, WebError> {
    let api = request.uri().path().starts_with("/api/");
    if access == Access::Webhook {
        return Ok(next.run(request).await);
    }
    let (caller, reach) = match token(&state, request.headers(), api).await? {
        Some((customer, bearer)) => (Caller::Customer(customer), Some(bearer)),
        None => (find(&state, request.headers(), request.uri().path()).await?, None),
    };
    if !api {
        return admit(&state, access, caller, reach, request, next).await;
    }
    let (mut parts, body) = request.into_parts();
    let standing = limited(&state, &mut parts, &caller).await?;
    request = Request::from_parts(parts, body);
    let answer = match standing.left {
        Some(_) => admit(&state, access, caller, reach, request, next).await,
        None => Err(WebError::TooOften { seconds: standing.seconds }),
    };
    let mut answer = answer.unwrap_or_else(WebError::into_response);
    standing.write(answer.headers_mut());
    Ok(answer)
}

/// Counts a call of the API: for whom we know by what they showed, for others by their network.
async fn limited(state: &AppState, parts: &mut Parts, caller: &Caller) -> Result<Standing, WebError> {
    let known = match caller {
        Caller::Customer(_) | Caller::Staff(_) => bearer(&parts.headers),
        Caller::Nobody => None,
    };
    let who = match known {
        Some(secret) => secret,
        None => Origin::from_request_parts(parts, state).await?.network.to_string(),
    };
    Ok(state.limits.take(crypto::sha256(who.as_bytes()), state.clock.now()))
}

/// Lets those in who may come in.
async fn admit(
    state: &AppState,
    access: Access,
    caller: Caller,
    reach: Option<Bearer>,
    mut request: Request,
    next: Next,
) -> Result<Response, WebError> {
    let api = request.uri().path().starts_with("/api/");
    if let Some(bearer) = reach {
        reaches(access, &bearer, request.method(), request.uri().path())?;
    }
    // Whoever has to log in first comes back to the page, with what its address says behind the question mark: that they have paid, say.
    // A form that was sent can't be sent again by a link.
    let asked = request.uri().path_and_query().filter(|_| request.method() == Method::GET);
    let back_to = asked.map_or("/instances", PathAndQuery::as_str);
    let caller = through_glass(state, access, caller, request.method(), request.uri().path()).await?;
    allow(access, &caller, api, back_to)?;
    fresh(state, access, &caller, &request, api)?;
    if !api {
        request = csrf::check(state, request).await?;
    }
    request.extensions_mut().insert(caller.clone());
    if api { once::run(state, access, &caller, request, next).await } else { Ok(next.run(request).await) }
}

fn allow(access: Access, caller: &Caller, api: bool, back_to: &str) -> Result<(), WebError> {
    let sign_in = || if api { WebError::Unauthenticated } else { WebError::LogIn { back_to: back_to.to_owned() } };
    match (access, caller) {
        (Access::Public | Access::Webhook, _) | (Access::SignedIn, Caller::Customer(_)) => Ok(()),
        (Access::Member(least) | Access::Fresh(least), Caller::Customer(customer)) => {
            if customer.role >= least {
                Ok(())
            } else {
                Err(WebError::Forbidden)
            }
        }
        (Access::SignedIn | Access::Member(_) | Access::Fresh(_), Caller::Nobody | Caller::Staff(_)) => Err(sign_in()),
        (Access::Staff(scope) | Access::FreshStaff(scope), Caller::Staff(colleague)) => {
            if colleague.member.may(scope) {
                Ok(())
            } else {
                Err(WebError::Forbidden)
            }
        }
        (Access::Staff(_) | Access::FreshStaff(_), Caller::Nobody) => Err(WebError::StaffLogIn),
        // To a customer the staff's pages do not exist.
        (Access::Staff(_) | Access::FreshStaff(_), Caller::Customer(_)) => Err(WebError::NotFound),
    }
}

/// What of a customer's pages is there for staff who look into the account: what its members read and, if they were let, change. Nothing that is a
/// person's own, nothing that asks for proof, nothing that concerns the account itself. Each page is noted in the account's log.
async fn through_glass(
    state: &AppState,
    access: Access,
    caller: Caller,
    method: &Method,
    path: &str,
) -> Result<Caller, WebError> {
    let Caller::Customer(customer) = &caller else { return Ok(caller) };
    let Some(glass) = &customer.glass else { return Ok(caller) };
    let look = &glass.access;
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match access {
        // What anybody may send, they send as anybody.
        Access::Public | Access::Webhook => Ok(if reads { caller } else { Caller::Nobody }),
        Access::Member(least) if customer.role >= least && (reads || look.may_change()) => {
            // What a page asks for by itself, again and again, is no look.
            if !(reads && path.ends_with("/live")) {
                let mut conn = state.db.auth().acquire().await?;
                access::note(&mut conn, state.clock.as_ref(), look, method.as_str(), path).await?;
            }
            Ok(caller)
        }
        Access::SignedIn | Access::Member(_) | Access::Fresh(_) | Access::Staff(_) | Access::FreshStaff(_) => {
            Err(WebError::ThroughGlass)
        }
    }
}

/// Where a route asks for it, whoever calls has shown who they are a short while ago. From the page that does that they come back to the one
/// that they were on: a form that was sent can't be sent again by a link.
fn fresh(state: &AppState, access: Access, caller: &Caller, request: &Request, api: bool) -> Result<(), WebError> {
    let back_to = |otherwise: &str| {
        let here = || request.uri().path().to_owned();
        let before = || page_before(state, request.headers()).unwrap_or_else(|| otherwise.to_owned());
        if request.method() == Method::GET { here() } else { before() }
    };
    match (access, caller) {
        (Access::Fresh(_), Caller::Customer(customer)) if !customer.is_fresh(state) => {
            if api {
                Err(WebError::Stale)
            } else {
                Err(WebError::StepUp { back_to: back_to("/instances") })
            }
        }
        (Access::FreshStaff(_), Caller::Staff(colleague)) if state.clock.now() - colleague.proven_at >= PROVEN_FOR => {
            Err(WebError::StaffStepUp { back_to: back_to("/staff") })
        }
        (
            Access::Public
            | Access::SignedIn
            | Access::Member(_)
            | Access::Fresh(_)
            | Access::Staff(_)
            | Access::FreshStaff(_)
            | Access::Webhook,
            Caller::Nobody | Caller::Customer(_) | Caller::Staff(_),
        ) => Ok(()),
    }
}

/// The customer for whom a program calls with a token, and what the token is good for.
async fn token(state: &AppState, headers: &HeaderMap, api: bool) -> Result<Option<(Customer, Bearer)>, WebError> {
    let Some(text) = bearer(headers).filter(|text| api && text.starts_with(token::PREFIX)) else { return Ok(None) };
    let mut conn = state.db.auth().acquire().await?;
    let Some(bearer) = token::find(&mut conn, state.clock.as_ref(), &text).await? else { return Ok(None) };
    let person = account::find_person(&mut conn, bearer.person).await?;
    let role = account::role_in(&mut conn, bearer.person, bearer.account).await?;
    let (Some(person), Some(role)) = (person, role) else { return Ok(None) };
    // What concerns the account itself is for people.
    let role = role.min(Role::Admin);
    Ok(Some((Customer { person, account: bearer.account, role, proven_at: None, glass: None }, bearer)))
}

/// Below these somebody's own affairs are, which are nothing to a program.
const PERSONAL: [&str; 2] = ["/api/v1/sessions", "/api/v1/tokens"];

/// Whether a path is one of those.
pub(super) fn is_personal(path: &str) -> bool {
    PERSONAL.iter().any(|below| path.starts_with(below))
}

/// Whether a token is good for a route. The role of its person is asked for besides, as that of everybody.
fn reaches(access: Access, bearer: &Bearer, method: &Method, path: &str) -> Result<(), WebError> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let personal = is_personal(path);
    // A token for one server opens nothing but what is below that server.
    let here = bearer.instance.is_none_or(|instance| {
        let named = path.strip_prefix("/api/v1/instances/").and_then(|rest| rest.split('/').next());
        named.and_then(|text| text.parse().ok()) == Some(instance)
    });
    let may = match access {
        Access::Public | Access::Webhook => true,
        Access::SignedIn => reads && !personal && here,
        Access::Member(_) => (reads || bearer.scope >= TokenScope::Manage) && here,
        Access::Fresh(_) | Access::Staff(_) | Access::FreshStaff(_) => false,
    };
    if may { Ok(()) } else { Err(WebError::OutOfReach) }
}

/// The page of ours that a form was on, by what the browser says.
fn page_before(state: &AppState, headers: &HeaderMap) -> Option<String> {
    let url: url::Url = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    (url.origin() == state.host.base_url.origin()).then(|| url.path().to_owned())
}

/// Who calls, by cookie or, for the API, by bearer token. Outside their own pages staff may be looking into an account.
pub(super) async fn find(state: &AppState, headers: &HeaderMap, path: &str) -> Result<Caller, WebError> {
    let api = path.starts_with("/api/");
    let (secret, kind) = if api { (bearer(headers), Kind::Api) } else { (session_cookie(state, headers), Kind::Browser) };
    let Some(secret) = secret else { return Ok(Caller::Nobody) };
    let mut conn = state.db.auth().acquire().await?;
    let Some(session) = session::find(&mut conn, state.clock.as_ref(), &secret, kind).await? else { return Ok(Caller::Nobody) };
    Ok(match session.subject {
        Subject::Person { person, account } => {
            let found = account::find_person(&mut conn, person).await?;
            match (found, account::role_in(&mut conn, person, account).await?) {
                (Some(person), Some(role)) => {
                    Caller::Customer(Customer { person, account, role, proven_at: Some(session.proven_at), glass: None })
                }
                (Some(_) | None, _) => Caller::Nobody,
            }
        }
        Subject::Staff(id) => {
            let Some(member) = account::find_admitted_staff(&mut conn, id).await? else { return Ok(Caller::Nobody) };
            let own = path == "/staff" || path.starts_with("/staff/");
            match glass_cookie(state, headers).filter(|_| !own) {
                Some(secret) => look_in(&mut conn, state, member, session.proven_at, &secret).await?,
                None => Caller::Staff(Colleague { member, proven_at: session.proven_at }),
            }
        }
    })
}

/// Staff as the account sees them that they look into; as themselves, when that is over. They read like a viewer and, if they were let, change like
/// an admin.
async fn look_in(
    conn: &mut PgConnection,
    state: &AppState,
    member: StaffMember,
    proven_at: DateTime<Utc>,
    secret: &str,
) -> Result<Caller, WebError> {
    let found = access::find(conn, state.clock.as_ref(), member.id, secret).await?;
    let Some(access) = found else { return Ok(Caller::Staff(Colleague { member, proven_at })) };
    let Some(person) = access::owner_of(conn, access.account).await? else { return Ok(Caller::Nobody) };
    let role = if access.may_change() { Role::Admin } else { Role::Viewer };
    let (account, glass) = (access.account, Box::new(Glass { access, email: member.email }));
    Ok(Caller::Customer(Customer { person, account, role, proven_at: None, glass: Some(glass) }))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The bearer token of the request, for ending its session.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<String> {
    bearer(headers)
}

/// `__Host-` cookies need https; a trial on this machine has none.
fn cookie_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_session" } else { "__Host-paddock_session" }
}

fn glass_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_glass" } else { "__Host-paddock_glass" }
}

/// The secret of the look into an account that goes on in this browser.
pub(super) fn glass_cookie(state: &AppState, headers: &HeaderMap) -> Option<String> {
    cookie_value(headers, glass_name(state))
}

/// The header that begins one, or ends it where the secret is empty.
pub(super) fn set_glass(state: &AppState, secret: &str) -> HeaderValue {
    let lasts = if secret.is_empty() { 0 } else { access::LONGEST.num_minutes() };
    set_cookie(state, glass_name(state), secret, cookie::time::Duration::minutes(lasts))
}

/// The value of a cookie of the request.
pub(super) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

/// The secret of the browser's session.
pub(super) fn session_cookie(state: &AppState, headers: &HeaderMap) -> Option<String> {
    cookie_value(headers, cookie_name(state))
}

/// A cookie of ours. Lax, so that people who come back from Stripe's page are still signed in.
pub(super) fn set_cookie(
    state: &AppState,
    name: impl Into<Cow<'static, str>>,
    value: &str,
    max_age: cookie::time::Duration,
) -> HeaderValue {
    let cookie = Cookie::build((name, value.to_owned()))
        .path("/")
        .http_only(true)
        .secure(!state.trial)
        .same_site(SameSite::Lax)
        .max_age(max_age)
        .build();
    HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The header that begins a session in the browser.
pub(super) fn begin_cookie(state: &AppState, secret: &SessionSecret) -> HeaderValue {
    set_cookie(state, cookie_name(state), secret.expose(), cookie::time::Duration::days(30))
}

/// The header that ends it.
pub(super) fn end_cookie(state: &AppState) -> HeaderValue {
    set_cookie(state, cookie_name(state), "", cookie::time::Duration::ZERO)
}

/// What the guard found; a handler without the guard is a fault of ours.
fn caller(parts: &Parts) -> Result<Caller, WebError> {
    parts.extensions.get::<Caller>().cloned().ok_or(WebError::Internal("a handler ran without the guard".to_owned()))
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, WebError> {
        caller(parts)
    }
}

impl FromRequestParts<AppState> for Customer {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, WebError> {
        match caller(parts)? {
            Caller::Customer(customer) => Ok(customer),
            Caller::Nobody | Caller::Staff(_) => Err(WebError::Unauthenticated),
        }
    }
}

/// A customer whose address is proven: only they may order.
#[derive(Debug, Clone)]
pub(super) struct Verified(pub Customer);

impl FromRequestParts<AppState> for Verified {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let customer = Customer::from_request_parts(parts, state).await?;
        if customer.person.verified_at.is_some() { Ok(Self(customer)) } else { Err(WebError::Unverified) }
    }
}

impl FromRequestParts<AppState> for StaffMember {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, WebError> {
        match caller(parts)? {
            Caller::Staff(colleague) => Ok(colleague.member),
            Caller::Nobody | Caller::Customer(_) => Err(WebError::StaffLogIn),
        }
    }
}

/// An instance of the caller's account, named in the path by `{id}`. Foreign, missing and malformed are the same 404.
#[derive(Debug, Clone)]
pub(super) struct OwnedInstance(pub Instance);

impl FromRequestParts<AppState> for OwnedInstance {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let customer = Customer::from_request_parts(parts, state).await?;
        let id: InstanceId = named(parts, "id").await?;
        let mut tx = state.db.begin_account(customer.account).await?;
        instance::find_owned(tx.conn(), customer.account, id).await?.map(Self).ok_or(WebError::NotFound)
    }
}

/// The id that the path names by `{name}`. What is no id is not there.
async fn named<I: std::str::FromStr>(parts: &mut Parts, name: &str) -> Result<I, WebError> {
    let all = parts.extract::<RawPathParams>().await.map_err(|_| WebError::NotFound)?;
    let text = all.iter().find(|(of, _)| *of == name).map(|(_, text)| text);
    text.and_then(|text| text.parse().ok()).ok_or(WebError::NotFound)
}

/// A run on an instance of the caller's account, named in the path by `{id}` and `{run}`.
#[derive(Debug, Clone)]
pub(super) struct OwnedRun(pub Run);

impl FromRequestParts<AppState> for OwnedRun {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let OwnedInstance(instance) = OwnedInstance::from_request_parts(parts, state).await?;
        let id: RunId = named(parts, "run").await?;
        let mut tx = state.db.begin_account(instance.account_id).await?;
        run::find_run(tx.conn(), instance.id, id).await?.map(Self).ok_or(WebError::NotFound)
    }
}

/// An archive of an instance of the caller's account, named in the path by `{id}` and `{archive}`.
#[derive(Debug, Clone)]
pub(super) struct OwnedArchive(pub Instance, pub ServerArchive);

impl FromRequestParts<AppState> for OwnedArchive {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let OwnedInstance(instance) = OwnedInstance::from_request_parts(parts, state).await?;
        let id: ArchiveId = named(parts, "archive").await?;
        let mut tx = state.db.begin_account(instance.account_id).await?;
        let found = export::find_archive(tx.conn(), instance.id, id).await?;
        found.map(|archive| Self(instance, archive)).ok_or(WebError::NotFound)
    }
}

/// An order of the caller's account, named in the path by `{id}`.
#[derive(Debug, Clone)]
pub(super) struct OwnedOrder(pub Order);

impl FromRequestParts<AppState> for OwnedOrder {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let customer = Customer::from_request_parts(parts, state).await?;
        let Path(text) = parts.extract::<Path<String>>().await.map_err(|_| WebError::NotFound)?;
        let id: OrderId = text.parse().map_err(|_| WebError::NotFound)?;
        let mut tx = state.db.begin_account(customer.account).await?;
        billing::find_owned_order(tx.conn(), customer.account, id).await?.map(Self).ok_or(WebError::NotFound)
    }
}

/// A webhook of the caller's account, named in the path by `{endpoint}`.
#[derive(Debug, Clone)]
pub(super) struct OwnedEndpoint(pub Endpoint);

impl FromRequestParts<AppState> for OwnedEndpoint {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let customer = Customer::from_request_parts(parts, state).await?;
        let id: HookEndpointId = named(parts, "endpoint").await?;
        let mut tx = state.db.begin_account(customer.account).await?;
        hook::find_endpoint(tx.conn(), customer.account, id).await?.map(Self).ok_or(WebError::NotFound)
    }
}

/// What such a webhook was told, named in the path by `{endpoint}` and `{delivery}`.
#[derive(Debug, Clone)]
pub(super) struct OwnedDelivery {
    pub endpoint: Endpoint,
    pub delivery: DeliveryRow,
}

impl FromRequestParts<AppState> for OwnedDelivery {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let OwnedEndpoint(endpoint) = OwnedEndpoint::from_request_parts(parts, state).await?;
        let id: HookDeliveryId = named(parts, "delivery").await?;
        let mut tx = state.db.begin_account(endpoint.account_id).await?;
        let delivery = hook::find_delivery(tx.conn(), endpoint.id, id).await?.ok_or(WebError::NotFound)?;
        Ok(Self { endpoint, delivery })
    }
}
