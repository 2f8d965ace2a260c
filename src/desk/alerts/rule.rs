//! The rules: what somebody should look at, judged from facts alone. Pure.
//!
//! A rule whose facts are not there says so, with since when. It never says that all is well because nothing was heard.

use chrono::{DateTime, TimeDelta, Utc};

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An order that nobody settles, or that was paid and is no server yet; counts minutes.
    OldestOrder,
    /// Servers without a proven backup.
    BackupUnproven,
    /// Certificates that end soon.
    Certificate,
    /// Many more subscriptions past due than a day ago.
    PastDueSpike,
    /// Little of the promised is left; counts hundredths that are.
    Capacity,
    /// Many servers at once are no longer what they should be.
    DriftStorm,
    /// Events of Stripe that no webhook brings.
    WebhookSilence,
}

impl Rule {
    /// All, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::OldestOrder,
        Self::BackupUnproven,
        Self::Certificate,
        Self::PastDueSpike,
        Self::Capacity,
        Self::DriftStorm,
        Self::WebhookSilence,
    ];

    /// Its name in the database, in addresses, of its runbook, and in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::OldestOrder => "oldest-order",
            Self::BackupUnproven => "backup-unproven",
            Self::Certificate => "certificate",
            Self::PastDueSpike => "past-due-spike",
            Self::Capacity => "capacity",
            Self::DriftStorm => "drift-storm",
            Self::WebhookSilence => "webhook-silence",
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.word() == word)
    }
}

/// From where on a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A paid order is a server after this.
    pub order: TimeDelta,
    /// A server has a proven backup after this.
    pub unproven: TimeDelta,
    /// A certificate is good for longer than this.
    pub certificate: TimeDelta,
    /// Hundredths of the promised that should be left.
    pub capacity: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { order: TimeDelta::hours(1), unproven: TimeDelta::hours(48), certificate: TimeDelta::days(14), capacity: 15 }
    }
}

/// After its deadline an order is settled within this, or something is wrong with Stripe or with jobs.
pub const SETTLED_BY: TimeDelta = TimeDelta::minutes(10);
/// So many subscriptions past due are usual, whatever the size of the host.
pub const USUALLY_PAST_DUE: i64 = 2;
/// A certificate that nobody has seen for so long may be another one by now.
pub const CERTIFICATE_SEEN: TimeDelta = TimeDelta::days(3);
/// In this time so many servers must not cease to be well.
pub const STORM: TimeDelta = TimeDelta::minutes(10);
/// Fewer than this are no storm, however small the host.
const STORM_FROM: i64 = 3;
/// Nor is this share of all, in hundredths.
const STORM_SHARE: i64 = 2;
/// A cluster that has not answered for so long is not known to be well.
pub const AWAY: TimeDelta = TimeDelta::minutes(10);
/// A webhook may be late by this.
pub const WEBHOOK_LATE: TimeDelta = TimeDelta::minutes(10);
/// Stripe's list of events is read every five minutes: not read for this long, nothing is known of what it told.
pub const LIST_READ: TimeDelta = TimeDelta::minutes(20);

