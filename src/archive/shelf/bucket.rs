//! An archive in a bucket. What is written is sent in pieces that are held in memory, so that each can be sent again; what is read comes
//! in pieces as well, so that a line that breaks off costs one piece.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};
use secrecy::SecretString;
use tokio::runtime::Handle;
use url::Url;

use super::super::error::{ArchiveError, Damage};
use super::super::manifest::Part;
use super::super::media::request::{Ask, Bucket, NOTHING, between, client, encoded, unescaped};
use super::super::media::{MediaError, S3Address};
use crate::clock::SharedClock;
use crate::crypto;

/// What is sent or fetched at a time. A store takes 10,000 pieces of one file.
const PIECE: u64 = 16 * 1024 * 1024;
/// The most pieces that one file is sent in; some room below the store's limit.
const MOST_PIECES: u64 = 9_000;
/// What S3 lists at a time.
const PAGE: usize = 1000;
/// How often a piece is fetched that came incomplete.
const TRIES: u32 = 5;

/// A bucket, and the prefix under which one archive lies.
#[derive(Debug, Clone)]
pub struct BucketShelf(Arc<Bucket>);

/// An object store with a key that opens the archives of many servers, each in a bucket of its own.
#[derive(Clone)]
pub struct Depot {
    http: reqwest::Client,
    endpoint: Url,
    region: String,
    access_key: String,
    secret_key: SecretString,
    clock: SharedClock,
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Depot({})", self.endpoint)
    }
}

impl Depot {
    /// The store at this address.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(
        endpoint: Url,
        region: String,
        access_key: String,
        secret_key: SecretString,
        clock: SharedClock,
    ) -> Result<Self, MediaError> {
        Ok(Self { http: client()?, endpoint, region, access_key, secret_key, clock })
    }

    /// The place of one archive. `prefix` ends with a slash.
    pub fn shelf(&self, bucket: &str, prefix: &str) -> BucketShelf {
        let Self { http, endpoint, region, access_key, secret_key, clock } = self.clone();
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let address = S3Address { endpoint, region, bucket, prefix, access_key, secret_key, acl: None };
        BucketShelf(Bucket::with(http, address, clock))
    }
}

/// One file that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name without the prefix.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

impl fmt::Display for BucketShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let S3Address { bucket, prefix, .. } = &self.0.address;
        write!(f, "s3://{bucket}/{prefix}")
    }
}

