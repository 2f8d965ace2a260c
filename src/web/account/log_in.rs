//! Logging in and out.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::code::{self, half_cookie};
use super::discreet::who;
use crate::account::session::{self, Kind, Subject};
use crate::account::{self, Person, device, factor};
use crate::crash;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::new::draft::forget_draft;
use crate::web::origin::Origin;
use crate::web::page::{FieldErrors, PageContext, flash, html, pages, refused};
use crate::web::session::{Caller, begin_cookie, end_cookie, session_cookie};

#[derive(Template)]
#[template(path = "pages/account/log_in.html")]
struct LogInPage {
    page: PageContext,
    /// Whether there are passkeys here.
    passkeys: bool,
    email: String,
    next: String,
    errors: FieldErrors,
}

pages!(LogInPage);

/// `?next=`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LogInForm {
    email: String,
    password: String,
    next: String,
}

/// GET `/log-in`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    caller: Caller,
    Query(query): Query<Next>,
) -> Result<Response, WebError> {
    let next = local_path(&query.next);
    if matches!(caller, Caller::Customer(_)) {
        return Ok(Redirect::to(next.unwrap_or("/instances")).into_response());
    }
    let next = next.unwrap_or_default().to_owned();
    let passkeys = state.passkeys.is_some();
    Ok(html(&LogInPage { page, passkeys, email: String::new(), next, errors: FieldErrors::default() })?)
}

/// POST `/log-in`. Unknown address and wrong password: the same words, and the same work before them.
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    headers: HeaderMap,
    origin: Origin,
    Form(form): Form<LogInForm>,
) -> Result<Response, WebError> {
    let next = local_path(&form.next).unwrap_or_default().to_owned();
    let mut errors = FieldErrors::default();
    if form.email.trim().is_empty() {
        errors.add("email", page.w.t("email-required"));
    }
    if form.password.is_empty() {
        errors.add("password", page.w.t("form-password-missing"));
    }
    if errors.is_empty() {
        if let Some(person) = who(&state, &origin, &form.email, form.password.into()).await? {
            let second = factor::is_on(&mut *state.db.auth().acquire().await?, person.id).await?;
            return if second {
                code::begin(&state, &headers, &origin, &person, &next).await
            } else {
                begin(&state, &headers, &origin, &person, &next).await
            };
        }
        errors.add("email", page.w.t("form-log-in-wrong"));
    }
    Ok(refused(&LogInPage { page, passkeys: state.passkeys.is_some(), email: form.email, next, errors })?)
}

/// A session of its own: one that the browser had before ends, whoever's it was.
pub(super) async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    origin: &Origin,
    person: &Person,
    next: &str,
) -> Result<Response, WebError> {
    let clock = state.clock.as_ref();
    let (device, device_cookie) = origin.keep_device(state);
    let mut tx = state.db.auth().begin().await?;
    for before in [session_cookie(state, headers), half_cookie(state, headers)].into_iter().flatten() {
        session::end(&mut tx, clock, &before).await?;
    }
    let Some((account, _)) = account::membership(&mut tx, person.id).await? else { return Err(WebError::Forbidden) };
    let subject = Subject::Person { person: person.id, account };
    let secret = session::begin(&mut tx, clock, subject, Kind::Browser, origin.client()).await?;
    device::seen(&mut tx, clock, person, &device, &origin.agent, origin.network).await?;
    tx.commit().await?;
    crash::point("log_in.committed");
    let to = match next {
        _ if person.verified_at.is_none() => "/check-mail",
        "" => "/instances",
        next => next,
    };
    let cookies = [(header::SET_COOKIE, begin_cookie(state, &secret)), device_cookie];
    Ok((AppendHeaders(cookies), Redirect::to(to)).into_response())
}

/// POST `/log-out`, for customers and staff. What they had begun to order leaves the browser with them.
pub(super) async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, WebError> {
    if let Some(secret) = session_cookie(&state, &headers) {
        let mut tx = state.db.auth().begin().await?;
        session::end(&mut tx, state.clock.as_ref(), &secret).await?;
        tx.commit().await?;
    }
    let cookies = [(header::SET_COOKIE, end_cookie(&state)), forget_draft(&state), flash(&state, "done", "flash-logged-out")];
    Ok((AppendHeaders(cookies), Redirect::to("/")).into_response())
}

/// A path of ours to go on to, and nothing that a browser could take for another site: it drops tabs and line ends, and reads `\`
/// as `/`.
pub(in crate::web) fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (plain && text.starts_with('/') && !text.starts_with("//")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for good in ["/", "/new/address", "/orders/ord_1?came=paid"] {
            assert_eq!(local_path(good), Some(good));
        }
        let elsewhere = [
            "",
            "instances",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "/ü",
            "https://evil.example",
            "javascript:alert(1)",
            "\\\\evil.example",
        ];
        for bad in elsewhere {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}
