//! The test cards, by Stripe's numbers: <https://docs.stripe.com/testing>.
//!
//! Simpler than Stripe: `4000 0000 0000 0341` pays the first time and then fails (Stripe's fails with the first charge already), and
//! `4000 0025 0000 3155` renews without asking again.

use serde::{Deserialize, Serialize};

/// How a card behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Card {
    /// Always pays.
    Good,
    /// Never pays.
    Declines,
    /// Pays after its holder has confirmed.
    AsksFirst,
    /// Pays once.
    FailsLater,
    /// Pays only after its holder has confirmed, each time.
    AsksAlways,
}

impl Card {
    /// All that there are, with their numbers and what to say about them.
    pub(super) const ALL: [(Self, &str, &str); 5] = [
        (Self::Good, "4242 4242 4242 4242", "pays"),
        (Self::Declines, "4000 0000 0000 0002", "is declined"),
        (Self::AsksFirst, "4000 0025 0000 3155", "asks for 3-D Secure, then pays"),
        (Self::FailsLater, "4000 0000 0000 0341", "pays now, fails at the first renewal"),
        (Self::AsksAlways, "4000 0027 6000 3184", "asks for 3-D Secure each time: fails at renewals until its holder confirms"),
    ];

    /// The card of a number, however it is spaced.
    pub(super) fn by_number(text: &str) -> Option<Self> {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let given = digits(text);
        Self::ALL.iter().find(|(_, number, _)| digits(number) == given).map(|(card, ..)| *card)
    }

    /// As statements name it.
    pub(super) fn last4(self) -> &'static str {
        match self {
            Self::Good => "4242",
            Self::Declines => "0002",
            Self::AsksFirst => "3155",
            Self::FailsLater => "0341",
            Self::AsksAlways => "3184",
        }
    }

    /// Whether it pays when charged without its holder.
    pub(super) fn renews(self) -> bool {
        match self {
            Self::Good | Self::AsksFirst => true,
            Self::Declines | Self::FailsLater | Self::AsksAlways => false,
        }
    }

    /// Whether its holder is asked before the first payment.
    pub(super) fn asks(self) -> bool {
        match self {
            Self::AsksFirst | Self::AsksAlways => true,
            Self::Good | Self::Declines | Self::FailsLater => false,
        }
    }

    /// Whether its holder is asked at renewals too.
    pub(super) fn asks_always(self) -> bool {
        match self {
            Self::AsksAlways => true,
            Self::Good | Self::Declines | Self::FailsLater | Self::AsksFirst => false,
        }
    }
}
