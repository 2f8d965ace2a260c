//! Long answers in parts: every list takes `after` and `limit`, and says with `next` where the next part begins.
//!
//! A cursor is the id of the last row that was given, and lists are in the order of their ids, the newest first: rows that come or go in
//! between neither repeat others nor hide them.

use std::cmp::Reverse;
use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::web::error::WebError;
use crate::web::form::unreadable;

/// Rows of a part unless somebody wants fewer or more.
const USUAL: u16 = 50;
/// Rows of a part, at most.
const MOST: u16 = 100;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// `next` of the part before; left out, the list begins at its start.
    after: Option<String>,
    /// Rows of a part, 1 to 100; 50 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u16>,
}

impl PageQuery {
    /// The same, with the cursor as an id of the list.
    pub fn read<I: FromStr>(&self) -> Result<Part<I>, WebError> {
        let no_cursor = |_| unreadable("after", "is no cursor of this list; send `next` of the part before, or leave it out");
        let after = self.after.as_deref().map(str::parse).transpose().map_err(no_cursor)?;
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(unreadable("limit", "is not between 1 and 100; send a number that is, or leave it out"));
        }
        Ok(Part { after, limit: limit.into() })
    }
}

/// A part that is asked for.
#[derive(Debug)]
pub(super) struct Part<I> {
    /// The row behind which it begins.
    pub after: Option<I>,
    limit: usize,
}

impl<I: Ord + Display> Part<I> {
    /// Rows to ask the database for: one more than the part has, which shows whether there is another.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The part, out of so many rows behind the cursor, and the cursor of the next one.
    pub fn cut<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> I) -> (Vec<T>, Option<String>) {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more).map(|row| id(row).to_string());
        (rows, next)
    }

    /// The same out of all rows, in any order: for lists that are short by themselves.
    pub fn pick<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> I) -> (Vec<T>, Option<String>) {
        rows.retain(|row| self.after.as_ref().is_none_or(|after| id(row) < *after));
        rows.sort_by_key(|row| Reverse(id(row)));
        self.cut(rows, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(after: Option<&str>, limit: Option<u16>) -> Result<Part<u32>, WebError> {
        PageQuery { after: after.map(str::to_owned), limit }.read()
    }

    #[test]
    fn the_parts_of_a_list_are_the_list() {
        let rows = || vec![3, 9, 1, 7, 5];
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let (rows, next) = part(after.as_deref(), Some(2)).unwrap().pick(rows(), |row| *row);
            seen.extend(rows);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [9, 7, 5, 3, 1]);
        // The row of the cursor may be gone by then.
        assert_eq!(part(Some("6"), Some(2)).unwrap().pick(rows(), |row| *row), (vec![5, 3], Some("3".to_owned())));
        assert_eq!(part(None, Some(5)).unwrap().pick(rows(), |row| *row).1, None, "nothing is behind the last row");
        assert_eq!(part(None, None).unwrap().rows(), 51);
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for (after, limit, field) in
            [(Some("x"), None, "after"), (Some(""), None, "after"), (None, Some(0), "limit"), (None, Some(101), "limit")]
        {
            assert!(
                matches!(part(after, limit), Err(WebError::Unreadable { field: at, .. }) if at == field),
                "{after:?} {limit:?}"
            );
        }
    }
}
