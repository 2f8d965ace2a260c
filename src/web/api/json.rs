//! JSON in and out: bodies with faults that name their field, and answers that nobody in between may keep.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{fault, unreadable};

/// The most that a body may weigh, in bytes.
pub(super) const LIMIT: usize = 64 * 1024;

/// The body of a request. Another content type is 415, more than [`LIMIT`] 413, and whatever can't be read as a `T` 400.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = WebError;
    async fn from_request(request: Request, _: &AppState) -> Result<Self, WebError> {
        if !says_json(request.headers()) {
            return Err(WebError::NotJson);
        }
        parse(&read(request.into_body()).await?).map(Self)
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(body: Body) -> Result<Vec<u8>, WebError> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| unreadable("body", "broke off; send it again"))?;
        if bytes.len() + chunk.len() > LIMIT {
            return Err(WebError::TooLarge { most: LIMIT });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WebError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        unreadable("body", format!("is not UTF-8 from byte {} on; encode the JSON as UTF-8", error.valid_up_to()))
    })?;
    // A struct would also be read from a list of its values, which nobody means.
    if !text.trim_start().starts_with('{') {
        return Err(unreadable("body", "is not a JSON object; send { … } with the fields that the OpenAPI document names"));
    }
    let mut input = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            return fault(&error.path().to_string(), &inner.to_string());
        }
        // An empty object where one of several is to be named is told as if it were no JSON: as a value it is told by its field.
        let again = serde_json::from_str::<serde_json::Value>(text).ok().map(serde_path_to_error::deserialize::<_, T>);
        match again {
            Some(Err(error)) => fault(&error.path().to_string(), &error.inner().to_string()),
            Some(Ok(_)) | None => unreadable("body", format!("is not valid JSON: {inner}; correct it there")),
        }
    })?;
    input.end().map_err(|error| unreadable("body", format!("has more than one JSON object: {error}; send one")))?;
    Ok(value)
}

/// An answer with a body. It holds secrets or what belongs to one account, so nothing in between may keep it.
#[derive(Debug)]
pub(super) struct Answer<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.1)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    #[derive(Default)]
    struct Wanted {
        email: String,
        password: String,
    }

    fn why(bytes: &[u8]) -> (String, String) {
        match parse::<Wanted>(bytes) {
            Err(WebError::Unreadable { field, message }) => (field, message),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn an_object_is_read_and_missing_fields_are_empty() {
        let wanted = parse::<Wanted>(br#" {"email": "a@b.example"} "#).unwrap();
        assert_eq!(wanted, Wanted { email: "a@b.example".to_owned(), password: String::new() });
    }

    #[test]
    fn what_cannot_be_read_names_the_field() {
        let cases: [(&[u8], &str, &str); 12] = [
            (b"", "body", "not a JSON object"),
            (b"   ", "body", "not a JSON object"),
            (b"null", "body", "not a JSON object"),
            (br#"["a@b.example", "secret"]"#, "body", "not a JSON object"),
            (b"{\"email\": \"\xff\"}", "body", "not UTF-8 from byte 11"),
            (br#"{"email": "a"#, "body", "not valid JSON"),
            (br#"{"email": "a",}"#, "body", "not valid JSON"),
            (br#"{"email": "a"} {}"#, "body", "more than one"),
            (br#"{"e_mail": "a"}"#, "e_mail", "not known here"),
            (br#"{"email": "a", "email": "b"}"#, "email", "twice"),
            (br#"{"email": 3}"#, "email", "expected a string"),
            (br#"{"password": null}"#, "password", "expected a string"),
        ];
        for (bytes, field, part) in cases {
            let (found, message) = why(bytes);
            assert_eq!(found, field, "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn only_json_is_json() {
        let says =
            |kind: &'static str| says_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]));
        assert!(says("application/json") && says("Application/JSON; charset=utf-8"));
        assert!(!says("text/plain") && !says("application/x-www-form-urlencoded") && !says("application/jsonp"));
        assert!(!says_json(&HeaderMap::new()));
    }
}
