//! The mailbox as pages: a list, one mail, and the same as JSON.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::{Mail, Shared};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/mails/{number}", get(mail))
        .route("/mails/{number}/html", get(html_part))
        .route("/mails.json", get(json))
        .route("/mailbox.css", get(style))
        .with_state(shared)
}

#[derive(Template)]
#[template(path = "demo/mailbox/list.html")]
struct ListPage {
    mails: Vec<Arc<Mail>>,
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let mut mails = shared.post.all();
    mails.reverse();
    page(&ListPage { mails })
}

#[derive(Template)]
#[template(path = "demo/mailbox/mail.html")]
struct MailPage {
    mail: Arc<Mail>,
    text: Vec<Piece>,
}

/// A stretch of the plain text.
struct Piece {
    words: String,
    link: bool,
}

async fn mail(State(shared): State<Arc<Shared>>, Path(number): Path<usize>) -> Response {
    find(&shared, number).map_or_else(missing, |mail| page(&MailPage { text: pieces(&mail.text, &mail.links), mail }))
}

/// The HTML part, for the frame in the page: it may not run, fetch or send anything, and links open in a new tab.
async fn html_part(State(shared): State<Arc<Shared>>, Path(number): Path<usize>) -> Response {
    let Some(html) = find(&shared, number).and_then(|mail| mail.html.clone()) else { return missing() };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups allow-popups-to-escape-sandbox";
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

async fn json(State(shared): State<Arc<Shared>>) -> Response {
    let mails = shared.post.all();
    Json(mails.iter().map(AsRef::as_ref).collect::<Vec<&Mail>>()).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("mailbox.css")).into_response()
}

fn find(shared: &Shared, number: usize) -> Option<Arc<Mail>> {
    shared.post.all().get(number.checked_sub(1)?).cloned()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "There is no such mail. All mails: /").into_response()
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let policy = "default-src 'none'; style-src 'self'; frame-src 'self'";
            ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page of the mailbox can't be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Cuts the text at its links, which stand in `links` in the order of the text.
fn pieces(text: &str, links: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for link in links {
        let Some((before, after)) = rest.split_once(link.as_str()) else { continue };
        pieces.push(Piece { words: before.to_owned(), link: false });
        pieces.push(Piece { words: link.clone(), link: true });
        rest = after;
    }
    pieces.push(Piece { words: rest.to_owned(), link: false });
    pieces
}
