//! Mails: their words, their way to a server, and what happens when that server misbehaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, Utc};
use paddock::clock::ManualClock;
use paddock::demo::mailbox::{Behaviour, Mailbox, MailboxSettings};
use paddock::ids::{AccountId, HookEndpointId, InstanceId, MailId, OrderId, PersonId, WaitingId};
use paddock::mail::{
    FileTransport, Letter, Links, MemoryBehaviour, MemoryTransport, Notice, Security, SendError, SmtpSettings, SmtpTransport,
    Transport, owe, render,
};
use paddock::words::Words;
use paddock::worker;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use url::Url;
use uuid::Uuid;

use crate::harness::{Start, TestApp};

const PATIENCE: Duration = Duration::from_secs(10);

struct FixedLinks;

impl Links for FixedLinks {
    fn webhook(&self, endpoint: HookEndpointId) -> Url {
        url(&format!("webhooks/{endpoint}"))
    }
    fn home(&self) -> Url {
        url("")
    }
    fn sign_in(&self) -> Url {
        url("sign-in")
    }
    fn forgotten_password(&self) -> Url {
        url("forgotten-password")
    }
    fn verify(&self, token: Uuid) -> Url {
        url(&format!("verify?a=1&token={}", token.simple()))
    }
    fn reset(&self, token: Uuid) -> Url {
        url(&format!("reset?a=1&token={}", token.simple()))
    }
    fn join(&self, invitation: Uuid) -> Url {
        url(&format!("join?a=1&token={}", invitation.simple()))
    }
    fn leave_address(&self, change: Uuid) -> Url {
        url(&format!("leave-address?a=1&token={}", change.simple()))
    }
    fn take_address(&self, change: Uuid) -> Url {
        url(&format!("take-address?a=1&token={}", change.simple()))
    }
    fn members(&self) -> Url {
        url("members")
    }
    fn security(&self) -> Url {
        url("security")
    }
    fn accesses(&self) -> Url {
        url("access")
    }
    fn order(&self, order: OrderId) -> Url {
        url(&format!("orders/{order}"))
    }
    fn upgrades(&self, instance: InstanceId) -> Url {
        url(&format!("instances/{instance}/upgrades"))
    }
    fn instance(&self, instance: InstanceId) -> Url {
        url(&format!("instances/{instance}"))
    }
    fn waiting(&self) -> Url {
        url("waiting")
    }
    fn leave_waiting_list(&self, person: PersonId, _: AccountId, _: WaitingId) -> Url {
        url(&format!("waiting/leave/{person}"))
    }
    fn billing(&self, instance: InstanceId) -> Url {
        url(&format!("instances/{instance}/billing"))
    }
    fn servers(&self) -> Url {
        url("instances")
    }
    fn alerts(&self) -> Url {
        url("staff/alerts")
    }
    fn runbook(&self, rule: &str) -> Url {
        url(&format!("staff/runbooks/{rule}"))
    }
}

fn url(path: &str) -> Url {
    Url::parse("https://host.example/").unwrap().join(path).unwrap()
}

fn some_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_503_600, 0).unwrap()
}

fn letter(subject: &str, text: &str) -> Letter {
    Letter {
        id: MailId::new(),
        from: "Example Host <mail@host.example>".to_owned(),
        reply_to: Some("help@host.example".to_owned()),
        to: "wren@mail.example".to_owned(),
        written_at: some_time(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        html: format!("<!doctype html><html><head></head><body><p>{subject}</p></body></html>"),
    }
}

async fn mailbox(folder: Option<PathBuf>) -> Mailbox {
    let settings = MailboxSettings { smtp_port: 0, folder, clock: ManualClock::at(some_time()) };
    Mailbox::start(settings).await.unwrap()
}

fn smtp(mailbox: &Mailbox, timeout: Duration) -> SmtpTransport {
    SmtpTransport::new(&SmtpSettings {
        host: mailbox.smtp_addr().ip().to_string(),
        port: mailbox.smtp_addr().port(),
        security: Security::None,
        credentials: None,
        timeout,
    })
    .unwrap()
}

/// A new folder that nobody else uses.
fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("paddock-test-{name}-{}", MailId::new()))
}

