//! Amounts of money: whole minor units (cents) with their currency, never floating point, every sum checked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The currencies a host can charge in. Most have two decimal places; the yen has none, and the Kuwaiti dinar three.
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
    /// Japanese yen.
    Jpy,
    /// Kuwaiti dinar.
    Kwd,
}

impl Currency {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Eur, Self::Usd, Self::Gbp, Self::Chf, Self::Jpy, Self::Kwd];

    /// ISO 4217 code in lower case, as Stripe writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Eur => "eur",
            Self::Usd => "usd",
            Self::Gbp => "gbp",
            Self::Chf => "chf",
            Self::Jpy => "jpy",
            Self::Kwd => "kwd",
        }
    }

    /// The currency of an ISO 4217 code in either case; `None` for those we do not deal in.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code().eq_ignore_ascii_case(code))
    }

    /// Decimal places, as Stripe counts them: <https://docs.stripe.com/currencies#zero-decimal>.
    pub fn decimals(self) -> usize {
        match self {
            Self::Jpy => 0,
            Self::Eur | Self::Usd | Self::Gbp | Self::Chf => 2,
            Self::Kwd => 3,
        }
    }

    /// The smallest amount that a card can be charged, in minor units: the networks of cards know two decimal places at most
    /// (<https://docs.stripe.com/currencies#three-decimal>).
    pub fn step(self) -> i64 {
        match self {
            Self::Eur | Self::Usd | Self::Gbp | Self::Chf | Self::Jpy => 1,
            Self::Kwd => 10,
        }
    }

    /// Minor units in one.
    fn scale(self) -> u32 {
        match self.decimals() {
            0 => 1,
            2 => 100,
            _ => 1000,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Eur => "€",
            Self::Usd => "$",
            Self::Gbp => "£",
            Self::Chf => "CHF ",
            Self::Jpy => "¥",
            Self::Kwd => "KWD ",
        }
    }
}

/// Digits before the point of an amount that is read.
const LONGEST: usize = 9;

/// An amount. Negative ones are credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// Minor units: cents, pence; whole yen, thousandths of a dinar.
    pub minor: i64,
    /// What they are parts of.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// So many whole units: `whole(19, Eur)` is €19.
    pub fn whole(units: u32, currency: Currency) -> Self {
        Self::new(i64::from(units) * i64::from(currency.scale()), currency)
    }

    /// The sum; `None` when the currencies differ or it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency).then_some(())?;
        Some(Self::new(self.minor.checked_add(other.minor)?, self.currency))
    }

    /// So many times as much; `None` when it does not fit.
    pub fn checked_times(self, times: u32) -> Option<Self> {
        Some(Self::new(self.minor.checked_mul(times.into())?, self.currency))
    }

    /// An amount as people write it, without a sign: `19`, `19.00`, `1900` yen. `None` for anything else, for other decimal places than the
    /// currency's, and for more than nine digits before the point.
    pub fn parse(text: &str, currency: Currency) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let decimals = currency.decimals();
        let has_point = whole.len() != text.len();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=LONGEST).contains(&whole.len()) && digits(whole) && digits(part);
        if !fits || (has_point && (part.is_empty() || part.len() != decimals)) {
            return None;
        }
        let minor = format!("{whole}{part:0<decimals$}");
        // At most twelve digits: they fit.
        Some(Self::new(minor.bytes().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), currency))
    }
}

/// As people read it: `€19.00`, `-$3.50`, without decimals where there are none to show: `€19`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let (scale, decimals) = (u64::from(self.currency.scale()), self.currency.decimals());
        let (whole, part) = (self.minor.unsigned_abs() / scale, self.minor.unsigned_abs() % scale);
        let symbol = self.currency.symbol();
        if part == 0 { write!(f, "{sign}{symbol}{whole}") } else { write!(f, "{sign}{symbol}{whole}.{part:0decimals$}") }
    }
}

#[cfg(test)]
mod tests;
