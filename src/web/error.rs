//! What goes wrong while answering: one enum, one page, one JSON body.
//!
//! A handler returns a [`WebError`]; the outermost layer turns it into the error page (a title, a sentence, a way out) or, below
//! `/api/`, into a problem body (RFC 9457). Causes go to the log, once, and never to a visitor.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use tower_http::request_id::RequestId;

use super::AppState;
use super::limit;
use super::page::{ErrorPage, PageContext, html};
use super::session::{self, Caller};
use crate::account::access::AccessError;
use crate::account::factor::FactorError;
use crate::account::hook::HookError;
use crate::account::member::MemberError;
use crate::account::passkey::PasskeyError;
use crate::account::token::TokenError;
use crate::telemetry;
use crate::words::Words;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WebError {
    /// Foreign, missing or malformed: not told apart.
    #[error("there is nothing here")]
    NotFound,
    /// The API was called by nobody we know.
    #[error("the caller is not known")]
    Unauthenticated,
    /// A page that is for customers: to the log-in, and back.
    #[error("the visitor is not logged in")]
    LogIn {
        /// Path to come back to.
        back_to: String,
    },
    /// A page that is for staff.
    #[error("the visitor is not logged in as staff")]
    StaffLogIn,
    /// A form that wants to know again who sends it: to the page that asks for it, and back.
    #[error("the visitor has to confirm who they are")]
    StepUp {
        /// Path to come back to.
        back_to: String,
    },
    /// The same for staff.
    #[error("the visitor has to confirm who they are, as staff")]
    StaffStepUp {
        /// Path to come back to.
        back_to: String,
    },
    /// The same for the API.
    #[error("confirm who you are with POST /api/v1/sessions/current/proof; then the call is answered for ten minutes")]
    Stale,
    /// Known, but not allowed to.
    #[error("the caller may not do this")]
    Forbidden,
    /// Staff who look into a customer's account.
    #[error("staff who look into an account may not do this")]
    ThroughGlass,
    /// A program's token is not good for this.
    #[error("this token is not good for that; use one with another scope, or sign in")]
    OutOfReach,
    /// The address has to be proven first.
    #[error("the caller's address is not proven yet")]
    Unverified,
    /// A form without our token, or from elsewhere.
    #[error("the form is not one of ours, or too old")]
    Forged,
    /// A body that is no form.
    #[error("the body is not a form")]
    NotAForm,
    /// A body of the API that is no JSON.
    #[error("the body is not JSON; send one JSON object with the header content-type: application/json")]
    NotJson,
    /// The API's log-in: address and password do not belong together. Which of them is wrong is not said.
    #[error("the e-mail address and the password do not belong together; check both")]
    WrongCredentials,
    /// The API's log-in: the password is right, and a code is wanted too.
    #[error("this account has a second factor; send the field code as well: six digits of the app, or a recovery code")]
    CodeRequired,
    /// The code is not the app's of this moment, and no recovery code that is left.
    #[error("the code is not right, or was used already; wait for the app's next one")]
    WrongCode,
    /// Too many wrong passwords or codes.
    #[error("there were too many attempts; wait {seconds} seconds, or set a new password by mail, which works at once")]
    TooManyAttempts {
        /// Until the next one.
        seconds: i64,
    },
    /// So many try passwords at this moment that there is no room for one more whose browser nobody knows.
    #[error("too many people log in or sign up at this moment; send it again in a second")]
    Crowded,
    /// The API was called too often in a minute.
    #[error("there were too many calls; wait {seconds} seconds")]
    TooOften {
        /// Until the next one.
        seconds: i64,
    },
    /// A body over the limit.
    #[error("the body is larger than {most} bytes")]
    TooLarge {
        /// The limit in bytes.
        most: usize,
    },
    /// A link that was used, is too old or was never ours.
    #[error("the link is not valid, or no longer")]
    LinkUsedUp,
    /// A request that could not be read: which field, and what to send instead.
    #[error("{field}: {message}")]
    Unreadable {
        /// Field.
        field: String,
        /// Remedy.
        message: String,
    },
    /// Fields of an API request that are wrong, all of them.
    #[error("{} field(s) of the request are wrong", .0.len())]
    Invalid(Vec<FieldError>),
    /// Something else is in the way; the sentence says what.
    #[error("{0}")]
    Conflict(String),
    /// The API can't do it as things stand; unlike [`Self::Conflict`] with a code of its own and the fields at fault, if any.
    #[error("{text}")]
    Refused {
        /// One word for programs.
        code: &'static str,
        /// What is in the way, and what to do.
        text: String,
        /// Fields that another value would help in.
        errors: Vec<FieldError>,
    },
    /// We can't just now: Stripe or another part is away.
    #[error("a part that is needed is away: {0}")]
    Unavailable(String),
    /// Our fault.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A field that is wrong, with the remedy in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Name of the field.
    pub field: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl WebError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unauthenticated | Self::WrongCredentials | Self::CodeRequired | Self::WrongCode => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts { .. } | Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::LogIn { .. } | Self::StaffLogIn | Self::StepUp { .. } | Self::StaffStepUp { .. } => StatusCode::SEE_OTHER,
            Self::Stale | Self::OutOfReach | Self::Forbidden | Self::ThroughGlass | Self::Unverified | Self::Forged => {
                StatusCode::FORBIDDEN
            }
            Self::NotAForm | Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LinkUsedUp => StatusCode::GONE,
            Self::Unreadable { .. } => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) | Self::Refused { .. } => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for programs. Never changes its meaning; `docs/api.md` lists them.
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Unauthenticated | Self::LogIn { .. } | Self::StaffLogIn => "unauthenticated",
            Self::WrongCredentials => "wrong_credentials",
            Self::CodeRequired => "code_required",
            Self::WrongCode => "wrong_code",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::TooOften { .. } => "too_many_calls",
            Self::Crowded => "crowded",
            Self::StepUp { .. } | Self::StaffStepUp { .. } | Self::Stale => "proof_required",
            Self::Forbidden | Self::ThroughGlass => "forbidden",
            Self::OutOfReach => "out_of_reach",
            Self::Unverified => "unverified",
            Self::Forged => "forged",
            Self::NotAForm | Self::NotJson => "unsupported_media_type",
            Self::TooLarge { .. } => "too_large",
            Self::LinkUsedUp => "link_used_up",
            Self::Unreadable { .. } => "unreadable",
            Self::Invalid(_) => "invalid",
            Self::Conflict(_) => "conflict",
            Self::Refused { code, .. } => code,
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

