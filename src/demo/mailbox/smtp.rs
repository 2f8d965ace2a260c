//! As much SMTP (RFC 5321) as a sender needs that has nothing to hide.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Behaviour, Shared};

/// The largest mail, in bytes; announced as SIZE.
const SIZE_LIMIT: usize = 10 * 1024 * 1024;
/// The longest line, in bytes: RFC 5321 §4.5.3.1.6 allows 1000 in a mail, and real senders overdo it.
const LINE_LIMIT: u64 = 64 * 1024;
/// RFC 5321 §4.5.3.2.7: how long a silent sender is kept.
const PATIENCE: Duration = Duration::from_mins(5);

/// Takes connections until it is aborted, and its connections with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let shared = shared.clone();
                    connections.spawn(async move {
                        if let Err(error) = Session::new(stream, shared).run().await {
                            tracing::debug!(%error, "a connection to the mailbox ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the mailbox can't take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What has been said so far about the next mail.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

struct Session {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
    greeted: bool,
    envelope: Envelope,
}

/// What follows a command.
enum Next {
    Command,
    End,
}

impl Session {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream: BufReader::new(stream), shared, greeted: false, envelope: Envelope::default() }
    }

    async fn run(mut self) -> std::io::Result<()> {
        if self.shared.behaviour() == Behaviour::Closed {
            return self.say("554 5.3.2 no mail is taken here").await;
        }
        self.say("220 mailbox.localhost ESMTP Paddock's demo mailbox").await?;
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            // Commands are ASCII; what is not will not be recognised.
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Next::End = self.command(&line).await? {
                return Ok(());
            }
        }
    }

    async fn command(&mut self, line: &str) -> std::io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.greeted = true;
                self.envelope = Envelope::default();
                let size = format!("250 SIZE {SIZE_LIMIT}");
                self.say(&format!("250-mailbox.localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n{size}")).await?;
            }
            "HELO" => {
                self.greeted = true;
                self.envelope = Envelope::default();
                self.say("250 mailbox.localhost").await?;
            }
            "MAIL" => self.mail(rest).await?,
            "RCPT" => self.recipient(rest).await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.envelope = Envelope::default();
                self.say("250 2.0.0 forgotten").await?;
            }
            "NOOP" => self.say("250 2.0.0 still here").await?,
            "VRFY" => self.say("252 2.0.0 send it and see").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Ok(Next::End);
            }
            _ => self.say("500 5.5.2 not a command of this server").await?,
        }
        Ok(Next::Command)
    }

    async fn mail(&mut self, rest: &str) -> std::io::Result<()> {
        if !self.greeted {
            return self.say("503 5.5.1 say EHLO first").await;
        }
        if self.envelope.from.is_some() {
            return self.say("503 5.5.1 one sender only").await;
        }
        // The empty path `<>` is the sender of bounces.
        let Some((from, parameters)) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 write MAIL FROM:<address>").await;
        };
        for parameter in parameters.split_ascii_whitespace() {
            match parameter.to_ascii_uppercase().split_once('=') {
                Some(("SIZE", size)) if size.parse::<usize>().is_ok_and(|size| size <= SIZE_LIMIT) => {}
                Some(("SIZE", _)) => return self.say("552 5.3.4 the mail is too large").await,
                Some(("BODY", "7BIT" | "8BITMIME")) => {}
                _ => return self.say("555 5.5.4 a parameter is not known here").await,
            }
        }
        self.envelope.from = Some(from);
        self.say("250 2.1.0 go on").await
    }

    async fn recipient(&mut self, rest: &str) -> std::io::Result<()> {
        if self.envelope.from.is_none() {
            return self.say("503 5.5.1 say MAIL first").await;
        }
        let to = match path(rest, "TO:") {
            Some((to, _)) if to.contains('@') => to,
            _ => return self.say("501 5.5.4 write RCPT TO:<address>").await,
        };
        match self.shared.behaviour() {
            Behaviour::Later => self.say("450 4.2.0 come back later").await,
            Behaviour::Refuse => self.say("550 5.1.1 nobody of that name").await,
            Behaviour::Accept | Behaviour::Closed | Behaviour::HangAfterDot => {
                self.envelope.to.push(to);
                self.say("250 2.1.5 go on").await
            }
        }
    }

    async fn data(&mut self) -> std::io::Result<Next> {
        let envelope = std::mem::take(&mut self.envelope);
        let Some(from) = envelope.from.filter(|_| !envelope.to.is_empty()) else {
            self.say("503 5.5.1 say MAIL and RCPT first").await?;
            return Ok(Next::Command);
        };
        self.say("354 end with a dot on a line of its own").await?;
        let mut raw = Vec::new();
        let mut too_large = false;
        // Only CRLF ends a line: a dot between bare line feeds is content (RFC 5321 §2.3.8), or one mail could smuggle a second.
        let mut at_line_start = true;
        loop {
            let Some(line) = self.line().await? else { return Ok(Next::End) };
            if at_line_start && line == b".\r\n" {
                break;
            }
            let content = if at_line_start && line.starts_with(b".") { &line[1..] } else { &line };
            at_line_start = line.ends_with(b"\r\n");
            too_large = too_large || raw.len() + content.len() > SIZE_LIMIT;
            if !too_large {
                raw.extend_from_slice(content);
            }
        }
        if too_large {
            self.say("552 5.3.4 the mail is too large").await?;
            return Ok(Next::Command);
        }
        if let Err(error) = self.shared.deliver(from, envelope.to, raw).await {
            tracing::warn!(%error, "the mailbox can't keep a mail");
            self.say("452 4.3.1 no room for it now").await?;
            return Ok(Next::Command);
        }
        if self.shared.behaviour() == Behaviour::HangAfterDot {
            // Whatever else comes, until the sender gives up.
            while self.line().await?.is_some() {}
            return Ok(Next::End);
        }
        self.say("250 2.0.0 kept").await?;
        Ok(Next::Command)
    }

    /// The next line with its end, or a piece of one that is too long; `None` when the sender is gone or says nothing.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_LIMIT);
        match tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await {
            Ok(Ok(0)) | Err(_) => Ok(None),
            Ok(Ok(_)) => Ok(Some(line)),
            Ok(Err(error)) => Err(error),
        }
    }

    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }
}

/// `FROM:<wren@mail.example> SIZE=5` → the address and the parameters.
fn path<'a>(text: &'a str, keyword: &str) -> Option<(String, &'a str)> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    let rest = rest.trim_start().strip_prefix('<').filter(|_| head.eq_ignore_ascii_case(keyword))?;
    let (address, parameters) = rest.split_once('>')?;
    let clean = !address.contains(|c: char| c.is_control() || c.is_whitespace() || c == '<');
    clean.then(|| (address.to_owned(), parameters))
}
