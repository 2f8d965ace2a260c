//! Incidents as everybody reads them: on the status page, as an Atom feed and as a JSON feed.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use crate::incident::{self, Impact, Incident, Update};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::page::StateView;
use crate::words::Words;

/// Incidents on the page and in the feeds: those that are not over, and this many of those that are.
pub(super) const SHOWN: i64 = 20;

/// An incident as it is shown.
#[derive(Debug, Clone)]
pub(in crate::web) struct IncidentView {
    pub id: String,
    /// Where its own page is; empty for the public.
    pub href: String,
    pub title: String,
    pub impact: String,
    pub state: StateView,
    /// From when to when.
    pub time: String,
    pub over: bool,
    /// Newest first.
    pub updates: Vec<UpdateView>,
}

/// Something that was said.
#[derive(Debug, Clone)]
pub(in crate::web) struct UpdateView {
    pub at: String,
    pub state: String,
    pub text: String,
}

/// An incident with those of `updates` that are about it.
pub(in crate::web) fn incident_view(words: &Words, incident: &Incident, updates: &[Update]) -> IncidentView {
    let Incident { id, title, impact, state, began_at, over_at, created_at: _, updated_at: _ } = incident;
    let kind = match (over_at, impact) {
        (Some(_), _) => "done",
        (None, Impact::Notice) => "doing",
        (None, Impact::Degraded | Impact::Outage) => "failed",
    };
    let time = match over_at {
        Some(over) => words.t2("incident-from-to", "from", time::moment(words, *began_at), "to", time::moment(words, *over)),
        None => words.t1("since", "time", time::moment(words, *began_at)),
    };
    let said = |update: &Update| UpdateView {
        at: time::moment(words, update.at),
        state: words.t(&format!("incident-state-{}", update.state.word())),
        text: update.text.clone(),
    };
    IncidentView {
        id: id.to_string(),
        href: String::new(),
        title: title.clone(),
        impact: words.t(&format!("incident-impact-{}", impact.word())),
        state: StateView::new(words, kind, &format!("incident-state-{}", state.word()), ""),
        time,
        over: over_at.is_some(),
        updates: updates.iter().filter(|update| update.incident_id == *id).map(said).collect(),
    }
}

/// The incidents that are shown to everybody, with what was said about each.
pub(super) async fn load(state: &AppState) -> Result<(Vec<Incident>, Vec<Update>), WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let incidents = incident::recent(&mut conn, SHOWN).await?;
    let ids: Vec<_> = incidents.iter().map(|incident| incident.id).collect();
    let updates = if ids.is_empty() { Vec::new() } else { incident::updates_of(&mut conn, &ids).await? };
    Ok((incidents, updates))
}

/// An incident as both feeds have it.
struct Entry {
    /// A name for good.
    id: String,
    url: String,
    title: String,
    text: String,
    tags: [&'static str; 2],
    published: String,
    updated: String,
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn entry(words: &Words, base: &str, incident: &Incident, updates: &[Update]) -> Entry {
    let view = incident_view(words, incident, updates);
    let said = view.updates.iter().map(|update| format!("{}, {}: {}", update.at, update.state, update.text));
    Entry {
        id: format!("urn:paddock:incident:{}", view.id),
        url: format!("{base}/status#{}", view.id),
        title: format!("{}: {}", view.state.word, view.title),
        text: said.collect::<Vec<_>>().join("\n\n"),
        tags: [incident.impact.word(), incident.state.word()],
        published: stamp(incident.created_at),
        updated: stamp(incident.updated_at),
    }
}

/// What a feed reader asks for again and again may be kept for a minute by anybody.
const FOR_A_MINUTE: &str = "public, max-age=60";

#[derive(Template)]
#[template(path = "pages/public/status.xml")]
struct AtomFeed {
    title: String,
    author: String,
    lang: String,
    base: String,
    updated: String,
    entries: Vec<Entry>,
}

/// What both feeds say of themselves, and their entries.
async fn feed(state: &AppState) -> Result<AtomFeed, WebError> {
    let words = Words::english();
    let base = state.host.base_url.as_str().trim_end_matches('/').to_owned();
    let (incidents, updates) = load(state).await?;
    // A feed without entries has its beginning as its date: one that moves would be news.
    let newest = incidents.iter().map(|incident| incident.updated_at).max().unwrap_or_default();
    Ok(AtomFeed {
        title: words.t1("status-feed-title", "host", &state.host.name),
        author: state.host.name.clone(),
        lang: words.language(),
        updated: stamp(newest),
        entries: incidents.iter().map(|incident| entry(&words, &base, incident, &updates)).collect(),
        base,
    })
}

/// GET `/status.atom`
pub(super) async fn atom(State(state): State<AppState>) -> Result<Response, WebError> {
    let headers = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"), (header::CACHE_CONTROL, FOR_A_MINUTE)];
    Ok((headers, feed(&state).await?.render()?).into_response())
}

/// GET `/status.json`: the same as a JSON feed, version 1.1.
pub(super) async fn json(State(state): State<AppState>) -> Result<Response, WebError> {
    let AtomFeed { title, author, lang, base, updated: _, entries } = feed(&state).await?;
    let items = entries.into_iter().map(|entry| {
        let Entry { id, url, title, text, tags, published, updated } = entry;
        json!({ "id": id, "url": url, "title": title, "content_text": text, "tags": tags, "date_published": published,
                "date_modified": updated })
    });
    let body = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "home_page_url": format!("{base}/status"),
        "feed_url": format!("{base}/status.json"),
        "language": lang,
        "authors": [{ "name": author }],
        "items": items.collect::<Vec<_>>(),
    });
    let headers = [(header::CONTENT_TYPE, "application/feed+json; charset=utf-8"), (header::CACHE_CONTROL, FOR_A_MINUTE)];
    Ok((headers, body.to_string()).into_response())
}
