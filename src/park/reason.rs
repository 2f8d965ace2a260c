//! Why a server is paused, as far as its visitors need to know.

/// Why a server is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its subscription is not paid.
    Unpaid,
    /// Its owner asked for it.
    Asked,
    /// The host's own people have stopped it.
    Staff,
    /// It is on its way to another place.
    Moving,
    /// The host's own people work on it.
    Upkeep,
    /// It is over.
    Ended,
    /// Anything else.
    Other,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [Self::Unpaid, Self::Asked, Self::Staff, Self::Moving, Self::Upkeep, Self::Ended, Self::Other];

    /// The reason of a word, as `spec.mode` has it; a word that is not known here is no reason to answer differently.
    pub fn from_word(word: &str) -> Self {
        match word {
            "unpaid" => Self::Unpaid,
            "asked" => Self::Asked,
            "abuse" | "staff" => Self::Staff,
            "moving" => Self::Moving,
            "upkeep" => Self::Upkeep,
            "ended" => Self::Ended,
            _ => Self::Other,
        }
    }

    /// The word in answers and in the keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Asked => "asked",
            Self::Staff => "staff",
            Self::Moving => "moving",
            Self::Upkeep => "upkeep",
            Self::Ended => "ended",
            Self::Other => "other",
        }
    }

    /// When to ask again, in seconds. A move and work on it are soon over; what has ended is not worth asking for every hour.
    pub fn retry_after(self) -> &'static str {
        match self {
            Self::Moving | Self::Upkeep => "300",
            Self::Unpaid | Self::Asked | Self::Staff | Self::Other => "3600",
            Self::Ended => "86400",
        }
    }
}
