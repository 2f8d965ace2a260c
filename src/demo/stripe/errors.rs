//! How Stripe says no: <https://docs.stripe.com/api/errors>.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// What every function of the API gives: the object to show, or a refusal.
pub(super) type Answered = Result<Value, ApiError>;

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub message: String,
    pub param: Option<String>,
}

impl ApiError {
    fn invalid(code: Option<&'static str>, param: Option<String>, message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "invalid_request_error", code, message, param }
    }

    pub(super) fn refused(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(None, Some(param.to_owned()), message.into())
    }

    pub(super) fn unknown_parameter(param: &str) -> Self {
        Self::invalid(Some("parameter_unknown"), Some(param.to_owned()), format!("Received unknown parameter: {param}"))
    }

    pub(super) fn missing_parameter(param: &str) -> Self {
        Self::invalid(Some("parameter_missing"), Some(param.to_owned()), format!("Missing required param: {param}."))
    }

    pub(super) fn bad_parameter(code: &'static str, param: String, wanted: &str) -> Self {
        let message = format!("Invalid {param}: must be {wanted}");
        Self::invalid(Some(code), Some(param), message)
    }

    pub(super) fn taken(param: &str, message: String) -> Self {
        Self::invalid(Some("resource_already_exists"), Some(param.to_owned()), message)
    }

    /// An object named in the path that is not there.
    pub(super) fn missing(what: &str, id: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::missing_reference("id", what, id) }
    }

    /// An object named in a parameter that is not there.
    pub(super) fn missing_reference(param: &str, what: &str, id: &str) -> Self {
        Self::invalid(Some("resource_missing"), Some(param.to_owned()), format!("No such {what}: '{id}'"))
    }

    pub(super) fn no_such_url(method: &str, path: &str) -> Self {
        let message =
            format!("Unrecognized request URL ({method}: {path}). Either Stripe has no such thing or the fake does not.");
        Self { status: StatusCode::NOT_FOUND, ..Self::invalid(None, None, message) }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::invalid(None, None, message.to_owned()) }
    }

    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self { kind: "idempotency_error", ..Self::invalid(None, None, message) }
    }

    pub(super) fn key_in_use(key: &str) -> Self {
        let message = format!("There is currently another in-progress request using this idempotency key ({key}).");
        Self { status: StatusCode::CONFLICT, ..Self::invalid(Some("idempotency_key_in_use"), None, message) }
    }

    pub(super) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded.".to_owned();
        Self { status: StatusCode::TOO_MANY_REQUESTS, ..Self::invalid(Some("rate_limit"), None, message) }
    }

    pub(super) fn unwell(status: StatusCode) -> Self {
        let message = "An error occurred in our systems.".to_owned();
        Self { status, kind: "api_error", ..Self::invalid(None, None, message) }
    }

    pub(super) fn card_declined() -> Self {
        let message = "Your card was declined.".to_owned();
        Self { status: StatusCode::PAYMENT_REQUIRED, kind: "card_error", ..Self::invalid(Some("card_declined"), None, message) }
    }

    pub(super) fn body(&self, request_id: &str) -> Value {
        let mut error = json!({
            "type": self.kind,
            "message": self.message,
            "request_log_url": format!("https://dashboard.stripe.com/test/logs/{request_id}"),
        });
        if let Some(code) = self.code {
            error["code"] = code.into();
            error["doc_url"] = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into();
        }
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        json!({ "error": error })
    }
}

/// An answer of the API as Stripe dresses it.
pub(super) fn answer(status: StatusCode, body: Value, request_id: &str, replayed: bool) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("request-id"), id);
    }
    headers.insert(HeaderName::from_static("stripe-version"), HeaderValue::from_static(super::events::API_VERSION));
    if replayed {
        headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    response
}
