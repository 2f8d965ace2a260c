//! `/v1`: who may ask, under which key, and which function answers.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::errors::{Answered, ApiError, answer};
use super::faults::Fault;
use super::idempotency::StoredAnswer;
use super::params::Params;
use super::store::Turn;
use super::{
    Shop, account, balance, charges, checkout, coupons, credit_notes, customers, disputes, events, expand, invoice_payments,
    invoices, portal, preview, prices, products, promotion_codes, refunds, subscription_create, subscription_update,
    subscriptions, tax_ids,
};

/// An answer and whether it is one from before.
type Reply = (StatusCode, Value, bool);

pub(super) async fn serve(
    Extract(shop): Extract<Arc<Shop>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request_id = shop.look_mut(|state| state.id("req"));
    let fault = shop.faults.take(&format!("{method} {}", uri.path()));
    let reply = reply(&shop, &method, &uri, &headers, &body, fault.as_ref(), &request_id).await;
    if fault == Some(Fault::LostAnswer) {
        return broken();
    }
    match reply {
        Ok((status, body, replayed)) => answer(status, body, &request_id, replayed),
        Err(error) => answer(error.status, error.body(&request_id), &request_id, false),
    }
}

async fn reply(
    shop: &Shop,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    fault: Option<&Fault>,
    request_id: &str,
) -> Result<Reply, ApiError> {
    authorize(shop, headers)?;
    match fault {
        Some(Fault::Unavailable) => return Err(ApiError::unwell(StatusCode::SERVICE_UNAVAILABLE)),
        Some(Fault::RateLimited) => return Err(ApiError::rate_limited()),
        _ => {}
    }
    // A DELETE has its parameters in either place.
    let params = if method == Method::POST || (method == Method::DELETE && !body.is_empty()) {
        form(headers, body)?
    } else {
        Params::parse(uri.query().unwrap_or_default())
    };
    let key = if method == Method::POST { headers.get("idempotency-key").and_then(|key| key.to_str().ok()) } else { None };
    let Some(key) = key else {
        pause(fault).await;
        return carry_out(shop, method, uri, params, fault).map(|body| (StatusCode::OK, body, false));
    };
    if key.is_empty() || key.len() > 255 {
        return Err(ApiError::refused("Idempotency-Key", "An idempotency key has 1 to 255 characters."));
    }

    let request = format!("{method} {}?{}", uri.path(), params.canonical());
    let _claim = shop.in_flight.claim(key)?;
    let now = shop.now();
    if let Some(stored) = shop.look_mut(|state| state.stored_answer(key, &request, now))? {
        let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Ok((status, stored.body, true));
    }
    pause(fault).await;
    let (status, body) = match carry_out(shop, method, uri, params, fault) {
        Ok(body) => (StatusCode::OK, body),
        // Began, and then broke: that answer is kept too.
        Err(error) if error.status == StatusCode::INTERNAL_SERVER_ERROR => (error.status, error.body(request_id)),
        Err(error) => return Err(error),
    };
    let stored = StoredAnswer { request, status: status.as_u16(), body: body.clone(), at: now };
    shop.book(|state| state.answers.insert(key.to_owned(), stored));
    Ok((status, body, false))
}

