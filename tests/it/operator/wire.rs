//! The wire between an operator and everything outside: one layer that numbers each request and can do to it what networks and
//! servers do. The client's own retries lie above it, as they do in the program, so what is broken here is broken for them too.
//!
//! A request that was sent arrives, whatever becomes of its sender meanwhile: it is carried outside the operator's own runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body as Answered, Bytes};
use futures::StreamExt as _;
use futures::future::{BoxFuture, pending};
use http::{Method, Request, Response, StatusCode, Uri, header};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use kube::config::{KubeConfigOptions, Kubeconfig};
use paddock::demo::rig::Rig;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::retry::RetryLayer;
use tower::{BoxError, Layer as _, Service};

/// One request, before it is sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it does to what, without anything that differs from instance to instance: `apply deployments/web`.
    pub name: String,
    /// Which one of its name this is, counted from 1.
    pub nth: usize,
    /// Whether it may change something.
    pub writes: bool,
    /// The path with its query, as the operator asked.
    pub path: String,
    /// What it sends.
    pub body: Bytes,
}

/// What is done to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// It is carried, and its answer back.
    Pass,
    /// It is not carried; this is the answer.
    Answer {
        /// The HTTP status.
        code: u16,
        /// Seconds in the header `Retry-After`.
        retry_after: Option<u64>,
    },
    /// It is not carried; this is the answer of one for whom all is well.
    Show(Value),
    /// It is not carried, and the connection breaks.
    Lose,
    /// It is carried, and the connection breaks before the answer.
    LoseAnswer,
    /// It is carried twice; the second answer is told.
    Twice,
    /// The operator dies before it is sent.
    CrashBefore,
    /// The operator dies after it is sent, before the answer.
    CrashAfter,
    /// It is carried; from here on no watch shows anything new for this long.
    Freeze(Duration),
    /// It is carried, and a copy of it kept that [`Wire::deliver_kept`] carries later.
    Keep,
}

/// Decides what is done.
pub trait Rule: Send {
    /// What is done to this request.
    fn act(&mut self, call: &Call) -> Act;

    /// A request was carried, and this is the status of the answer.
    fn answered(&mut self, _call: &Call, _code: u16) {}
}

impl<F: FnMut(&Call) -> Act + Send> Rule for F {
    fn act(&mut self, call: &Call) -> Act {
        self(call)
    }
}

/// A request that was carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// As in [`Call`].
    pub name: String,
    /// As in [`Call`].
    pub nth: usize,
    /// As in [`Call`].
    pub writes: bool,
    /// When it was sent.
    pub at: Instant,
    /// The status of its answer; nothing yet, or no answer.
    pub code: Option<u16>,
}

/// Which watches show nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// None.
    None,
    /// Those of what the operator wrote; it goes on hearing of the custom resources.
    Objects,
    /// All.
    All,
}

/// A label of custom resources: an operator gets to see those of its own group alone, so that many can share a cluster.
pub const GROUP: &str = "paddock.test/group";

/// The custom resources that an operator gets to see.
#[derive(Debug, Clone)]
pub struct Group {
    /// The value of [`GROUP`].
    pub name: String,
    /// The names of its resources.
    pub members: Vec<String>,
}

/// The wire of one operator. Clones are the same wire.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    base: Client,
    outside: Handle,
    group: Group,
    state: Mutex<State>,
    frozen: watch::Sender<Frozen>,
    cut: watch::Sender<u64>,
}

struct State {
    rule: Box<dyn Rule>,
    counts: HashMap<String, usize>,
    carried: Vec<Carried>,
    /// Grows with [`Wire::begin`]: answers to what was sent before are not noted any more.
    round: u64,
    in_flight: usize,
    last: Instant,
    last_write: Instant,
    kept: Vec<Request<Bytes>>,
}

/// One operator's end of the wire; dead with it.
#[derive(Clone)]
struct End {
    wire: Wire,
    dead: CancellationToken,
}

impl Wire {
    /// A wire to the rig's API server with the administrator's rights. It ends with the runtime that it is made in.
    pub async fn new(rig: &Rig, group: Group) -> Self {
        let file = Kubeconfig::read_from(rig.cluster().kubeconfig()).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        let state = State {
            rule: Box::new(|_: &Call| Act::Pass),
            counts: HashMap::new(),
            carried: Vec::new(),
            round: 0,
            in_flight: 0,
            last: Instant::now(),
            last_write: Instant::now(),
            kept: Vec::new(),
        };
        Self(Arc::new(Inner {
            base: Client::try_from(config).unwrap(),
            outside: Handle::current(),
            group,
            state: Mutex::new(state),
            frozen: watch::Sender::new(Frozen::None),
            cut: watch::Sender::new(0),
        }))
    }

