//! Mails: what is owed to whom, and how it leaves.
//!
//! A transaction that owes somebody a mail writes a [`Notice`] (ids and plain facts, no secrets). A job reads it, [`render`]s it into
//! a [`Letter`] and gives that to a [`Transport`]. The Message-ID comes from the row, so that a mail that is sent twice, because the
//! answer to the first attempt was lost, is one mail to whoever receives it.

mod bounded;
mod file;
mod letter;
mod memory;
mod notice;
pub mod probe;
mod render;
mod smtp;
mod store;

use std::error::Error;

pub use file::FileTransport;
pub use letter::{Letter, Unsendable};
pub use memory::{MemoryBehaviour, MemoryTransport};
pub use notice::{AlertState, FactorChange, Notice};
pub use render::{Links, RenderError, Rendered, render};
pub use smtp::{BadSmtpSettings, Security, SmtpSettings, SmtpTransport};
pub use store::{ASKED_A_DAY, ASKED_EVERY, Owed, SendMail, asked_key, count_troubled, failed, forget_old, owe, sent, take};

/// How a letter leaves.
#[async_trait::async_trait]
pub trait Transport: std::fmt::Debug + Send + Sync {
    /// Hands the letter over. `Ok` means that somebody else now answers for it. Never waits without end.
    async fn send(&self, letter: &Letter) -> Result<(), SendError>;
}

/// Why a letter was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nobody knows whether it was taken, or it was not and may be later: send the same letter again after a while.
    #[error("the mail could not be handed over now")]
    Later(#[source] Box<dyn Error + Send + Sync>),
    /// It will never be taken in this form: mark it as bounced and show that to staff.
    #[error("the mail was refused for good")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}