/// What the rules look at, as it was read from the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Facts {
    /// The oldest deadline of an order that nobody has settled.
    pub unsettled: Option<DateTime<Utc>>,
    /// When the oldest order was paid whose server is not ready, though its domain points here.
    pub unbuilt: Option<DateTime<Utc>>,
    /// Servers that have run for longer than [`Limits::unproven`] without a proven backup.
    pub unproven: i64,
    /// Certificates that end within [`Limits::certificate`].
    pub certificates_ending: i64,
    /// Running servers whose certificate nobody has seen in [`CERTIFICATE_SEEN`].
    pub certificates_unseen: i64,
    /// When the one of them was last seen that was not seen for longest; when its server was first ready if it never was.
    pub certificates_seen: Option<DateTime<Utc>>,
    /// Subscriptions past due.
    pub past_due: i64,
    /// The same a day ago, where it was kept.
    pub past_due_before: Option<i64>,
    /// Hundredths of what is promised of the clusters that take servers, of the amount that is nearest to its end; none where there is no cluster.
    #[sqlx(default)]
    pub left: Option<i64>,
    /// Servers that ceased to be well in the last [`STORM`], but for those that are being upgraded.
    pub fell: i64,
    /// Servers that should run and have been ready.
    pub running: i64,
    /// Whether a cluster with servers has not answered for [`AWAY`].
    #[sqlx(default)]
    pub away: bool,
    /// When the one of them last answered that was not heard of for longest; none if one never was.
    #[sqlx(default)]
    pub away_since: Option<DateTime<Utc>>,
    /// Events that Stripe's list told of since the last webhook, old enough that one should have come.
    pub missed: i64,
    /// When that list was last read.
    pub list_read_at: Option<DateTime<Utc>>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to look at, and that is known.
    Quiet,
    /// Somebody should look.
    Firing {
        /// What the rule counts.
        n: i64,
    },
    /// Nobody knows.
    Unknown {
        /// Since when; `None`: it never was known.
        since: Option<DateTime<Utc>>,
    },
}

impl Verdict {
    /// The word in the database and in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Firing { .. } => "firing",
            Self::Unknown { .. } => "unknown",
        }
    }

    fn if_any(n: i64) -> Self {
        if n > 0 { Self::Firing { n } } else { Self::Quiet }
    }
}

impl Facts {
    /// What a rule says of them.
    pub fn judge(&self, rule: Rule, limits: &Limits, now: DateTime<Utc>) -> Verdict {
        match rule {
            Rule::OldestOrder => self.oldest_order(limits, now),
            Rule::BackupUnproven => Verdict::if_any(self.unproven),
            // One that ends is worth knowing, whatever is not known of others.
            Rule::Certificate => match self.certificates_ending {
                n @ 1.. => Verdict::Firing { n },
                _ if self.certificates_unseen > 0 => Verdict::Unknown { since: self.certificates_seen },
                _ => Verdict::Quiet,
            },
            Rule::PastDueSpike => match self.past_due_before {
                _ if self.past_due <= USUALLY_PAST_DUE => Verdict::Quiet,
                None => Verdict::Unknown { since: None },
                Some(before) if self.past_due > before.saturating_mul(2) => Verdict::Firing { n: self.past_due },
                Some(_) => Verdict::Quiet,
            },
            Rule::Capacity => match self.left {
                None => Verdict::Unknown { since: None },
                Some(n) if n < limits.capacity => Verdict::Firing { n },
                Some(_) => Verdict::Quiet,
            },
            Rule::DriftStorm => {
                if self.fell >= STORM_FROM && self.fell.saturating_mul(100) > self.running.saturating_mul(STORM_SHARE) {
                    Verdict::Firing { n: self.fell }
                } else if self.away {
                    Verdict::Unknown { since: self.away_since }
                } else {
                    Verdict::Quiet
                }
            }
            Rule::WebhookSilence => match self.list_read_at {
                _ if self.missed > 0 => Verdict::Firing { n: self.missed },
                Some(read) if now - read <= LIST_READ => Verdict::Quiet,
                since @ (Some(_) | None) => Verdict::Unknown { since },
            },
        }
    }