    /// A client for one operator, of the current runtime, that is dead when `dead` is.
    pub fn client(&self, dead: CancellationToken) -> Client {
        let end = End { wire: self.clone(), dead };
        Client::new(RetryLayer::new(RetryPolicy::server_retry()).layer(end), "default")
    }

    /// Begins to count anew, under a new rule.
    pub fn begin(&self, rule: impl Rule + 'static) {
        let mut state = self.state();
        state.rule = Box::new(rule);
        state.counts.clear();
        state.carried.clear();
        state.round += 1;
    }

    /// What was carried since [`Wire::begin`].
    pub fn carried(&self) -> Vec<Carried> {
        self.state().carried.clone()
    }

    /// How many requests that may change something were carried since [`Wire::begin`].
    pub fn writes(&self) -> usize {
        self.state().carried.iter().filter(|carried| carried.writes).count()
    }

    /// How long ago anything was under way, watches apart.
    pub fn quiet(&self) -> Duration {
        let state = self.state();
        if state.in_flight > 0 { Duration::ZERO } else { state.last.elapsed() }
    }

    /// How long ago anything was under way that may change something.
    pub fn idle(&self) -> Duration {
        let state = self.state();
        if state.in_flight > 0 { Duration::ZERO } else { state.last_write.elapsed() }
    }

