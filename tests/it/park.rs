//! `paddock park` over real HTTP: whoever asks for whatever under a paused server's name is told to come back later.

use std::net::Ipv4Addr;

use http::{Method, StatusCode};
use paddock::park::{self, Reason};
use paddock::resource::PAUSE_REASON_HEADER;
use scraper::{Html, Selector};
use tokio_util::sync::{CancellationToken, DropGuard};

struct Parked {
    base: String,
    http: reqwest::Client,
    _stop: DropGuard,
}

impl Parked {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(park::serve(listener, stop.clone()));
        Self { base, http: reqwest::Client::new(), _stop: stop.drop_guard() }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("host", "cats.example")
    }
}

#[tokio::test]
async fn whatever_is_asked_the_answer_is_503_with_a_time_to_come_back() {
    let parked = Parked::start().await;
    let paths = [
        "/",
        "/users/ada",
        "/@ada/112233",
        "/.well-known/webfinger?resource=acct:ada@cats.example",
        "/.well-known/nodeinfo",
        "/inbox",
        "/api/v1/streaming?stream=public",
        "/api/v2/instance",
        "/healthz",
        "/assets/x.css",
        "/%00",
        "/../etc/passwd",
        "/a/very/deep/path/that/nobody/has",
    ];
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let accepts = ["text/html", "application/activity+json", "*/*"];
    for path in paths {
        for method in &methods {
            for accept in accepts {
                let request = parked.ask(method.clone(), path).header("accept", accept);
                let request = if *method == Method::POST { request.body("x".repeat(200_000)) } else { request };
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
                let after: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((60..=86_400).contains(&after), "{method} {path}");
                assert_eq!(answer.headers()["cache-control"], "no-store");
            }
        }
    }
    // One that wants to keep a WebSocket open.
    let answer = parked.ask(Method::GET, "/api/v1/streaming").header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn people_read_why_in_plain_words_and_machines_get_the_same_as_json() {
    let parked = Parked::start().await;
    for (word, reason, says) in [
        ("unpaid", Reason::Unpaid, "Its subscription is not paid"),
        ("asked", Reason::Asked, "Its owner has paused it"),
        ("abuse", Reason::Staff, "The people who run this host have stopped it"),
        ("moving", Reason::Moving, "on its way to another place"),
        ("upkeep", Reason::Upkeep, "bringing it up to date"),
        ("ended", Reason::Ended, "Its owner no longer runs it here"),
        ("some-word-of-tomorrow", Reason::Other, "It is not running at the moment"),
    ] {
        let answer = |accept: &'static str| {
            parked.ask(Method::GET, "/@ada").header(PAUSE_REASON_HEADER, word).header("accept", accept).send()
        };
        let page = answer("text/html,application/xhtml+xml,*/*;q=0.8").await.unwrap();
        assert_eq!(page.headers()["retry-after"], reason.retry_after());
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let html = Html::parse_document(&page.text().await.unwrap());
        let text: String = html.select(&Selector::parse("main").unwrap()).next().unwrap().text().collect();
        assert!(text.contains(says), "{word}: {text}");
        assert!(!text.contains("park-"), "{text}");
        // It stands alone: its one style is the one that its policy allows, and nothing else is asked for.
        let style: String = html.select(&Selector::parse("style").unwrap()).next().unwrap().text().collect();
        assert!(policy.contains(&style_hash(&style)), "{policy}");
        assert_eq!(html.select(&Selector::parse("[src], link, script, form, [style]").unwrap()).count(), 0);

        let json: serde_json::Value = answer("application/activity+json").await.unwrap().json().await.unwrap();
        assert_eq!(json["reason"], reason.word());
        assert!(json["error"].as_str().unwrap().contains(says), "{json}");
    }
    // A server without the header, and one that tries to be clever.
    let plain: serde_json::Value = parked.ask(Method::GET, "/").send().await.unwrap().json().await.unwrap();
    assert_eq!(plain["reason"], "other");
    let odd =
        parked.ask(Method::GET, "/").header("accept", "text/html").header(PAUSE_REASON_HEADER, "<script>").send().await.unwrap();
    assert!(!odd.text().await.unwrap().contains("<script>"));
}

fn style_hash(style: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style)))
}

#[tokio::test]
async fn it_needs_nothing_but_an_address_to_listen_on() {
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_paddock"))
        .args(["park", "--listen", &listen])
        .env_clear()
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut answer = reqwest::get(format!("http://{listen}/inbox")).await;
    for _ in 0..200 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = reqwest::get(format!("http://{listen}/inbox")).await;
    }
    assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(program.id().unwrap()).unwrap()), nix::sys::signal::SIGTERM)
        .unwrap();
    assert!(program.wait().await.unwrap().success());
}
