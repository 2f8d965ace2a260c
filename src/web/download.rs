//! Archives as they are fetched: by a link that is signed and ends by itself, file by file, with ranges, so that whatever breaks off goes on.
//! The bytes go through us; nobody needs to reach the object store.
//!
//! A link is good for one archive until one moment, whoever has it: it is for a command line, which has no cookie. Who is given one is asked
//! where it is made ([`link`]).

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::AppState;
use super::access::{Access, Routes};
use super::error::WebError;
use super::form::Query;
use crate::archive::manifest::{self, Manifest};
use crate::archive::names::{MANIFEST, SIGNATURE};
use crate::archive::shelf::BucketShelf;
use crate::archive::{ArchiveError, PartName};
use crate::crypto;
use crate::ids::{AccountId, ArchiveId};
use crate::instance::export::{self, ServerArchive};
use crate::telemetry;

/// How long a link is good for.
pub(super) const LINK: TimeDelta = TimeDelta::hours(24);
/// What the signature of a link is good for.
const PURPOSE: &str = "archive link";
/// The file that tells curl what to fetch.
const LIST: &str = "curl.txt";
/// The key that opens the secrets with the customer's passphrase.
pub(super) const KEY_FILE: &str = "key.age";

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/downloads/{archive}/{file}", Access::Public, fetch)
}

/// What stands behind the question mark of a link.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    /// Whose it is.
    of: String,
    /// Seconds since 1970.
    until: i64,
    /// The signature.
    key: String,
}

/// A link to an archive.
#[derive(Debug, Clone)]
pub(super) struct Link {
    base: String,
    query: String,
    /// Until when it is good.
    pub until: DateTime<Utc>,
}

impl Link {
    /// The address of one of its files.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}?{}", self.base, self.query)
    }

    /// The address of the list that curl takes.
    pub fn list(&self) -> String {
        self.file(LIST)
    }
}

/// Makes a link to an archive that is there. Ask before whether whoever wants it may have it.
pub(super) fn link(state: &AppState, archive: &ServerArchive) -> Link {
    let now = state.clock.now();
    let until = archive.expires_at.map_or(now, |end| end.min(now + LINK));
    again(state, archive.account_id, archive.id, until)
}

/// The link to an archive until a moment: the same each time.
fn again(state: &AppState, account: AccountId, archive: ArchiveId, until: DateTime<Utc>) -> Link {
    let mac = state.key.mac(PURPOSE, &message(account, archive, until.timestamp()));
    let base = state.host.base_url.as_str().trim_end_matches('/');
    Link {
        base: format!("{base}/downloads/{archive}"),
        query: format!("of={account}&until={}&key={}", until.timestamp(), crypto::to_base64(&mac)),
        until,
    }
}

fn message(account: AccountId, archive: ArchiveId, until: i64) -> Vec<u8> {
    format!("{account} {archive} {until}").into_bytes()
}

/// Which archive a link is of and until when, if it is ours and still good. What is not is not there.
fn checked(state: &AppState, archive: &str, signed: &Signed) -> Result<(AccountId, ArchiveId, DateTime<Utc>), WebError> {
    let id: ArchiveId = archive.parse().map_err(|_| WebError::NotFound)?;
    let account: AccountId = signed.of.parse().map_err(|_| WebError::NotFound)?;
    let until = DateTime::from_timestamp(signed.until, 0).ok_or(WebError::NotFound)?;
    let mac = crypto::from_base64(&signed.key).ok_or(WebError::NotFound)?;
    let ours = state.key.verifies(PURPOSE, &message(account, id, signed.until), &mac);
    if ours && until > state.clock.now() { Ok((account, id, until)) } else { Err(WebError::NotFound) }
}

/// The archive, while it can be fetched, and where it lies.
async fn there(state: &AppState, account: AccountId, id: ArchiveId) -> Result<(ServerArchive, BucketShelf), WebError> {
    let depot = state.depot.as_ref().ok_or(WebError::NotFound)?;
    let mut tx = state.db.begin_account(account).await?;
    let archive = export::find_any_archive(tx.conn(), id).await?.ok_or(WebError::NotFound)?;
    drop(tx);
    if !archive.is_there(state.clock.now()) {
        return Err(WebError::NotFound);
    }
    let shelf = export::shelf(depot, archive.instance_id, archive.id);
    Ok((archive, shelf))
}

