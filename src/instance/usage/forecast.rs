//! When something will be full, if it goes on as in the days before. Pure.

use chrono::{NaiveDate, TimeDelta};

/// Fewer days than this say nothing of those to come.
const DAYS: i64 = 7;
/// Further ahead nobody can look.
const AHEAD: i64 = 730;

/// What the days before say of those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// There are too few days to say anything.
    TooFew,
    /// It is full already.
    Full,
    /// It is full on this day.
    FillsOn(NaiveDate),
    /// It does not grow, or so slowly that it is not full within two years.
    NotInSight,
}

/// The day on which a straight line through the days (by least squares, from the last value on) reaches `limit`. Days in their order; some may be
/// missing.
pub fn forecast(days: &[(NaiveDate, i64)], limit: i64) -> Forecast {
    let (Some((first, _)), Some((last, value))) = (days.first(), days.last()) else { return Forecast::TooFew };
    if *value >= limit {
        return Forecast::Full;
    }
    if (*last - *first).num_days() < DAYS - 1 {
        return Forecast::TooFew;
    }
    let points = || days.iter().map(|(day, value)| (i128::from((*day - *first).num_days()), i128::from(*value)));
    let (mut n, mut x, mut y, mut xx, mut xy) = (0, 0, 0, 0, 0);
    for (at, value) in points() {
        n += 1;
        x += at;
        y += value;
        xx += at * at;
        xy += at * value;
    }
    // Both are n times what the textbook has, so that nothing is divided before the end.
    let (rise, run) = (n * xy - x * y, n * xx - x * x);
    if rise <= 0 || run <= 0 {
        return Forecast::NotInSight;
    }
    let missing = i128::from(limit) - i128::from(*value);
    let ahead = (missing * run + rise - 1) / rise;
    match i64::try_from(ahead) {
        Ok(ahead) if ahead <= AHEAD => Forecast::FillsOn(*last + TimeDelta::days(ahead)),
        Ok(_) | Err(_) => Forecast::NotInSight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(values: &[i64]) -> Vec<(NaiveDate, i64)> {
        let first = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        values.iter().zip(0..).map(|(value, day)| (first + TimeDelta::days(day), *value)).collect()
    }

    fn day(day: i64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 1).unwrap() + TimeDelta::days(day)
    }

    #[test]
    fn what_grows_evenly_is_full_on_the_day_that_one_can_count_out() {
        let steady = days(&[10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(forecast(&steady, 100), Forecast::FillsOn(day(9)));
        assert_eq!(forecast(&steady, 101), Forecast::FillsOn(day(10)), "part of a day is the next");
        assert_eq!(forecast(&steady, 70), Forecast::Full);
    }

    #[test]
    fn few_days_say_nothing_and_neither_does_what_stands_still() {
        assert_eq!(forecast(&[], 5), Forecast::TooFew);
        assert_eq!(forecast(&days(&[1, 2, 3, 4, 5, 6]), 100), Forecast::TooFew);
        assert_eq!(forecast(&days(&[5; 9]), 100), Forecast::NotInSight);
        assert_eq!(forecast(&days(&[9, 8, 7, 6, 5, 4, 3]), 100), Forecast::NotInSight);
        assert_eq!(forecast(&days(&[0, 0, 0, 0, 0, 0, 1]), 1_000_000), Forecast::NotInSight, "not within two years");
    }

    #[test]
    fn a_day_that_is_missing_and_the_largest_numbers_do_no_harm() {
        let mut gaps = days(&[10, 20, 30, 40, 50, 60, 70, 80]);
        gaps.remove(3);
        assert_eq!(forecast(&gaps, 100), Forecast::FillsOn(day(9)));
        let huge = days(&[0, 1 << 40, 1 << 41, 1 << 42, 1 << 43, 1 << 44, 1 << 45]);
        assert!(matches!(forecast(&huge, i64::MAX), Forecast::NotInSight | Forecast::FillsOn(_)));
    }
}
