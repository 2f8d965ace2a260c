//! As much SMTP (RFC 5321) as a sender needs that has nothing to hide.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::guard::{Entrance, Guard, decoded};
use super::{Behaviour, Shared};

/// The largest mail, in bytes; announced as SIZE.
const SIZE_LIMIT: usize = 10 * 1024 * 1024;
/// The longest line, in bytes: RFC 5321 §4.5.3.1.6 allows 1000 in a mail, and real senders overdo it.
const LINE_LIMIT: u64 = 64 * 1024;
/// RFC 5321 §4.5.3.2.7: how long a silent sender is kept.
const PATIENCE: Duration = Duration::from_mins(5);

/// Takes connections until it is aborted, and its connections with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, guard: Option<Arc<Guard>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (shared, guard) = (shared.clone(), guard.clone());
                    connections.spawn(async move {
                        if let Err(error) = Session::new(Box::new(stream), shared, guard).run().await {
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

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Session {
    stream: BufReader<Box<dyn Stream>>,
    shared: Arc<Shared>,
    guard: Option<Arc<Guard>>,
    protected: bool,
    let_in: bool,
    greeted: bool,
    envelope: Envelope,
}

/// What follows a command.
enum Next {
    Command,
    Tls(Arc<Guard>),
    End,
}

impl Session {
    fn new(stream: Box<dyn Stream>, shared: Arc<Shared>, guard: Option<Arc<Guard>>) -> Self {
        Self {
            stream: BufReader::new(stream),
            shared,
            let_in: guard.is_none(),
            guard,
            protected: false,
            greeted: false,
            envelope: Envelope::default(),
        }
    }

    /// From here on with TLS. What was sent before its beginning is thrown away, or it could pass for something said under it.
    async fn protect(mut self, guard: &Guard) -> std::io::Result<Self> {
        let plain = self.stream.into_inner();
        let tls = TlsAcceptor::from(Arc::clone(&guard.tls)).accept(plain).await?;
        self.stream = BufReader::new(Box::new(tls));
        self.protected = true;
        self.greeted = false;
        self.envelope = Envelope::default();
        Ok(self)
    }

    async fn run(mut self) -> std::io::Result<()> {
        if let Some(guard) = self.guard.clone().filter(|guard| guard.entrance == Entrance::Tls) {
            self = self.protect(&guard).await?;
        }
        if self.shared.behaviour() == Behaviour::Closed {
            return self.say("554 5.3.2 no mail is taken here").await;
        }
        self.say("220 mailbox.localhost ESMTP Paddock's demo mailbox").await?;
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            // Commands are ASCII; what is not will not be recognised.
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match self.command(&line).await? {
                Next::Command => {}
                Next::Tls(guard) => self = self.protect(&guard).await?,
                Next::End => return Ok(()),
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
                let more = self.offers();
                self.say(&format!("250-mailbox.localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n{more}{size}")).await?;
            }
            "STARTTLS" => match self.guard.clone().filter(|guard| guard.entrance == Entrance::StartTls && !self.protected) {
                Some(guard) => {
                    self.say("220 2.0.0 go on").await?;
                    return Ok(Next::Tls(guard));
                }
                None => self.say("502 5.5.1 not offered").await?,
            },
            "AUTH" => self.log_in(rest).await?,
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

    /// The lines of EHLO's answer that a door adds.
    fn offers(&self) -> String {
        let Some(guard) = &self.guard else { return String::new() };
        let starttls = guard.entrance == Entrance::StartTls && !self.protected;
        let mechanisms = !guard.mechanisms.is_empty() && (self.protected || guard.entrance == Entrance::Open);
        let starttls = if starttls { "250-STARTTLS\r\n" } else { "" };
        if mechanisms { format!("{starttls}250-AUTH {}\r\n", guard.mechanisms) } else { starttls.to_owned() }
    }

    async fn log_in(&mut self, rest: &str) -> std::io::Result<()> {
        let Some(guard) = self.guard.clone() else { return self.say("502 5.5.1 nobody has to log in here").await };
        if !self.protected && guard.entrance != Entrance::Open {
            return self.say("538 5.7.11 say STARTTLS first").await;
        }
        let (mechanism, response) = rest.split_once(' ').unwrap_or((rest, ""));
        let mechanism = mechanism.to_ascii_uppercase();
        if !guard.mechanisms.split(' ').any(|offered| offered == mechanism) {
            return self.say("504 5.5.4 not offered").await;
        }
        let given = if mechanism == "PLAIN" {
            let response = if response.is_empty() { self.ask("").await? } else { response.to_owned() };
            Guard::plain(&response)
        } else {
            // `Username:` and `Password:`, as the draft has them.
            let login = self.ask("VXNlcm5hbWU6").await?;
            let password = self.ask("UGFzc3dvcmQ6").await?;
            decoded(&login).zip(decoded(&password))
        };
        match given {
            Some((login, password)) if guard.lets_in(&login, &password) => {
                self.let_in = true;
                self.say("235 2.7.0 come in").await
            }
            Some(_) => self.say("535 5.7.8 login or password is wrong").await,
            None => self.say("501 5.5.2 not to be read").await,
        }
    }

    async fn ask(&mut self, challenge: &str) -> std::io::Result<String> {
        self.say(&format!("334 {challenge}")).await?;
        let line = self.line().await?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn mail(&mut self, rest: &str) -> std::io::Result<()> {
        if !self.greeted {
            return self.say("503 5.5.1 say EHLO first").await;
        }
        if !self.let_in {
            return self.say("530 5.7.0 log in first").await;
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
        let own = self.guard.as_ref().and_then(|guard| guard.sender.as_deref());
        if own.is_some_and(|own| !from.eq_ignore_ascii_case(own)) {
            return self.say("553 5.7.1 this sender belongs to somebody else").await;
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