    /// Ends all watches that are open.
    pub fn cut_watches(&self) {
        self.0.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Shows nothing new on watches, or goes on.
    pub fn freeze(&self, frozen: Frozen) {
        self.0.frozen.send_replace(frozen);
    }

    /// Carries what was kept once more; returns the statuses of the answers.
    pub async fn deliver_kept(&self) -> Vec<StatusCode> {
        let kept = std::mem::take(&mut self.state().kept);
        let mut statuses = Vec::new();
        for request in kept {
            statuses.push(self.0.base.send(request.map(Body::from)).await.unwrap().status());
        }
        statuses
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists and watches over all namespaces see only what belongs to the group.
    fn narrowed(&self, uri: &Uri) -> Uri {
        let Group { name, members } = &self.0.group;
        let target = Target::of(uri.path());
        if target.name.is_some() || target.namespaced {
            return uri.clone();
        }
        let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(uri.query().unwrap_or_default()).unwrap();
        let wanted = match target.plural.as_str() {
            "mastodoninstances" => format!("{GROUP}={name}"),
            _ => format!("paddock.host/instance in ({})", members.join(",")),
        };
        match pairs.iter_mut().find(|(key, _)| key == "labelSelector") {
            Some((_, selector)) => *selector = format!("{selector},{wanted}"),
            None => pairs.push(("labelSelector".to_owned(), wanted)),
        }
        let query = serde_urlencoded::to_string(pairs).unwrap();
        format!("{}?{query}", uri.path()).parse().unwrap()
    }

    /// Numbers a request and asks the rule.
    fn judge(&self, name: String, writes: bool, path: String, body: Bytes) -> (Call, Act) {
        let mut state = self.state();
        let nth = *state.counts.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
        let call = Call { name, nth, writes, path, body };
        let act = state.rule.act(&call);
        (call, act)
    }

    /// Carries a request, whatever becomes of the sender.
    async fn carry(&self, request: Request<Bytes>, call: &Call) -> Result<Response<Answered>, BoxError> {
        let (wire, sending) = (self.clone(), call.clone());
        let sent = self.0.outside.spawn(async move {
            let watches = is_watch(&sending.name);
            let (round, index) = wire.sent(&sending, watches);
            let answer = wire.0.base.send(request.map(Body::from)).await;
            wire.answered(&sending, watches, round, index, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        });
        let (parts, body) = sent.await??.into_parts();
        let body = Answered::new(body);
        Ok(Response::from_parts(parts, if is_watch(&call.name) { self.gated(body, &call.name) } else { body }))
    }

    fn sent(&self, call: &Call, watches: bool) -> (u64, usize) {
        let mut state = self.state();
        let now = Instant::now();
        let Call { name, nth, writes, path: _, body: _ } = call.clone();
        state.carried.push(Carried { name, nth, writes, at: now, code: None });
        state.last = now;
        if writes {
            state.last_write = now;
        }
        state.in_flight += usize::from(!watches);
        (state.round, state.carried.len() - 1)
    }

    fn answered(&self, call: &Call, watches: bool, round: u64, index: usize, code: Option<u16>) {
        let mut state = self.state();
        let now = Instant::now();
        state.last = now;
        if call.writes {
            state.last_write = now;
        }
        state.in_flight -= usize::from(!watches);
        if state.round == round {
            state.carried[index].code = code;
            if let Some(code) = code {
                state.rule.answered(call, code);
            }
        }
    }

    /// A watch that shows nothing while frozen, and ends when cut.
    fn gated(&self, body: Answered, name: &str) -> Answered {
        let of_instances = name.contains("mastodoninstances");
        let shows = move |frozen: &Frozen| match frozen {
            Frozen::None => true,
            Frozen::Objects => of_instances,
            Frozen::All => false,
        };
        let (frozen, mut cut) = (self.0.frozen.subscribe(), self.0.cut.subscribe());
        let stream = body.into_data_stream().then(move |chunk| {
            let mut frozen = frozen.clone();
            async move {
                // The sender lives as long as the wire, and without a wire nobody reads.
                let _gone = frozen.wait_for(shows).await.is_err();
                chunk
            }
        });
        Answered::from_stream(stream.take_until(async move { cut.changed().await }))
    }

    /// The effects of other ports (the object store) go through the same numbers and rules. `effect` is what the request does.
    pub async fn other<'a, T, E>(
        &self,
        dead: &CancellationToken,
        (name, writes): (&str, bool),
        refused: impl Fn(u16) -> E + Send,
        effect: impl Fn() -> BoxFuture<'a, Result<T, E>> + Send,
    ) -> Result<T, E> {
        if dead.is_cancelled() {
            return pending().await;
        }
        let (call, act) = self.judge(name.to_owned(), writes, String::new(), Bytes::new());
        match act {
            Act::Pass | Act::Keep => self.noted(&call, effect()).await,
            Act::Answer { code, retry_after: _ } => Err(refused(code)),
            Act::Show(_) | Act::Lose => Err(refused(504)),
            Act::LoseAnswer => self.noted(&call, effect()).await.and_then(|_| Err(refused(504))),
            Act::Twice => {
                self.noted(&call, effect()).await?;
                self.noted(&call, effect()).await
            }
            Act::CrashBefore => crash(dead).await,
            Act::CrashAfter => {
                let _told_to_nobody = self.noted(&call, effect()).await.is_ok();
                crash(dead).await
            }
            Act::Freeze(how_long) => {
                self.freeze_for(how_long);
                self.noted(&call, effect()).await
            }
        }
    }

    /// Numbers the effect of another port like a request.
    async fn noted<T, E>(&self, call: &Call, effect: BoxFuture<'_, Result<T, E>>) -> Result<T, E> {
        let (round, index) = self.sent(call, false);
        let done = effect.await;
        self.answered(call, false, round, index, Some(if done.is_ok() { 200 } else { 500 }));
        done
    }

    fn freeze_for(&self, how_long: Duration) {
        self.freeze(Frozen::All);
        let wire = self.clone();
        self.0.outside.spawn(async move {
            tokio::time::sleep(how_long).await;
            wire.freeze(Frozen::None);
        });
    }
}

impl Service<Request<Body>> for End {
    type Response = Response<Answered>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Answered>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let end = self.clone();
        Box::pin(async move {
            let dead = end.dead.clone();
            tokio::select! {
                biased;
                () = dead.cancelled() => pending().await,
                answer = end.take(request) => answer,
            }
        })
    }
}

impl End {
    async fn take(self, request: Request<Body>) -> Result<Response<Answered>, BoxError> {
        let wire = &self.wire;
        let (mut parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let (name, writes) = name_of(&parts, &body);
        let path = parts.uri.to_string();
        parts.uri = wire.narrowed(&parts.uri);
        let (call, act) = wire.judge(name, writes, path, body.clone());
        let request = copy(&parts, &body);
        match act {
            Act::Pass => wire.carry(request, &call).await,
            Act::Answer { code, retry_after } => Ok(answer(code, retry_after)),
            Act::Show(shown) => {
                let shown = Answered::from(shown.to_string());
                Ok(Response::builder().header(header::CONTENT_TYPE, "application/json").body(shown)?)
            }
            Act::Lose => Err("the connection broke".into()),
            Act::LoseAnswer => {
                wire.carry(request, &call).await?;
                Err("the connection broke before the answer".into())
            }
            Act::Twice => {
                wire.carry(copy(&parts, &body), &call).await?;
                wire.carry(request, &call).await
            }
            Act::CrashBefore => crash(&self.dead).await,
            Act::CrashAfter => {
                let _told_to_nobody = wire.carry(request, &call).await.is_ok();
                crash(&self.dead).await
            }
            Act::Freeze(how_long) => {
                wire.freeze_for(how_long);
                wire.carry(request, &call).await
            }
            Act::Keep => {
                wire.state().kept.push(copy(&parts, &body));
                wire.carry(request, &call).await
            }
        }
    }
}

/// The operator dies: nothing is sent or told any more.
async fn crash<T>(dead: &CancellationToken) -> T {
    dead.cancel();
    pending().await
}

fn copy(parts: &http::request::Parts, body: &Bytes) -> Request<Bytes> {
    let mut request = Request::builder().method(parts.method.clone()).uri(parts.uri.clone());
    if let Some(headers) = request.headers_mut() {
        headers.extend(parts.headers.clone());
    }
    request.body(body.clone()).unwrap()
}

/// An answer of a server that does nothing, in the words of the API server.
fn answer(code: u16, retry_after: Option<u64>) -> Response<Answered> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "message": format!("the test's wire answers {code}"), "reason": "Test",
    });
    let mut answer = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header(header::RETRY_AFTER, seconds);
    }
    answer.body(Answered::from(status.to_string())).unwrap()
}

