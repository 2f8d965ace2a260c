//! What is said: the page, and the same for machines.

use askama::Template;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Reason;
use crate::words::Words;

/// The whole style of the page: under this name nothing else can be loaded from.
const STYLE: &str = include_str!("../../templates/pages/park/park.css");

#[derive(Template)]
#[template(path = "pages/park/paused.html")]
struct ParkPausedPage {
    lang: String,
    title: String,
    text: String,
    kept: String,
    owner: String,
    style: &'static str,
}

/// The page; nothing when it can't be rendered, which leaves the answer for machines.
pub fn html(reason: Reason) -> Option<String> {
    let words = Words::english();
    let of_reason = |part: &str| words.t(&format!("park-{}-{part}", reason.word()));
    let page = ParkPausedPage {
        lang: words.language(),
        title: of_reason("title"),
        text: of_reason("text"),
        kept: words.t(if reason == Reason::Ended { "park-ended-kept" } else { "park-kept" }),
        owner: words.t("park-owner"),
        style: STYLE,
    };
    page.render().ok()
}

/// The same for machines, in the form of Mastodon's own errors.
pub fn json(reason: Reason) -> String {
    let words = Words::english();
    json!({"error": words.t(&format!("park-{}-text", reason.word())), "reason": reason.word()}).to_string()
}

/// Nothing may be loaded or run; the style is allowed by its hash.
pub fn content_security_policy() -> HeaderValue {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
