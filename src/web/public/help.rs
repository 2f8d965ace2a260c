//! Help for customers: what a page has no room for. Each text is linked where it is needed; anybody may read all of them.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use crate::web::error::WebError;
use crate::web::page::{Fact, PageContext, html, pages};
use crate::web::text;

/// The texts, in the order of the list.
pub(super) const TOPICS: [&str; 5] = ["domain", "mail", "limits", "paying", "security"];

#[derive(Template)]
#[template(path = "pages/public/help.html")]
struct HelpPage {
    page: PageContext,
    topics: Vec<Fact>,
}

pages!(HelpPage);

/// Where a text lies in `docs/`, in the page's language; in English where it is not written in that.
fn file(page: &PageContext, topic: &str) -> String {
    let own = format!("help/{}/{topic}.md", page.lang);
    if text::exists(&own) { own } else { format!("help/en/{topic}.md") }
}

/// GET `/help`
pub(super) async fn list(page: PageContext) -> Result<Response, WebError> {
    let topic = |topic: &str| Fact { label: text::title(&file(&page, topic)), href: format!("/help/{topic}"), ..Fact::default() };
    let topics = TOPICS.map(topic).into();
    Ok(html(&HelpPage { topics, page })?)
}

/// GET `/help/{topic}`
pub(super) async fn show(Path(topic): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let topic = TOPICS.into_iter().find(|known| *known == topic).ok_or(WebError::NotFound)?;
    let (path, back) = (file(&page, topic), page.w.t("help-title"));
    text::show(page, &path, "/help", back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_written_in_every_language() {
        for topic in TOPICS {
            for language in ["en", "de"] {
                assert!(text::exists(&format!("help/{language}/{topic}.md")), "{language}/{topic}");
            }
        }
    }
}
