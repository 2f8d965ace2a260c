//! What servers cost their host: read from the catalogue's file, so that it stands beside the prices.

use super::read::Entry;
use crate::money::{Currency, Money};

/// What things cost the host, for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// A GiB of memory.
    pub memory_gib: Money,
    /// A core.
    pub core: Money,
    /// A GiB of volume.
    pub volume_gib: Money,
    /// A GiB in a bucket.
    pub bucket_gib: Money,
    /// What each server has its share of: backups, mail, watching, the people who answer.
    pub share: Money,
    /// What the payment company keeps of each payment…
    pub fee: Money,
    /// … and of the amount, in hundredths of a percent.
    pub fee_basis_points: u32,
}

/// Reads the section `[costs]`.
pub(super) fn read_costs(costs: &mut Entry<'_>, currency: Option<Currency>) -> Option<Costs> {
    let assumed = currency.unwrap_or(Currency::Eur);
    let mut money = |field: &str| {
        let text = costs.text(field, "what it costs for a month, such as \"3.00\"")?;
        let amount = Money::parse(&text, assumed);
        if amount.is_none() {
            costs.fault(field, format!("is \"{text}\"; write it as an amount with the currency's decimals, such as \"3.00\""));
        }
        amount
    };
    let amounts = ["memory_gib", "core", "volume_gib", "bucket_gib", "share", "fee"].map(&mut money);
    let fee_basis_points = costs.number("fee_basis_points", 0..=10_000);
    let [memory_gib, core, volume_gib, bucket_gib, share, fee] = amounts;
    currency?;
    Some(Costs {
        memory_gib: memory_gib?,
        core: core?,
        volume_gib: volume_gib?,
        bucket_gib: bucket_gib?,
        share: share?,
        fee: fee?,
        fee_basis_points: fee_basis_points?,
    })
}
