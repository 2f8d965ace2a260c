//! What is sold: the catalogue of plans and the catalogue of Mastodon releases.
//!
//! Both are files that staff edit (`catalogue/*.toml`). They are read once at start, and everything that is wrong with one is
//! told at once. Of the releases the file is only the beginning: it brings those into the database that are not there yet
//! ([`seed_releases`]), and from then on the table rules: new servers, rollouts and the operators' catalogues come out of it.

mod amounts;
mod catalogue;
mod costs;
mod read;
mod release;
mod store;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use amounts::{Amounts, Dimension};
pub use catalogue::{
    CacheSize, Catalogue, DatabaseSize, Limits, Plan, SchedulerSize, SidekiqSize, Size, StoragePack, StreamingSize, WebSize,
};
pub use costs::Costs;
pub use read::{Fault, FileError};
pub use release::{BadImage, BadVersion, Image, NotVerified, Release, Releases, Version};
pub use store::{
    ListedRelease, find_release, insert_release, list_releases, newest_offered, offer_release, replace_release, seed_releases,
    withdraw_release,
};

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
