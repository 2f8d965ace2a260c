//! What was sent in a form or behind the question mark: faults that name their field.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::AppState;
use super::csrf::FORM_LIMIT;
use super::error::WebError;

/// A page's form. The guard has seen that it is one, that it is ours, and that it is not too large.
#[derive(Debug)]
pub(super) struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = WebError;
    async fn from_request(request: Request, _: &AppState) -> Result<Self, WebError> {
        let too_large = |_| WebError::TooLarge { most: FORM_LIMIT };
        read(&to_bytes(request.into_body(), FORM_LIMIT).await.map_err(too_large)?).map(Self)
    }
}

/// The parameters behind the question mark.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, WebError> {
        read(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, WebError> {
    let input = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(text));
    serde_path_to_error::deserialize(input).map_err(|error| fault(&error.path().to_string(), &error.inner().to_string()))
}

/// What serde says, with the field in front: the path where it knows one, else the name in its sentence.
pub(super) fn fault(path: &str, sentence: &str) -> WebError {
    let sentence = sentence.split(" at line ").next().unwrap_or_default();
    let named = |start: &str| sentence.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(field) = named("unknown field `") {
        return unreadable(field, "is not known here; correct its spelling or leave it out");
    }
    if let Some(field) = named("missing field `") {
        return unreadable(field, "is missing; send it");
    }
    if let Some(field) = named("duplicate field `") {
        return unreadable(field, "is there twice; send it once");
    }
    let field = if path == "." { "body" } else { path };
    unreadable(field, format!("can't be read: {sentence}"))
}

/// A field that can't be read, and why.
pub(super) fn unreadable(field: &str, message: impl Into<String>) -> WebError {
    WebError::Unreadable { field: field.to_owned(), message: message.into() }
}
