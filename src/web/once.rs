//! Unsafe calls of the API with the header `idempotency-key`: a program that got no answer sends the same call again, and it is done once.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::access::Access;
use super::error::WebError;
use super::form::unreadable;
use super::session::{Caller, Customer, is_personal};
use crate::account::call::{self, Answer, Begun, Call};
use crate::crypto;

const KEY: &str = "idempotency-key";
/// Says that an answer is the one of the first time.
const REPLAYED: &str = "idempotency-replayed";
/// Characters of a key, at most.
const LONGEST: usize = 255;
/// The most that a body may weigh here, in bytes; those of the API are smaller anyway.
const LIMIT: usize = 64 * 1024;
/// The most that an answer weighs that is kept, in bytes.
const ANSWER: usize = 1024 * 1024;

/// The key of a call that is to be done once, with who calls. What only looks, what anybody may call, and what answers with a secret has none.
fn keyed<'a>(access: Access, caller: &'a Caller, request: &Request) -> Result<Option<(&'a Customer, String)>, WebError> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let (Access::Member(_) | Access::Fresh(_), Caller::Customer(customer)) = (access, caller) else { return Ok(None) };
    if safe || is_personal(request.uri().path()) {
        return Ok(None);
    }
    let Some(key) = request.headers().get(KEY) else { return Ok(None) };
    let text = key.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.len() > LONGEST {
        return Err(unreadable(KEY, "is empty, longer than 255 characters or not ASCII; send a UUID, for example"));
    }
    Ok(Some((customer, text.to_owned())))
}

/// Runs a call, or answers it as the first time.
pub(super) async fn run(
    state: &AppState,
    access: Access,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, WebError> {
    let Some((customer, key)) = keyed(access, caller, &request)? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LIMIT).await.map_err(|_| WebError::TooLarge { most: LIMIT })?;
    let what = format!("{}\n{}\n{}\n", customer.account, parts.method, parts.uri);
    let fingerprint = crypto::sha256(&[what.as_bytes(), &body].concat());
    let call = Call { person: customer.person.id, key: &key, fingerprint: &fingerprint };
    let begun = call::begin(&mut *state.db.auth().acquire().await?, state.clock.as_ref(), &call).await?;
    match begun {
        Begun::Done(answer) => return Ok(replay(answer)),
        Begun::Busy => {
            let text = "the same call is being answered; wait a moment and send it again".to_owned();
            return Err(WebError::Refused { code: "call_in_progress", text, errors: Vec::new() });
        }
        Begun::Another => {
            let text = "this idempotency-key was used for another call; take a new one".to_owned();
            return Err(WebError::Refused { code: "key_used", text, errors: Vec::new() });
        }
        Begun::New => {}
    }
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    keep(state, &call, answer).await
}

/// Keeps what was answered. A refusal is not kept: what was in the way may be gone, and nothing was done.
async fn keep(state: &AppState, call: &Call<'_>, answer: Response) -> Result<Response, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    if !answer.status().is_success() {
        call::give_up(&mut conn, call).await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, ANSWER).await.map_err(|error| WebError::Internal(error.to_string()))?;
    let kept = Answer {
        status: i16::try_from(parts.status.as_u16()).unwrap_or_default(),
        kind: content_type(&parts.headers),
        body: body.to_vec(),
    };
    call::finish(&mut conn, call, &kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn replay(answer: Answer) -> Response {
    let Answer { status, kind, body } = answer;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
