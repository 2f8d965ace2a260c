//! What is sold: the catalogue of plans and the catalogue of Mastodon releases.
//!
//! Both are files that staff edit (`catalogue/*.toml`). They are read once at start, and everything that is wrong with one is
//! told at once.

mod catalogue;
mod read;
mod release;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use catalogue::{
    CacheSize, Catalogue, DatabaseSize, Footprint, Limits, Plan, SchedulerSize, SidekiqSize, Size, StreamingSize, WebSize,
};
pub use read::{Fault, FileError};
pub use release::{BadVersion, Image, NotVerified, Release, Releases, Version};

/// How often a subscription is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Interval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

impl Interval {
    /// `month` or `year`, as Stripe and our database write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The interval of a word out of a form or a webhook.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Month, Self::Year].into_iter().find(|interval| interval.as_str() == word)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
