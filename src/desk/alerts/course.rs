//! The course of an alert: from what a rule says now and what is open to what is to be done. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::Verdict;

/// What is quiet for this long is over. What comes and goes is one alert.
pub const QUIET_FOR: TimeDelta = TimeDelta::minutes(5);
/// As long as nobody looks after it, it is told again.
pub const TOLD_EVERY: TimeDelta = TimeDelta::days(1);

/// An alert that is not over, as far as its course depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// Since when its rule has been quiet, if it is.
    pub quiet_since: Option<DateTime<Utc>>,
    /// Whether somebody looks after it.
    pub acknowledged: bool,
    /// The day of it that was told last.
    pub told_day: i64,
}

/// What is to be done about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Stay,
    /// An alert begins, and is told.
    Begin {
        /// What the rule counts.
        n: i64,
    },
    /// It goes on. Told again where a number of days is named.
    GoOn {
        /// What the rule counts.
        n: i64,
        /// The day of it that is told.
        told: Option<i64>,
    },
    /// It is quiet, from now on.
    Quieten,
    /// It is over, and that is told.
    End,
}

/// What is to be done. What is not known neither begins nor ends anything.
pub fn change(verdict: Verdict, open: Option<Open>, now: DateTime<Utc>) -> Change {
    let Some(Open { began_at, quiet_since, acknowledged, told_day }) = open else {
        return match verdict {
            Verdict::Firing { n } => Change::Begin { n },
            Verdict::Quiet | Verdict::Unknown { .. } => Change::Stay,
        };
    };
    match (verdict, quiet_since) {
        (Verdict::Firing { n }, _) => {
            let days = (now - began_at).num_seconds() / TOLD_EVERY.num_seconds();
            Change::GoOn { n, told: (days > told_day && !acknowledged).then_some(days) }
        }
        (Verdict::Unknown { .. }, _) => Change::Stay,
        (Verdict::Quiet, None) => Change::Quieten,
        (Verdict::Quiet, Some(since)) if now - since >= QUIET_FOR => Change::End,
        (Verdict::Quiet, Some(_)) => Change::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: DateTime<Utc> = DateTime::UNIX_EPOCH;
    const OPEN: Open = Open { began_at: BEGAN, quiet_since: None, acknowledged: false, told_day: 0 };

    #[test]
    fn only_what_fires_begins() {
        assert_eq!(change(Verdict::Firing { n: 3 }, None, BEGAN), Change::Begin { n: 3 });
        assert_eq!(change(Verdict::Quiet, None, BEGAN), Change::Stay);
        assert_eq!(change(Verdict::Unknown { since: None }, None, BEGAN), Change::Stay);
    }

    #[test]
    fn what_comes_and_goes_is_one_alert() {
        let (at, firing) = (BEGAN + TimeDelta::minutes(9), Verdict::Firing { n: 1 });
        assert_eq!(change(Verdict::Quiet, Some(OPEN), at), Change::Quieten);
        let quiet = Open { quiet_since: Some(at), ..OPEN };
        assert_eq!(change(Verdict::Quiet, Some(quiet), at + TimeDelta::minutes(4)), Change::Stay);
        assert_eq!(change(firing, Some(quiet), at + TimeDelta::minutes(4)), Change::GoOn { n: 1, told: None });
        assert_eq!(change(Verdict::Quiet, Some(quiet), at + QUIET_FOR), Change::End);
    }

    #[test]
    fn what_is_not_known_does_not_end_it() {
        let quiet = Open { quiet_since: Some(BEGAN), ..OPEN };
        for open in [OPEN, quiet] {
            assert_eq!(change(Verdict::Unknown { since: Some(BEGAN) }, Some(open), BEGAN + TimeDelta::days(9)), Change::Stay);
        }
    }

    #[test]
    fn it_is_told_again_each_day_until_somebody_looks_after_it() {
        let firing = Verdict::Firing { n: 2 };
        let told = |open, hours| change(firing, Some(open), BEGAN + TimeDelta::hours(hours));
        assert_eq!(told(OPEN, 23), Change::GoOn { n: 2, told: None });
        assert_eq!(told(OPEN, 24), Change::GoOn { n: 2, told: Some(1) });
        assert_eq!(told(OPEN, 73), Change::GoOn { n: 2, told: Some(3) });
        assert_eq!(told(Open { told_day: 3, ..OPEN }, 73), Change::GoOn { n: 2, told: None });
        assert_eq!(told(Open { acknowledged: true, ..OPEN }, 73), Change::GoOn { n: 2, told: None });
    }
}
