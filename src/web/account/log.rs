//! An account's own part of the audit log: who did what in it, to be read and to be taken along.

use std::collections::HashMap;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use futures::Stream;
use futures::stream::try_unfold;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::account::member;
use crate::audit::{self, Kept};
use crate::db::slice::Slice;
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::instance::time;
use crate::web::list::{Frame, ListQuery, ListView};
use crate::web::page::{PageContext, html, pages};
use crate::web::session::Customer;
use crate::words::Words;

const HERE: &str = "/account/log";

/// Entries that an export reads at a time.
const AT_A_TIME: i64 = 500;

#[derive(Template)]
#[template(path = "pages/account/log.html")]
struct LogPage {
    page: PageContext,
    list: ListView,
    entries: Vec<LogRow>,
}

pages!(LogPage);

struct LogRow {
    what: String,
    at: String,
    who: String,
    /// Id of what changed.
    subject: String,
    /// What else is worth knowing, and the place in the chain.
    detail: String,
}

/// An entry as programs read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::web) struct Exported {
    /// Names it, and grows.
    #[schema(example = 4711)]
    id: i64,
    /// When, RFC 3339 to the microsecond.
    #[schema(example = "2026-11-28T04:00:00.123456Z")]
    at: String,
    /// `person`, `staff` or `system`.
    by_kind: String,
    /// Their id, or the part of the program.
    by: String,
    /// What was done.
    #[schema(example = "order.placed")]
    action: String,
    /// Id of what changed.
    subject: String,
    /// What else is worth knowing; null where that is about the host.
    #[schema(value_type = Object)]
    detail: Option<Value>,
    /// Its place in the chain over the whole log; null for the first seconds.
    place: Option<i64>,
    /// Its hash there, in hexadecimal digits.
    hash: Option<String>,
}

impl From<&Kept> for Exported {
    fn from(kept: &Kept) -> Self {
        let audit::Entry { at, actor_kind, actor_id, action, subject, detail: _ } = kept.entry.clone();
        Self {
            id: kept.id,
            at: at.to_rfc3339_opts(SecondsFormat::Micros, true),
            by_kind: actor_kind,
            by: actor_id,
            action,
            subject,
            detail: kept.detail().cloned(),
            place: kept.place,
            hash: kept.hash.as_deref().map(hex::encode),
        }
    }
}

/// One page of an account's log.
pub(in crate::web) async fn page_of(state: &AppState, account: AccountId, query: &ListQuery) -> Result<Slice<Kept>, WebError> {
    let mut tx = state.db.begin_account(account).await?;
    Ok(audit::page(tx.conn(), account, query.start()).await?)
}

/// GET `/account/log`
pub(super) async fn show(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let slice = page_of(&state, customer.account, &query).await?;
    let members = member::list(&mut *state.db.auth().acquire().await?, customer.account).await?;
    let members: HashMap<String, String> = members.into_iter().map(|member| (member.person.to_string(), member.email)).collect();
    let words = page.w.clone();
    let frame = Frame { words: &words, path: HERE, query: &query };
    let list = frame.view("", Vec::new(), Vec::new(), &slice, |kept| kept.id.to_string());
    let entries = slice.rows.iter().map(|kept| row(&words, &state.host.name, &members, kept)).collect();
    Ok(html(&LogPage { page, list, entries })?)
}

fn row(words: &Words, host: &str, members: &HashMap<String, String>, kept: &Kept) -> LogRow {
    let entry = &kept.entry;
    let who = match entry.actor_kind.as_str() {
        "person" => members.get(&entry.actor_id).cloned().unwrap_or_else(|| words.t1("log-former", "id", &entry.actor_id)),
        "staff" => words.t2("log-staff", "host", host, "id", &entry.actor_id),
        _ => words.t1("log-program", "part", &entry.actor_id),
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let facts = kept.detail().and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| !value.is_null());
    let mut detail: Vec<String> = facts.map(|(name, value)| format!("{name}: {}", text(value))).collect();
    detail.extend(kept.place.map(|place| words.t1("log-place", "place", place)));
    LogRow {
        what: what(words, &entry.action),
        at: time::moment(words, entry.at),
        who,
        subject: entry.subject.clone(),
        detail: detail.join(", "),
    }
}

