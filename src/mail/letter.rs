//! A finished mail and its form on the wire.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::ids::MailId;

/// A finished mail. Everything in it comes from its row, so that sending it again sends the same mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which mail this is; the Message-ID derives from it.
    pub id: MailId,
    /// The sender, `name@host.example` or `Name <name@host.example>`.
    pub from: String,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// The one recipient.
    pub to: String,
    /// When the mail was owed: its `Date`, the same on each attempt.
    pub written_at: DateTime<Utc>,
    /// One line.
    pub subject: String,
    /// The mail for those who read plain text.
    pub text: String,
    /// The same mail for those who do not.
    pub html: String,
}

/// Why a letter can't be put on the wire at all.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// An address that no mail server would take.
    #[error("the {field} address can't be used in a mail")]
    Address {
        /// `sender`, `reply-to` or `recipient`.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: lettre::address::AddressError,
    },
    /// The parts don't make a mail.
    #[error("the mail can't be put together")]
    Parts(#[source] lettre::error::Error),
}

impl Letter {
    /// `<mail_…@host.example>`, the same on each attempt: receivers drop a second copy by it.
    pub fn message_id(&self) -> String {
        let domain = self.from.trim_end_matches('>').rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        format!("<{}@{domain}>", self.id)
    }

    /// The letter as RFC 5322 wants it.
    pub(super) fn message(&self) -> Result<Message, Unsendable> {
        let mut builder = Message::builder()
            .message_id(Some(self.message_id()))
            .date(SystemTime::from(self.written_at))
            .from(mailbox("sender", &self.from)?)
            .to(mailbox("recipient", &self.to)?)
            .subject(self.subject.as_str());
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(mailbox("reply-to", reply_to)?);
        }
        builder
            // RFC 3834: keeps holiday notices and ticket systems from answering.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(self.text.clone(), self.html.clone()))
            .map_err(Unsendable::Parts)
    }
}

fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, Unsendable> {
    text.parse().map_err(|source| Unsendable::Address { field, source })
}
