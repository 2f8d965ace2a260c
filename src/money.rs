//! Amounts of money: whole minor units (cents) with their currency, never floating point, every sum checked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The currencies a host can charge in: those with two decimal places that Stripe and most hosts' banks take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Currency {
    /// Euro.
    Eur,
    /// US dollar.
    Usd,
    /// Pound sterling.
    Gbp,
    /// Swiss franc.
    Chf,
}

impl Currency {
    /// ISO 4217 code in lower case, as Stripe writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Eur => "eur",
            Self::Usd => "usd",
            Self::Gbp => "gbp",
            Self::Chf => "chf",
        }
    }

    /// The currency of an ISO 4217 code in either case; `None` for those we do not deal in.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Eur, Self::Usd, Self::Gbp, Self::Chf].into_iter().find(|currency| currency.code().eq_ignore_ascii_case(code))
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Eur => "€",
            Self::Usd => "$",
            Self::Gbp => "£",
            Self::Chf => "CHF ",
        }
    }
}

/// An amount. Negative ones are credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// Minor units: cents, pence.
    pub minor: i64,
    /// What they are cents of.
    pub currency: Currency,
}

impl Money {
    /// `minor` hundredths of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum; `None` when the currencies differ or it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency).then_some(())?;
        Some(Self::new(self.minor.checked_add(other.minor)?, self.currency))
    }
}

/// As people read it: `€19.00`, `-$3.50`, without decimals where there are none to show: `€19`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let (whole, cents) = (self.minor.unsigned_abs() / 100, self.minor.unsigned_abs() % 100);
        let symbol = self.currency.symbol();
        if cents == 0 { write!(f, "{sign}{symbol}{whole}") } else { write!(f, "{sign}{symbol}{whole}.{cents:02}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_people_write_it() {
        assert_eq!(Money::new(1900, Currency::Eur).to_string(), "€19");
        assert_eq!(Money::new(-350, Currency::Usd).to_string(), "-$3.50");
        assert_eq!(Money::new(5, Currency::Gbp).to_string(), "£0.05");
        assert_eq!(Money::new(i64::MIN, Currency::Eur).to_string(), "-€92233720368547758.08");
    }

    #[test]
    fn sums_are_checked() {
        let one = Money::new(1, Currency::Eur);
        assert_eq!(one.checked_add(Money::new(2, Currency::Eur)), Some(Money::new(3, Currency::Eur)));
        assert_eq!(one.checked_add(Money::new(2, Currency::Usd)), None);
        assert_eq!(one.checked_add(Money::new(i64::MAX, Currency::Eur)), None);
    }
}
