//! Servers of all accounts.

mod store;

pub use store::list;

use super::choices;
use crate::db::slice::Start;
use crate::ids::InstanceId;
use crate::instance::Instance;
use crate::money::{Currency, Money};
use crate::plan::Interval;

choices! {
    /// Which servers.
    Show {
        /// Every one.
        All = "all",
        /// Those that should run and do not serve, at which the operator can't go on, or of which the cluster knows more than we do.
        Look = "look",
        /// Paid, and never ready so far.
        Building = "building",
        /// Those that should run, and have been ready.
        Running = "running",
        /// Ready for two days, and no backup of it has been proven by restoring it.
        Unproven = "unproven",
        /// Ready for hours, and its database is not backed up as it should be.
        NotBackedUp = "not-backed-up",
        /// Ready once, and without a certificate now.
        Certificate = "certificate",
        /// Not on the newest release that is offered.
        Behind = "behind",
        /// Ordered and not paid.
        Reserved = "reserved",
        /// Kept, and not running.
        Paused = "paused",
        /// Over; data kept.
        Leaving = "leaving",
        /// Nothing is left, or nobody paid.
        Gone = "gone",
    }
}

choices! {
    /// In which order.
    Sort {
        /// Newest first.
        Newest = "newest",
        /// Oldest first.
        Oldest = "oldest",
        /// By address.
        Address = "address",
        /// By address, from the end.
        AddressBackwards = "address-backwards",
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How the address begins; lower case. Empty: any.
    pub begins: &'a str,
    /// Which.
    pub show: Show,
    /// Only those of this release.
    pub version: Option<&'a str>,
    /// The newest release that is offered, if any is: without one, none is behind.
    pub newest: Option<&'a str>,
    /// In which order.
    pub sort: Sort,
    /// From where on.
    pub start: Start<InstanceId>,
}

/// A server with what else its row shows.
#[derive(Debug, sqlx::FromRow)]
pub struct Server {
    /// The server.
    #[sqlx(flatten)]
    pub instance: Instance,
    /// What its account is called.
    pub account_name: String,
    amount_minor: Option<i64>,
    currency: Option<Currency>,
    billing_interval: Option<Interval>,
}

impl Server {
    /// What is paid for it and how often, once it has a subscription.
    pub fn cost(&self) -> Option<(Money, Interval)> {
        Some((Money::new(self.amount_minor?, self.currency?), self.billing_interval?))
    }
}