/// To a page that leads back to another.
fn and_back(to: &str, back_to: &str) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", back_to).finish();
    Redirect::to(&format!("{to}?{query}")).into_response()
}

impl IntoResponse for WebError {
    /// Bare; [`render_errors`] gives it a body.
    fn into_response(self) -> Response {
        let mut response = match &self {
            Self::LogIn { back_to } => return and_back("/log-in", back_to),
            Self::StepUp { back_to } => return and_back("/step-up", back_to),
            Self::StaffStepUp { back_to } => return and_back("/staff/step-up", back_to),
            Self::StaffLogIn => return Redirect::to("/staff/log-in").into_response(),
            _ => self.status().into_response(),
        };
        response.extensions_mut().insert(self);
        response
    }
}

impl From<sqlx::Error> for WebError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(telemetry::chain(&error))
    }
}

impl From<crate::account::AccountError> for WebError {
    fn from(error: crate::account::AccountError) -> Self {
        match error {
            crate::account::AccountError::Link => Self::LinkUsedUp,
            crate::account::AccountError::Database(_) => Self::Internal(telemetry::chain(&error)),
        }
    }
}

impl From<MemberError> for WebError {
    fn from(error: MemberError) -> Self {
        let refused = |code: &'static str| Self::Refused {
            text: Words::english().t(&format!("member-refused-{}", code.replace('_', "-"))),
            code,
            errors: Vec::new(),
        };
        match error {
            MemberError::Missing => Self::NotFound,
            MemberError::Link => Self::LinkUsedUp,
            MemberError::Already => refused("already_member"),
            MemberError::Owner => refused("owner_stays"),
            MemberError::Unproven => refused("member_unproven"),
            MemberError::TooMany => refused("too_many_invitations"),
            MemberError::NotTheContact => refused("not_the_contact"),
            MemberError::NotDue => refused("not_due"),
            MemberError::Database(_) => Self::Internal(telemetry::chain(&error)),
        }
    }
}

impl From<TokenError> for WebError {
    fn from(error: TokenError) -> Self {
        let wrong =
            |field: &str, key: &str| Self::Invalid(vec![FieldError { field: field.to_owned(), text: Words::english().t(key) }]);
        match error {
            TokenError::Name => wrong("name", "tokens-name-wrong"),
            TokenError::Days => wrong("days", "tokens-days-wrong"),
            TokenError::Instance => wrong("instance", "tokens-instance-wrong"),
            TokenError::TooMany => wrong("name", "tokens-too-many"),
            TokenError::Database(_) => Self::Internal(telemetry::chain(&error)),
        }
    }
}

