//! An answer, and what tests want to know of it.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

/// An answer that has arrived as a whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages: `GET /plans as anon`.
    pub asked: String,
    /// Path of the request, with its query.
    pub path: String,
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; pages and JSON are text.
    pub body: String,
}

impl Answer {
    /// Fails unless the status is `status`.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.asked, self.visible_text());
        self
    }

    /// Fails unless this is a 303 to `path`.
    #[track_caller]
    pub fn redirects_to(self, path: &str) -> Self {
        let answer = self.is(303);
        assert_eq!(answer.location(), path, "{}", answer.asked);
        answer
    }

    /// Where a redirect leads: the path for our own pages, the whole URL elsewhere.
    #[track_caller]
    pub fn location(&self) -> String {
        let header = self.headers.get(LOCATION).unwrap_or_else(|| panic!("{} is no redirect: {}", self.asked, self.status));
        header.to_str().unwrap().to_owned()
    }

    /// A header's value; empty when missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails unless the page's visible text has `text`.
    #[track_caller]
    pub fn see(self, text: &str) -> Self {
        let visible = self.visible_text();
        assert!(visible.contains(text), "{}: no \"{text}\" in: {visible}", self.asked);
        self
    }

    /// Fails if the page's visible text has `text`.
    #[track_caller]
    pub fn not_see(self, text: &str) -> Self {
        let visible = self.visible_text();
        assert!(!visible.contains(text), "{}: \"{text}\" in: {visible}", self.asked);
        self
    }

    /// The texts of all elements that a CSS selector finds.
    pub fn all(&self, selector: &str) -> Vec<String> {
        self.select(selector, |element| Some(text(element)))
    }

    /// An attribute of all elements that a CSS selector finds, of those that have it.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        self.select(selector, |element| element.attr(name).map(str::to_owned))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    /// Title, text and messages of a page without markup; the body itself of anything else.
    pub fn visible_text(&self) -> String {
        if self.header("content-type").starts_with("text/html") { self.all("body").join(" ") } else { self.body.clone() }
    }

    /// The token for forms, if the page has a form.
    pub(super) fn csrf(&self) -> Option<String> {
        self.attributes("input[name=csrf]", "value").into_iter().next()
    }

    /// The fields of the form that posts to `action`, as a browser would send them untouched.
    #[track_caller]
    pub(super) fn form(&self, action: &str) -> Vec<(String, String)> {
        let html = Html::parse_document(&self.body);
        let all = selector("form");
        let form = html.select(&all).find(|form| {
            let own = form.attr("action").unwrap_or(&self.path) == action;
            own || form.select(&selector("[formaction]")).any(|button| button.attr("formaction") == Some(action))
        });
        let form = form.unwrap_or_else(|| panic!("{}: no form leads to {action}: {}", self.asked, self.body));
        let mut fields = Vec::new();
        for input in form.select(&selector("input[name], textarea[name]")) {
            let kind = input.attr("type").unwrap_or("text");
            let ticked = !matches!(kind, "checkbox" | "radio") || input.attr("checked").is_some();
            if ticked && !matches!(kind, "submit" | "button") {
                let value = input.attr("value").map_or_else(|| text(input), str::to_owned);
                fields.push((input.attr("name").unwrap_or_default().to_owned(), value));
            }
        }
        for choice in form.select(&selector("select[name]")) {
            let options: Vec<_> = choice.select(&selector("option")).collect();
            let chosen = options.iter().find(|option| option.attr("selected").is_some()).or(options.first());
            if let Some(chosen) = chosen {
                let value = chosen.attr("value").map_or_else(|| text(*chosen), str::to_owned);
                fields.push((choice.attr("name").unwrap_or_default().to_owned(), value));
            }
        }
        fields
    }

    fn select(&self, css: &str, read: impl Fn(ElementRef<'_>) -> Option<String>) -> Vec<String> {
        // Where a line may break is no space.
        Html::parse_document(&self.body.replace("<wbr>", "")).select(&selector(css)).filter_map(read).collect()
    }
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|error| panic!("{css}: {error}"))
}

fn text(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
