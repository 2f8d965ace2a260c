//! The numbers that say in ten seconds whether anything needs somebody: read now for the overview, and kept once an hour for the trend.

mod store;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

pub use store::{count_not_backed_up, forget_old};

use crate::capacity;
use crate::plan::{self, Catalogue};
use crate::queue::{self, Backlog};

/// A server that has been ready for this long should have a proven backup.
pub const UNPROVEN_AFTER: TimeDelta = TimeDelta::hours(48);
/// A server that has been ready for this long should have its first base backup.
pub const BACKED_UP_WITHIN: TimeDelta = TimeDelta::hours(2);
/// How far back the trend goes.
pub const TREND: TimeDelta = TimeDelta::days(7);

/// A number of the overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Orders that wait for their payment.
    Waiting,
    /// For how many seconds the oldest job has been due.
    OldestJob,
    /// Jobs that have used up their tries.
    Jobs,
    /// Servers that have been ready and are not, or at which the operator can't go on.
    Unwell,
    /// Subscriptions with an invoice that is not paid.
    PastDue,
    /// Servers without a proven backup two days after they were first ready.
    Unproven,
    /// Servers of the plan that needs least that still fit into the open clusters.
    Left,
    /// Servers that are not on the newest release offered.
    Behind,
    /// Servers without a certificate that once had everything.
    Certificates,
    /// Incidents that are not over.
    Incidents,
    /// Minor units of orders that were paid since midnight, in the catalogue's currency.
    Money,
}

impl Figure {
    /// All, in the order of the page.
    pub const ALL: [Self; 11] = [
        Self::Waiting,
        Self::OldestJob,
        Self::Jobs,
        Self::Unwell,
        Self::PastDue,
        Self::Unproven,
        Self::Left,
        Self::Behind,
        Self::Certificates,
        Self::Incidents,
        Self::Money,
    ];

    /// Its name in the database and in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::OldestJob => "oldest-job",
            Self::Jobs => "jobs",
            Self::Unwell => "unwell",
            Self::PastDue => "past-due",
            Self::Unproven => "unproven",
            Self::Left => "left",
            Self::Behind => "behind",
            Self::Certificates => "certificates",
            Self::Incidents => "incidents",
            Self::Money => "money",
        }
    }
}

/// All of them at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    rows: store::Counts,
    left: i64,
    jobs: i64,
    oldest_job: i64,
}

impl Reading {
    /// A number: a count, seconds or minor units.
    pub fn of(&self, figure: Figure) -> i64 {
        let Self { rows, left, jobs, oldest_job } = self;
        match figure {
            Figure::Waiting => rows.waiting,
            Figure::OldestJob => *oldest_job,
            Figure::Jobs => *jobs,
            Figure::Unwell => rows.unwell,
            Figure::PastDue => rows.past_due,
            Figure::Unproven => rows.unproven,
            Figure::Left => *left,
            Figure::Behind => rows.behind,
            Figure::Certificates => rows.certificates,
            Figure::Incidents => rows.incidents,
            Figure::Money => rows.money,
        }
    }
}

/// Reads all figures as they are now. `owner` is the log-in user's pool, for the queue.
pub async fn read(conn: &mut PgConnection, owner: &PgPool, catalogue: &Catalogue, now: DateTime<Utc>) -> sqlx::Result<Reading> {
    let newest = plan::newest_offered(conn).await?.map(|version| version.to_string());
    let rows = store::count(conn, newest.as_deref(), catalogue.currency(), now).await?;
    let smallest = catalogue.smallest();
    let left = capacity::list_clusters(conn).await?.iter().map(|cluster| cluster.left(&smallest, now)).sum();
    let Backlog { due: _, oldest_seconds, dead } = queue::backlog(owner, now).await?;
    // Whole seconds, by way of a span: there is no `TryFrom<f64>`.
    let oldest = std::time::Duration::try_from_secs_f64(oldest_seconds).unwrap_or_default().as_secs();
    Ok(Reading { rows, left, jobs: dead, oldest_job: i64::try_from(oldest).unwrap_or(i64::MAX) })
}

/// Keeps a reading as that of its hour. A second one of the same hour takes its place.
pub async fn keep(conn: &mut PgConnection, reading: &Reading, now: DateTime<Utc>) -> sqlx::Result<()> {
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    let all: Vec<(Figure, i64)> = Figure::ALL.into_iter().map(|figure| (figure, reading.of(figure))).collect();
    store::put(conn, &all, hour).await
}

/// How figures have been.
#[derive(Debug, Default)]
pub struct History(Vec<(String, DateTime<Utc>, i64)>);

impl History {
    /// Since [`TREND`] ago, hour by hour, oldest first.
    pub async fn load(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Self> {
        Ok(Self(store::since(conn, now - TREND).await?))
    }

    /// The kept values of a figure with their hours.
    pub fn of(&self, figure: Figure) -> impl Iterator<Item = (DateTime<Utc>, i64)> {
        self.0.iter().filter(move |(name, ..)| name == figure.word()).map(|(_, at, value)| (*at, *value))
    }

    /// What it was a day before `now`: the newest value that is at least that old.
    pub fn a_day_before(&self, figure: Figure, now: DateTime<Utc>) -> Option<i64> {
        self.of(figure).take_while(|(at, _)| *at <= now - TimeDelta::days(1)).last().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_before_is_the_newest_value_that_is_old_enough() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let at = |hours: i64, value: i64| ("left".to_owned(), now - TimeDelta::hours(hours), value);
        let history = History(vec![at(30, 7), at(25, 6), at(23, 5), at(1, 4)]);
        assert_eq!(history.a_day_before(Figure::Left, now), Some(6));
        assert_eq!(history.a_day_before(Figure::Jobs, now), None);
        assert_eq!(history.of(Figure::Left).map(|(_, value)| value).collect::<Vec<_>>(), [7, 6, 5, 4]);
    }
}
