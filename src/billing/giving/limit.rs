//! How much may be given, and by whom. Pure.

use crate::account::Scope;
use crate::ids::StaffId;
use crate::money::{Currency, Money};

/// Characters of a reason.
pub(super) const REASON: std::ops::RangeInclusive<usize> = 3..=200;

/// How much one person may give to one account in [`WINDOW`](super::WINDOW), in whole units of the catalogue's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// With the scope `billing`.
    pub billing: u32,
    /// With the scope `admin`.
    pub admin: u32,
}

impl Limits {
    /// What somebody with these scopes may give.
    pub fn of(self, scopes: &[Scope], currency: Currency) -> Money {
        let most = scopes.iter().map(|scope| match scope {
            Scope::Admin => self.admin,
            Scope::Billing => self.billing,
            Scope::Support | Scope::Operations => 0,
        });
        Money::whole(most.max().unwrap_or(0), currency)
    }
}

/// What allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// One person, up to this much.
    ByOne {
        /// See [`Limits::of`].
        most: Money,
    },
    /// Two people have agreed to just this; the other one is named in the audit log.
    ByTwo {
        /// The second.
        second: StaffId,
    },
}

/// Why nothing was given. Nothing was written. The keys of the words that say so are `give-…`.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// It says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// Not an amount above nothing, or one that no card can be charged or given.
    #[error("the amount is not one that can be given")]
    Amount,
    /// More than is left of what was paid.
    #[error("of this invoice {left} are left")]
    MoreThanPaid {
        /// What is left.
        left: Money,
    },
    /// More than one person may give.
    #[error("one person may give {most}, and has given {given} in the last days: a second person is needed")]
    SecondNeeded {
        /// What one may give.
        most: Money,
        /// What was given already.
        given: Money,
    },
    /// Nothing was ever paid for this server.
    #[error("nothing was paid for this server")]
    NothingPaid,
    /// The database.
    #[error("it could not be written down")]
    Database(#[from] sqlx::Error),
}

impl GiveError {
    /// The key of the words that say so to staff; nothing for what is no fault of theirs.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Reason => Some("give-reason-length"),
            Self::Amount => Some("give-amount-wrong"),
            Self::MoreThanPaid { .. } => Some("give-more-than-paid"),
            Self::SecondNeeded { .. } => Some("give-second-needed"),
            Self::NothingPaid => Some("give-nothing-paid"),
            Self::Database(_) => None,
        }
    }
}

/// Whether an amount may be given. Pure.
///
/// # Errors
/// Why not.
pub fn check(amount: Money, left: Option<Money>, given: Money, allowed: Allowed) -> Result<(), GiveError> {
    if amount.minor <= 0 || amount.minor % amount.currency.step() != 0 {
        return Err(GiveError::Amount);
    }
    if let Some(left) = left
        && (left.currency != amount.currency || amount.minor > left.minor)
    {
        return Err(GiveError::MoreThanPaid { left });
    }
    match allowed {
        Allowed::ByTwo { second: _ } => Ok(()),
        Allowed::ByOne { most } if most.currency == amount.currency && amount.minor <= most.minor.saturating_sub(given.minor) => {
            Ok(())
        }
        Allowed::ByOne { most } => Err(GiveError::SecondNeeded { most, given }),
    }
}

#[cfg(test)]
mod tests;
