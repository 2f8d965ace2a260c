//! Media in a bucket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use futures::stream;
use reqwest::{Body, Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use super::super::key::{CACHE, MediaKey};
use super::super::stream::CHUNK;
use super::request::{Ask, Bucket, NOTHING, between, encoded, refused, unescaped};
use super::{Amount, Found, MediaError, Source, Target};
use crate::clock::SharedClock;

/// What S3 lists at a time.
const PAGE: usize = 1000;
/// Requests that are under way at once: most of the time of a small file is the way there and back.
const AT_ONCE: usize = 8;
/// Up to this many bytes a file is held in memory, so that it can be sent again.
const SMALL: u64 = 1024 * 1024;
/// What a file's checksum is kept as, beside the file.
const CHECKSUM: &str = "x-amz-meta-sha256";

/// A bucket and a key of it.
#[derive(Clone)]
pub struct S3Address {
    /// Address of the server.
    pub endpoint: Url,
    /// Region that requests are signed for.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// What stands before all names, with its slash; mostly nothing.
    pub prefix: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: SecretString,
    /// What is said of who may read what is written (`x-amz-acl`), where the store knows such a thing.
    pub acl: Option<String>,
}

impl fmt::Debug for S3Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Address({}{}/{})", self.endpoint, self.bucket, self.prefix)
    }
}

impl PartialEq for S3Address {
    fn eq(&self, other: &Self) -> bool {
        let Self { endpoint, region, bucket, prefix, access_key, secret_key, acl } = self;
        (endpoint, region, bucket, prefix) == (&other.endpoint, &other.region, &other.bucket, &other.prefix)
            && (access_key, acl) == (&other.access_key, &other.acl)
            && secret_key.expose_secret() == other.secret_key.expose_secret()
    }
}

impl Eq for S3Address {}

/// One line of a listing.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    /// The name without the prefix.
    name: String,
    bytes: u64,
}

/// A listing that goes on page by page.
#[derive(Debug)]
struct Listing {
    bucket: Arc<Bucket>,
    after: Option<String>,
    page: VecDeque<Listed>,
    ended: bool,
}

impl Listing {
    async fn next(&mut self) -> Result<Option<Listed>, MediaError> {
        loop {
            let Some(listed) = self.page.pop_front() else {
                if self.ended {
                    return Ok(None);
                }
                self.fetch().await?;
                continue;
            };
            if self.after.as_deref().is_some_and(|after| after >= listed.name.as_str()) {
                let earlier = self.after.clone().unwrap_or_default();
                return Err(MediaError::Disorder { earlier, later: listed.name });
            }
            if listed.name.starts_with(CACHE) {
                // All of it is passed over with one request: there may be millions.
                self.page.clear();
                self.ended = false;
                self.after = Some(format!("{CACHE}\u{10ffff}"));
                continue;
            }
            self.after = Some(listed.name.clone());
            // What some programs make in place of folders.
            if listed.name.is_empty() || (listed.name.ends_with('/') && listed.bytes == 0) {
                continue;
            }
            return Ok(Some(listed));
        }
    }

    async fn fetch(&mut self) -> Result<(), MediaError> {
        let prefix = &self.bucket.address.prefix;
        let escaped = |text: &str| encoded(text).replace('/', "%2F");
        // After a name and not by token: that works the same on every server, and over an interruption.
        let after = self.after.as_ref().map(|after| format!("&start-after={}", escaped(&format!("{prefix}{after}"))));
        let query = format!("?list-type=2&max-keys={PAGE}&prefix={}{}", escaped(prefix), after.unwrap_or_default());
        let ask = Ask { what: "list the bucket", method: Method::GET, object: "", query: &query, sha256: NOTHING, headers: &[] };
        let answer = self.bucket.demand(&ask, None, &[]).await?;
        let unreachable = |source| MediaError::Unreachable { what: "list the bucket".into(), source };
        let (page, more) = read_page(&answer.text().await.map_err(unreachable)?, prefix);
        self.ended = !more || page.is_empty();
        self.page = page;
        Ok(())
    }
}

fn read_page(text: &str, prefix: &str) -> (VecDeque<Listed>, bool) {
    let read = |object: &str| {
        let name = between(object, "<Key>", "</Key>").next().map(unescaped)?;
        let bytes = between(object, "<Size>", "</Size>").next().and_then(|size| size.trim().parse().ok()).unwrap_or(0);
        Some(Listed { name: name.strip_prefix(prefix)?.to_owned(), bytes })
    };
    let page = between(text, "<Contents>", "</Contents>").filter_map(read).collect();
    (page, between(text, "<IsTruncated>", "</IsTruncated>").next().is_some_and(|more| more.trim() == "true"))
}

/// A file that is on its way.
type Coming = JoinHandle<Result<Option<Response>, MediaError>>;

/// Files of a bucket, in the order of their names.
#[derive(Debug)]
pub struct S3Source {
    handle: Handle,
    listing: Listing,
    /// The next ones, already asked for; a name alone is of one that can't be in an archive.
    coming: VecDeque<(String, Option<(MediaKey, Coming)>)>,
}

