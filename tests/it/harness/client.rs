//! A browser, or a program that uses the API: keeps cookies, follows nothing by itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use cookie::Cookie;
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{Answer, Identity};

/// An address of the internet that no other caller of this process has: each has a network of its own, as a proxy in front would say it.
fn address() -> String {
    static CALLERS: AtomicU32 = AtomicU32::new(0);
    std::net::Ipv4Addr::from_bits(u32::from(std::net::Ipv4Addr::new(198, 18, 0, 1)) + CALLERS.fetch_add(1, Ordering::Relaxed))
        .to_string()
}

/// Somebody who calls. Clones share cookies and address.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    csrf: Arc<Mutex<Option<String>>>,
    address: String,
    /// Who it is; empty for nobody.
    pub who: Identity,
}

impl Client {
    /// `http` is shared by all callers of an app: making one costs more than many requests.
    pub(super) fn new(http: reqwest::Client, base: &str, who: Identity) -> Self {
        let cookies = [("paddock_session", &who.browser), ("paddock_glass", &who.glass)];
        let cookies = cookies.into_iter().filter_map(|(name, secret)| Some((name.to_owned(), secret.clone()?))).collect();
        Self {
            http,
            base: base.to_owned(),
            cookies: Arc::new(Mutex::new(cookies)),
            csrf: Arc::default(),
            address: address(),
            who,
        }
    }

    /// What all callers of an app send with: no redirect is followed, no cookie kept.
    pub(super) fn http() -> reqwest::Client {
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    /// The address that it calls from.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same browser at another address.
    pub fn moved_to(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// GET of a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of a form that no page was looked at for: fields as given, and this browser's token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.csrf_token().await;
        let mut all = fields.to_vec();
        all.push(("csrf", &token));
        self.send(self.request(Method::POST, path).form(&all)).await
    }

    /// Fills in the form of `page` that posts to `action`, and sends it: hidden and untouched fields go along.
    pub async fn submit(&self, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = page.form(action);
        all.retain(|(name, _)| !fields.iter().any(|(given, _)| given == name));
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.send(self.request(Method::POST, action).form(&all)).await
    }

    /// Goes where a redirect leads, as long as that is a page of ours.
    pub async fn follow(&self, answer: Answer) -> Answer {
        let mut answer = answer;
        for _ in 0..5 {
            if !answer.status.is_redirection() {
                return answer;
            }
            let path = answer.location().strip_prefix(&self.base).map_or_else(|| answer.location(), str::to_owned);
            answer = self.get(&path).await;
        }
        panic!("{} leads round in circles", answer.asked);
    }

    /// GET of the API.
    pub async fn api_get(&self, path: &str) -> Answer {
        self.send(self.api(Method::GET, path)).await
    }

    /// POST to the API.
    pub async fn api_post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.api(Method::POST, path).json(body)).await
    }

    /// DELETE of the API.
    pub async fn api_delete(&self, path: &str) -> Answer {
        self.send(self.api(Method::DELETE, path)).await
    }

    /// A request with this browser's cookies, to be changed at will and given to [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let jar = self.cookies.lock().unwrap();
        let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, url);
        let request = request.header("x-forwarded-for", &self.address);
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    /// The same for the API: a bearer token instead of cookies.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).header("x-forwarded-for", &self.address);
        match &self.who.api {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let who = if self.who.email.is_empty() { "nobody" } else { &self.who.email };
        let path = request.url()[url::Position::BeforePath..].to_owned();
        let asked = format!("{} {path} as {who}", request.method());
        let response = self.http.execute(request).await;
        let response = response.unwrap_or_else(|error| panic!("{asked}: {error:?}; the program ends with `app`: keep it"));
        let (status, headers) = (response.status(), response.headers().clone());
        self.keep_cookies(&headers);
        // A stream of events never ends; whoever wants to read one calls `events`.
        if headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Answer { asked, path, status, headers, body: String::new() };
        }
        let body =
            String::from_utf8_lossy(&response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"))).into_owned();
        let answer = Answer { asked, path, status, headers, body };
        if let Some(token) = answer.csrf() {
            *self.csrf.lock().unwrap() = Some(token);
        }
        answer
    }

    /// A stream of server-sent events, open until dropped.
    pub async fn events(&self, path: &str) -> Events {
        let response = self.request(Method::GET, path).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "GET {path}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"), "GET {path}");
        Events { response, buffer: String::new() }
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Sets a cookie, or takes it away.
    pub fn set_cookie(&self, name: &str, value: Option<&str>) {
        let mut jar = self.cookies.lock().unwrap();
        match value {
            Some(value) => jar.insert(name.to_owned(), value.to_owned()),
            None => jar.remove(name),
        };
    }

    /// The token of forms for this browser, from the last page that had one, or from a page that does.
    pub async fn csrf_token(&self) -> String {
        if let Some(token) = self.csrf.lock().unwrap().clone() {
            return token;
        }
        let page = self.get("/log-in").await;
        let page = self.follow(page).await;
        page.csrf().unwrap_or_else(|| panic!("{}: no form with a token: {}", page.asked, page.visible_text()))
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut jar = self.cookies.lock().unwrap();
        for header in headers.get_all(SET_COOKIE) {
            let cookie = Cookie::parse(header.to_str().unwrap().to_owned()).unwrap();
            if cookie.max_age().is_some_and(cookie::time::Duration::is_zero) {
                jar.remove(cookie.name());
            } else {
                jar.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}

/// Server-sent events.
pub struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    /// The next event: its name (`message` when it has none) and its data. Waits at most five seconds. `None`: the stream ended.
    pub async fn next(&mut self) -> Option<(String, String)> {
        tokio::time::timeout(std::time::Duration::from_secs(5), self.read()).await.expect("no event within five seconds")
    }

    async fn read(&mut self) -> Option<(String, String)> {
        loop {
            while let Some((event, rest)) =
                self.buffer.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                self.buffer = rest;
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
                };
                let (name, data) = (field("event"), field("data"));
                // A comment keeps the connection open and says nothing.
                if !name.is_empty() || !data.is_empty() {
                    return Some((if name.is_empty() { "message".to_owned() } else { name }, data));
                }
            }
            self.buffer.push_str(&String::from_utf8_lossy(&self.response.chunk().await.unwrap()?));
        }
    }
}
