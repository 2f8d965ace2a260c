//! Cookies that carry what we said ourselves: readable by the browser, but made by nobody else.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::AppState;
use super::session::{cookie_value, set_cookie};
use crate::crypto;

/// What the browser calls it: `__Host-` cookies can't be set by anybody but this host over https, which a trial on this machine does not have.
fn full(trial: bool, name: &'static str) -> Cow<'static, str> {
    if trial { Cow::Borrowed(name) } else { Cow::Owned(format!("__Host-{name}")) }
}

/// The header that makes the browser carry `text` under `name`, which is also what the signature is good for.
pub(super) fn write(
    state: &AppState,
    name: &'static str,
    text: &[u8],
    lifetime: cookie::time::Duration,
) -> (HeaderName, HeaderValue) {
    let value = format!("{}.{}", crypto::to_base64(text), crypto::to_base64(&state.key.mac(name, text)));
    (header::SET_COOKIE, set_cookie(state, full(state.trial, name), &value, lifetime))
}

/// What the browser carries under `name`, if it is from us.
pub(super) fn read(state: &AppState, headers: &HeaderMap, name: &'static str) -> Option<Vec<u8>> {
    let value = cookie_value(headers, &full(state.trial, name))?;
    let (text, mac) = value.split_once('.')?;
    let (text, mac) = (crypto::from_base64(text)?, crypto::from_base64(mac)?);
    state.key.verifies(name, &text, &mac).then_some(text)
}

/// Whether the browser carries anything under `name`, from us or not.
pub(super) fn is_there(state: &AppState, headers: &HeaderMap, name: &'static str) -> bool {
    cookie_value(headers, &full(state.trial, name)).is_some()
}

/// The header that makes the browser forget it.
pub(super) fn forget(state: &AppState, name: &'static str) -> (HeaderName, HeaderValue) {
    (header::SET_COOKIE, set_cookie(state, full(state.trial, name), "", cookie::time::Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::full;

    #[test]
    fn in_production_no_other_host_can_set_it() {
        assert_eq!(
            (full(false, "paddock_flash"), full(true, "paddock_flash")),
            ("__Host-paddock_flash".into(), "paddock_flash".into())
        );
    }
}
