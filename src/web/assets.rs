//! Stylesheet, script and pictures, from inside the binary.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::crypto;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// How an asset may be kept: by anybody, and for good.
const FOR_ALL: &str = "public, max-age=31536000, immutable";

/// Whether an answer is an asset. Only these are compressed: a page holds tokens, and the length of what is compressed together with
/// something that a stranger chose can give them away (BREACH).
pub(super) fn is_one(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    status == StatusCode::OK && headers.get(header::CACHE_CONTROL).is_some_and(|value| value == FOR_ALL)
}

/// Changes with any of the assets. Pages name them with it, so that browsers may keep them for a year.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut names: Vec<_> = Assets::iter().collect();
        names.sort();
        let hashes: Vec<u8> =
            names.iter().filter_map(|name| Assets::get(name)).flat_map(|file| file.metadata.sha256_hash()).collect();
        hex::encode(&crypto::sha256(&hashes)[..6])
    });
    &VERSION
}

/// GET `/assets/{*path}`
pub(super) async fn get(Path(path): Path<String>) -> Response {
    let Some(file) = Assets::get(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = file.metadata.mimetype().to_owned();
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, FOR_ALL.to_owned())];
    (headers, file.data.into_owned()).into_response()
}