impl From<AccessError> for WebError {
    fn from(error: AccessError) -> Self {
        Self::Internal(telemetry::chain(&error))
    }
}

impl From<PasskeyError> for WebError {
    fn from(error: PasskeyError) -> Self {
        match error {
            PasskeyError::Old | PasskeyError::Wrong => Self::WrongCode,
            PasskeyError::Name | PasskeyError::Known | PasskeyError::TooMany => Self::Conflict(error.to_string()),
            PasskeyError::Unwritable(_) | PasskeyError::Database(_) => Self::Internal(telemetry::chain(&error)),
        }
    }
}

impl From<HookError> for WebError {
    fn from(error: HookError) -> Self {
        let (field, key) = match &error {
            HookError::Url => ("url", "hooks-url-wrong"),
            HookError::Kind => ("events", "hooks-kind-wrong"),
            HookError::TooMany => ("url", "hooks-too-many"),
            HookError::Off => {
                let text = Words::english().t("hooks-is-off");
                return Self::Refused { code: "webhook_off", text, errors: Vec::new() };
            }
            HookError::Database(_) => return Self::Internal(telemetry::chain(&error)),
        };
        Self::Invalid(vec![FieldError { field: field.to_owned(), text: Words::english().t(key) }])
    }
}

impl From<FactorError> for WebError {
    fn from(error: FactorError) -> Self {
        let refused = |code: &'static str| Self::Refused {
            text: Words::english().t(&format!("factor-refused-{}", code.replace('_', "-"))),
            code,
            errors: Vec::new(),
        };
        match error {
            FactorError::Already => refused("second_factor_on"),
            FactorError::None => refused("second_factor_off"),
            FactorError::Wrong => Self::WrongCode,
            FactorError::Unwritable => Self::Internal(telemetry::chain(&error)),
            FactorError::Account(error) => error.into(),
        }
    }
}

impl From<crate::account::password::HashingFailed> for WebError {
    fn from(error: crate::account::password::HashingFailed) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(telemetry::chain(&error))
    }
}

/// A problem body (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Problem {
    /// Names the kind of problem as a URI: `urn:paddock:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in one word: stable, for programs.
    pub code: &'static str,
    /// Status, as in the answer's first line.
    pub status: u16,
    /// What the status means, for people.
    pub title: String,
    /// A sentence for people.
    pub detail: String,
    /// Fields that are wrong, when that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Names this request to support.
    pub request_id: String,
}

/// What is named as the field when axum itself could not read a request.
const REQUEST: &str = "request";

