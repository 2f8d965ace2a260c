//! The mails that came, and their files: an envelope of three lines before the mail as it was sent.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use mail_parser::{MessageParser, MimeHeaders};
use serde::Serialize;

/// A mail as it came.
#[derive(Debug, Clone, Serialize)]
pub struct Mail {
    /// Counts from 1 in the order of arrival.
    pub number: usize,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// Sender of the envelope.
    pub from: String,
    /// Recipients of the envelope.
    pub to: Vec<String>,
    /// With its angle brackets; empty if it has none.
    pub message_id: String,
    /// Decoded.
    pub subject: String,
    /// The plain text part, decoded, with `\n` as line ends.
    pub text: String,
    /// The HTML part, decoded, if it has one.
    pub html: Option<String>,
    /// The addresses in the plain text, in their order.
    pub links: Vec<String>,
    /// All of it, as it was sent.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl Mail {
    fn read(number: usize, received_at: DateTime<Utc>, from: String, to: Vec<String>, raw: Vec<u8>) -> Self {
        let parsed = MessageParser::default().parse(&raw);
        let (message_id, subject, text, html) = parsed.as_ref().map_or_else(Default::default, |message| {
            let part = |kind: &str| {
                message.parts.iter().find(|part| {
                    part.content_type().is_none_or(|is| is.ctype() == "text" && is.subtype() == Some(kind)) && part.is_text()
                })
            };
            let text = part("plain").and_then(|part| part.text_contents()).unwrap_or_default().replace("\r\n", "\n");
            let html = part("html").and_then(|part| part.text_contents()).map(str::to_owned);
            let id = message.message_id().map(|id| format!("<{id}>")).unwrap_or_default();
            (id, message.subject().unwrap_or_default().to_owned(), text, html)
        });
        let links = links(&text);
        Self { number, received_at, from, to, message_id, subject, text, html, links, raw }
    }

    /// The value of a header as it was sent, first of its name.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = MessageParser::default().parse(&self.raw)?;
        message.header_raw(name).map(|value| value.trim().to_owned())
    }

    /// The first address in the plain text that holds `part`.
    pub fn link_with(&self, part: &str) -> Option<&str> {
        self.links.iter().find(|link| link.contains(part)).map(String::as_str)
    }
}

fn links(text: &str) -> Vec<String> {
    text.split_whitespace()
        .filter(|word| word.starts_with("https://") || word.starts_with("http://"))
        .map(|word| word.trim_end_matches(['.', ',', ')', '>']).to_owned())
        .collect()
}

/// All mails, in memory and, where there is a folder, as files.
#[derive(Debug)]
pub(super) struct Post {
    folder: Option<PathBuf>,
    mails: Mutex<Vec<Arc<Mail>>>,
    /// One arrival at a time, so that numbers and files agree.
    arrival: tokio::sync::Mutex<()>,
}

impl Post {
    pub(super) fn open(folder: Option<PathBuf>) -> std::io::Result<Self> {
        let mut mails = Vec::new();
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
            // Numbers have no gaps: a file only exists after its predecessor does.
            while let Some(mail) = read_file(folder, mails.len() + 1)? {
                mails.push(Arc::new(mail));
            }
        }
        Ok(Self { folder, mails: Mutex::new(mails), arrival: tokio::sync::Mutex::default() })
    }

    pub(super) fn all(&self) -> Vec<Arc<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a mail and returns how many there are.
    pub(super) async fn add(&self, at: DateTime<Utc>, from: String, to: Vec<String>, raw: Vec<u8>) -> std::io::Result<usize> {
        let _one_at_a_time = self.arrival.lock().await;
        let number = self.all().len() + 1;
        let mail = Mail::read(number, at, from, to, raw);
        if let Some(folder) = &self.folder {
            write_file(folder, &mail).await?;
        }
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push(Arc::new(mail));
        Ok(mails.len())
    }
}

fn path_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:05}.eml"))
}

async fn write_file(folder: &Path, mail: &Mail) -> std::io::Result<()> {
    let path = path_of(folder, mail.number);
    let partial = path.with_extension("partial");
    let mut bytes = format!(
        "X-Mailbox-Received: {}\r\nX-Mailbox-From: {}\r\nX-Mailbox-To: {}\r\n",
        mail.received_at.to_rfc3339(),
        mail.from,
        mail.to.join(" "),
    )
    .into_bytes();
    bytes.extend_from_slice(&mail.raw);
    tokio::fs::write(&partial, bytes).await?;
    tokio::fs::rename(&partial, &path).await
}

fn read_file(folder: &Path, number: usize) -> std::io::Result<Option<Mail>> {
    let path = path_of(folder, number);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut rest = bytes.as_slice();
    let mut envelope = |name: &str| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 2..];
        line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned)
    };
    let (Some(received), Some(from), Some(to)) =
        (envelope("X-Mailbox-Received"), envelope("X-Mailbox-From"), envelope("X-Mailbox-To"))
    else {
        return Err(unreadable(&path));
    };
    let received_at = DateTime::parse_from_rfc3339(&received).map_err(|_| unreadable(&path))?.to_utc();
    Ok(Some(Mail::read(number, received_at, from, to.split(' ').map(str::to_owned).collect(), rest.to_vec())))
}

fn unreadable(path: &Path) -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("{} is not a file of this mailbox: move it out of the folder", path.display()),
    )
}
