//! Lists with cursors, newest first: <https://docs.stripe.com/api/pagination>.

use std::ops::Bound;

use serde_json::{Value, json};

use super::errors::{Answered, ApiError};
use super::params::Params;
use super::store::Shelf;

/// Which part of a list is wanted.
#[derive(Debug)]
pub(super) struct Cursor {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Cursor {
    pub(super) fn take(params: &mut Params) -> Result<Self, ApiError> {
        let limit = params.int("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| ApiError::bad_parameter("parameter_invalid_integer", "limit".to_owned(), "between 1 and 100"))?;
        let cursor = Self { limit, starting_after: params.take("starting_after"), ending_before: params.take("ending_before") };
        if cursor.starting_after.is_some() && cursor.ending_before.is_some() {
            return Err(ApiError::refused(
                "ending_before",
                "You may only specify one of these parameters: starting_after, ending_before.",
            ));
        }
        Ok(cursor)
    }

    /// A page of those on the shelf that `fits` lets through. The cursor itself need not fit, but must exist.
    pub(super) fn page(&self, what: &str, url: &str, objects: &Shelf, fits: impl Fn(&Value) -> bool) -> Answered {
        let check = |param: &str, id: &Option<String>| match id {
            Some(id) if !objects.contains_key(id) => Err(ApiError::missing_reference(param, what, id)),
            _ => Ok(()),
        };
        check("starting_after", &self.starting_after)?;
        check("ending_before", &self.ending_before)?;
        // One more than wanted tells whether there are more. Ids sort by age, so a cursor is a place on the shelf.
        let wanted = self.limit + 1;
        let fits = |object: &&Value| fits(object);
        let mut found: Vec<&Value> = if let Some(before) = &self.ending_before {
            let newer = objects.range::<str, _>((Bound::Excluded(before.as_str()), Bound::Unbounded));
            newer.map(|(_, object)| object).filter(fits).take(wanted).collect()
        } else {
            let until = self.starting_after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let older = objects.range::<str, _>((Bound::Unbounded, until));
            older.rev().map(|(_, object)| object).filter(fits).take(wanted).collect()
        };
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.ending_before.is_some() {
            found.reverse();
        }
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": found }))
    }
}
