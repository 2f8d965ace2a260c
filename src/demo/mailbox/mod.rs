//! A real SMTP server that delivers to a page: what Paddock mails in the demo and in tests can be read here, links and all.
//!
//! It listens on loopback only, takes any recipient, and can be told to misbehave in the ways that real servers do. With a [`Guard`] it
//! takes mails only from who logs in over TLS, as a provider's server does.

mod guard;
mod page;
mod post;
mod smtp;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SharedClock;
pub use guard::{Entrance, Guard};
pub use post::Mail;
use post::Post;

/// How to start a [`Mailbox`].
#[derive(Debug, Clone)]
pub struct MailboxSettings {
    /// Port for SMTP on 127.0.0.1; 0 takes a free one.
    pub smtp_port: u16,
    /// Where mails are kept for the next start; without it, in memory only.
    pub folder: Option<PathBuf>,
    /// Dates the arrivals.
    pub clock: SharedClock,
}

/// What the server does with the next mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Takes them.
    #[default]
    Accept,
    /// Refuses the recipient for now (450), as greylisting does.
    Later,
    /// Refuses the recipient for good (550).
    Refuse,
    /// Refuses everybody at the greeting (554): says nothing about the mail.
    Closed,
    /// Keeps the mail and says nothing after the final dot.
    HangAfterDot,
}

/// A running server. Clones are the same one; it stops when the last is dropped.
#[derive(Debug, Clone)]
pub struct Mailbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    smtp_addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What connections, page and [`Mailbox`] have in common.
#[derive(Debug)]
struct Shared {
    post: Post,
    behaviour: Mutex<Behaviour>,
    clock: SharedClock,
    /// How many mails have come: what [`Mailbox::wait_for`] waits on.
    arrived: watch::Sender<usize>,
}

/// No mail came that fits.
#[derive(Debug, thiserror::Error)]
#[error("no mail as expected came within {waited:?}; {} came: {}", subjects.len(), subjects.join(", "))]
pub struct NotArrived {
    waited: Duration,
    subjects: Vec<String>,
}

impl Mailbox {
    /// Starts the server and reads back what an earlier one kept.
    pub async fn start(settings: MailboxSettings) -> std::io::Result<Self> {
        Self::start_guarded(settings, None).await
    }

    /// The same, with a door.
    pub async fn start_guarded(settings: MailboxSettings, guard: Option<Guard>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.smtp_port)).await?;
        let smtp_addr = listener.local_addr()?;
        let post = Post::open(settings.folder)?;
        let (arrived, _) = watch::channel(post.all().len());
        let shared = Arc::new(Shared { post, behaviour: Mutex::default(), clock: settings.clock, arrived });
        let server = tokio::spawn(smtp::serve(listener, shared.clone(), guard.map(Arc::new)));
        Ok(Self { inner: Arc::new(Inner { smtp_addr, shared, server }) })
    }

    /// Where it takes mails; without a guard, without TLS or log-in.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.inner.smtp_addr
    }

    /// All mails, oldest first.
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.inner.shared.post.all()
    }

    /// The mails to one recipient, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<Arc<Mail>> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address)));
        mails
    }

    /// The oldest mail that fits, once it has come.
    pub async fn wait_for(&self, fits: impl Fn(&Mail) -> bool, patience: Duration) -> Result<Arc<Mail>, NotArrived> {
        let mut arrived = self.inner.shared.arrived.subscribe();
        let search = async {
            loop {
                arrived.borrow_and_update();
                if let Some(mail) = self.mails().into_iter().find(|mail| fits(mail)) {
                    return Some(mail);
                }
                arrived.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, search).await.ok().flatten().ok_or_else(|| NotArrived {
            waited: patience,
            subjects: self.mails().iter().map(|mail| format!("{:?}", mail.subject)).collect(),
        })
    }

    /// Changes what happens to the mails that follow, on open connections too.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.inner.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// The pages: `/`, `/mails/{number}`, `/mails/{number}/html`, `/mails.json`, `/mailbox.css`.
    pub fn router(&self) -> axum::Router {
        page::router(self.inner.shared.clone())
    }
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a mail; it is safe once this returns.
    async fn deliver(&self, from: String, to: Vec<String>, raw: Vec<u8>) -> std::io::Result<()> {
        let count = self.post.add(self.clock.now(), from, to, raw).await?;
        self.arrived.send_replace(count);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.abort();
    }
}
