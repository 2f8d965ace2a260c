//! What can go wrong while the rig starts or is used.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the rig. Display says what the rig did not manage; `source` says why.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// A program or folder that `./dev` provides is not there.
    #[error("{what} is missing: {remedy}")]
    Missing {
        /// What was looked for.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// A file or folder could not be read or written.
    #[error("could not {doing} {}", path.display())]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program did not start at all.
    #[error("could not start {part}")]
    Spawn {
        /// The part of the rig.
        part: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program ended although it should serve.
    #[error("{part} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// The part of the rig.
        part: String,
        /// The last lines of its log.
        log: String,
    },
    /// A program runs but does not answer.
    #[error("{part} was not ready after {} s; the end of its log:\n{log}", after.as_secs())]
    NotReady {
        /// The part of the rig.
        part: String,
        /// How long it was waited for.
        after: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// The API server refused something, or could not be reached.
    #[error("could not {doing}")]
    Kube {
        /// What was tried.
        doing: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// Postgres refused something, or could not be reached.
    #[error("could not {doing}")]
    Sql {
        /// What was tried.
        doing: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A manifest or kubeconfig does not read.
    #[error("could not read {what}: {why}")]
    Unreadable {
        /// Which text.
        what: String,
        /// The reader's message.
        why: String,
    },
    /// The object is not in the state that was asked for, within the time given.
    #[error("{what} did not happen within {} s", after.as_secs())]
    TooLate {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The shared rig of this test process failed when it was first started.
    #[error("the shared rig of this process did not start: {0}")]
    Shared(String),
}

impl RigError {
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { doing, path, source }
    }

    pub(super) fn kube(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Kube { doing, source: Box::new(source) }
    }

    pub(super) fn sql(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Sql { doing, source }
    }
}