/// What was done, in words; its name where there are none.
fn what(words: &Words, action: &str) -> String {
    let key = format!("log-did-{}", action.replace(['.', '_'], "-"));
    let said = words.t(&key);
    if said == key { action.to_owned() } else { said }
}

/// All entries of an account, oldest first: `begin`, then each as `write` writes it, then `end`. What is read is sent at once, so that a long
/// log needs no more room than a short one.
fn export(
    state: AppState,
    account: AccountId,
    begin: &'static str,
    write: fn(&Exported, bool) -> String,
    end: &'static str,
) -> impl Stream<Item = Result<Bytes, sqlx::Error>> {
    /// How far it is: behind which entry, or done.
    enum At {
        Begin,
        Behind(i64),
        Done,
    }
    try_unfold((state, At::Begin), move |(state, at)| async move {
        let (after, mut text) = match at {
            At::Done => return Ok(None),
            At::Begin => (0, begin.to_owned()),
            At::Behind(id) => (id, String::new()),
        };
        let mut tx = state.db.begin_account(account).await?;
        let rows = audit::behind(tx.conn(), account, after, AT_A_TIME).await?;
        drop(tx);
        for (index, kept) in rows.iter().enumerate() {
            text.push_str(&write(&Exported::from(kept), after == 0 && index == 0));
        }
        let next = rows.last().map_or(At::Done, |last| At::Behind(last.id));
        if matches!(next, At::Done) {
            text.push_str(end);
        }
        Ok(Some((Bytes::from(text), (state, next))))
    })
}

fn file(
    stream: impl Stream<Item = Result<Bytes, sqlx::Error>> + Send + 'static,
    kind: &'static str,
    name: &'static str,
) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

/// GET `/account/log.csv` and `/api/v1/log.csv`
pub(in crate::web) async fn csv(State(state): State<AppState>, customer: Customer) -> Response {
    const HEAD: &str = "id,at,by_kind,by,action,subject,detail,place,hash\r\n";
    let rows = export(state, customer.account, HEAD, |entry, _| csv_line(entry), "");
    file(rows, "text/csv; charset=utf-8; header=present", "attachment; filename=\"log.csv\"")
}

/// GET `/account/log.json`
pub(super) async fn json(State(state): State<AppState>, customer: Customer) -> Response {
    let write = |entry: &Exported, first: bool| {
        let text = serde_json::to_string(entry).unwrap_or_default();
        if first { format!("\n{text}") } else { format!(",\n{text}") }
    };
    let rows = export(state, customer.account, "{\"entries\": [", write, "\n]}\n");
    file(rows, "application/json", "attachment; filename=\"log.json\"")
}

fn csv_line(entry: &Exported) -> String {
    let Exported { id, at, by_kind, by, action, subject, detail, place, hash } = entry;
    let detail = detail.as_ref().map(ToString::to_string).unwrap_or_default();
    let (id, place) = (id.to_string(), place.map(|place| place.to_string()).unwrap_or_default());
    let hash = hash.as_deref().unwrap_or_default();
    let cells: [&str; 9] = [&id, at, by_kind, by, action, subject, &detail, &place, hash];
    cells.map(cell).join(",") + "\r\n"
}

/// A cell (RFC 4180), and nothing that a spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_text_by_everybody() {
        for (text, written) in [
            ("order.placed", "order.placed"),
            ("a,b", "\"a,b\""),
            ("say \"yes\"", "\"say \"\"yes\"\"\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), written);
        }
    }

    #[test]
    fn what_has_no_words_is_told_by_its_name() {
        let words = Words::english();
        assert_eq!(what(&words, "no.such_thing"), "no.such_thing");
        assert_ne!(what(&words, "order.placed"), "order.placed");
    }
}
