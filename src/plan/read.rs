//! Reading a catalogue file so that every fault in it is found in one pass. serde stops at the first one, and a person who edits
//! a price list should not have to restart a server five times to learn five things.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// One thing that is wrong in a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which entry: `plan "family"`, `plan #3` when it has no usable name, or empty for the file as a whole.
    pub entry: String,
    /// Which field of it: `size.web.threads`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.entry.as_str(), self.field.as_str()) {
            ("", "") => write!(f, "{}", self.remedy),
            ("", field) => write!(f, "{field}: {}", self.remedy),
            (entry, "") => write!(f, "{entry}: {}", self.remedy),
            (entry, field) => write!(f, "{entry}: {field}: {}", self.remedy),
        }
    }
}

/// A catalogue file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be read.
    #[error("could not read the catalogue {path}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was read and is wrong. All faults, in the order of the file.
    #[error("{} {} in the catalogue:{}", .0.len(), if .0.len() == 1 { "fault" } else { "faults" }, listed(.0))]
    Faults(Vec<Fault>),
}

impl FileError {
    /// The faults, none when the file could not even be read.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Faults(faults) => faults,
        }
    }
}

fn kind(value: &Value) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().fold(String::new(), |list, fault| list + "\n  - " + fault.to_string().as_str())
}

pub(super) fn file(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|source| FileError::Unreadable { path: path.to_owned(), source })
}

/// The file as a table, or the one fault that keeps us from looking further.
pub(super) fn table(text: &str) -> Result<Table, FileError> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
        let remedy = format!("is not TOML: {}", error.message().replace('\n', ", "));
        FileError::Faults(vec![Fault { entry: String::new(), field: format!("line {line}"), remedy }])
    })
}

/// The `[[name]]` entries of a file.
pub(super) fn entries(file: &mut Entry<'_>, name: &str) -> Vec<Table> {
    match file.table.remove(name) {
        Some(Value::Array(list)) if list.iter().all(Value::is_table) && !list.is_empty() => {
            list.into_iter().filter_map(|value| if let Value::Table(table) = value { Some(table) } else { None }).collect()
        }
        None => {
            file.fault(name, format!("there is none; add at least one [[{name}]]"));
            Vec::new()
        }
        Some(_) => {
            file.fault(name, format!("must be a list of tables; begin each with a line [[{name}]]"));
            Vec::new()
        }
    }
}

/// One table of a file while it is being read: each field is taken out, and what is left at the end is unknown.
pub(super) struct Entry<'a> {
    label: String,
    prefix: String,
    table: Table,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Entry<'a> {
    pub fn new(label: impl Into<String>, table: Table, faults: &'a mut Vec<Fault>) -> Self {
        Self { label: label.into(), prefix: String::new(), table, faults }
    }

    /// Whether it is there, and not yet taken.
    pub fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    pub fn fault(&mut self, field: &str, remedy: impl Into<String>) {
        let field = format!("{}{field}", self.prefix);
        self.faults.push(Fault { entry: self.label.clone(), field, remedy: remedy.into() });
    }

    fn take(&mut self, field: &str, what: &str) -> Option<Value> {
        let value = self.table.remove(field);
        if value.is_none() {
            self.fault(field, format!("is missing; set {what}"));
        }
        value
    }

    /// A text that is not blank; `what` describes it in the remedy.
    pub fn text(&mut self, field: &str, what: &str) -> Option<String> {
        match self.take(field, what)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::String(_) => {
                self.fault(field, format!("is empty; set {what}"));
                None
            }
            other => {
                self.fault(field, format!("is {}; set {what}, in quotes", kind(&other)));
                None
            }
        }
    }

    /// A text that may be missing; then it is empty.
    pub fn optional_text(&mut self, field: &str, what: &str) -> Option<String> {
        match self.table.get(field) {
            None => Some(String::new()),
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.table.remove(field);
                Some(String::new())
            }
            Some(_) => self.text(field, what),
        }
    }

    /// A flag that may be missing; then it is false.
    pub fn optional_flag(&mut self, field: &str) -> Option<bool> {
        if self.table.contains_key(field) { self.flag(field) } else { Some(false) }
    }

    pub fn flag(&mut self, field: &str) -> Option<bool> {
        let value = self.take(field, "true or false")?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.fault(field, format!("is {}; set true or false, without quotes", kind(&value)));
        }
        flag
    }

    /// A whole number within `range`.
    pub fn number(&mut self, field: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.take(field, &what)?;
        let Some(number) = value.as_integer() else {
            self.fault(field, format!("is {}; set {what}, without quotes", kind(&value)));
            return None;
        };
        let fitting = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fitting.is_none() {
            self.fault(field, format!("is {number}; set {what}"));
        }
        fitting
    }

    /// A whole number within `range` that may be missing.
    #[expect(clippy::option_option, reason = "what is missing is no fault, and what is wrong is one")]
    pub fn optional_number(&mut self, field: &str, range: RangeInclusive<u32>) -> Option<Option<u32>> {
        if self.table.contains_key(field) { self.number(field, range).map(Some) } else { Some(None) }
    }

    /// The fields of a table inside this one. A missing table reads as an empty one, so that each missing field is named.
    pub fn inner<T>(&mut self, field: &str, read: impl FnOnce(&mut Entry<'_>) -> Option<T>) -> Option<T> {
        let table = match self.table.remove(field) {
            Some(Value::Table(table)) => table,
            None => Table::new(),
            Some(other) => {
                self.fault(field, format!("is {}; make it a table: {field} = {{ … }}", kind(&other)));
                return None;
            }
        };
        let prefix = format!("{}{field}.", self.prefix);
        let mut inner = Entry { label: self.label.clone(), prefix, table, faults: &mut *self.faults };
        let value = read(&mut inner);
        inner.end();
        value
    }

    /// Names what nobody asked for.
    pub fn end(mut self) {
        for field in std::mem::take(&mut self.table).into_iter().map(|(field, _)| field) {
            self.fault(&field, "is not a field that is known here; correct the spelling or remove it");
        }
    }
}
