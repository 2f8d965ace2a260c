//! Lists with cursors, newest first: <https://docs.stripe.com/api/pagination>.

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
        let is = |cursor: &Option<String>, object: &Value| object["id"].as_str() == cursor.as_deref();
        // One more than wanted tells whether there are more.
        let mut found: Vec<&Value> = if self.ending_before.is_some() {
            objects
                .values()
                .skip_while(|object| !is(&self.ending_before, object))
                .skip(1)
                .filter(|object| fits(object))
                .take(self.limit + 1)
                .collect()
        } else {
            let newest_first = objects.values().rev();
            let past = self.starting_after.is_none();
            newest_first
                .scan(past, |past, object| {
                    let take = *past;
                    *past |= is(&self.starting_after, object);
                    Some((take, object))
                })
                .filter_map(|(take, object)| (take && fits(object)).then_some(object))
                .take(self.limit + 1)
                .collect()
        };
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.ending_before.is_some() {
            found.reverse();
        }
        Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": found }))
    }
}
