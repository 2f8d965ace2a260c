//! How somebody signs in: address, password, second factor, and where they are signed in.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::discreet::who;
use super::{read_email, read_new_password};
use crate::account::factor::{self, Standing};
use crate::account::session::{self, Kind, Listed};
use crate::account::{self, Role, move_address};
use crate::audit;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, unreadable};
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::origin::Origin;
use crate::web::page::{Choice, FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, session_cookie};
use crate::words::{LANGUAGES, Words};

/// Where the page is.
pub(super) const HERE: &str = "/account/security";

#[derive(Template)]
#[template(path = "pages/account/security.html")]
struct SecurityPage {
    page: PageContext,
    /// Whether the one who looks has shown a short while ago who they are, so that forms that ask for it are taken.
    fresh: bool,
    /// Whether they own the account that they act for.
    owner: bool,
    /// Whether there are passkeys here.
    passkeys: bool,
    /// Whether logging in takes a code, since when, and how many recovery codes are left.
    second: bool,
    since: String,
    codes: String,
    sessions: Vec<SessionRow>,
    languages: Vec<Choice>,
    /// What was typed as another address.
    email: String,
    errors: FieldErrors,
}

pages!(SecurityPage);

struct SessionRow {
    id: String,
    kind: String,
    agent: String,
    network: String,
    began: String,
    seen: String,
    current: bool,
}

fn row(words: &Words, listed: Listed) -> SessionRow {
    let moment = |at| time::whole_moment(words, at);
    SessionRow {
        id: listed.id.to_string(),
        kind: words.t(match listed.kind {
            Kind::Browser | Kind::Half => "sessions-browser",
            Kind::Api => "sessions-api",
        }),
        agent: listed.user_agent,
        network: listed.network,
        began: moment(listed.created_at),
        seen: moment(listed.last_seen_at),
        current: listed.current,
    }
}

async fn load(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    headers: &HeaderMap,
    email: String,
    errors: FieldErrors,
) -> Result<SecurityPage, WebError> {
    let secret = session_cookie(state, headers).unwrap_or_default();
    let mut conn = state.db.auth().acquire().await?;
    let Standing { since, codes_left } = factor::standing(&mut conn, customer.person.id).await?;
    let sessions = session::list(&mut conn, state.clock.as_ref(), customer.person.id, &secret).await?;
    let words = page.w.clone();
    Ok(SecurityPage {
        fresh: customer.is_fresh(state),
        owner: customer.role == Role::Owner,
        passkeys: state.passkeys.is_some(),
        second: since.is_some(),
        since: since.map(|at| time::day(&words, at)).unwrap_or_default(),
        codes: words.count("factor-codes-left", "n", codes_left),
        sessions: sessions.into_iter().map(|listed| row(&words, listed)).collect(),
        languages: LANGUAGES
            .into_iter()
            .map(|tag| Choice::new(tag, words.t(&format!("language-{tag}")), tag == words.language()))
            .collect(),
        email,
        errors,
        page,
    })
}

/// Which language is wanted.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LanguageForm {
    language: String,
}

/// POST `/account/security/language`
pub(super) async fn set_language(
    State(state): State<AppState>,
    customer: Customer,
    Form(form): Form<LanguageForm>,
) -> Result<Response, WebError> {
    let Some(words) = Words::known(&form.language) else {
        return Ok(with_message(&state, HERE, "failed", "language-unknown"));
    };
    let mut tx = state.db.auth().begin().await?;
    account::set_locale(&mut tx, state.clock.as_ref(), &customer.person, &words.language()).await?;
    tx.commit().await?;
    Ok(with_message(&state, HERE, "done", "language-set"))
}

/// GET `/account/security`
pub(super) async fn show(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    Ok(html(&load(&state, page, &customer, &headers, String::new(), FieldErrors::default()).await?)?)
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PasswordForm {
    current: String,
    password: String,
}

/// POST `/account/security/password`. All other sessions end.
pub(super) async fn set_password(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    origin: Origin,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    if form.current.is_empty() {
        errors.add("current", page.w.t("security-current-missing"));
    }
    let password = read_new_password(&page.w, form.password, &mut errors);
    if errors.is_empty()
        && let Some(password) = password
    {
        let known = who(&state, &origin, &customer.person.email, form.current.into()).await?;
        if known.is_some_and(|person| person.id == customer.person.id) {
            let hash = state.passwords.hash(password).await?;
            let kept = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
            let mut tx = state.db.auth().begin().await?;
            account::change_password(&mut tx, state.clock.as_ref(), &customer.person, &hash, &kept).await?;
            tx.commit().await?;
            return Ok(with_message(&state, HERE, "done", "flash-password-changed"));
        }
        errors.add("current", page.w.t("step-up-wrong"));
    }
    Ok(refused(&load(&state, page, &customer, &headers, String::new(), errors).await?)?)
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AddressForm {
    email: String,
}

/// POST `/account/security/address`
pub(super) async fn move_to(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<AddressForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    if let Some(email) = read_email(&page.w, &form.email, &mut errors) {
        if email.smtp() == customer.person.email {
            errors.add("email", page.w.t("security-address-same"));
        } else {
            let mut tx = state.db.auth().begin().await?;
            if move_address::ask(&mut tx, state.clock.as_ref(), &customer.person, &email).await? {
                tx.commit().await?;
                return Ok(with_message(&state, HERE, "done", "flash-address-asked"));
            }
            errors.add("email", page.w.t("security-address-often"));
        }
    }
    Ok(refused(&load(&state, page, &customer, &headers, form.email, errors).await?)?)
}

/// Ends one of the caller's sessions. Foreign and missing are the same 404.
pub(in crate::web) async fn end_session(state: &AppState, customer: &Customer, id: &str) -> Result<(), WebError> {
    let id: uuid::Uuid = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.auth().begin().await?;
    if !session::end_one(&mut tx, state.clock.as_ref(), customer.person.id, id).await? {
        return Err(WebError::NotFound);
    }
    Ok(tx.commit().await?)
}

/// Ends all sessions of the caller but the one with this secret.
pub(in crate::web) async fn end_other_sessions(state: &AppState, customer: &Customer, kept: &str) -> Result<(), WebError> {
    let (clock, person) = (state.clock.as_ref(), customer.person.id);
    let mut tx = state.db.auth().begin().await?;
    let ended = session::end_others(&mut tx, person, kept).await?;
    if ended > 0 {
        let (account, told) = (Some(customer.account), serde_json::json!({ "ended": ended }));
        audit::record(&mut tx, clock, customer.actor(), account, "person.sessions_ended", &person.to_string(), told).await?;
    }
    Ok(tx.commit().await?)
}

/// POST `/account/security/sessions/{session}/end`
pub(super) async fn end_one(
    State(state): State<AppState>,
    customer: Customer,
    Path(session): Path<String>,
) -> Result<Response, WebError> {
    end_session(&state, &customer, &session).await?;
    Ok(with_message(&state, HERE, "done", "flash-session-ended"))
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OthersForm {
    others: String,
}

/// POST `/account/security/sessions/end`
pub(super) async fn end_others(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<OthersForm>,
) -> Result<Response, WebError> {
    if form.others != "yes" {
        return Err(unreadable("others", "is not yes; send the form of the page"));
    }
    let kept = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    end_other_sessions(&state, &customer, &kept).await?;
    Ok(with_message(&state, HERE, "done", "flash-sessions-ended"))
}
