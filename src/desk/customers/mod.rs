//! Customers: accounts with their people.

mod store;

pub use store::{find, list, orders_of, people_of, servers_of};

use chrono::{DateTime, Utc};

use super::choices;
use crate::account::Role;
use crate::db::slice::Start;
use crate::ids::{AccountId, PersonId};

choices! {
    /// Which customers.
    Show {
        /// Every one.
        All = "all",
        /// Those with a server that is not gone.
        Servers = "servers",
        /// Those with an invoice that is not paid.
        PastDue = "past-due",
        /// Those who wait for a place.
        Waiting = "waiting",
    }
}

choices! {
    /// In which order.
    Sort {
        /// Newest first.
        Newest = "newest",
        /// Oldest first.
        Oldest = "oldest",
        /// By name.
        Name = "name",
        /// By name, from the end.
        NameBackwards = "name-backwards",
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How the account's name or the address of one of its people begins; lower case. Empty: any.
    pub begins: &'a str,
    /// Which.
    pub show: Show,
    /// In which order.
    pub sort: Sort,
    /// From where on.
    pub start: Start<AccountId>,
}

/// An account.
#[derive(Debug, sqlx::FromRow)]
pub struct Customer {
    /// Which.
    pub id: AccountId,
    /// What it is called.
    pub name: String,
    /// Stripe's name for it, since the first checkout.
    pub stripe_customer_id: Option<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Servers that are not gone.
    pub servers: i64,
    /// Since when money is owed, if it is.
    pub unpaid_since: Option<DateTime<Utc>>,
}

/// Somebody who signs in for an account.
#[derive(Debug, sqlx::FromRow)]
pub struct Member {
    /// Who.
    pub id: PersonId,
    /// Their address.
    pub email: String,
    /// As what.
    pub role: Role,
    /// When the address was proven.
    pub verified_at: Option<DateTime<Utc>>,
    /// Since when they are one of the account's people.
    pub created_at: DateTime<Utc>,
}
