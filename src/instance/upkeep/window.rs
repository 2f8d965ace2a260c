//! A maintenance window: the hours in which a server may be upgraded, as its owner's clock shows them.

use chrono::{DateTime, Utc};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest window, in hours: all day.
const LONGEST: u8 = 24;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Day {
    /// From Monday on.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// The word in forms, the API and keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// When a server may be upgraded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The day of the week on which it opens; every day when missing.
    pub day: Option<Day>,
    /// The hour at which it opens, 0 to 23.
    pub from: u8,
    /// How many hours it stays open, 1 to 24.
    pub hours: u8,
    /// IANA name of the time zone, such as `Europe/Berlin`.
    pub zone: String,
}

/// What is wrong with a window. The word is the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// Not an hour of the day.
    #[error("from must be a whole hour from 0 to 23")]
    From,
    /// Not a length.
    #[error("hours must be a whole number from 1 to 24")]
    Hours,
    /// Not a time zone that is known here.
    #[error("zone must be a time zone such as Europe/Berlin or UTC")]
    Zone,
}

impl BadWindow {
    /// The field that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Hours => "hours",
            Self::Zone => "zone",
        }
    }
}

/// A time in which a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// When it opens.
    pub from: DateTime<Utc>,
    /// When it closes.
    pub until: DateTime<Utc>,
}

impl Window {
    /// Checks what the types can't, all of it.
    pub fn check(&self) -> Vec<BadWindow> {
        let Self { day: _, from, hours, zone } = self;
        let faults = [
            (*from > 23, BadWindow::From),
            (*hours == 0 || *hours > LONGEST, BadWindow::Hours),
            (!is_zone(zone), BadWindow::Zone),
        ];
        faults.into_iter().filter_map(|(wrong, fault)| wrong.then_some(fault)).collect()
    }

    /// The openings that have not ended at `at`, the next first, without end. One that is open at `at` is among them.
    ///
    /// They follow the clock on the owner's wall: across a change to or from summer time the hours stay the same, and an opening hour that
    /// the change leaves out is the one after it.
    pub fn openings(&self, at: DateTime<Utc>) -> impl Iterator<Item = Opening> + use<> {
        let Self { day, from, hours, zone } = self.clone();
        // A zone that has left this machine's list is no reason to leave a server without security fixes.
        let zone = TimeZone::get(&zone).unwrap_or(TimeZone::UTC);
        let begin = Timestamp::from_second(at.timestamp()).unwrap_or_default().to_zoned(zone.clone()).date();
        let first = begin.yesterday().unwrap_or(begin);
        let weekday = day.map(Day::weekday);
        let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        dates
            .filter(move |date| weekday.is_none_or(|weekday| date.weekday() == weekday))
            .filter_map(move |date| opening(date, from, hours, &zone))
            .filter(move |opening| opening.until > at)
    }
}

/// None where the calendar ends.
fn opening(date: Date, from: u8, hours: u8, zone: &TimeZone) -> Option<Opening> {
    let begin = date.to_datetime(Time::new(i8::try_from(from).ok()?, 0, 0, 0).ok()?);
    let end = begin.checked_add(Span::new().hours(i64::from(hours))).ok()?;
    let at = |moment: jiff::civil::DateTime| {
        let moment = zone.to_zoned(moment).ok()?.timestamp();
        DateTime::from_timestamp(moment.as_second(), 0)
    };
    Some(Opening { from: at(begin)?, until: at(end)? })
}

/// Whether this machine knows the time zone. Names of the system's files that are no zones are none.
fn is_zone(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '_' | '-' | '+');
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain) && TimeZone::get(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn window(day: Option<Day>, from: u8, hours: u8, zone: &str) -> Window {
        Window { day, from, hours, zone: zone.to_owned() }
    }

    fn openings(window: &Window, begin: &str, count: usize) -> Vec<(String, String)> {
        let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%MZ").to_string();
        window.openings(at(begin)).take(count).map(|opening| (text(opening.from), text(opening.until))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(from, until)| ((*from).to_owned(), (*until).to_owned())).collect()
    }

    #[test]
    fn a_weekly_window_opens_once_a_week_and_one_that_is_open_counts() {
        let sunday = window(Some(Day::Sunday), 2, 2, "Europe/Berlin");
        let expected = pairs(&[
            ("2026-11-29T01:00Z", "2026-11-29T03:00Z"),
            ("2026-12-06T01:00Z", "2026-12-06T03:00Z"),
            ("2026-12-13T01:00Z", "2026-12-13T03:00Z"),
        ]);
        assert_eq!(openings(&sunday, "2026-11-25T12:00:00Z", 3), expected);
        assert_eq!(openings(&sunday, "2026-11-29T02:59:59Z", 1), expected[..1]);
        assert_eq!(openings(&sunday, "2026-11-29T03:00:00Z", 1), expected[1..2]);
    }

    #[test]
    fn a_daily_window_may_pass_midnight() {
        let nights = window(None, 23, 4, "America/New_York");
        let expected = pairs(&[("2026-11-25T04:00Z", "2026-11-25T08:00Z"), ("2026-11-26T04:00Z", "2026-11-26T08:00Z")]);
        assert_eq!(openings(&nights, "2026-11-25T07:00:00Z", 2), expected);
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall() {
        // In 2026 Berlin's clocks go forward on 29 March (2:00 is 3:00) and back on 25 October.
        let early = window(None, 2, 2, "Europe/Berlin");
        let expected = pairs(&[
            ("2026-03-28T01:00Z", "2026-03-28T03:00Z"),
            ("2026-03-29T01:00Z", "2026-03-29T02:00Z"),
            ("2026-03-30T00:00Z", "2026-03-30T02:00Z"),
        ]);
        assert_eq!(openings(&early, "2026-03-28T00:00:00Z", 3), expected);
        let back = window(Some(Day::Sunday), 1, 3, "Europe/Berlin");
        assert_eq!(openings(&back, "2026-10-24T12:00:00Z", 1), pairs(&[("2026-10-24T23:00Z", "2026-10-25T03:00Z")]));
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(window(None, 0, 24, "UTC").check(), []);
        assert_eq!(window(Some(Day::Monday), 23, 1, "Asia/Kolkata").check(), []);
        assert_eq!(window(None, 24, 0, "Mars/Olympus").check(), [BadWindow::From, BadWindow::Hours, BadWindow::Zone]);
        for zone in ["", "../../etc/passwd", "Europe/Berlin\n", "/etc/localtime", "tzdata.zi", &"A".repeat(65)] {
            assert_eq!(window(None, 1, 25, zone).check(), [BadWindow::Hours, BadWindow::Zone], "{zone:?}");
        }
    }
}
