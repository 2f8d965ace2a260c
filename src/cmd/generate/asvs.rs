//! The page that says how each item of OWASP's ASVS is met, from `tests/asvs.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Where the items are, from the root of the checkout.
const ITEMS: &str = "tests/asvs.toml";

const CHAPTERS: [&str; 17] = [
    "Encoding and sanitization",
    "Validation and business logic",
    "Web frontend",
    "API and web service",
    "Files",
    "Authentication",
    "Sessions",
    "Authorization",
    "Self-contained tokens",
    "OAuth and OIDC",
    "Cryptography",
    "Secure communication",
    "Configuration",
    "Data protection",
    "Secure coding and architecture",
    "Logging and error handling",
    "WebRTC",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    items: BTreeMap<String, Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    level: u8,
    test: Option<String>,
    doc: Option<String>,
    open: Option<String>,
    not: Option<String>,
}

/// What shows that an item is met, or why it is not.
enum How<'a> {
    Test(&'a str),
    Doc(&'a str),
    Open(&'a str),
    Not(&'a str),
}

impl Item {
    fn how(&self) -> Option<How<'_>> {
        let Self { level: _, test, doc, open, not } = self;
        match (test, doc, open, not) {
            (Some(test), None, None, None) => Some(How::Test(test)),
            (None, Some(doc), None, None) => Some(How::Doc(doc)),
            (None, None, Some(open), None) => Some(How::Open(open)),
            (None, None, None, Some(not)) => Some(How::Not(not)),
            (Some(_) | None, Some(_) | None, Some(_) | None, Some(_) | None) => None,
        }
    }
}

impl std::fmt::Display for How<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Test(test) => write!(f, "test `{test}`"),
            Self::Doc(doc) => {
                let (page, heading) = doc.split_once('#').unwrap_or((doc, ""));
                write!(f, "[{heading}]({}#{heading})", page.trim_start_matches("docs/"))
            }
            Self::Open(what) => write!(f, "open: {what}"),
            Self::Not(why) => write!(f, "does not apply: {why}"),
        }
    }
}

/// `6.2.11` as numbers, which sort as people count.
fn number(id: &str) -> anyhow::Result<Vec<usize>> {
    let parts: Result<Vec<usize>, _> = id.split('.').map(str::parse).collect();
    parts.with_context(|| format!("{ITEMS}: {id} is no number of an item such as 6.2.1"))
}

/// The page.
pub(super) fn page(root: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(root.join(ITEMS)).with_context(|| format!("reading {ITEMS}"))?;
    let file: File = toml::from_str(&text).with_context(|| format!("{ITEMS} can't be read"))?;
    let mut rows = Vec::new();
    for (id, item) in &file.items {
        let Some(how) = item.how() else { bail!("{ITEMS}: {id} must have one of test, doc, open and not") };
        rows.push((number(id)?, id.as_str(), item.level, how));
    }
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    write(&rows).context("writing the page of the ASVS")
}

fn write(rows: &[(Vec<usize>, &str, u8, How<'_>)]) -> anyhow::Result<String> {
    let count = |is: fn(&How<'_>) -> bool| rows.iter().filter(|row| is(&row.3)).count();
    let mut page = format!(
        "# OWASP ASVS 5.0\n\nGenerated from `tests/asvs.toml` by `./dev generate`. Of {} items of levels 1 and 2, {} are shown by a test, {} are \
         described in [Security](security.md), {} are open and {} do not apply. A test fails when an item is missing, or when a test or heading \
         that is named does not exist.\n\n## Open\n\n| item | level | what is missing |\n|---|---|---|\n",
        rows.len(),
        count(|how| matches!(how, How::Test(_))),
        count(|how| matches!(how, How::Doc(_))),
        count(|how| matches!(how, How::Open(_))),
        count(|how| matches!(how, How::Not(_))),
    );
    for (_, id, level, how) in rows {
        if let How::Open(what) = how {
            writeln!(page, "| {id} | {level} | {what} |")?;
        }
    }
    page.push_str("\n## All\n");
    let mut last = 0;
    for (number, id, level, how) in rows {
        let chapter = number.first().copied().unwrap_or_default();
        if chapter != last {
            let name = chapter.checked_sub(1).and_then(|at| CHAPTERS.get(at)).copied().unwrap_or_default();
            writeln!(page, "\n### {chapter} {name}\n\n| item | level | how |\n|---|---|---|")?;
            last = chapter;
        }
        writeln!(page, "| {id} | {level} | {how} |")?;
    }
    Ok(page)
}