    fn oldest_order(&self, limits: &Limits, now: DateTime<Utc>) -> Verdict {
        let late = |since: Option<DateTime<Utc>>, after| since.map(|since| now - since).filter(|waits| *waits > after);
        let waits = late(self.unsettled, SETTLED_BY).max(late(self.unbuilt, limits.order));
        waits.map_or(Verdict::Quiet, |waits| Verdict::Firing { n: waits.num_minutes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn ago(minutes: i64) -> Option<DateTime<Utc>> {
        Some(NOW - TimeDelta::minutes(minutes))
    }

    /// All is well, and known to be.
    fn well() -> Facts {
        Facts { past_due_before: Some(0), left: Some(60), running: 10, list_read_at: ago(1), ..Facts::default() }
    }

    fn says(rule: Rule, facts: &Facts) -> Verdict {
        facts.judge(rule, &Limits::default(), NOW)
    }

    #[test]
    fn what_is_known_to_be_well_is_quiet() {
        for rule in Rule::ALL {
            assert_eq!(says(rule, &well()), Verdict::Quiet, "{rule:?}");
            assert_eq!(Rule::from_word(rule.word()), Some(rule));
        }
    }

    #[test]
    fn what_was_never_heard_of_is_never_well() {
        let nothing = Facts { past_due: 3, certificates_unseen: 1, away: true, ..Facts::default() };
        for rule in [Rule::Certificate, Rule::PastDueSpike, Rule::Capacity, Rule::DriftStorm, Rule::WebhookSilence] {
            assert_eq!(says(rule, &nothing), Verdict::Unknown { since: None }, "{rule:?}");
        }
    }

    #[test]
    fn what_was_heard_of_once_is_unknown_since_then() {
        let facts = Facts {
            certificates_unseen: 2,
            certificates_seen: ago(9000),
            away: true,
            away_since: ago(11),
            list_read_at: ago(21),
            ..well()
        };
        assert_eq!(says(Rule::Certificate, &facts), Verdict::Unknown { since: ago(9000) });
        assert_eq!(says(Rule::DriftStorm, &facts), Verdict::Unknown { since: ago(11) });
        assert_eq!(says(Rule::WebhookSilence, &facts), Verdict::Unknown { since: ago(21) });
    }

    #[test]
    fn what_is_wrong_is_told_although_not_all_is_known() {
        let facts = Facts { certificates_ending: 1, certificates_unseen: 5, fell: 4, away: true, missed: 2, ..Facts::default() };
        assert_eq!(says(Rule::Certificate, &facts), Verdict::Firing { n: 1 });
        assert_eq!(says(Rule::DriftStorm, &facts), Verdict::Firing { n: 4 });
        assert_eq!(says(Rule::WebhookSilence, &facts), Verdict::Firing { n: 2 });
    }

    #[test]
    fn the_order_that_waits_longest_counts() {
        assert_eq!(says(Rule::OldestOrder, &Facts { unsettled: ago(10), unbuilt: ago(60), ..well() }), Verdict::Quiet);
        let late = Facts { unsettled: ago(11), unbuilt: ago(61), ..well() };
        assert_eq!(says(Rule::OldestOrder, &late), Verdict::Firing { n: 61 });
        assert_eq!(says(Rule::OldestOrder, &Facts { unbuilt: ago(59), ..late }), Verdict::Firing { n: 11 });
    }

    #[test]
    fn a_spike_is_more_than_twice_as_many_and_more_than_usual() {
        let of = |past_due, before| says(Rule::PastDueSpike, &Facts { past_due, past_due_before: Some(before), ..well() });
        assert_eq!([of(2, 0), of(6, 3), of(40, 20)], [Verdict::Quiet; 3]);
        assert_eq!([of(3, 1), of(7, 3)], [Verdict::Firing { n: 3 }, Verdict::Firing { n: 7 }]);
    }

    #[test]
    fn a_storm_is_more_than_a_few_and_more_than_a_small_share() {
        let of = |fell, running| says(Rule::DriftStorm, &Facts { fell, running, ..well() });
        assert_eq!([of(2, 2), of(3, 150), of(20, 1000)], [Verdict::Quiet; 3]);
        assert_eq!([of(3, 100), of(21, 1000)], [Verdict::Firing { n: 3 }, Verdict::Firing { n: 21 }]);
    }

    #[test]
    fn capacity_and_backups_follow_their_limits() {
        assert_eq!(says(Rule::Capacity, &Facts { left: Some(15), ..well() }), Verdict::Quiet);
        assert_eq!(says(Rule::Capacity, &Facts { left: Some(14), ..well() }), Verdict::Firing { n: 14 });
        assert_eq!(says(Rule::BackupUnproven, &Facts { unproven: 3, ..well() }), Verdict::Firing { n: 3 });
    }
}