fn is_watch(name: &str) -> bool {
    name.starts_with("watch ")
}

/// What a path is about.
struct Target {
    plural: String,
    name: Option<String>,
    subresource: Option<String>,
    namespaced: bool,
}

impl Target {
    fn of(path: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        // api/v1 or apis/<group>/<version>
        parts.drain(..parts.len().min(if parts.first() == Some(&"api") { 2 } else { 3 }));
        let namespaced = parts.len() > 2 && parts[0] == "namespaces";
        if namespaced {
            parts.drain(..2);
        }
        let mut parts = parts.into_iter().map(str::to_owned);
        Self { plural: parts.next().unwrap_or_default(), name: parts.next(), subresource: parts.next(), namespaced }
    }
}

/// A request's name and whether it may change something.
fn name_of(parts: &http::request::Parts, body: &Bytes) -> (String, bool) {
    let Target { plural, name, subresource, namespaced: _ } = Target::of(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let verb = match parts.method {
        Method::GET if query.contains("watch=") => "watch",
        Method::GET if name.is_none() => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "replace",
        Method::DELETE => "delete",
        Method::PATCH => {
            let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.contains("apply-patch") { "apply" } else { "merge" }
        }
        _ => parts.method.as_str(),
    };
    let writes = parts.method != Method::GET;
    let named_in_body = || serde_json::from_slice::<Value>(body).ok()?["metadata"]["name"].as_str().map(str::to_owned);
    let named_in_query = || {
        let pairs: HashMap<String, String> = serde_urlencoded::from_str(query).unwrap_or_default();
        pairs.get("fieldSelector")?.strip_prefix("metadata.name=").map(str::to_owned)
    };
    let name = match plural.as_str() {
        // Each event has a name of its own.
        "events" => None,
        // These are called like the instance.
        "mastodoninstances" | "namespaces" => name.map(|_| "~".to_owned()),
        _ => name.or_else(|| if writes { named_in_body() } else { named_in_query() }),
    };
    // So is the way to whoever answers for a paused server.
    let name = name.map(|name| if name.starts_with("ins-") { "~".to_owned() } else { name });
    let mut text = format!("{verb} {plural}");
    for part in [name, subresource].into_iter().flatten() {
        text = format!("{text}/{part}");
    }
    (text, writes)
}

#[test]
fn requests_are_named_without_what_differs() {
    let name = |method: &str, uri: &str, kind: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, kind);
        let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        name_of(&parts, &body).0
    };
    let apply = "application/apply-patch+yaml";
    let one = "/apis/apps/v1/namespaces/mastodon-01/deployments/web?fieldManager=paddock";
    assert_eq!(name("PATCH", one, apply, ""), "apply deployments/web");
    let secrets = "/api/v1/namespaces/mastodon-01/secrets?";
    assert_eq!(name("POST", secrets, "", r#"{"metadata":{"name":"keys"}}"#), "create secrets/keys");
    assert_eq!(
        name("POST", "/apis/events.k8s.io/v1/namespaces/default/events", "", r#"{"metadata":{"name":"a.1"}}"#),
        "create events"
    );
    let of_one = "/api/v1/secrets?watch=true&labelSelector=a%3Db&fieldSelector=metadata.name%3Dkeys";
    assert_eq!(name("GET", of_one, "", ""), "watch secrets/keys");
    assert_eq!(name("GET", "/api/v1/namespaces?limit=500", "", ""), "list namespaces");
    assert_eq!(name("PATCH", "/api/v1/namespaces/mastodon-01?", "application/merge-patch+json", ""), "merge namespaces/~");
    let instance = "/apis/paddock.host/v1alpha1/mastodoninstances/ins-01/status?";
    assert_eq!(name("PUT", instance, "", ""), "replace mastodoninstances/~/status");
}
