//! Where a subscription stands: a pure function of what Stripe says of its money, of what its customer has been told, and of the time.
//!
//! `good` → money is owed → `grace` → `suspended` → `ending` → `ended`; what its customer has ended goes straight to `ending`. Three things
//! hold whatever happens, also when we learn of something late or were away for weeks: nothing follows from a mail that was not written;
//! nothing follows sooner than [`Dates::notice`] after it; and `ended`, from which on data may be destroyed, waits for all mails of the
//! ending and for an archive that was proven after the server had stopped.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config;

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Paid, or not due.
    Good,
    /// Money is owed; the server runs.
    Grace,
    /// Money is owed; the server is paused.
    Suspended,
    /// The server has stopped, and its data is kept until a date.
    Ending,
    /// That date is over, everybody was told and an archive is proven.
    Ended,
}

impl Standing {
    /// All, in the order in which they follow each other.
    pub const ALL: [Self; 5] = [Self::Good, Self::Grace, Self::Suspended, Self::Ending, Self::Ended];

    /// The word in database, API and keys of words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Grace => "grace",
            Self::Suspended => "suspended",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

/// The dates of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    /// From the first unpaid invoice to the pause.
    pub grace: TimeDelta,
    /// Days of the grace on which a mail is written, ascending; the first is 0.
    pub grace_mails: Vec<u16>,
    /// From the pause to the ending.
    pub suspended: TimeDelta,
    /// How long data is kept in the ending.
    pub ending: TimeDelta,
    /// Days of the ending on which a mail is written, ascending; at least two, the first is 0.
    pub ending_mails: Vec<u16>,
    /// The shortest time between a mail and what it announces.
    pub notice: TimeDelta,
    /// How long the data of a server that staff have ended is kept before its removal.
    pub removal: TimeDelta,
}

impl From<&config::Standing> for Dates {
    fn from(days: &config::Standing) -> Self {
        let config::Standing {
            grace_days,
            grace_mail_days,
            suspended_days,
            ending_days,
            ending_mail_days,
            notice_days,
            removal_days,
        } = days;
        Self {
            grace: TimeDelta::days((*grace_days).into()),
            grace_mails: grace_mail_days.clone(),
            suspended: TimeDelta::days((*suspended_days).into()),
            ending: TimeDelta::days((*ending_days).into()),
            ending_mails: ending_mail_days.clone(),
            notice: TimeDelta::days((*notice_days).into()),
            removal: TimeDelta::days((*removal_days).into()),
        }
    }
}

/// A mail about a standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Money is owed: that of this day.
    Owed(u16),
    /// The server is paused.
    Suspended,
    /// The server ends: that of this day.
    Ending(u16),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owed(day) => write!(f, "owed:{day}"),
            Self::Suspended => f.write_str("suspended"),
            Self::Ending(day) => write!(f, "ending:{day}"),
        }
    }
}

/// A text that names no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no step of a standing")]
pub struct NoStep(String);

impl FromStr for Step {
    type Err = NoStep;
    fn from_str(text: &str) -> Result<Self, NoStep> {
        let no_step = || NoStep(text.to_owned());
        let day = |day: &str| day.parse().map_err(|_| no_step());
        match text.split_once(':') {
            Some(("owed", of)) => Ok(Self::Owed(day(of)?)),
            Some(("ending", of)) => Ok(Self::Ending(day(of)?)),
            None if text == "suspended" => Ok(Self::Suspended),
            Some(_) | None => Err(no_step()),
        }
    }
}

/// What Stripe says of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    /// Nothing is owed.
    Settled,
    /// Money is owed since then.
    Owed(DateTime<Utc>),
    /// The subscription was over then.
    Over(DateTime<Utc>),
}

/// All that a standing depends on beside the dates and the time.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The money.
    pub payment: Payment,
    /// What the customer was told in this very matter, in order.
    pub told: &'a [(Step, DateTime<Utc>)],
    /// Until when staff give time.
    pub extended_until: Option<DateTime<Utc>>,
    /// When a restore last proved an archive of everything.
    pub archive_proven_at: Option<DateTime<Utc>>,
}

/// Where a subscription stands, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Where it stands.
    pub standing: Standing,
    /// Since when; none for a good one.
    pub since: Option<DateTime<Utc>>,
    /// When the next standing begins at the earliest; none where none follows by time alone.
    pub until: Option<DateTime<Utc>>,
    /// The mail that is due now.
    pub tell: Option<Step>,
    /// When time alone changes something, or when to look whether the archive is there.
    pub review_at: Option<DateTime<Utc>>,
    /// All that keeps it from its end is that no archive is proven.
    pub waits_for_archive: bool,
}