/// GET `/downloads/{archive}/{file}`
async fn fetch(
    State(state): State<AppState>,
    Path((archive, file)): Path<(String, String)>,
    signed: Result<Query<Signed>, WebError>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    // What is no link of ours is not told apart from what is not there.
    let Query(signed) = signed.map_err(|_| WebError::NotFound)?;
    let (account, id, until) = checked(&state, &archive, &signed)?;
    let (archive, shelf) = there(&state, account, id).await?;
    match file.as_str() {
        LIST => {
            let names = files(&shelf, &archive).await?;
            Ok(text(list(&again(&state, account, id, until), &archive, &names)))
        }
        KEY_FILE => archive.key_file.map(text).ok_or(WebError::NotFound),
        MANIFEST | SIGNATURE => stream(&shelf, &file, &headers).await,
        // Names out of the closed list alone: nothing else that may lie there is handed out.
        name if name.parse::<PartName>().is_ok() => stream(&shelf, name, &headers).await,
        _ => Err(WebError::NotFound),
    }
}

/// The names of all files of an archive, as its manifest says.
async fn files(shelf: &BucketShelf, archive: &ServerArchive) -> Result<Vec<String>, WebError> {
    let bytes = shelf.small(MANIFEST).await.map_err(|error| away(&error))?.ok_or(WebError::NotFound)?;
    let same = archive.manifest.as_deref() == Some(hex::encode(crypto::sha256(&bytes)).as_str());
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= manifest::LARGEST);
    if !same || !fits {
        return Err(WebError::Internal(format!("{shelf}: its manifest is not the one that was written")));
    }
    let manifest = Manifest::from_bytes(&bytes).map_err(|damage| away(&ArchiveError::from(damage)))?;
    let parts = manifest.parts.into_iter().map(|part| part.name);
    Ok([MANIFEST, SIGNATURE].into_iter().map(str::to_owned).chain(parts).collect())
}

/// What curl is to fetch, in its own language: each file goes on where it broke off.
fn list(link: &Link, archive: &ServerArchive, names: &[String]) -> String {
    let folder = archive.id;
    let mut text = String::from("create-dirs\nfail\nlocation\nretry = 10\nretry-all-errors\ncontinue-at = \"-\"\n");
    let key = archive.key_file.as_ref().map(|_| KEY_FILE.to_owned());
    for name in names.iter().chain(key.as_ref()) {
        // Writing into a String can't fail.
        let _ = write!(text, "url = \"{}\"\noutput = \"{folder}/{name}\"\n", link.file(name));
    }
    text
}

fn text(text: String) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    ([kind, private()], text).into_response()
}

/// The store is away, or does not do what we ask.
fn away(error: &(dyn std::error::Error + 'static)) -> WebError {
    WebError::Unavailable(telemetry::chain(error))
}

/// Nobody in between keeps it.
fn private() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// A file, or the range of it that is asked for, as the store gives it.
async fn stream(shelf: &BucketShelf, name: &str, headers: &HeaderMap) -> Result<Response, WebError> {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).filter(|range| is_plain(range));
    let found = shelf.get(name, range.map(str::to_owned)).await.map_err(|error| away(&error))?;
    let status = StatusCode::from_u16(found.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    if status == StatusCode::NOT_FOUND {
        return Err(WebError::NotFound);
    }
    let carried = [header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG];
    let mut answer = HeaderMap::new();
    for name in carried {
        if let Some(value) = found.headers().get(name.as_str()).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            answer.insert(name, value);
        }
    }
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    let (no_store, value) = private();
    answer.insert(no_store, value);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // What the store says beside is about the store.
        answer.remove(header::CONTENT_LENGTH);
        return Ok((status, answer).into_response());
    }
    Ok((status, answer, Body::from_stream(found.bytes_stream())).into_response())
}

/// Whether a header `Range` asks for one range of bytes; anything else is answered with all of the file, as the standard allows.
fn is_plain(range: &str) -> bool {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|rest| rest.split_once('-')) else { return false };
    let digits = |text: &str| text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(from) && digits(to) && !(from.is_empty() && to.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_passed_on_and_nothing_else() {
        for range in ["bytes=0-", "bytes=5-9", "bytes=-500", "bytes=16777216-16777225"] {
            assert!(is_plain(range), "{range}");
        }
        for range in ["bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=0-\r\nx: y", ""] {
            assert!(!is_plain(range), "{range}");
        }
    }
}
