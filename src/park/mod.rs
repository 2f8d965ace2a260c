//! Who answers for servers that are paused: 503 with a time to come back for everything, never 404 or 410.
//!
//! To other servers a 410 says that an account is gone for good, and they delete it with all its posts; a 404 for a key comes near
//! to that (Mastodon's `fetch_remote_actor_service.rb`). A 503 only says: later. So nothing here depends on the path, on the
//! method or on anything that could be missing; there is no state and no configuration. Why the server is paused stands in a header
//! that the route to us sets.

mod page;
mod reason;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

pub use reason::Reason;

use crate::resource::PAUSE_REASON_HEADER;

/// What answers.
pub fn router() -> Router {
    Router::new().fallback(answer)
}

/// Serves until `shutdown`; requests that are being answered then get ten seconds.
///
/// # Errors
/// When connections can't be taken any more.
pub async fn serve(listener: tokio::net::TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let stop = shutdown.clone();
    let serving = axum::serve(listener, router()).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        done = async { serving.await } => done,
        () = async {
            shutdown.cancelled().await;
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        } => Ok(()),
    }
}

/// The answer to everything: a page for people, JSON in the form of Mastodon's own errors for everybody else.
async fn answer(headers: HeaderMap) -> Response {
    let reason = headers.get(PAUSE_REASON_HEADER).and_then(|word| word.to_str().ok()).unwrap_or_default();
    let reason = Reason::from_word(reason);
    let for_people = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).any(wants_html);
    let (kind, body) = match page::html(reason).filter(|_| for_people) {
        Some(page) => ("text/html; charset=utf-8", page),
        None => ("application/json; charset=utf-8", page::json(reason)),
    };
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    response.headers_mut().extend([
        fixed(header::CONTENT_TYPE, kind),
        fixed(header::RETRY_AFTER, reason.retry_after()),
        // Nobody in between may go on saying this once the server is back.
        fixed(header::CACHE_CONTROL, "no-store"),
        fixed(header::VARY, "accept"),
        fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(header::REFERRER_POLICY, "no-referrer"),
    ]);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, page::content_security_policy());
    response
}

/// Whether whoever asks is a browser with a person in front of it.
fn wants_html(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let refused = parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
        html && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_machines_do_not() {
        for browser in ["text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/json, Text/HTML;q=0.1"] {
            assert!(wants_html(browser), "{browser}");
        }
        let activity = "application/activity+json, application/ld+json";
        for machine in [activity, "*/*", "", "application/json", "text/html;q=0, application/json", "text/htmlish"] {
            assert!(!wants_html(machine), "{machine}");
        }
    }
}
