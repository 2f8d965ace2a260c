//! Stylesheet, script and pictures, from inside the binary.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::crypto;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

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
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned())];
    (headers, file.data.into_owned()).into_response()
}
