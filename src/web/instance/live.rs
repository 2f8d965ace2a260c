//! Live parts: a stream of server-sent events that shows a fragment at once and again whenever it changed.
//!
//! A watcher is nudged by Postgres and looks every few seconds anyway, so a lost nudge costs latency and nothing else. Between two
//! looks it holds no connection of the database.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use crate::account::session::{self, Kind, Subject};
use crate::ids::{AccountId, InstanceId};
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::session::{Customer, session_cookie};

/// Between two looks without a nudge.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two comments that keep proxies from closing the line.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two looks at whether the watcher is still signed in.
const SESSION_EVERY: Duration = Duration::from_mins(1);
/// After this the stream ends; a browser that still watches opens another.
const LONGEST: Duration = Duration::from_mins(30);

/// A fragment as it is now.
#[derive(Debug)]
pub(in crate::web) struct Frame {
    /// What to show.
    pub html: String,
    /// Whether nothing will change any more.
    pub last: bool,
}

/// Whether the request asks for a stream; all others get the fragment as HTML.
pub(in crate::web) fn wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// Shows what `render` gives, now and after each change of `instance`.
pub(in crate::web) fn stream<F, R>(
    state: &AppState,
    headers: &HeaderMap,
    customer: &Customer,
    instance: InstanceId,
    render: F,
) -> Response
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = Result<Frame, WebError>> + Send + 'static,
{
    let now = Instant::now();
    let watcher = Watcher {
        // Before the first look, so that nothing falls between the two.
        nudges: state.nudges.subscribe(),
        watched: instance.uuid().to_string(),
        account: customer.account,
        secret: session_cookie(state, headers).unwrap_or_default(),
        state: state.clone(),
        render,
        shown: None,
        over: false,
        until: now + LONGEST,
        session_until: now + SESSION_EVERY,
    };
    let events = futures::stream::unfold(watcher, |mut watcher| async move {
        let html = watcher.next().await?;
        Some((Ok::<_, Infallible>(Event::default().data(html)), watcher))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // nginx would hold events back to fill its buffer.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    ([unbuffered], stream).into_response()
}

struct Watcher<F> {
    state: AppState,
    nudges: Receiver<String>,
    watched: String,
    account: AccountId,
    secret: String,
    render: F,
    shown: Option<String>,
    over: bool,
    until: Instant,
    session_until: Instant,
}

impl<F, R> Watcher<F>
where
    F: FnMut() -> R,
    R: Future<Output = Result<Frame, WebError>>,
{
    /// The next fragment that differs from the last; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over {
                return None;
            }
            if self.shown.is_some() {
                self.wait().await;
            }
            if Instant::now() >= self.until || !self.signed_in().await {
                return None;
            }
            let frame = match (self.render)().await {
                Ok(frame) => frame,
                Err(error) => {
                    // The browser comes back by itself, and then gets the error as an answer.
                    tracing::warn!(error = telemetry::chain(&error), "a live page could not be rendered");
                    return None;
                }
            };
            self.over = frame.last;
            // A carriage return would end the event's line; browsers read both as white space.
            let html = frame.html.replace('\r', "");
            if self.shown.as_ref() != Some(&html) {
                self.shown = Some(html.clone());
                return Some(html);
            }
        }
    }

    async fn wait(&mut self) {
        let look = Instant::now() + LOOK_EVERY;
        loop {
            tokio::select! {
                () = sleep_until(look) => return,
                nudge = self.nudges.recv() => match nudge {
                    Ok(instance) if instance == self.watched => return,
                    Ok(_) => {}
                    // Ours may have been among those that were missed.
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => {
                        sleep_until(look).await;
                        return;
                    }
                },
            }
        }
    }

    /// Whether the watcher may still watch; looked up once a minute.
    async fn signed_in(&mut self) -> bool {
        if Instant::now() < self.session_until {
            return true;
        }
        self.session_until = Instant::now() + SESSION_EVERY;
        let Ok(mut conn) = self.state.db.auth().acquire().await else { return false };
        let found = session::find(&mut conn, self.state.clock.as_ref(), &self.secret, Kind::Browser).await;
        let subject = found.ok().flatten().map(|session| session.subject);
        matches!(subject, Some(Subject::Person { account, .. }) if account == self.account)
    }
}
