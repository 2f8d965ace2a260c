//! Pages that are written as Markdown, so that they can be read without the program too: the host's runbooks and the customers' help.
//! Only what Markdown itself says is shown; HTML inside it is left out.

use askama::Template;
use axum::response::Response;
use pulldown_cmark::{CowStr, Event, Options, Parser, html};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::WebError;
use super::page::{self, PageContext, pages};

#[derive(RustEmbed)]
#[folder = "docs/runbooks/"]
struct Runbooks;

#[derive(RustEmbed)]
#[folder = "docs/help/"]
struct Help;

/// A file of `docs/` that is a page.
fn file(path: &str) -> Option<EmbeddedFile> {
    match path.split_once('/') {
        Some(("runbooks", name)) => Runbooks::get(name),
        Some(("help", name)) => Help::get(name),
        Some(_) | None => None,
    }
}

#[derive(Template)]
#[template(path = "pages/text.html")]
struct TextPage {
    page: PageContext,
    title: String,
    /// HTML out of Markdown of our own.
    body: String,
    back: String,
    back_label: String,
}

pages!(TextPage);

/// A text of `docs/`.
struct Text {
    title: String,
    body: String,
}

impl Text {
    fn find(path: &str) -> Option<Self> {
        let file = file(path)?;
        Some(Self::read(std::str::from_utf8(&file.data).ok()?))
    }

    /// The first line is the title. Code that names one of our pages leads there.
    fn read(text: &str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let events = Parser::new_ext(rest, Options::ENABLE_TABLES).filter_map(|event| match event {
            Event::Html(_) | Event::InlineHtml(_) => None,
            Event::Code(code) if is_page(&code) => {
                Some(Event::InlineHtml(CowStr::from(format!("<a href=\"{code}\"><code>{code}</code></a>"))))
            }
            event => Some(event),
        });
        let mut body = String::with_capacity(rest.len() * 2);
        html::push_html(&mut body, events);
        Self { title: first.trim_start_matches('#').trim().to_owned(), body }
    }
}

/// Whether a piece of code is the path of a staff's page, whole, with nothing to be filled in.
fn is_page(code: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/-?=".contains(letter);
    code.starts_with("/staff") && code.chars().all(plain)
}

/// Whether there is such a text.
pub(super) fn exists(path: &str) -> bool {
    file(path).is_some()
}

/// The title of a text, for links to it.
pub(super) fn title(path: &str) -> String {
    Text::find(path).map(|text| text.title).unwrap_or_default()
}

/// A text as a page.
pub(super) fn show(page: PageContext, path: &str, back: &str, back_label: String) -> Result<Response, WebError> {
    let Text { title, body } = Text::find(path).ok_or(WebError::NotFound)?;
    Ok(page::html(&TextPage { page, title, body, back: back.to_owned(), back_label })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_title_and_what_markdown_says_of_the_rest() {
        let text = Text::read(
            "# A title\n\nSee `/staff/queue` and `/instances/{id}`.\n\n1. one <b onclick=\"x\">two</b>\n\n<script>x</script>\n",
        );
        assert_eq!(text.title, "A title");
        assert!(text.body.contains("<a href=\"/staff/queue\"><code>/staff/queue</code></a>"), "{}", text.body);
        assert!(text.body.contains("<code>/instances/{id}</code>") && text.body.contains("<li>one two</li>"), "{}", text.body);
        assert!(!text.body.contains("script") && !text.body.contains("onclick"), "{}", text.body);
    }

    #[test]
    fn nothing_but_texts_is_found() {
        for path in ["configuration.md", "../Cargo.toml", "runbooks/", ""] {
            assert!(!exists(path), "{path}");
        }
        assert!(exists("runbooks/capacity.md"));
    }
}
