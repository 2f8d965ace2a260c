//! Long lists: what of them is asked for, and the links and the form that ask for something else. All of it stands in the address, so
//! that a list can be sent to somebody else, and works without a script.

use std::str::FromStr;

use serde::Deserialize;

use crate::db::slice::{Slice, Start};
use crate::words::Words;

/// What is asked for, behind the question mark. All of it may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    /// How what is looked for begins.
    pub q: String,
    /// Which rows.
    pub show: String,
    /// Of which release.
    pub version: String,
    /// In which order.
    pub sort: String,
    /// The row that the page begins behind.
    pub after: String,
    /// The row that the page ends in front of.
    pub before: String,
}

/// The longest text that is looked for.
const LONGEST: usize = 320;

impl ListQuery {
    /// What is looked for, as it was typed; nothing that Postgres would not take as text.
    pub fn text(&self) -> String {
        let plain: String = self.q.chars().filter(|letter| !letter.is_control()).collect();
        plain.trim().chars().take(LONGEST).collect()
    }

    /// How what is looked for begins, in lower case.
    pub fn begins(&self) -> String {
        self.text().to_lowercase()
    }

    /// Where the page begins. What is no id of the list's is its top.
    pub fn start<I: FromStr>(&self) -> Start<I> {
        let behind = self.after.parse().map(Start::Behind);
        behind.or_else(|_| self.before.parse().map(Start::Before)).unwrap_or(Start::Top)
    }
}

/// A column's heading, which sorts by it where it leads somewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// What stands in the column.
    pub label: String,
    /// The list, sorted by it; empty where it can't be.
    pub href: String,
    /// For `aria-sort`: `ascending`, `descending` or empty.
    pub sorted: &'static str,
    /// Whether it holds numbers.
    pub num: bool,
}

/// One choice of a select.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

/// A select of the form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// Its id and name.
    pub name: &'static str,
    pub label: String,
    pub options: Vec<Choice>,
}

/// What stands around a list's table. See the macros of `templates/lists.html`.
#[derive(Debug)]
pub(super) struct ListView {
    /// Where the list is.
    pub path: &'static str,
    /// What was looked for, as it was typed.
    pub q: String,
    /// Label of that field; empty where nothing can be looked for.
    pub q_label: String,
    pub filters: Vec<Filter>,
    /// The order, to go along with the form; empty for the usual one.
    pub sort: String,
    pub heads: Vec<Head>,
    /// The page in front; empty when there is none.
    pub newer: String,
    /// The page behind; empty when there is none.
    pub older: String,
    /// Whether rows may be missing because of what was asked for.
    pub narrowed: bool,
}

/// Builds a [`ListView`].
pub(super) struct Frame<'a> {
    pub words: &'a Words,
    pub path: &'static str,
    pub query: &'a ListQuery,
}

impl Frame<'_> {
    /// The list with other choices. Empty ones are left out.
    fn href(&self, sort: &str, place: Option<(&'static str, &str)>) -> String {
        let ListQuery { q, show, version, sort: _, after: _, before: _ } = self.query;
        let mut pairs = vec![("q", q.as_str()), ("show", show), ("version", version), ("sort", sort)];
        pairs.extend(place);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()));
        let query = query.finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }

    /// A column that the list can be sorted by: first in the order `up`, then in `down`. `now` is the order of this page.
    pub fn sorts(&self, key: &str, now: &str, up: &str, down: &str) -> Head {
        let (sorted, next) = match now {
            now if now == up => ("ascending", down),
            now if now == down => ("descending", up),
            _ => ("", up),
        };
        Head { label: self.words.t(key), href: self.href(next, None), sorted, num: false }
    }

    /// A column that it can't be sorted by.
    pub fn head(&self, key: &str) -> Head {
        Head { label: self.words.t(key), ..Head::default() }
    }

    /// The same for numbers.
    pub fn number(&self, key: &str) -> Head {
        Head { num: true, ..self.head(key) }
    }

    /// All of it. `q_key` names the words of the field to search with; `id` is the text of a row's id.
    pub fn view<T>(
        &self,
        q_key: &str,
        filters: Vec<Filter>,
        heads: Vec<Head>,
        slice: &Slice<T>,
        id: impl Fn(&T) -> String,
    ) -> ListView {
        let place = |there: bool, name: &'static str, row: Option<&T>| {
            let row = row.filter(|_| there).map(&id);
            row.map(|row| self.href(&self.query.sort, Some((name, &row)))).unwrap_or_default()
        };
        let ListQuery { q, show, version, sort, after, before } = self.query;
        let narrowed = [q, show, version, after, before].into_iter().any(|value| !value.trim().is_empty());
        ListView {
            path: self.path,
            q: q.trim().to_owned(),
            q_label: if q_key.is_empty() { String::new() } else { self.words.t(q_key) },
            filters,
            sort: sort.clone(),
            heads,
            newer: place(slice.before, "before", slice.rows.first()),
            older: place(slice.behind, "after", slice.rows.last()),
            narrowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> ListQuery {
        serde_urlencoded::from_str(text).unwrap()
    }

    #[test]
    fn what_is_asked_for_goes_along_and_the_place_does_not() {
        let (words, query) = (Words::english(), query("q=b%C3%BCcher+%26&show=look&sort=address&after=7"));
        let frame = Frame { words: &words, path: "/list", query: &query };
        let head = frame.sorts("staff-address", "address", "address", "address-backwards");
        assert_eq!(head.sorted, "ascending");
        assert_eq!(head.href, "/list?q=b%C3%BCcher+%26&show=look&sort=address-backwards");
        let slice = Slice { rows: vec![8, 9], before: true, behind: false };
        let view = frame.view("staff-address", Vec::new(), Vec::new(), &slice, i32::to_string);
        assert_eq!(view.newer, "/list?q=b%C3%BCcher+%26&show=look&sort=address&before=8");
        assert_eq!((view.older.as_str(), view.narrowed), ("", true));
    }

    #[test]
    fn nothing_asked_for_is_the_bare_address() {
        let (words, query) = (Words::english(), ListQuery::default());
        let frame = Frame { words: &words, path: "/list", query: &query };
        let slice: Slice<i32> = Slice { rows: Vec::new(), before: true, behind: true };
        let view = frame.view("", Vec::new(), Vec::new(), &slice, i32::to_string);
        assert_eq!((view.newer, view.older, view.narrowed), (String::new(), String::new(), false));
        assert_eq!(frame.href("", None), "/list");
    }

    #[test]
    fn texts_that_postgres_would_not_take_are_made_ones_that_it_takes() {
        assert_eq!(query("q=%00+Birds%0A").begins(), "birds");
        assert_eq!(query(&format!("q={}", "a".repeat(900))).begins().len(), LONGEST);
        assert_eq!(query("after=nonsense").start::<i64>(), Start::Top);
        assert_eq!(query("after=7").start::<i64>(), Start::Behind(7));
        assert_eq!(query("before=7").start::<i64>(), Start::Before(7));
    }
}