impl S3Source {
    /// The files of this bucket.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(handle: &Handle, address: S3Address, clock: SharedClock) -> Result<Self, MediaError> {
        let bucket = Bucket::new(address, clock)?;
        let listing = Listing { bucket, after: None, page: VecDeque::new(), ended: false };
        Ok(Self { handle: handle.clone(), listing, coming: VecDeque::new() })
    }

    fn ask_ahead(&mut self) -> Result<(), MediaError> {
        while self.coming.len() < AT_ONCE {
            let Some(Listed { name, bytes: _ }) = self.handle.block_on(self.listing.next())? else { break };
            let key = MediaKey::new(&name).ok();
            let coming = key.map(|key| {
                let asked = get(Arc::clone(&self.listing.bucket), key.clone());
                (key, self.handle.spawn(asked))
            });
            self.coming.push_back((name, coming));
        }
        Ok(())
    }

    fn forget(&mut self) {
        for (_, (_, coming)) in self.coming.drain(..).filter_map(|(name, coming)| Some((name, coming?))) {
            coming.abort();
        }
    }
}

impl Drop for S3Source {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Asks for a file; returns as soon as it begins to come. Nothing for one that is not there any more.
async fn get(bucket: Arc<Bucket>, key: MediaKey) -> Result<Option<Response>, MediaError> {
    let (what, object) = (format!("read {key}"), format!("{}{key}", bucket.address.prefix));
    let ask = Ask { what: &what, method: Method::GET, object: &object, query: "", sha256: NOTHING, headers: &[] };
    let answer = bucket.demand(&ask, None, &[StatusCode::NOT_FOUND]).await?;
    Ok((answer.status() != StatusCode::NOT_FOUND).then_some(answer))
}

impl Source for S3Source {
    fn measure(&mut self) -> Result<Amount, MediaError> {
        let bucket = Arc::clone(&self.listing.bucket);
        let mut listing = Listing { bucket, after: None, page: VecDeque::new(), ended: false };
        let mut amount = Amount::default();
        while let Some(Listed { name: _, bytes }) = self.handle.block_on(listing.next())? {
            amount.objects += 1;
            amount.bytes += bytes;
        }
        Ok(amount)
    }

    fn start_after(&mut self, after: Option<&str>) {
        self.forget();
        let bucket = Arc::clone(&self.listing.bucket);
        self.listing = Listing { bucket, after: after.map(str::to_owned), page: VecDeque::new(), ended: false };
    }

    fn next(&mut self) -> Result<Option<Found>, MediaError> {
        self.ask_ahead()?;
        let Some((name, coming)) = self.coming.pop_front() else { return Ok(None) };
        let Some((key, coming)) = coming else { return Ok(Some(Found::Unfit(name))) };
        let unmade = |why: String| MediaError::Unmade { what: format!("read {name}"), why };
        let answer = self.handle.block_on(coming).map_err(|gone| unmade(gone.to_string()))??;
        let Some(response) = answer else { return Ok(Some(Found::Vanished(key))) };
        let size = response.content_length().ok_or_else(|| unmade("the object store does not say how large it is".into()))?;
        let body = Box::new(Incoming { handle: self.handle.clone(), response, chunk: Vec::new(), at: 0 });
        Ok(Some(Found::File { key, size, body }))
    }
}

/// The body of an answer, for threads that may block.
struct Incoming {
    handle: Handle,
    response: Response,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            let Some(chunk) = self.handle.block_on(self.response.chunk()).map_err(io::Error::other)? else { return Ok(0) };
            (self.chunk, self.at) = (chunk.to_vec(), 0);
        }
        let read = (&self.chunk[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// A bucket that media are restored into.
#[derive(Debug)]
pub struct S3Target {
    handle: Handle,
    bucket: Arc<Bucket>,
    under_way: JoinSet<Result<(), MediaError>>,
}

impl S3Target {
    /// This bucket, which must be there.
    ///
    /// # Errors
    /// It is not, or the key does not open it.
    pub fn new(handle: &Handle, address: S3Address, clock: SharedClock) -> Result<Self, MediaError> {
        let bucket = Bucket::new(address, clock)?;
        let what = "look for the bucket";
        let ask = Ask { what, method: Method::HEAD, object: "", query: "", sha256: NOTHING, headers: &[] };
        handle.block_on(bucket.demand(&ask, None, &[]))?;
        Ok(Self { handle: handle.clone(), bucket, under_way: JoinSet::new() })
    }

    fn wait_for_one(&mut self) -> Result<(), MediaError> {
        match self.handle.block_on(self.under_way.join_next()) {
            Some(Ok(outcome)) => outcome,
            Some(Err(gone)) => Err(MediaError::Unmade { what: "write a file".into(), why: gone.to_string() }),
            None => Ok(()),
        }
    }
}

/// What a file is to be.
struct Put {
    key: MediaKey,
    size: u64,
    sha256: String,
}

impl Put {
    fn headers(&self, bucket: &Bucket) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", content_type(self.key.as_str()).to_owned()),
            // As Mastodon says of what it stores: a file never changes under its name.
            ("cache-control", "public, max-age=315576000, immutable".to_owned()),
            (CHECKSUM, self.sha256.clone()),
        ];
        headers.extend(bucket.address.acl.iter().map(|acl| ("x-amz-acl", acl.clone())));
        headers
    }

    /// Whether it is there already; something else under its name is an error.
    async fn is_there(&self, bucket: &Bucket) -> Result<bool, MediaError> {
        let (what, object) = (format!("look for {}", self.key), format!("{}{}", bucket.address.prefix, self.key));
        let ask = Ask { what: &what, method: Method::HEAD, object: &object, query: "", sha256: NOTHING, headers: &[] };
        let answer = bucket.demand(&ask, None, &[StatusCode::NOT_FOUND]).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if header(CHECKSUM) == Some(&self.sha256) && header("content-length") == Some(&self.size.to_string()) {
            return Ok(true);
        }
        Err(MediaError::Taken(self.key.to_string()))
    }

    async fn small(self, bucket: Arc<Bucket>, body: Vec<u8>) -> Result<(), MediaError> {
        if self.is_there(&bucket).await? {
            return Ok(());
        }
        let (what, object) = (format!("write {}", self.key), format!("{}{}", bucket.address.prefix, self.key));
        let headers = self.headers(&bucket);
        let ask = Ask { what: &what, method: Method::PUT, object: &object, query: "", sha256: &self.sha256, headers: &headers };
        bucket.demand(&ask, Some(&body), &[]).await.map(drop)
    }

    async fn large(&self, bucket: &Bucket, body: Body) -> Result<(), MediaError> {
        let (what, object) = (format!("write {}", self.key), format!("{}{}", bucket.address.prefix, self.key));
        let mut headers = self.headers(bucket);
        headers.push(("content-length", self.size.to_string()));
        let ask = Ask { what: &what, method: Method::PUT, object: &object, query: "", sha256: &self.sha256, headers: &headers };
        let answer = bucket.send(&ask, Some(body)).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(&what, answer).await) }
    }
}