fn carry_out(shop: &Shop, method: &Method, uri: &Uri, params: Params, fault: Option<&Fault>) -> Answered {
    if fault == Some(&Fault::StoredError) {
        return Err(ApiError::unwell(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let path: Vec<&str> = uri.path().trim_start_matches("/v1/").split('/').collect();
    let mut params = params;
    let paths = params.strings("expand");
    let answered = |turn: &mut Turn<'_>| {
        let unknown = || Err(ApiError::no_such_url(method.as_str(), uri.path()));
        let mut answer = dispatch(turn, method.as_str(), &path, params).unwrap_or_else(unknown)?;
        expand::expand(turn.state, &mut answer, &paths)?;
        Ok(answer)
    };
    // What only reads changes nothing that would have to be kept.
    if method == Method::GET { shop.read(answered) } else { shop.turn(answered) }
}

fn plain(params: Params, answered: Answered) -> Answered {
    params.finish().and(answered)
}

/// The map of the API; `None` is no part of it.
fn dispatch(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    match path.first().copied().unwrap_or_default() {
        "account" | "webhook_endpoints" | "events" | "billing_portal" => of_account(turn, method, path, params),
        "customers" => of_customers(turn, method, path, params),
        "products" | "prices" | "coupons" | "promotion_codes" => of_catalogue(turn, method, path, params),
        "checkout" | "subscriptions" => of_sales(turn, method, path, params),
        "invoices" | "invoice_payments" | "credit_notes" => of_invoices(turn, method, path, params),
        "charges" | "refunds" | "disputes" => of_money(turn, method, path, params),
        _ => None,
    }
}

fn of_account(turn: &mut Turn<'_>, method: &str, path: &[&str], mut params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("GET", ["account"]) => plain(params, Ok(account::get(turn))),
        ("GET", ["webhook_endpoints"]) => {
            params.take("limit");
            plain(params, Ok(account::endpoints(turn)))
        }
        ("GET", ["events"]) => events::list(turn, params),
        ("GET", ["events", id]) => plain(params, events::get(turn, id)),
        ("POST", ["billing_portal", "sessions"]) => portal::create(turn, params),
        _ => return None,
    })
}

fn of_customers(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("POST", ["customers"]) => customers::create(turn, params),
        ("GET", ["customers"]) => customers::list(turn, params),
        ("GET", ["customers", id]) => plain(params, customers::get(turn, id)),
        ("POST", ["customers", id]) => customers::update(turn, id, params),
        ("DELETE", ["customers", id]) => match params.finish() {
            Ok(()) => customers::delete(turn, id),
            Err(error) => Err(error),
        },
        ("POST", ["customers", id, "tax_ids"]) => tax_ids::create(turn, id, params),
        ("GET", ["customers", id, "tax_ids"]) => tax_ids::list(turn, id, params),
        ("GET", ["customers", id, "tax_ids", tax_id]) => plain(params, tax_ids::get(turn, id, tax_id)),
        ("DELETE", ["customers", id, "tax_ids", tax_id]) => match params.finish() {
            Ok(()) => tax_ids::delete(turn, id, tax_id),
            Err(error) => Err(error),
        },
        ("POST", ["customers", id, "balance_transactions"]) => balance::create(turn, id, params),
        ("GET", ["customers", id, "balance_transactions"]) => balance::list(turn, id, params),
        _ => return None,
    })
}

fn of_catalogue(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("POST", ["products"]) => products::create(turn, params),
        ("GET", ["products"]) => products::list(turn, params),
        ("GET", ["products", id]) => plain(params, products::get(turn, id)),
        ("POST", ["products", id]) => products::update(turn, id, params),
        ("POST", ["prices"]) => prices::create(turn, params),
        ("GET", ["prices"]) => prices::list(turn, params),
        ("GET", ["prices", id]) => plain(params, prices::get(turn, id)),
        ("POST", ["prices", id]) => prices::update(turn, id, params),
        ("POST", ["coupons"]) => coupons::create(turn, params),
        ("GET", ["coupons"]) => coupons::list(turn, params),
        ("GET", ["coupons", id]) => plain(params, coupons::get(turn, id)),
        ("POST", ["coupons", id]) => coupons::update(turn, id, params),
        ("DELETE", ["coupons", id]) => match params.finish() {
            Ok(()) => coupons::delete(turn, id),
            Err(error) => Err(error),
        },
        ("POST", ["promotion_codes"]) => promotion_codes::create(turn, params),
        ("GET", ["promotion_codes"]) => promotion_codes::list(turn, params),
        ("GET", ["promotion_codes", id]) => plain(params, promotion_codes::get(turn, id)),
        ("POST", ["promotion_codes", id]) => promotion_codes::update(turn, id, params),
        _ => return None,
    })
}

