//! What a server costs and what is kept of its price, and the sums over all of them. Pure; every amount is for a month.

use crate::instance::usage::Usage;
use crate::money::Money;
use crate::plan::{Amounts, Costs, Interval};

/// What a server costs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Memory that is kept for it.
    Memory,
    /// Processor.
    Processor,
    /// Volumes of its database and its cache.
    Volumes,
    /// Media in its bucket.
    Bucket,
    /// Its share of what all servers have together.
    Share,
    /// What the payment company keeps.
    Fee,
}

impl Cost {
    /// All, in the order of the page.
    pub const ALL: [Self; 6] = [Self::Memory, Self::Processor, Self::Volumes, Self::Bucket, Self::Share, Self::Fee];

    /// The word in the API, in the table and in keys of locale files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processor => "processor",
            Self::Volumes => "volumes",
            Self::Bucket => "bucket",
            Self::Share => "share",
            Self::Fee => "fee",
        }
    }
}

/// What a server is paid with and what it takes.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// What is paid each interval, before tax.
    pub price: Money,
    /// How often.
    pub interval: Interval,
    /// What it takes of its cluster.
    pub takes: &'a Amounts,
    /// What is on it, where that was measured; else its media count as the room that it has.
    pub usage: Option<Usage>,
    /// That room, in GiB.
    pub media_gib: u32,
}

/// What becomes of a month's price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What is paid for a month.
    pub paid: Money,
    /// What of it goes where, in the order of [`Cost::ALL`].
    pub costs: Vec<(Cost, Money)>,
    /// All of that together.
    pub cost: Money,
    /// What is left for the host. Below zero when the server costs more than it brings.
    pub kept: Money,
}

/// A month's part of a price.
pub fn monthly(price: Money, interval: Interval) -> Money {
    match interval {
        Interval::Month => price,
        Interval::Year => part(price, 1, 12),
    }
}

/// `of` parts out of `whole` of an amount, to the nearest unit, halves away from zero.
fn part(amount: Money, of: i64, whole: i64) -> Money {
    let (whole, product) = (i128::from(whole), i128::from(amount.minor) * i128::from(of));
    let rounded = (product.abs() * 2 + whole) / (whole * 2) * product.signum();
    Money::new(i64::try_from(rounded).unwrap_or(i64::MAX), amount.currency)
}

/// Hundredths of a GiB, rounded up.
fn hundredths(bytes: i64) -> i64 {
    let gib = i128::from(bytes.max(0)) * 100;
    i64::try_from((gib + (1 << 30) - 1) >> 30).unwrap_or(i64::MAX)
}

/// What becomes of what is paid for a server.
pub fn account(costs: &Costs, server: &Server<'_>) -> Account {
    let Server { price, interval, takes, usage, media_gib } = *server;
    let paid = monthly(price, interval);
    let media = usage.map_or(i64::from(media_gib) * 100, |usage| hundredths(usage.media_bytes));
    // A year is one payment: its fee is spread over the months.
    let payments = match interval {
        Interval::Month => 1,
        Interval::Year => 12,
    };
    let cost = |cost: Cost| match cost {
        Cost::Memory => part(costs.memory_gib, takes.memory_mib, 1024),
        Cost::Processor => part(costs.core, takes.cpu_milli, 1000),
        Cost::Volumes => part(costs.volume_gib, takes.volume_gib, 1),
        Cost::Bucket => part(costs.bucket_gib, media, 100),
        Cost::Share => costs.share,
        Cost::Fee => {
            let share = part(paid, costs.fee_basis_points.into(), 10_000);
            Money::new(part(costs.fee, 1, payments).minor.saturating_add(share.minor), paid.currency)
        }
    };
    let all = Cost::ALL.map(|one| (one, cost(one)));
    let sum = all.iter().fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount.minor));
    Account {
        paid,
        costs: all.to_vec(),
        cost: Money::new(sum, paid.currency),
        kept: Money::new(paid.minor.saturating_sub(sum), paid.currency),
    }
}

/// How much of all that there were is gone, in hundredths of a percent; nothing of nothing.
pub fn churn(gone: i64, were: i64) -> i64 {
    if were <= 0 { 0 } else { gone.saturating_mul(10_000) / were }
}

/// Hundredths of a percent as people read them: `2.5 %`.
pub fn percent(basis_points: i64) -> String {
    let sign = if basis_points < 0 { "-" } else { "" };
    let (whole, rest) = (basis_points.unsigned_abs() / 100, basis_points.unsigned_abs() % 100);
    match (rest % 10, rest) {
        (_, 0) => format!("{sign}{whole} %"),
        (0, _) => format!("{sign}{whole}.{} %", rest / 10),
        _ => format!("{sign}{whole}.{rest:02} %"),
    }
}

#[cfg(test)]
mod tests;
