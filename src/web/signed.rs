//! Cookies that carry what we said ourselves: readable by the browser, but made by nobody else.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::AppState;
use super::session::{cookie_value, set_cookie};
use crate::crypto;

/// The header that makes the browser carry `text` under `name`, which is also what the signature is good for.
pub(super) fn write(
    state: &AppState,
    name: &'static str,
    text: &[u8],
    lifetime: cookie::time::Duration,
) -> (HeaderName, HeaderValue) {
    let value = format!("{}.{}", crypto::to_base64(text), crypto::to_base64(&state.key.mac(name, text)));
    (header::SET_COOKIE, set_cookie(state, name, &value, lifetime))
}

/// What the browser carries under `name`, if it is from us.
pub(super) fn read(state: &AppState, headers: &HeaderMap, name: &'static str) -> Option<Vec<u8>> {
    let value = cookie_value(headers, name)?;
    let (text, mac) = value.split_once('.')?;
    let (text, mac) = (crypto::from_base64(text)?, crypto::from_base64(mac)?);
    state.key.verifies(name, &text, &mac).then_some(text)
}

/// The header that makes the browser forget it.
pub(super) fn forget(state: &AppState, name: &'static str) -> (HeaderName, HeaderValue) {
    (header::SET_COOKIE, set_cookie(state, name, "", cookie::time::Duration::ZERO))
}