fn of_sales(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("POST", ["checkout", "sessions"]) => checkout::create(turn, params),
        ("GET", ["checkout", "sessions"]) => checkout::list(turn, params),
        ("GET", ["checkout", "sessions", id]) => plain(params, checkout::get(turn, id)),
        ("POST", ["checkout", "sessions", id, "expire"]) => checkout::expire(turn, id, params),
        ("POST", ["subscriptions"]) => subscription_create::create(turn, params),
        ("GET", ["subscriptions"]) => subscriptions::list(turn, params),
        ("GET", ["subscriptions", id]) => plain(params, subscriptions::get(turn, id)),
        ("POST", ["subscriptions", id]) => subscription_update::update(turn, id, params),
        ("POST", ["subscriptions", id, "resume"]) => subscriptions::resume(turn, id, params),
        ("DELETE", ["subscriptions", id]) => subscriptions::cancel_now(turn, id, params),
        _ => return None,
    })
}

fn of_invoices(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("GET", ["invoices"]) => invoices::list(turn, params),
        ("POST", ["invoices", "create_preview"]) => preview::create(turn, params),
        ("GET", ["invoices", id]) => plain(params, invoices::get(turn, id)),
        ("GET", ["invoices", id, "lines"]) => invoices::lines_of(turn, id, params),
        ("POST", ["invoices", id, "pay"]) => invoices::pay_now(turn, id, params),
        ("POST", ["invoices", id, "finalize"]) => invoices::finalize(turn, id, params),
        ("POST", ["invoices", id, "void"]) => invoices::void(turn, id, params),
        ("POST", ["invoices", id, "mark_uncollectible"]) => invoices::mark_uncollectible(turn, id, params),
        ("GET", ["invoice_payments"]) => invoice_payments::list(turn, params),
        ("POST", ["credit_notes"]) => credit_notes::create(turn, params),
        ("GET", ["credit_notes"]) => credit_notes::list(turn, params),
        ("GET", ["credit_notes", id]) => plain(params, credit_notes::get(turn, id)),
        ("POST", ["credit_notes", id, "void"]) => match params.finish() {
            Ok(()) => credit_notes::void(turn, id),
            Err(error) => Err(error),
        },
        _ => return None,
    })
}

fn of_money(turn: &mut Turn<'_>, method: &str, path: &[&str], params: Params) -> Option<Answered> {
    Some(match (method, path) {
        ("GET", ["charges"]) => charges::list(turn, params),
        ("GET", ["charges", id]) => plain(params, charges::get(turn, id)),
        ("POST", ["refunds"]) => refunds::create(turn, params),
        ("GET", ["refunds"]) => refunds::list(turn, params),
        ("GET", ["refunds", id]) => plain(params, refunds::get(turn, id)),
        ("POST", ["refunds", id]) => refunds::update(turn, id, params),
        ("GET", ["disputes"]) => disputes::list(turn, params),
        ("GET", ["disputes", id]) => plain(params, disputes::get(turn, id)),
        ("POST", ["disputes", id, "close"]) => match params.finish() {
            Ok(()) => disputes::decide(turn, id, false),
            Err(error) => Err(error),
        },
        _ => return None,
    })
}

/// `Bearer <key>` or `Basic` with the key as the user's name.
fn authorize(shop: &Shop, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = |encoded: &str| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        Some(text.split(':').next()?.to_owned())
    };
    let key = match header.and_then(|value| value.split_once(' ')) {
        Some(("Bearer", key)) => Some(key.to_owned()),
        Some(("Basic", encoded)) => basic(encoded),
        _ => None,
    };
    let key = key.ok_or_else(|| {
        ApiError::unauthorized(
            "You did not provide an API key. Provide it in the Authorization header, as Bearer or as Basic's user name.",
        )
    })?;
    if bool::from(key.as_bytes().ct_eq(shop.settings.api_key.expose_secret().as_bytes())) {
        Ok(())
    } else {
        Err(ApiError::unauthorized("Invalid API Key provided"))
    }
}

fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !body.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(ApiError::refused("Content-Type", "The API takes application/x-www-form-urlencoded."));
    }
    let text = std::str::from_utf8(body).map_err(|_| ApiError::refused("body", "The body is not UTF-8."))?;
    Ok(Params::parse(text))
}

async fn pause(fault: Option<&Fault>) {
    if let Some(Fault::Slow { millis }) = fault {
        tokio::time::sleep(std::time::Duration::from_millis(*millis)).await;
    }
}

/// An answer that breaks off: the request had its effect, and the caller can't know.
fn broken() -> Response {
    let chunks = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost on purpose"))]);
    Response::new(Body::from_stream(chunks))
}
