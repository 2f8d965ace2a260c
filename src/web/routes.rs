//! The map: every URL, who may call it, and the handler that answers.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::access::{Access, Entry, Routes};
use super::{AppState, account, api, assets, download, error, hooks, instance, move_in, new, order, public, staff};
use crate::crypto;

fn routes(state: AppState) -> Routes {
    let routes = Routes::new(state).get("/assets/{*path}", Access::Public, assets::get).post(
        "/hooks/stripe",
        Access::Webhook,
        hooks::stripe,
    );
    let routes = public::routes(routes);
    let routes = account::routes(routes);
    let routes = new::routes(routes);
    let routes = order::routes(routes);
    let routes = instance::routes(routes);
    let routes = download::routes(routes);
    let routes = move_in::routes(routes);
    let routes = staff::routes(routes);
    api::routes(routes)
}

/// Every route with who may call it; the access test walks it.
pub fn table(state: AppState) -> Vec<Entry> {
    routes(state).into_parts().1
}

/// The whole of it, with the layers that every request passes.
pub fn router(state: AppState) -> Router {
    let (router, _) = routes(state.clone()).into_parts();
    let fixed = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(HeaderName::from_static("x-request-id"), FreshId))
        .layer(PropagateRequestIdLayer::new(HeaderName::from_static("x-request-id")))
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new().compress_when(assets::is_one as fn(_, _, &_, &_) -> _))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("referrer-policy", "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(header::CONTENT_SECURITY_POLICY, content_security_policy(&state)))
        .layer(axum::middleware::from_fn_with_state(state.clone(), error::render_errors))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(http::StatusCode::SERVICE_UNAVAILABLE, std::time::Duration::from_secs(30)))
        .layer(DefaultBodyLimit::max(hooks::LIMIT));
    router.with_state(state).layer(layers)
}

/// Nothing from elsewhere and nothing inline; forms may go to us and, through our redirect, to Stripe's page.
fn content_security_policy(state: &AppState) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        state.payment_origin
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// Ids of requests are ours: what a visitor sends as one is not taken over.
#[derive(Clone, Copy)]
struct FreshId;

impl MakeRequestId for FreshId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        let id = hex::encode(crypto::random::<8>());
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}
