//! Parameters as Stripe takes them: forms with brackets (`line_items[0][price]=…`). Each function takes what it knows; what is left over
//! is refused, as Stripe does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::errors::ApiError;

/// What was sent, or a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Params {
    /// Where this part hangs, for messages; empty at the top.
    path: String,
    fields: BTreeMap<String, String>,
}

impl Params {
    /// Reads a query string or a form.
    pub(super) fn parse(text: &str) -> Self {
        let mut unnumbered = 0_u32;
        // `a[]=1&a[]=2` are two.
        let mut numbered = |name: String| {
            let Some(list) = name.strip_suffix("[]") else { return name };
            unnumbered += 1;
            format!("{list}[{unnumbered}]")
        };
        let fields = form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (numbered(name.into_owned()), value.into_owned()))
            .collect();
        Self { path: String::new(), fields }
    }

    /// The same text for the same parameters in any order.
    pub(super) fn canonical(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }

    fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}[{field}]", self.path) }
    }

    pub(super) fn take(&mut self, field: &str) -> Option<String> {
        self.fields.remove(field)
    }

    pub(super) fn require(&mut self, field: &str) -> Result<String, ApiError> {
        self.take(field).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing_parameter(&self.name(field)))
    }

    pub(super) fn int(&mut self, field: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.take(field) else { return Ok(None) };
        let number =
            text.parse().map_err(|_| ApiError::bad_parameter("parameter_invalid_integer", self.name(field), "an integer"))?;
        Ok(Some(number))
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<Option<bool>, ApiError> {
        match self.take(field).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::refused(&self.name(field), format!("Invalid boolean: {}", self.name(field)))),
        }
    }

    /// One of these words.
    pub(super) fn choice(&mut self, field: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        match self.take(field) {
            None => Ok(None),
            Some(word) if words.contains(&word.as_str()) => Ok(Some(word)),
            Some(_) => {
                let name = self.name(field);
                Err(ApiError::refused(&name, format!("Invalid {name}: must be one of {}", words.join(", "))))
            }
        }
    }

    /// How this field is called in messages.
    pub(super) fn called(&self, field: &str) -> String {
        self.name(field)
    }

    /// Moves everything under these names into `into`, unless that has it.
    pub(super) fn hand_down(&mut self, names: &[&str], into: &mut Self) {
        self.fields.retain(|name, value| {
            let first = name.split('[').next().unwrap_or_default();
            if !names.contains(&first) {
                return true;
            }
            into.fields.entry(name.clone()).or_insert_with(|| std::mem::take(value));
            false
        });
    }

    /// Nothing was sent, or all of it was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn url(&mut self, field: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.take(field) else { return Ok(None) };
        // The braces of `{CHECKOUT_SESSION_ID}` are no part of a URL; Stripe takes them.
        match url::Url::parse(&text.replace("{CHECKOUT_SESSION_ID}", "x")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(text)),
            _ => Err(ApiError::bad_parameter("url_invalid", self.name(field), "an explicit http or https URL")),
        }
    }

    /// The part under `field[…]`.
    pub(super) fn group(&mut self, field: &str) -> Self {
        let start = format!("{field}[");
        let mut inner = BTreeMap::new();
        self.fields.retain(|name, value| {
            let Some((first, rest)) = name.strip_prefix(&start).and_then(|rest| rest.split_once(']')) else { return true };
            inner.insert(format!("{first}{rest}"), std::mem::take(value));
            false
        });
        Self { path: self.name(field), fields: inner }
    }

    /// The parts under `field[0][…]`, `field[1][…]`, in order.
    pub(super) fn list(&mut self, field: &str) -> Vec<Self> {
        let mut group = self.group(field);
        let mut places: Vec<String> =
            group.fields.keys().filter_map(|name| name.split_once('[').map(|(place, _)| place.to_owned())).collect();
        places.sort_by_key(|place| (place.parse::<u32>().ok(), place.clone()));
        places.dedup();
        let parts = places.iter().map(|place| group.group(place)).collect();
        // What is under `field` and no part of the list is left over, and so refused.
        self.fields.extend(group.fields.into_iter().map(|(name, value)| (format!("{field}[{name}]"), value)));
        parts
    }

    /// `field[0]=…&field[1]=…` or `field[]=…&field[]=…`.
    pub(super) fn strings(&mut self, field: &str) -> Vec<String> {
        self.group(field).fields.into_values().collect()
    }

    pub(super) fn metadata(&mut self) -> Map<String, Value> {
        self.group("metadata").fields.into_iter().map(|(key, value)| (key, Value::String(value))).collect()
    }

    /// Refuses what nobody took.
    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        match self.fields.pop_first() {
            None => Ok(()),
            Some((name, _)) => {
                // `a[b]` below `x` is called `x[a][b]`.
                let (first, rest) = name.find('[').map_or((name.as_str(), ""), |at| name.split_at(at));
                Err(ApiError::unknown_parameter(&format!("{}{rest}", self.name(first))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_unfolded_and_leftovers_named() {
        let mut params = Params::parse("line_items%5B0%5D%5Bprice%5D=p&line_items[0][quantity]=1&metadata[a]=b&x[y][z]=1");
        let mut items = params.list("line_items");
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].take("price").as_deref(), Some("p"));
        assert_eq!(items[0].clone().finish().unwrap_err().param.as_deref(), Some("line_items[0][quantity]"));
        assert_eq!(params.metadata().get("a"), Some(&Value::from("b")));
        assert_eq!(params.finish().unwrap_err().param.as_deref(), Some("x[y][z]"));
        assert_eq!(Params::parse("a[]=1&a[]=2&b=3").strings("a"), ["1", "2"]);
    }
}
