//! Asking web sites whose address a customer has named. Every such request goes out through [`Outbound`], which never arrives at a machine
//! that is not on the public internet.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, LOCATION};
use url::Url;

pub use crate::internet::AskFailed;
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
pub trait Sites: Send + Sync {
    /// The head of the answer to a GET, redirects not followed.
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed>;
}

/// Asks sites as they are.
#[derive(Debug, Clone)]
pub struct PublicSites(pub Arc<Outbound>);

#[async_trait]
impl Sites for PublicSites {
    async fn ask(&self, url: &Url) -> Result<Answer, AskFailed> {
        self.0.get(url).await.map(Answer::from)
    }
}

/// Answers from a list, for tests. What was not set can't be reached.
#[derive(Debug, Default, Clone)]
pub struct ScriptedSites {
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
}

impl ScriptedSites {
    /// From now on every page of `host` answers like this; `{query}` in the location stands for the question.
    pub fn set(&self, host: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(known, _)| known != host);
        answers.push((host.to_owned(), answer));
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
}
