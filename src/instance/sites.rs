//! Asking web sites whose address a customer has named. Every such request goes out through [`Outbound`], which never arrives at a machine
//! that is not on the public internet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, LOCATION};
use url::Url;

pub use crate::internet::{AskFailed, Page};
use crate::internet::{Outbound, Reply};

/// What a site answered, as far as anybody here looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where it leads.
    pub location: Option<String>,
    /// Whose pages may read the answer.
    pub allow_origin: Option<String>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let header = |name| reply.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { status: reply.status, location: header(LOCATION), allow_origin: header(ACCESS_CONTROL_ALLOW_ORIGIN) }
    }
}

/// Asks sites.
#[async_trait]
pub trait Sites: std::fmt::Debug + Send + Sync {
    /// The head of the answer to a GET, redirects not followed.
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed>;

    /// The whole answer to a GET, redirects not followed. What is longer than 64 KiB is no answer.
    async fn page(&self, url: &Url) -> Result<Page, AskFailed>;

    /// What a file holds that has at most `most` bytes, redirects not followed.
    async fn read(&self, url: &Url, most: usize) -> Result<Vec<u8>, AskFailed>;

    /// How large a file is, as the head of the answer says; nothing for one that is not there.
    async fn size(&self, url: &Url) -> Result<Option<u64>, AskFailed>;
}

/// Asks sites as they are.
#[derive(Debug, Clone)]
pub struct PublicSites(pub Arc<Outbound>);

#[async_trait]
impl Sites for PublicSites {
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed> {
        self.0.get(url).await.map(Answer::from)
    }

    async fn page(&self, url: &Url) -> Result<Page, AskFailed> {
        self.0.page(url).await
    }

    async fn read(&self, url: &Url, most: usize) -> Result<Vec<u8>, AskFailed> {
        self.0.read(url, most).await
    }

    async fn size(&self, url: &Url) -> Result<Option<u64>, AskFailed> {
        let Reply { status, headers, body: _ } = self.0.head(url).await?;
        match status {
            404 | 410 => Ok(None),
            200 => {
                let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
                length.map(Some).ok_or(AskFailed::Status(status))
            }
            other => Err(AskFailed::Status(other)),
        }
    }
}

/// Answers from a list, for tests. What was not set can't be reached.
#[derive(Debug, Default, Clone)]
pub struct ScriptedSites {
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
    pages: Arc<Mutex<Vec<(String, Page)>>>,
    /// Files by host and path.
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl ScriptedSites {
    /// From now on there is a file at `place`, its host and its path: `far.example/archive/manifest.json`.
    pub fn put(&self, place: &str, bytes: Vec<u8>) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned(), bytes);
    }

    fn file(&self, url: &Url) -> Result<Option<Vec<u8>>, AskFailed> {
        let (host, files) = (url.host_str().unwrap_or_default(), self.files.lock().unwrap_or_else(PoisonError::into_inner));
        if !files.keys().any(|place| place.starts_with(&format!("{host}/"))) {
            return Err(AskFailed::NoAddress);
        }
        Ok(files.get(&format!("{host}{}", url.path())).cloned())
    }

    /// From now on every page of `host` answers like this; `{query}` in the location stands for the question.
    pub fn set(&self, host: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(known, _)| known != host);
        answers.push((host.to_owned(), answer));
    }

    /// From now on every page of `host` that is read whole is this one.
    pub fn set_page(&self, host: &str, page: Page) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|(known, _)| known != host);
        pages.push((host.to_owned(), page));
    }
}

#[async_trait]
impl Sites for ScriptedSites {
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = answers.iter().find(|(host, _)| Some(host.as_str()) == url.host_str());
        let (_, answer) = found.ok_or(AskFailed::NoAddress)?;
        let location = answer.location.as_ref().map(|location| location.replace("{query}", url.query().unwrap_or_default()));
        Ok(Answer { location, ..answer.clone() })
    }

    async fn page(&self, url: &Url) -> Result<Page, AskFailed> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let found = pages.iter().find(|(host, _)| Some(host.as_str()) == url.host_str());
        found.map(|(_, page)| page.clone()).ok_or(AskFailed::NoAddress)
    }

    async fn read(&self, url: &Url, most: usize) -> Result<Vec<u8>, AskFailed> {
        let bytes = self.file(url)?.ok_or(AskFailed::Status(404))?;
        if bytes.len() > most { Err(AskFailed::TooLarge) } else { Ok(bytes) }
    }

    async fn size(&self, url: &Url) -> Result<Option<u64>, AskFailed> {
        Ok(self.file(url)?.and_then(|bytes| u64::try_from(bytes.len()).ok()))
    }
}