#[test]
fn every_mail_reads_as_agreed() {
    for notice in Notice::samples() {
        let mail = render(&notice, &Words::english(), &FixedLinks, "Example & Host").unwrap();
        assert!(!mail.subject.contains('\n') && mail.subject.len() < 78, "{}", mail.subject);
        for part in [&mail.subject, &mail.text, &mail.html] {
            assert!(!part.contains("mail-") && !part.contains("{ $") && !part.contains("{$"), "words are missing: {part}");
        }
        let whole = format!("Subject: {}\n\n{}\n{}", mail.subject, mail.text, mail.html);
        insta::assert_snapshot!(notice.kind(), whole);
    }
}

#[test]
fn values_are_escaped_in_html_and_left_alone_in_text() {
    let notice = Notice::WaitingListJoined { domain: "<b>birds</b>.example".to_owned(), position: 1 };
    let mail = render(&notice, &Words::english(), &FixedLinks, "Example & Host").unwrap();
    assert!(mail.text.contains("<b>birds</b>.example") && mail.text.contains("Example & Host"), "{}", mail.text);
    assert!(!mail.html.contains("<b>birds"), "{}", mail.html);
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let mailbox = mailbox(None).await;
    let text =
        format!("Grüße 🐘\n.\n..\n. a dot\n{}\nhttps://host.example/verify?token=a.b.\n\nlast\n", "lang ".repeat(400).trim_end());
    let letter = letter("Ihr Server läuft: 🐘 und ein recht langer Betreff, der über mehr als eine Zeile des Kopfes geht", &text);
    smtp(&mailbox, PATIENCE).send(&letter).await.unwrap();

    let mail = mailbox.wait_for(|mail| mail.message_id == letter.message_id(), PATIENCE).await.unwrap();
    assert_eq!(mail.subject, letter.subject);
    assert_eq!(mail.text.trim_end(), letter.text.trim_end());
    assert_eq!(mail.html.as_deref().map(str::trim_end), Some(letter.html.as_str()));
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("mail@host.example", [letter.to.clone()].as_slice()));
    assert_eq!(mail.link_with("/verify"), Some("https://host.example/verify?token=a.b"));
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("Reply-To").as_deref(), Some("help@host.example"));
    assert_eq!(mail.header("Date").as_deref(), Some("Tue, 24 Nov 2026 07:00:00 +0000"));
    assert!(mail.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "RFC 5322 allows lines of 998 characters");
}

#[tokio::test]
async fn a_mail_that_is_sent_again_is_the_same_mail() {
    let mailbox = mailbox(None).await;
    let letter = letter("Once", "once\n");
    for _ in 0..2 {
        // A new transport each time: as after a restart.
        smtp(&mailbox, PATIENCE).send(&letter).await.unwrap();
    }
    let mails = mailbox.mails_to("WREN@mail.example");
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message_id, format!("<{}@host.example>", letter.id));
    assert_eq!(mails[0].message_id, mails[1].message_id);
    assert_eq!(mails[0].header("Date"), mails[1].header("Date"));
}

#[tokio::test]
async fn only_a_refusal_of_the_mail_itself_is_for_good() {
    let mailbox = mailbox(None).await;
    let transport = smtp(&mailbox, PATIENCE);
    let letter = letter("Soon", "soon\n");

    mailbox.behave(Behaviour::Later);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Later(_))));
    mailbox.behave(Behaviour::Refuse);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Refused(_))));
    // 554 at the greeting is permanent by its number, but it is about us.
    mailbox.behave(Behaviour::Closed);
    assert!(matches!(smtp(&mailbox, PATIENCE).send(&letter).await, Err(SendError::Later(_))));
    mailbox.behave(Behaviour::Accept);
    assert_eq!(mailbox.mails().len(), 0);
    transport.send(&letter).await.unwrap();
    assert_eq!(mailbox.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_tried_later() {
    let gone = mailbox(None).await;
    let transport = smtp(&gone, PATIENCE);
    drop(gone);
    assert!(matches!(transport.send(&letter("Gone", "gone\n")).await, Err(SendError::Later(_))));
}

#[tokio::test]
async fn a_server_that_hangs_after_the_final_dot_costs_one_duplicate_at_most() {
    let mailbox = mailbox(None).await;
    let transport = smtp(&mailbox, Duration::from_millis(300));
    let letter = letter("Hang", "hang\n");
    mailbox.behave(Behaviour::HangAfterDot);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Later(_))));
    mailbox.behave(Behaviour::Accept);
    transport.send(&letter).await.unwrap();
    let ids: Vec<_> = mailbox.mails().iter().map(|mail| mail.message_id.clone()).collect();
    assert_eq!(ids, [letter.message_id(), letter.message_id()]);
}

