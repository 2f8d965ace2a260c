//! What can go wrong in a pass, and what to do about it.

use tokio::task::JoinError;

use super::bucket::BucketError;
use super::vault::VaultError;

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error("could not {what}")]
    Kube {
        /// What was tried, such as `apply Deployment web`.
        what: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// The object store refused or could not be reached.
    #[error("could not prepare a bucket")]
    Bucket(#[from] BucketError),
    /// The vault refused or could not be reached.
    #[error("could not keep the identity in the vault")]
    Vault(#[from] VaultError),
    /// Somebody else's object has the name of one of ours.
    #[error("{0} is there but lacks what we put into it")]
    Foreign(String),
    /// What we built can't be written as JSON.
    #[error("could not write an object as JSON")]
    Json(#[from] serde_json::Error),
    /// The settings are of no use.
    #[error("the operator's settings can't be used")]
    Settings(#[from] super::settings::BadSetting),
    /// A pass panicked: a fault of ours.
    #[error("a pass crashed: {0}")]
    Crashed(String),
    /// A pass took longer than any should, and was ended.
    #[error("a pass did not end within {0:?}")]
    TookTooLong(std::time::Duration),
    /// The object store's client could not be made.
    #[error("could not make the client of the object store")]
    Client(#[source] reqwest::Error),
}

/// What to do about an error; also the label of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Somebody else was faster: look again at once.
    Conflict,
    /// Trying the same again is of no use until something changes.
    Invalid,
    /// We may not (rights, admission, quota, Pod Security): somebody has to look, and until then it is tried again.
    Forbidden,
    /// It may well work the next time.
    Transient,
}

impl Category {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Transient => "transient",
        }
    }
}

impl Error {
    /// Names what was tried, for `map_err`.
    pub fn kube(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kube { what, source }
    }

    /// The reason of `Stalled`, when a person has to look at it.
    pub fn stalls(&self) -> Option<&'static str> {
        match self.category() {
            Category::Invalid => Some("Refused"),
            Category::Forbidden if is_quota(&chain(self)) => Some(QUOTA),
            Category::Forbidden => Some("Forbidden"),
            Category::Conflict | Category::Transient => None,
        }
    }

    /// A task that ended before its time: the words of a panic, or that the program ends.
    pub fn crashed(crash: JoinError) -> Self {
        let why = match crash.try_into_panic() {
            Ok(panic) => {
                panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned())
            }
            Err(cancelled) => Some(cancelled.to_string()),
        };
        Self::Crashed(why.unwrap_or_else(|| "without a word".to_owned()))
    }

    /// What to do about it.
    pub fn category(&self) -> Category {
        match self {
            Self::Kube { what: _, source: kube::Error::Api(status) } => match status.code {
                409 => Category::Conflict,
                400 | 422 => Category::Invalid,
                403 => Category::Forbidden,
                _ => Category::Transient,
            },
            Self::Kube { what: _, source: _ } | Self::Bucket(_) | Self::Vault(_) | Self::Crashed(_) | Self::TookTooLong(_) => {
                Category::Transient
            }
            Self::Foreign(_) | Self::Json(_) | Self::Settings(_) | Self::Client(_) => Category::Invalid,
        }
    }
}

/// The reason of whatever a quota keeps from being made.
pub const QUOTA: &str = "QuotaExceeded";

/// Whether the API server refuses because a quota is used up.
pub fn is_quota(message: &str) -> bool {
    message.contains("exceeded quota")
}

/// An error with its causes, in one line. Of what the API server answers only the sentence.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        if let Some(kube::Error::Api(status)) = cause.downcast_ref() {
            text.push_str(&status.message);
            break;
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Whether the API server says that there is no such object.
pub fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the API server says that the name is taken.
pub fn is_taken(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_has_to_look_at_says_so() {
        let of_message = |code: u16, message: &str| {
            let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
            Error::kube("apply Deployment web")(kube::Error::Api(Box::new(status)))
        };
        let of = |code| of_message(code, "it says no");
        assert_eq!(of(403).stalls(), Some("Forbidden"));
        assert_eq!(of_message(403, "forbidden: exceeded quota: mastodon").stalls(), Some("QuotaExceeded"));
        assert_eq!(of(422).stalls(), Some("Refused"));
        assert_eq!([409, 404, 429, 500, 503].map(|code| of(code).stalls()), [None; 5]);
        assert_eq!(chain(&of(403)), "could not apply Deployment web: it says no");
    }
}
