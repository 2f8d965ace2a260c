//! Orders of all accounts.

mod store;

pub use store::list;

use super::choices;

choices! {
    /// Which orders.
    Show {
        /// Every one.
        All = "all",
        /// Those that wait for their payment.
        Waiting = "waiting",
        /// Those that are paid.
        Paid = "paid",
        /// Those that nobody paid in time.
        Expired = "expired",
    }
}