/// Takes mails; the table of mails is away as soon as it has, and for a second more.
#[derive(Debug)]
struct LosesTheTable {
    inner: MemoryTransport,
    sql: PgPool,
}

#[async_trait::async_trait]
impl Transport for LosesTheTable {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        self.inner.send(letter).await?;
        sqlx::query("alter table mails rename to mails_away").execute(&self.sql).await.unwrap();
        let sql = self.sql.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sqlx::query("alter table mails_away rename to mails").execute(&sql).await.unwrap();
        });
        Ok(())
    }
}

#[tokio::test]
async fn that_a_mail_has_left_is_noted_even_if_the_database_is_away_just_then() {
    let Start { app, .. } = TestApp::start().await;
    let transport = Arc::new(LosesTheTable { inner: MemoryTransport::default(), sql: app.sql().clone() });
    let deps = worker::Deps { transport: transport.clone(), ..(*app.deps).clone() };
    let mut conn = app.db.worker().acquire().await.unwrap();
    let notice = Notice::OrderExpired { order: OrderId::new(), domain: "birds.meadow.social".to_owned() };
    owe(&mut conn, app.clock.as_ref(), "wren@mail.example", "en", &notice, None).await.unwrap();
    drop(conn);
    worker::run_once(Arc::new(deps)).await.unwrap();
    let rows: Vec<(String, i32)> = sqlx::query_as("select state, attempts from mails").fetch_all(app.sql()).await.unwrap();
    assert_eq!((rows, transport.inner.sent().len()), (vec![("sent".to_owned(), 1)], 1));
}

#[tokio::test]
async fn an_address_that_no_server_takes_is_refused_for_good() {
    let mailbox = mailbox(None).await;
    let transport = smtp(&mailbox, PATIENCE);
    for to in ["not an address", "", "a@b@c", "wren@mail.example\r\nBcc: all@mail.example", "zaunkönig@mail.example"] {
        let letter = Letter { to: to.to_owned(), ..letter("Never", "never\n") };
        assert!(matches!(transport.send(&letter).await, Err(SendError::Refused(_))), "{to:?}");
    }
    assert_eq!(mailbox.mails().len(), 0);
}

#[tokio::test]
async fn the_mailbox_keeps_its_mails_for_the_next_start() {
    let folder = folder("mailbox");
    let first = mailbox(Some(folder.clone())).await;
    let transport = smtp(&first, PATIENCE);
    for subject in ["Eins ü", "Zwei"] {
        transport.send(&letter(subject, "kept\n")).await.unwrap();
    }
    let before = first.mails();
    drop(first);
    let second = mailbox(Some(folder.clone())).await;
    let after = second.mails();
    assert_eq!(serde_json::to_value(&before).unwrap(), serde_json::to_value(&after).unwrap());
    assert_eq!(after[0].subject, "Eins ü");
    smtp(&second, PATIENCE).send(&letter("Drei", "three\n")).await.unwrap();
    assert_eq!(second.mails()[2].number, 3);
    std::fs::remove_dir_all(folder).unwrap();
}

