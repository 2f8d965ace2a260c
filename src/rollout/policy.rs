//! How a rollout goes: its steps, its pace, how long customers' windows are waited for, and when it stops by itself.

use serde::{Deserialize, Serialize};

/// One step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The servers that get new releases before the others; a few of all when none is chosen for that.
    Canaries,
    /// As many as make this share of all in hundredths, with those of the steps before.
    Share(u8),
}

/// How a rollout goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// One after the other; the last takes all.
    pub steps: Vec<Step>,
    /// Servers whose upgrade begins within an hour.
    pub per_hour: u32,
    /// Servers that are being upgraded at a time.
    pub at_once: u32,
    /// Minutes between the end of a step and the next one.
    pub pause_minutes: u32,
    /// Minutes for which a server that was upgraded is watched.
    pub observe_minutes: u32,
    /// Minutes after which an upgrade that is not done has failed.
    pub limit_minutes: u32,
    /// When more than this share of the upgraded fail or are not well while they are watched, in hundredths, the rollout pauses.
    pub failed_percent: u32,
    /// Hours that a server waits for its customer's window. After that it has its turn at any hour.
    pub patience_hours: u32,
    /// Hours between the mail about a new minor and the upgrade.
    pub notice_hours: u32,
}

/// A number of a policy: its name in forms, and what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The field.
    pub field: &'static str,
    /// At least.
    pub low: u32,
    /// At most.
    pub high: u32,
}

const PER_HOUR: Bounds = Bounds { field: "per_hour", low: 1, high: 3600 };
const AT_ONCE: Bounds = Bounds { field: "at_once", low: 1, high: 1000 };
const PAUSE: Bounds = Bounds { field: "pause_minutes", low: 0, high: 20_160 };
const OBSERVE: Bounds = Bounds { field: "observe_minutes", low: 1, high: 1440 };
const LIMIT: Bounds = Bounds { field: "limit_minutes", low: 5, high: 1440 };
const FAILED: Bounds = Bounds { field: "failed_percent", low: 0, high: 100 };
const PATIENCE: Bounds = Bounds { field: "patience_hours", low: 0, high: 720 };
const NOTICE: Bounds = Bounds { field: "notice_hours", low: 0, high: 720 };

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// The steps.
    #[error("steps must be shares that grow and end with 100, such as canaries, 10, 100")]
    Steps,
    /// A number.
    #[error("{} must be a whole number from {} to {}", .0.field, .0.low, .0.high)]
    Number(Bounds),
}

impl BadPolicy {
    /// The field that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Number(bounds) => bounds.field,
        }
    }
}

impl Policy {
    /// What is usual: calm for an ordinary release. One that closes a hole has its turn at once, at ten times the pace, and waits hours for
    /// a window instead of days.
    pub fn usual(security: bool) -> Self {
        let calm = Self {
            steps: vec![Step::Canaries, Step::Share(10), Step::Share(100)],
            per_hour: 60,
            at_once: 10,
            pause_minutes: 24 * 60,
            observe_minutes: 60,
            limit_minutes: 120,
            failed_percent: 5,
            patience_hours: 14 * 24,
            notice_hours: 72,
        };
        if security {
            Self {
                per_hour: 600,
                at_once: 50,
                pause_minutes: 30,
                observe_minutes: 15,
                patience_hours: 6,
                notice_hours: 0,
                ..calm
            }
        } else {
            calm
        }
    }

    /// The policy of a form's words; `numbers` gives the text of a field. All faults at once.
    pub fn read<'a>(steps: &str, numbers: impl Fn(&str) -> &'a str) -> Result<Self, Vec<BadPolicy>> {
        let mut faults = Vec::new();
        let steps = read_steps(steps).unwrap_or_else(|| {
            faults.push(BadPolicy::Steps);
            Vec::new()
        });
        let mut number = |bounds: Bounds| {
            let value = numbers(bounds.field).trim().parse().ok().filter(|value| (bounds.low..=bounds.high).contains(value));
            value.unwrap_or_else(|| {
                faults.push(BadPolicy::Number(bounds));
                bounds.low
            })
        };
        let policy = Self {
            steps,
            per_hour: number(PER_HOUR),
            at_once: number(AT_ONCE),
            pause_minutes: number(PAUSE),
            observe_minutes: number(OBSERVE),
            limit_minutes: number(LIMIT),
            failed_percent: number(FAILED),
            patience_hours: number(PATIENCE),
            notice_hours: number(NOTICE),
        };
        if faults.is_empty() { Ok(policy) } else { Err(faults) }
    }

    /// The numbers with their fields, in the order of the form.
    pub fn numbers(&self) -> [(&'static str, u32); 8] {
        let Self {
            steps: _,
            per_hour,
            at_once,
            pause_minutes,
            observe_minutes,
            limit_minutes,
            failed_percent,
            patience_hours,
            notice_hours,
        } = self;
        [
            (PER_HOUR.field, *per_hour),
            (AT_ONCE.field, *at_once),
            (PAUSE.field, *pause_minutes),
            (OBSERVE.field, *observe_minutes),
            (LIMIT.field, *limit_minutes),
            (FAILED.field, *failed_percent),
            (PATIENCE.field, *patience_hours),
            (NOTICE.field, *notice_hours),
        ]
    }

    /// The steps as one writes them into the form: `canaries, 10, 100`.
    pub fn steps_text(&self) -> String {
        let word = |step: &Step| match step {
            Step::Canaries => "canaries".to_owned(),
            Step::Share(percent) => percent.to_string(),
        };
        self.steps.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

/// Canaries first if at all, then shares that grow, the last of them all.
fn read_steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut before = 0;
    for (number, word) in text.split(',').map(str::trim).enumerate() {
        if number == 0 && word == "canaries" {
            steps.push(Step::Canaries);
            continue;
        }
        let share: u8 = word.trim_end_matches('%').trim_end().parse().ok()?;
        if share <= before || share > 100 {
            return None;
        }
        before = share;
        steps.push(Step::Share(share));
    }
    (before == 100).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_read_back_as_it_is_written() {
        for security in [false, true] {
            let policy = Policy::usual(security);
            let numbers = policy.numbers().map(|(field, number)| (field, number.to_string()));
            let text = |field: &str| numbers.iter().find(|(name, _)| *name == field).map_or("", |(_, text)| text.as_str());
            assert_eq!(Policy::read(&policy.steps_text(), text), Ok(policy.clone()));
            let json = serde_json::to_value(&policy).unwrap();
            assert_eq!(serde_json::from_value::<Policy>(json).unwrap(), policy);
        }
        let (calm, fast) = (Policy::usual(false), Policy::usual(true));
        assert!(fast.per_hour >= 10 * calm.per_hour && fast.patience_hours < 24 && fast.notice_hours == 0);
    }

    #[test]
    fn steps_grow_to_all() {
        assert_eq!(read_steps("canaries, 10 %, 100%"), Some(vec![Step::Canaries, Step::Share(10), Step::Share(100)]));
        assert_eq!(read_steps("100"), Some(vec![Step::Share(100)]));
        for bad in
            ["", "canaries", "10, 100, canaries", "10, 10, 100", "50, 20, 100", "0, 100", "101", "ten, 100", "10, 90", "10,,100"]
        {
            assert_eq!(read_steps(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_fault_is_named() {
        let faults = Policy::read("10", |_| "").unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field()).collect();
        let numbers = Policy::usual(false).numbers().map(|(field, _)| field);
        assert_eq!(fields, [&["steps"], &numbers[..]].concat());
        assert_eq!(faults[1].to_string(), "per_hour must be a whole number from 1 to 3600");
    }
}
