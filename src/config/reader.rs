//! Reads a tree of settings and collects every fault, instead of stopping at the first.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use toml::{Table, Value};
use url::Url;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Dotted name of the setting.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// A section of the tree, with the faults found so far and the names that were asked for.
pub struct Reader<'a> {
    path: String,
    table: &'a Table,
    asked: BTreeSet<&'static str>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// Reads `table`, which stands at `path` of the tree.
    pub fn new(path: &str, table: &'a Table, faults: &'a mut Vec<Fault>) -> Self {
        Self { path: path.to_owned(), table, asked: BTreeSet::new(), faults }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a fault of `key`.
    pub fn fault(&mut self, key: &str, message: impl Into<String>) {
        let field = self.name(key);
        self.faults.push(Fault { field, message: message.into() });
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.insert(key);
        self.table.get(key)
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.trim().to_owned()),
            other => {
                self.fault(key, format!("must be a text in quotes, not {}", other.type_str()));
                None
            }
        }
    }

    /// A text that must be there; `example` shows what to write.
    pub fn text(&mut self, key: &'static str, example: &str) -> String {
        let before = self.faults.len();
        let text = self.optional_text(key);
        if text.is_none() && self.faults.len() == before {
            self.fault(key, format!("is missing; write for example {key} = \"{example}\""));
        }
        text.unwrap_or_default()
    }

    /// A text that stands for something; missing ones take `default`, or are a fault where there is none.
    pub fn parsed<T: FromStr>(&mut self, key: &'static str, what: &str, default: Option<T>) -> Option<T> {
        match self.optional_text(key) {
            Some(text) => {
                let value = text.parse().ok();
                if value.is_none() {
                    self.fault(key, format!("\"{text}\" is not {what}"));
                }
                value
            }
            None if self.table.contains_key(key) => None,
            None => {
                if default.is_none() {
                    self.fault(key, format!("is missing; it takes {what}"));
                }
                default
            }
        }
    }

    /// An address to listen on.
    pub fn socket(&mut self, key: &'static str, default: &str) -> SocketAddr {
        let fallback = SocketAddr::from(([127, 0, 0, 1], 0));
        self.parsed(key, "an address and port, such as 127.0.0.1:8080", default.parse().ok()).unwrap_or(fallback)
    }

    /// An http or https URL that must be there.
    pub fn url(&mut self, key: &'static str, example: &str) -> Option<Url> {
        let url: Url = self.parsed(key, &format!("a URL such as {example}"), None)?;
        if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() {
            return Some(url);
        }
        self.fault(key, format!("must begin with https:// and name a host, such as {example}"));
        None
    }

    /// A whole number between two bounds, inclusive.
    pub fn number(&mut self, key: &'static str, default: i64, low: i64, high: i64) -> i64 {
        let value = match self.value(key) {
            None => default,
            Some(Value::Integer(number)) => *number,
            // The environment holds texts only.
            Some(Value::String(text)) => {
                if let Ok(number) = text.trim().parse() {
                    number
                } else {
                    self.fault(key, format!("\"{text}\" is not a whole number"));
                    return default;
                }
            }
            Some(other) => {
                self.fault(key, format!("must be a whole number, not {}", other.type_str()));
                return default;
            }
        };
        if (low..=high).contains(&value) {
            return value;
        }
        self.fault(key, format!("is {value}; it must lie between {low} and {high}"));
        default
    }

    /// A switch.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(Value::Boolean(flag)) => *flag,
            // The environment holds texts only.
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                self.fault(key, "must be true or false".to_owned());
                default
            }
        }
    }

    /// A secret text that must be there.
    pub fn secret(&mut self, key: &'static str, hint: &str) -> SecretString {
        let text = self.optional_text(key);
        if text.is_none() && !self.faults.iter().any(|fault| fault.field == self.name(key)) {
            self.fault(key, format!("is missing; {hint}"));
        }
        SecretString::from(text.unwrap_or_default())
    }

    /// A list of texts; missing means empty. One text stands for a list separated by commas (the environment has no lists).
    pub fn list(&mut self, key: &'static str) -> Vec<String> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::String(text)) => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            Some(Value::Array(values)) if values.iter().all(Value::is_str) => {
                values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                self.fault(key, "must be a list of texts, such as [\"a\", \"b\"]");
                Vec::new()
            }
        }
    }

    /// A list of days; missing ones take `default`. As a text they stand apart by commas (the environment has no lists).
    pub fn days(&mut self, key: &'static str, default: &[u16]) -> Vec<u16> {
        let read: Option<Vec<u16>> = match self.value(key) {
            None => return default.to_vec(),
            Some(Value::Array(values)) => {
                values.iter().map(|value| value.as_integer().and_then(|day| u16::try_from(day).ok())).collect()
            }
            Some(Value::String(text)) => text.split(',').map(|day| day.trim().parse().ok()).collect(),
            Some(_) => None,
        };
        read.unwrap_or_else(|| {
            self.fault(key, "must be a list of days, such as [0, 3, 7]");
            default.to_vec()
        })
    }

    /// A path to a file; whether it can be read is found out by whoever opens it.
    pub fn path(&mut self, key: &'static str, default: &str) -> PathBuf {
        PathBuf::from(self.optional_text(key).unwrap_or_else(|| default.to_owned()))
    }

    /// Whether the section is there at all.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reads a section below; a missing one is an empty one.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let empty = Table::new();
        let path = self.name(key);
        let table = match self.value(key) {
            Some(Value::Table(table)) => table,
            None => &empty,
            Some(_) => {
                self.fault(key, format!("must be a section: a line [{path}] with its settings below"));
                &empty
            }
        };
        let mut below = Reader::new(&path, table, self.faults);
        let value = read(&mut below);
        below.finish();
        value
    }

    /// A section that somebody else reads; a missing one is an empty one.
    pub fn table(&mut self, key: &'static str) -> Table {
        match self.value(key) {
            Some(Value::Table(table)) => table.clone(),
            None => Table::new(),
            Some(_) => {
                self.fault(key, "must be a section with its settings below");
                Table::new()
            }
        }
    }

    /// Notes every setting that nobody asked for: a misspelt name would otherwise be silently without effect.
    pub fn finish(self) {
        for key in self.table.keys().filter(|key| !self.asked.contains(key.as_str())) {
            let field = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let known: Vec<_> = self.asked.iter().copied().collect();
            self.faults.push(Fault { field, message: format!("is not a setting here; known are: {}", known.join(", ")) });
        }
    }
}
