//! Forged forms: every unsafe request from a browser must carry the token that only our pages know, and must not say that it
//! comes from another site.
//!
//! The token is a MAC over a random cookie that every browser gets with its first page, so it works before anybody is signed in.
//! It stands in the hidden field `csrf` of each form. The check is made by the guard, for every route: no handler can forget it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};

use super::AppState;
use super::error::WebError;
use super::session::{cookie_value, set_cookie};
use crate::crypto;

/// The most that a form may weigh.
pub(super) const FORM_LIMIT: usize = 64 * 1024;
const PURPOSE: &str = "form";

fn cookie_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_browser" } else { "__Host-paddock_browser" }
}

/// The browser's random value, or a new one with the header that sets it.
pub(super) fn browser(state: &AppState, headers: &HeaderMap) -> (String, Option<HeaderValue>) {
    if let Some(value) = cookie_value(headers, cookie_name(state)).filter(|value| value.len() == 43) {
        return (value, None);
    }
    let value = crypto::to_base64(&crypto::random::<32>());
    let cookie = set_cookie(state, cookie_name(state), &value, cookie::time::Duration::days(365));
    (value, Some(cookie))
}

/// The token for forms of this browser.
pub(super) fn token(state: &AppState, browser: &str) -> String {
    crypto::to_base64(&state.key.mac(PURPOSE, browser.as_bytes()))
}

/// Lets safe requests pass, and unsafe ones that carry the token. The body is read for that and put back.
pub(super) async fn check(state: &AppState, request: Request) -> Result<Request, WebError> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(request);
    }
    let headers = request.headers();
    // Browsers say where a request comes from; one that says "elsewhere" is refused without a look at the token.
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(WebError::Forged);
    }
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded"));
    if !form {
        return Err(WebError::NotAForm);
    }
    let browser = cookie_value(headers, cookie_name(state)).ok_or(WebError::Forged)?;
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_LIMIT).await.map_err(|_| WebError::TooLarge { most: FORM_LIMIT })?;
    let sent =
        url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf").and_then(|(_, value)| crypto::from_base64(&value));
    if !sent.is_some_and(|mac| state.key.verifies(PURPOSE, browser.as_bytes(), &mac)) {
        return Err(WebError::Forged);
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}