async fn get(mailbox: &Mailbox, path: &str) -> (StatusCode, String) {
    let answer = mailbox.router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_mailbox_can_be_read_on_pages() {
    let mailbox = mailbox(None).await;
    assert!(get(&mailbox, "/").await.1.contains("No mail has come yet"));
    let letter = letter("<script>alert(1)</script>", "Open https://host.example/verify?a=1&b=2 now\n");
    smtp(&mailbox, PATIENCE).send(&letter).await.unwrap();

    let (_, list) = get(&mailbox, "/").await;
    assert!(list.contains(r#"<a href="/mails/1">"#) && !list.contains("<script>"), "{list}");
    let (_, page) = get(&mailbox, "/mails/1").await;
    assert!(page.contains(r#"<a href="https://host.example/verify?a=1&#38;b=2">"#) && !page.contains("<script>"), "{page}");
    assert!(get(&mailbox, "/mails/1/html").await.1.contains("<base target"));
    let json: serde_json::Value = serde_json::from_str(&get(&mailbox, "/mails.json").await.1).unwrap();
    assert_eq!(json[0]["links"][0], "https://host.example/verify?a=1&b=2");
    assert_eq!(json[0]["message_id"], letter.message_id());
    for missing in ["/mails/0", "/mails/2", "/mails/2/html"] {
        assert_eq!(get(&mailbox, missing).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
}

/// Says all of `script` at once and returns the codes of the answers.
async fn talk(mailbox: &Mailbox, script: &[u8]) -> Vec<String> {
    let mut stream = tokio::net::TcpStream::connect(mailbox.smtp_addr()).await.unwrap();
    stream.write_all(script).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    answers.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| line[..3].to_owned()).collect()
}

#[tokio::test]
async fn the_mailbox_speaks_smtp_as_written() {
    let mailbox = mailbox(None).await;
    // Pipelined; dots are unstuffed; a dot between bare line feeds ends nothing.
    let script =
        b"EHLO x\r\nMAIL FROM:<a@x.example> BODY=8BITMIME SIZE=9\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n\
        Subject: s\r\n\r\n..one\r\nbare\n.\nMAIL FROM:<evil@x.example>\r\n.\r\nQUIT\r\n";
    assert_eq!(talk(&mailbox, script).await, ["220", "250", "250", "250", "250", "354", "250", "221"]);
    let mail = &mailbox.mails()[0];
    assert!(
        mail.raw.ends_with(b"\r\n\r\n.one\r\nbare\n.\nMAIL FROM:<evil@x.example>\r\n"),
        "{:?}",
        String::from_utf8_lossy(&mail.raw)
    );
    assert_eq!(mail.to, ["b@x.example", "c@x.example"]);

    for (script, codes) in [
        (&b"MAIL FROM:<a@x.example>\r\nQUIT\r\n"[..], &["220", "503", "221"][..]),
        (b"HELO x\r\nRCPT TO:<a@x.example>\r\nDATA\r\nQUIT\r\n", &["220", "250", "503", "503", "221"]),
        (
            b"HELO x\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@x>\r\nQUIT\r\n",
            &["220", "250", "250", "503", "250", "503", "221"],
        ),
        (
            b"HELO x\r\nMAIL FROM:a@x\r\nMAIL FROM\r\nMAIL FROM:<a@x> SIZE=99999999\r\nMAIL FROM:<a@x> FOO\r\nQUIT\r\n",
            &["220", "250", "501", "501", "552", "555", "221"],
        ),
        (
            b"HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<nobody>\r\nRCPT TO:<a b@x>\r\nQUIT\r\n",
            &["220", "250", "250", "501", "501", "221"],
        ),
        (b"\xff\xfe\r\n\r\nNOOP\r\nVRFY x\r\nQUIT\r\n", &["220", "500", "500", "250", "252", "221"]),
    ] {
        assert_eq!(talk(&mailbox, script).await, codes, "{:?}", String::from_utf8_lossy(script));
    }
    let mut large = b"HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n".to_vec();
    large.extend(b"x".repeat(11 * 1024 * 1024));
    large.extend(b"\r\n.\r\nQUIT\r\n");
    assert_eq!(talk(&mailbox, &large).await, ["220", "250", "250", "250", "354", "552", "221"]);
    assert_eq!(mailbox.mails().len(), 1);
}

#[tokio::test]
async fn the_file_transport_writes_one_file_per_mail() {
    let folder = folder("mails");
    let transport = FileTransport::new(&folder);
    let letter = letter("File", "file\n");
    for _ in 0..2 {
        transport.send(&letter).await.unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [format!("{}.eml", letter.id).as_str()]);
    let text = std::fs::read_to_string(folder.join(&names[0])).unwrap();
    assert!(text.contains(&format!("Message-ID: {}", letter.message_id())), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_memory_transport_fails_as_told() {
    let transport = MemoryTransport::default();
    let letter = letter("Memory", "memory\n");
    transport.behave(MemoryBehaviour::Later);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Later(_))));
    transport.behave(MemoryBehaviour::Refuse);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Refused(_))));
    assert_eq!(transport.sent(), []);
    transport.behave(MemoryBehaviour::TakeAndLoseAnswer);
    assert!(matches!(transport.send(&letter).await, Err(SendError::Later(_))));
    transport.behave(MemoryBehaviour::TakeAndHang);
    assert!(tokio::time::timeout(Duration::from_millis(50), transport.send(&letter)).await.is_err());
    transport.behave(MemoryBehaviour::Accept);
    transport.send(&letter).await.unwrap();
    assert_eq!(transport.take(), vec![letter; 3]);
}
