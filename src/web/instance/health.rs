//! Domain and mails of a server, as others see them: looked up when the page is asked for, and never kept.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::time;
use super::view::readable;
use crate::instance::Instance;
use crate::instance::mail_health::{self, Found, Look};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::records::{Found as Records, Names};
use crate::web::session::OwnedInstance;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/health.html")]
struct HealthPage {
    page: PageContext,
    id: String,
    address: String,
    domain: StateView,
    /// Whether records can be looked at in more detail.
    own: bool,
    /// In whose name mails are sent.
    sender: String,
    mails: Vec<LookView>,
    looked: String,
}

pages!(HealthPage);

/// One thing that was looked for.
struct LookView {
    label: String,
    /// What it is for.
    text: String,
    name: String,
    state: StateView,
    values: Vec<String>,
}

fn look_view(words: &Words, look: Look) -> LookView {
    let Look { check, name, found } = look;
    let (state, values) = match found {
        Found::There(values) => (StateView::new(words, "done", "health-there", ""), values),
        Found::Missing => (StateView::new(words, "failed", "health-missing", ""), Vec::new()),
        Found::TooMany(values) => (StateView::new(words, "failed", "health-too-many", ""), values),
        Found::Unknown(why) => (StateView::new(words, "waiting", "health-unknown", words.t(why.key())), Vec::new()),
        Found::NotAsked => (StateView::new(words, "waiting", "health-unknown", words.t("health-not-asked")), Vec::new()),
    };
    LookView {
        label: words.t(&format!("health-{}", check.word())),
        text: words.t(&format!("health-{}-text", check.word())),
        name,
        state,
        values,
    }
}

/// In whose name a server's mails are sent, and under which name the key is known to stand.
fn sender<'a>(state: &'a AppState, instance: &Instance) -> (String, Option<&'a str>) {
    match &instance.own_mail {
        Some(own) => (own.from.rsplit('@').next().unwrap_or(&own.from).trim_end_matches('>').to_ascii_lowercase(), None),
        None => (state.sending.domain(&instance.domain), state.sending.dkim_selector.as_deref()),
    }
}

/// GET `/instances/{id}/health`
pub(super) async fn show(
    State(state): State<AppState>,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let words = page.w.clone();
    let names = Names { domain: &instance.domain, hosted: instance.hosted, web_domain: instance.web_domain.as_deref() };
    let (from, selector) = sender(&state, &instance);
    let (records, mails) =
        futures::join!(Records::look_up(&state, names), mail_health::look(state.resolver.as_ref(), &from, selector));
    let own = instance.is_on_own_domain();
    let domain = match (own, records.all_right()) {
        (false, _) => StateView::new(&words, "done", "health-domain-ours", ""),
        (true, true) => StateView::new(&words, "done", "health-domain-right", ""),
        (true, false) => StateView::new(&words, "failed", "health-domain-wrong", ""),
    };
    Ok(html(&HealthPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        domain,
        own,
        sender: readable(&from),
        mails: mails.into_iter().map(|look| look_view(&words, look)).collect(),
        looked: words.t1("health-looked", "time", time::moment(&words, records.at)),
        page,
    })?)
}