/// Around everything: gives errors their body and writes ours to the log.
pub(super) async fn render_errors(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let request_id =
        request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let error = match response.extensions().get::<WebError>() {
        Some(error) => error.clone(),
        // What axum itself refuses has no body of ours: unknown paths, wrong methods, unreadable parameters.
        None if !response.headers().contains_key(header::CONTENT_TYPE) || plain(&response) => match status {
            StatusCode::NOT_FOUND => WebError::NotFound,
            StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                WebError::Unreadable { field: REQUEST.to_owned(), message: status.canonical_reason().unwrap_or("").to_owned() }
            }
            // Forms and JSON are measured by readers of their own.
            StatusCode::PAYLOAD_TOO_LARGE => WebError::TooLarge { most: super::hooks::LIMIT },
            StatusCode::INTERNAL_SERVER_ERROR => WebError::Internal("a handler panicked".to_owned()),
            StatusCode::SERVICE_UNAVAILABLE if !plain(&response) => WebError::Unavailable("the answer took too long".to_owned()),
            _ => return response,
        },
        None => return response,
    };
    if let WebError::Internal(why) | WebError::Unavailable(why) = &error {
        tracing::error!(http.path = path, request.id = request_id, error = why, "a request could not be answered");
    }
    // A wrong method keeps its own status; all else has the error's.
    let status = if status == StatusCode::METHOD_NOT_ALLOWED { status } else { error.status() };
    let mut answer = if path.starts_with("/api/") || path.starts_with("/hooks/") {
        problem(&error, status, request_id)
    } else {
        // Whoever is signed in stays so on an error page, also where no route and no guard was; without a database they are nobody.
        let caller = session::find(&state, &headers, &path).await.unwrap_or(Caller::Nobody);
        page(&state, &error, status, &path, &headers, &caller, request_id)
    };
    if let WebError::TooManyAttempts { seconds } | WebError::TooOften { seconds } = &error {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    if matches!(error, WebError::Crowded) {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let [policy, standing] = limit::headers();
    for kept in [header::ALLOW, policy, standing] {
        if let Some(value) = response.headers().get(&kept) {
            answer.headers_mut().insert(kept, value.clone());
        }
    }
    answer
}

fn plain(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn problem(error: &WebError, status: StatusCode, request_id: String) -> Response {
    let errors = match error {
        WebError::Invalid(errors) | WebError::Refused { errors, .. } => errors.clone(),
        _ if status == StatusCode::METHOD_NOT_ALLOWED => Vec::new(),
        WebError::Unreadable { field, message } => vec![FieldError { field: field.clone(), text: message.clone() }],
        _ => Vec::new(),
    };
    let detail = match error {
        _ if status == StatusCode::METHOD_NOT_ALLOWED => {
            "this path does not take that method; the header allow names those it takes".to_owned()
        }
        WebError::Internal(_) | WebError::Unavailable(_) => Words::english().t(&format!("error-{}-text", status.as_u16())),
        other => other.to_string(),
    };
    let title = status.canonical_reason().unwrap_or("Error").to_owned();
    let code = if status == StatusCode::METHOD_NOT_ALLOWED { "method_not_allowed" } else { error.code() };
    let kind = format!("urn:paddock:problem:{code}");
    let mut answer =
        (status, Json(Problem { kind, code, status: status.as_u16(), title, detail, errors, request_id })).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn page(
    state: &AppState,
    error: &WebError,
    status: StatusCode,
    path: &str,
    headers: &axum::http::HeaderMap,
    caller: &Caller,
    request_id: String,
) -> Response {
    let page = PageContext::new(state, headers, path, caller);
    let words = page.w.clone();
    let (way_out, label) = match (error, caller) {
        (_, Caller::Staff(_)) => ("/staff", "error-way-staff"),
        (WebError::LinkUsedUp, _) if path.starts_with("/verify/") => ("/check-mail", "error-way-check-mail"),
        (WebError::LinkUsedUp, _) if path.starts_with("/waiting/") || path.starts_with("/join/") => ("/", "error-way-home"),
        (WebError::LinkUsedUp, _) if path.starts_with("/address/") => ("/account/security", "error-way-security"),
        (WebError::LinkUsedUp, _) => ("/forgot", "error-way-forgot"),
        (WebError::TooManyAttempts { .. }, Caller::Nobody) => ("/forgot", "error-way-reset"),
        (WebError::Unverified, _) => ("/check-mail", "error-way-check-mail"),
        (_, Caller::Customer(_)) => ("/instances", "error-way-instances"),
        (_, Caller::Nobody) => ("/", "error-way-home"),
    };
    let number = status.as_u16();
    let (title, text) = match error {
        WebError::Unverified => (words.t("error-unverified-title"), words.t("error-unverified-text")),
        WebError::Forbidden if matches!(caller, Caller::Staff(_)) => {
            (words.t("error-forbidden-title"), words.t("error-forbidden-staff"))
        }
        WebError::ThroughGlass => (words.t("error-forbidden-title"), words.t("error-forbidden-glass")),
        WebError::Forbidden => (words.t("error-forbidden-title"), words.t("error-forbidden-text")),
        WebError::TooManyAttempts { seconds } => {
            (words.t("error-attempts-title"), words.t1("error-attempts-text", "minutes", (seconds + 59) / 60))
        }
        WebError::Crowded => (words.t("error-crowded-title"), words.t("error-crowded-text")),
        WebError::TooLarge { most } => (words.t("error-413-title"), words.t1("error-413-text", "kib", most / 1024)),
        WebError::Conflict(why) | WebError::Refused { text: why, .. } => (words.t("error-409-title"), why.clone()),
        WebError::Unreadable { field, .. } if status == StatusCode::BAD_REQUEST && field != REQUEST => {
            (words.t("error-400-title"), words.t1("error-400-field", "field", field))
        }
        _ => (words.t(&format!("error-{number}-title")), words.t(&format!("error-{number}-text"))),
    };
    let reference = if status.is_server_error() { request_id } else { String::new() };
    let content = ErrorPage { page, title, text, way_out: way_out.to_owned(), way_out_label: words.t(label), reference };
    match html(&content) {
        Ok(body) => (status, body).into_response(),
        Err(error) => {
            tracing::error!(error = telemetry::chain(&error), "the error page could not be rendered");
            (status, title_only(status)).into_response()
        }
    }
}

fn title_only(status: StatusCode) -> String {
    status.to_string()
}