impl BucketShelf {
    /// With the key of the address.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(address: S3Address, clock: SharedClock) -> Result<Self, MediaError> {
        Bucket::new(address, clock).map(Self)
    }

    fn object(&self, name: &str) -> String {
        format!("{}{name}", self.0.address.prefix)
    }

    /// The size of a file; nothing where there is none.
    ///
    /// # Errors
    /// The store does not say.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, MediaError> {
        let (what, object) = (format!("look for {name}"), self.object(name));
        let ask = Ask { what: &what, method: Method::HEAD, object: &object, query: "", sha256: NOTHING, headers: &[] };
        let answer = self.0.demand(&ask, None, &[StatusCode::NOT_FOUND]).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        // Not what the client makes of it: of an answer without a body that is nothing.
        let length = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        let unsaid = || MediaError::Unmade { what, why: "the object store does not say how large it is".into() };
        length.map(Some).ok_or_else(unsaid)
    }

    /// A file, or the range of it that a header `Range` names, as the store answers; 404 and 416 are answers too.
    ///
    /// # Errors
    /// The store does not answer, or refuses.
    pub async fn get(&self, name: &str, range: Option<String>) -> Result<Response, MediaError> {
        let (what, object) = (format!("read {name}"), self.object(name));
        let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        let ask = Ask { what: &what, method: Method::GET, object: &object, query: "", sha256: NOTHING, headers: &headers };
        self.0.demand(&ask, None, &[StatusCode::NOT_FOUND, StatusCode::RANGE_NOT_SATISFIABLE]).await
    }

    /// All of a file that has at most [`PIECE`] bytes; nothing where there is none.
    ///
    /// # Errors
    /// The store does not answer, or refuses.
    pub async fn small(&self, name: &str) -> Result<Option<Vec<u8>>, MediaError> {
        let answer = self.get(name, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let too_large = answer.content_length().is_none_or(|length| length > PIECE);
        if too_large {
            return Err(MediaError::Unmade { what: format!("read {name}"), why: "it is larger than it may be".into() });
        }
        let bytes = answer.bytes().await;
        let bytes =
            bytes.map_err(|source| MediaError::Unreachable { what: format!("read {name}"), source: source.without_url() });
        Ok(Some(bytes?.to_vec()))
    }

    /// `length` bytes from `from` on, as often asked for as it takes.
    async fn piece(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>, MediaError> {
        let wanted = format!("bytes={from}-{}", from + length - 1);
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.get(name, Some(wanted.clone())).await?;
            let status = answer.status();
            let bytes = answer.bytes().await;
            match bytes {
                Ok(bytes) if status == StatusCode::PARTIAL_CONTENT && u64::try_from(bytes.len()).ok() == Some(length) => {
                    return Ok(bytes.to_vec());
                }
                // Fewer than were asked for: it broke off, or it is another file by now. The last time tells.
                Ok(_) if tries == TRIES => {
                    let why = format!("of {length} bytes from {from} on not all come, status {}", status.as_u16());
                    return Err(MediaError::Unmade { what: format!("read {name}"), why });
                }
                Err(source) if tries == TRIES => {
                    return Err(MediaError::Unreachable { what: format!("read {name}"), source: source.without_url() });
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Reads a file of this size from its beginning.
    pub(super) fn reader(&self, handle: &Handle, name: &str, size: u64) -> impl Read + Send + use<> {
        Pieces { shelf: self.clone(), handle: handle.clone(), name: name.to_owned(), size, from: 0, piece: Vec::new(), at: 0 }
    }

    /// Writes a file in one request.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), MediaError> {
        let (what, object) = (format!("write {name}"), self.object(name));
        let sha256 = hex::encode(crypto::sha256(bytes));
        let ask = Ask { what: &what, method: Method::PUT, object: &object, query: "", sha256: &sha256, headers: &[] };
        self.0.demand(&ask, Some(bytes), &[]).await.map(drop)
    }

    /// Deletes a file; one that is not there is no error.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn delete(&self, name: &str) -> Result<(), MediaError> {
        let (what, object) = (format!("delete {name}"), self.object(name));
        let ask = Ask { what: &what, method: Method::DELETE, object: &object, query: "", sha256: NOTHING, headers: &[] };
        self.0.demand(&ask, None, &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    /// All files that lie there; none as well where there is no such bucket any more.
    ///
    /// # Errors
    /// The store does not list them.
    pub async fn list(&self) -> Result<Vec<Listed>, MediaError> {
        let prefix = &self.0.address.prefix;
        let escaped = |text: &str| encoded(text).replace('/', "%2F");
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let after = all.last().map(|last| format!("&start-after={}", escaped(&format!("{prefix}{}", last.name))));
            let query = format!("?list-type=2&max-keys={PAGE}&prefix={}{}", escaped(prefix), after.unwrap_or_default());
            let what = "list the archive";
            let ask = Ask { what, method: Method::GET, object: "", query: &query, sha256: NOTHING, headers: &[] };
            let answer = self.0.demand(&ask, None, &[StatusCode::NOT_FOUND]).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(Vec::new());
            }
            let text = answer.text().await.map_err(|source| MediaError::Unreachable { what: what.into(), source })?;
            let (page, more) = read_page(&text, prefix);
            let ended = page.is_empty() || !more;
            all.extend(page);
            if ended {
                return Ok(all);
            }
        }
    }

    /// Deletes all that lies there, and gives up uploads that were never ended. Returns how many files went.
    ///
    /// # Errors
    /// The store does not do it; asked again it goes on.
    pub async fn clear(&self) -> Result<u64, MediaError> {
        self.give_up_uploads(None).await?;
        let mut removed = 0;
        for Listed { name, bytes: _ } in self.list().await? {
            self.delete(&name).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Gives up uploads of one file, or of all that would lie here.
    async fn give_up_uploads(&self, only: Option<&str>) -> Result<(), MediaError> {
        let prefix = only.map_or_else(|| self.0.address.prefix.clone(), |name| self.object(name));
        let query = format!("?uploads&prefix={}", encoded(&prefix).replace('/', "%2F"));
        let what = "list unfinished uploads";
        let ask = Ask { what, method: Method::GET, object: "", query: &query, sha256: NOTHING, headers: &[] };
        let answer = self.0.demand(&ask, None, &[StatusCode::NOT_FOUND]).await?;
        let text = answer.text().await.map_err(|source| MediaError::Unreachable { what: what.into(), source })?;
        for upload in between(&text, "<Upload>", "</Upload>") {
            let inside = |open: &str, close: &str| between(upload, open, close).next().map(unescaped).unwrap_or_default();
            let (object, id) = (inside("<Key>", "</Key>"), inside("<UploadId>", "</UploadId>"));
            if object.starts_with(&prefix) {
                self.give_up(&object, &id).await?;
            }
        }
        Ok(())
    }

    async fn give_up(&self, object: &str, id: &str) -> Result<(), MediaError> {
        let query = format!("?uploadId={}", encoded(id).replace('/', "%2F"));
        let what = "give up an upload";
        let ask = Ask { what, method: Method::DELETE, object, query: &query, sha256: NOTHING, headers: &[] };
        self.0.demand(&ask, None, &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    /// Sends a part whose size and checksum are known. It has its name only when all of it is there.
    pub(super) fn upload(&self, handle: &Handle, part: &Part, file: &mut dyn Read) -> Result<(), ArchiveError> {
        if part.bytes <= PIECE {
            let bytes = read_piece(file, part, part.bytes)?;
            return Ok(handle.block_on(self.put(&part.name, &bytes))?);
        }
        // What an earlier try has left would be kept, and paid for, for ever.
        handle.block_on(self.give_up_uploads(Some(&part.name)))?;
        let object = self.object(&part.name);
        let id = handle.block_on(self.begin(&part.name, &object))?;
        let sent = self.pieces(handle, part, file, &id).and_then(|tags| Ok(handle.block_on(self.complete(part, &id, &tags))?));
        if sent.is_err() {
            // Why it failed is of interest, not whether this does.
            let _left = handle.block_on(self.give_up(&object, &id));
        }
        sent
    }

    async fn begin(&self, name: &str, object: &str) -> Result<String, MediaError> {
        let what = format!("begin to write {name}");
        let ask = Ask { what: &what, method: Method::POST, object, query: "?uploads=", sha256: NOTHING, headers: &[] };
        let answer = self.0.demand(&ask, None, &[]).await?;
        let text = answer.text().await.map_err(|source| MediaError::Unreachable { what: what.clone(), source })?;
        let id = between(&text, "<UploadId>", "</UploadId>").next().map(unescaped);
        id.ok_or(MediaError::Unmade { what, why: "the object store names no upload".into() })
    }

    fn pieces(&self, handle: &Handle, part: &Part, file: &mut dyn Read, id: &str) -> Result<Vec<String>, ArchiveError> {
        let each = PIECE.max(part.bytes.div_ceil(MOST_PIECES));
        let (mut left, mut tags) = (part.bytes, Vec::new());
        while left > 0 {
            let bytes = read_piece(file, part, left.min(each))?;
            left -= left.min(each);
            tags.push(handle.block_on(self.send_piece(part, id, tags.len() + 1, &bytes))?);
        }
        Ok(tags)
    }

    async fn send_piece(&self, part: &Part, id: &str, number: usize, bytes: &[u8]) -> Result<String, MediaError> {
        let (what, object) = (format!("write piece {number} of {}", part.name), self.object(&part.name));
        let query = format!("?partNumber={number}&uploadId={}", encoded(id).replace('/', "%2F"));
        let sha256 = hex::encode(crypto::sha256(bytes));
        let ask = Ask { what: &what, method: Method::PUT, object: &object, query: &query, sha256: &sha256, headers: &[] };
        let answer = self.0.demand(&ask, Some(bytes), &[]).await?;
        let tag = answer.headers().get("etag").and_then(|value| value.to_str().ok()).map(str::to_owned);
        tag.ok_or(MediaError::Unmade { what, why: "the object store gives it no tag".into() })
    }

    async fn complete(&self, part: &Part, id: &str, tags: &[String]) -> Result<(), MediaError> {
        let (what, object) = (format!("complete {}", part.name), self.object(&part.name));
        let query = format!("?uploadId={}", encoded(id).replace('/', "%2F"));
        let line = |(number, tag): (usize, &String)| {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", number + 1)
        };
        let lines: Vec<String> = tags.iter().enumerate().map(line).collect();
        let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", lines.concat());
        let sha256 = hex::encode(crypto::sha256(body.as_bytes()));
        let ask = Ask { what: &what, method: Method::POST, object: &object, query: &query, sha256: &sha256, headers: &[] };
        // An answer that was lost is asked for again, and the store then knows no such upload: what counts is what lies there.
        let answer = self.0.demand(&ask, Some(body.as_bytes()), &[StatusCode::NOT_FOUND]).await?;
        let text = answer.text().await.unwrap_or_default();
        // A store may begin to answer 200 and then say that it failed.
        if text.contains("<Error>") || self.size(&part.name).await? != Some(part.bytes) {
            return Err(MediaError::Unmade { what, why: "the object store did not put its pieces together".into() });
        }
        Ok(())
    }
}

fn read_piece(file: &mut dyn Read, part: &Part, length: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes).map_err(ArchiveError::file("read", &part.name))?;
    if u64::try_from(bytes.len()).ok() == Some(length) {
        Ok(bytes)
    } else {
        Err(Damage::Size { name: part.name.clone(), found: 0, wanted: part.bytes }.into())
    }
}

/// A file of a bucket, fetched piece by piece.
struct Pieces {
    shelf: BucketShelf,
    handle: Handle,
    name: String,
    size: u64,
    /// Where the next piece begins.
    from: u64,
    piece: Vec<u8>,
    /// How much of the piece was read.
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let length = (self.size - self.from).min(PIECE);
            if length == 0 {
                return Ok(0);
            }
            let fetched = self.handle.block_on(self.shelf.piece(&self.name, self.from, length));
            (self.piece, self.at) = (fetched.map_err(io::Error::other)?, 0);
            self.from += length;
        }
        let read = (&self.piece[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

fn read_page(text: &str, prefix: &str) -> (Vec<Listed>, bool) {
    let read = |object: &str| {
        let name = between(object, "<Key>", "</Key>").next().map(unescaped)?;
        let bytes = between(object, "<Size>", "</Size>").next().and_then(|size| size.trim().parse().ok()).unwrap_or(0);
        Some(Listed { name: name.strip_prefix(prefix)?.to_owned(), bytes })
    };
    let page = between(text, "<Contents>", "</Contents>").filter_map(read).collect();
    (page, between(text, "<IsTruncated>", "</IsTruncated>").next().is_some_and(|more| more.trim() == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_fits_into_the_pieces_that_a_store_takes() {
        for bytes in [PIECE + 1, 100 << 30, 1 << 40] {
            let each = PIECE.max(bytes.div_ceil(MOST_PIECES));
            assert!(bytes.div_ceil(each) <= 10_000, "{bytes}");
        }
    }

    #[test]
    fn a_listing_is_read_without_its_prefix() {
        let text =
            "<L><IsTruncated>false</IsTruncated><Contents><Key>archives/a/manifest.json</Key><Size>12</Size></Contents></L>";
        assert_eq!(read_page(text, "archives/a/"), (vec![Listed { name: "manifest.json".into(), bytes: 12 }], false));
    }
}
