//! What the host's staff look at across all accounts: lists of servers, customers, orders and of what was done, one search over everything,
//! and the figures of the overview. Nothing here changes anything but the figures' own history, alerts, cases, announcements, and the
//! tries that jobs have left.

pub mod alerts;
pub mod announcements;
pub mod cases;
pub mod customers;
pub mod figures;
pub mod jobs;
pub mod log;
pub mod money;
pub mod orders;
pub mod search;
pub mod servers;

/// A closed set of words that an address may choose from. What is no such word counts as the first.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All, in the order in which they are offered.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in addresses and keys of the locale files.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The one that a word means.
            pub fn from_word(word: &str) -> Self {
                Self::ALL.iter().copied().find(|one| one.word() == word).unwrap_or(Self::ALL[0])
            }
        }
    };
}
use choices;