/// Between two looks for the archive that an end waits for.
const LOOK_AGAIN: TimeDelta = TimeDelta::days(1);

/// Where a subscription stands.
pub fn course(facts: &Facts<'_>, dates: &Dates, now: DateTime<Utc>) -> Course {
    match facts.payment {
        Payment::Settled => {
            Course { standing: Standing::Good, since: None, until: None, tell: None, review_at: None, waits_for_archive: false }
        }
        Payment::Owed(since) => owed(facts, dates, since, now),
        Payment::Over(since) => ending(facts, dates, since, now),
    }
}

fn owed(facts: &Facts<'_>, dates: &Dates, since: DateTime<Utc>, now: DateTime<Utc>) -> Course {
    let is_owed = |step: &Step| matches!(step, Step::Owed(_));
    let first_told = facts.told.iter().filter(|(step, _)| is_owed(step)).map(|(_, at)| *at).min();
    let pause = first_told.map(|at| (since + dates.grace).max(at + dates.notice).max(facts.extended_until.unwrap_or(since)));
    let Some(pause) = pause.filter(|pause| *pause <= now) else {
        let last = facts.told.iter().filter_map(|(step, _)| if let Step::Owed(day) = step { Some(*day) } else { None }).max();
        let begins = |day: u16| since + TimeDelta::days(day.into());
        // The newest that is due, and none before it: whoever learns late gets one mail, not four.
        let due = dates.grace_mails.iter().copied().filter(|day| *day == 0 || begins(*day) <= now).max();
        let tell = due.filter(|due| last.is_none_or(|last| last < *due)).map(Step::Owed);
        let next_mail = dates.grace_mails.iter().map(|day| begins(*day)).filter(|at| *at > now).min();
        return Course {
            standing: Standing::Grace,
            since: Some(since),
            until: pause,
            tell,
            review_at: [pause, next_mail].into_iter().flatten().min(),
            waits_for_archive: false,
        };
    };
    let end = pause + dates.suspended;
    if now < end {
        // One that was written before more time was given says nothing about this pause.
        let told = facts.told.iter().any(|(step, at)| *step == Step::Suspended && *at >= pause);
        return Course {
            standing: Standing::Suspended,
            since: Some(pause),
            until: Some(end),
            tell: (!told).then_some(Step::Suspended),
            review_at: Some(end),
            waits_for_archive: false,
        };
    }
    ending(facts, dates, end, now)
}

fn ending(facts: &Facts<'_>, dates: &Dates, since: DateTime<Utc>, now: DateTime<Utc>) -> Course {
    let mut told = facts.told.iter().filter(|(step, at)| matches!(step, Step::Ending(_)) && *at >= since).map(|(_, at)| *at);
    // None is left out, and there is time between any two: `next` is the first that was not written, `last` when the last will have been.
    let mut next: Option<(u16, DateTime<Utc>)> = None;
    let mut last: Option<DateTime<Utc>> = None;
    for day in &dates.ending_mails {
        let due = (since + TimeDelta::days((*day).into())).max(last.map_or(since, |last| last + dates.notice));
        let written = told.next();
        if written.is_none() && next.is_none() {
            next = Some((*day, due));
        }
        last = Some(written.unwrap_or_else(|| due.max(now)));
    }
    let kept = (since + dates.ending).max(facts.extended_until.unwrap_or(since));
    let until = last.map_or(kept, |last| kept.max(last + dates.notice));
    let proven = facts.archive_proven_at.is_some_and(|at| at >= since);
    let over = next.is_none() && until <= now;
    if over && proven {
        return Course {
            standing: Standing::Ended,
            since: Some(until),
            until: None,
            tell: None,
            review_at: None,
            waits_for_archive: false,
        };
    }
    Course {
        standing: Standing::Ending,
        since: Some(since),
        until: Some(until),
        tell: next.filter(|(_, due)| *due <= now).map(|(day, _)| Step::Ending(day)),
        review_at: Some(match next {
            Some((_, due)) if due > now => due,
            // It is written at once, and then looked at again.
            Some(_) => now,
            None if over => now + LOOK_AGAIN,
            None => until,
        }),
        waits_for_archive: over,
    }
}

#[cfg(test)]
mod tests;