impl Target for S3Target {
    fn put(&mut self, key: &MediaKey, size: u64, sha256: &str, body: &mut dyn Read) -> Result<(), MediaError> {
        let unread = |source| MediaError::File { what: "unpack", path: key.to_string(), source };
        let put = Put { key: key.clone(), size, sha256: sha256.to_owned() };
        if size <= SMALL {
            let mut bytes = Vec::new();
            body.take(size).read_to_end(&mut bytes).map_err(unread)?;
            while self.under_way.len() >= AT_ONCE {
                self.wait_for_one()?;
            }
            self.under_way.spawn_on(put.small(Arc::clone(&self.bucket), bytes), &self.handle);
            return Ok(());
        }
        if self.handle.block_on(put.is_there(&self.bucket))? {
            return io::copy(&mut body.take(size), &mut io::sink()).map(drop).map_err(unread);
        }
        let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Vec<u8>>>(4);
        let chunks = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) });
        let bucket = Arc::clone(&self.bucket);
        let sending = self.handle.spawn(async move { put.large(&bucket, Body::wrap_stream(chunks)).await });
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = vec![0; length];
            body.read_exact(&mut chunk).map_err(unread)?;
            left -= u64::try_from(length).unwrap_or(left);
            if self.handle.block_on(sender.send(Ok(chunk))).is_err() {
                // Nobody takes it any more: the request has failed, and says why.
                break;
            }
        }
        drop(sender);
        let sent = self.handle.block_on(sending);
        sent.map_err(|gone| MediaError::Unmade { what: format!("write {key}"), why: gone.to_string() })?
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        while !self.under_way.is_empty() {
            self.wait_for_one()?;
        }
        Ok(())
    }
}

/// What a file is, by the ending of its name: what browsers are told.
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "heic" | "heif" => "image/heic",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "3gp" => "video/3gpp",
        "json" => "application/json",
        "csv" => "text/csv",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_without_its_prefix() {
        let text = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/a &amp; b</Key><Size>12</Size></Contents>\
                    <Contents><Size>x</Size><Key>p/c</Key></Contents><Contents><Key>other</Key></Contents></ListBucketResult>";
        let listed = |name: &str, bytes| Listed { name: name.into(), bytes };
        assert_eq!(read_page(text, "p/"), ([listed("a & b", 12), listed("c", 0)].into(), true));
        assert!(read_page("", "").0.is_empty());
    }

    #[test]
    fn browsers_are_told_what_files_are() {
        assert_eq!(content_type("a/original/x.JPEG"), "image/jpeg");
        assert_eq!((content_type("a/b"), content_type("a.b/c")), ("application/octet-stream", "application/octet-stream"));
    }

    #[test]
    fn keys_are_not_shown() {
        let address = S3Address {
            endpoint: "https://s3.example".parse().unwrap(),
            region: "r".into(),
            bucket: "b".into(),
            prefix: "p/".into(),
            access_key: "k".into(),
            secret_key: "hunter2".to_owned().into(),
            acl: None,
        };
        assert_eq!(format!("{address:?}"), "S3Address(https://s3.example/b/p/)");
    }
}
