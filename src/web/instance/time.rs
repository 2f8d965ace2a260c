//! Times and spans as people read them.

use chrono::{DateTime, Datelike as _, SecondsFormat, TimeDelta, Utc};

use crate::words::Words;

/// RFC 3339, for the script that counts up.
pub(in crate::web) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A day with its month in words, by a key that takes `day`, `month`, `year` and `time`.
fn written(words: &Words, key: &str, at: DateTime<Utc>, time: &str) -> String {
    let month = words.t(&format!("month-{}", at.month()));
    words.with(key, &[("day", &at.day()), ("month", &month), ("year", &at.year()), ("time", &at.format(time))])
}

/// `14:30 UTC, 23 November`.
pub(in crate::web) fn moment(words: &Words, at: DateTime<Utc>) -> String {
    written(words, "moment", at, "%-H:%M")
}

/// `23 November 2026, 14:30 UTC`.
pub(in crate::web) fn whole_moment(words: &Words, at: DateTime<Utc>) -> String {
    written(words, "moment-whole", at, "%H:%M")
}

/// `23 November 2026, 14:30:05 UTC`.
pub(in crate::web) fn exact(words: &Words, at: DateTime<Utc>) -> String {
    written(words, "moment-whole", at, "%H:%M:%S")
}

/// `23 November 2026`.
pub(in crate::web) fn day(words: &Words, at: DateTime<Utc>) -> String {
    written(words, "moment-day", at, "")
}

/// `0:31`, `12:05`, `1:02:03`: as the script writes it.
pub(in crate::web) fn elapsed(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// How long something took: `4 s`, `2 min 41 s`, `1 h 5 min`.
pub(in crate::web) fn took(words: &Words, span: TimeDelta) -> String {
    // What took half a second took a second: "0 s" reads like a fault.
    let seconds = span.num_milliseconds().max(1).div_euclid(1000).max(1);
    match seconds {
        ..60 => words.t1("span-seconds", "s", seconds),
        60..3600 => words.t2("span-minutes", "m", seconds / 60, "s", seconds % 60),
        _ => words.t2("span-hours", "h", seconds / 3600, "m", seconds / 60 % 60),
    }
}

/// How long something usually takes, no more exact than it can be known: `about 20 s`, `about 3 min`.
pub(in crate::web) fn about(words: &Words, seconds: f64) -> String {
    let seconds = whole(seconds);
    match seconds {
        ..8 => words.t("about-moments"),
        8..90 => words.t1("about-seconds", "s", (seconds + 2) / 5 * 5),
        90..5400 => words.t1("about-minutes", "m", (seconds + 30) / 60),
        _ => words.t1("about-hours", "h", (seconds + 1800) / 3600),
    }
}

/// How old something is, for staff: `4 min`, `3 h`, `2 d`.
pub(in crate::web) fn age(words: &Words, span: TimeDelta) -> String {
    let minutes = span.num_minutes().max(0);
    match minutes {
        ..120 => words.t1("age-minutes", "n", minutes),
        120..2880 => words.t1("age-hours", "n", minutes / 60),
        _ => words.t1("age-days", "n", minutes / 1440),
    }
}

/// The nearest whole number; what is no sensible span is 0.
pub(in crate::web) fn whole(value: f64) -> i64 {
    let bounded = if value.is_finite() { value.round().clamp(0.0, 1e12) } else { 0.0 };
    // By way of text, because a cast may truncate silently and there is no `TryFrom<f64>`.
    format!("{bounded:.0}").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let words = Words::english();
        let seconds = TimeDelta::seconds;
        assert_eq!(took(&words, TimeDelta::milliseconds(300)), "1 s");
        assert_eq!(took(&words, seconds(4)), "4 s");
        assert_eq!(took(&words, seconds(161)), "2 min 41 s");
        assert_eq!(took(&words, seconds(3900)), "1 h 5 min");
        assert_eq!(about(&words, 2.4), "a few seconds");
        assert_eq!(about(&words, 21.0), "about 20 s");
        assert_eq!(about(&words, 170.0), "about 3 min");
        assert_eq!(elapsed(seconds(31)), "0:31");
        assert_eq!(elapsed(seconds(3723)), "1:02:03");
        assert_eq!(elapsed(seconds(-5)), "0:00");
        assert_eq!(age(&words, seconds(60 * 60 * 3)), "3 h");
    }

    #[test]
    fn months_are_in_the_language_of_the_page() {
        let at = DateTime::from_timestamp(1_772_461_800, 0).unwrap();
        let (english, german) = (Words::english(), Words::of("de"));
        assert_eq!([moment(&english, at), day(&english, at)], ["14:30 UTC, 2 March", "2 March 2026"]);
        assert_eq!([moment(&german, at), day(&german, at)], ["14:30 UTC, 2. März", "2. März 2026"]);
        assert_eq!(whole_moment(&german, at), "2. März 2026, 14:30 UTC");
    }

    #[test]
    fn what_is_no_number_counts_as_nothing() {
        assert_eq!([whole(f64::NAN), whole(f64::INFINITY), whole(-3.0), whole(2.5)], [0, 0, 0, 3]);
    }
}
