//! What was found, check by check.

use std::fmt;

use serde::Serialize;

/// How it is with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, or could not be looked at; somebody should know.
    Warn,
    /// The first customer would suffer.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: a word or two, the same in each run.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), remedy: None }
    }

    /// It should be looked at.
    pub fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// It must be changed.
    pub fn fault(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fault, found: found.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Ok => "ok   ",
            Verdict::Warn => "warn ",
            Verdict::Fault => "FAULT",
        };
        write!(f, "{word} {:<22} {}", self.name, self.found)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{:28} → {remedy}", ""),
            None => Ok(()),
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many are a fault.
    pub faults: usize,
    /// How many should be looked at.
    pub warnings: usize,
    /// One by one.
    pub checks: Vec<Check>,
}

impl Report {
    /// Counts.
    pub fn new(checks: Vec<Check>) -> Self {
        let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
        Self { faults: count(Verdict::Fault), warnings: count(Verdict::Warn), checks }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        let Self { faults, warnings, checks } = self;
        write!(f, "{} checks, {faults} faults, {warnings} warnings", checks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_to_do() {
        let report = Report::new(vec![Check::ok("clock", "no skew"), Check::fault("storage class", "there is none", "make one")]);
        assert_eq!((report.faults, report.warnings), (1, 0));
        let text = report.to_string();
        assert!(text.contains("FAULT storage class          there is none\n"), "{text}");
        assert!(text.contains("→ make one\n") && text.ends_with("2 checks, 1 faults, 0 warnings"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["checks"][1]["verdict"], "fault");
        assert!(json["checks"][0].get("remedy").is_none());
    }
}
