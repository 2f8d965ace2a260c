//! Orders, subscriptions and the port to Stripe.
//!
//! `order` reserves address and place in one transaction. `checkout` then opens Stripe's page for it. `sync` is the only function
//! that turns Stripe's state into ours; webhooks, return page, sweep and settling all end there. `inbox` keeps Stripe's events and hands
//! them on, `difference` compares everything. `standing` says where a subscription stands by that and by the time, `dunning` makes mails
//! and pauses follow from it. `wish` is what customers want of a subscription.

mod again;
mod checkout;
pub mod difference;
mod dunning;
pub mod inbox;
pub mod jobs;
mod keep;
mod order;
mod settle;
pub mod standing;
mod store;
pub mod stripe;
mod sync;
mod wish;

pub use again::{AgainError, order_again};
pub use checkout::{CheckoutError, Checkouts, Urls, open_checkout, price_wanted};
pub use dunning::{ExtendError, ExtensionRow, extend, follow_standing, list_extensions, to_review};
pub use keep::keep_price;
pub use order::{MOST_UNPAID, NewOrder, OrderError, Placement, give_up, place};
pub use settle::{SettleError, settle};
pub use standing::{Dates, Standing};
pub use store::{
    ORDER_COLUMNS, Order, OrderState, Subscription, customer_of, earliest_deadline, find_order, find_order_of, find_owned_order,
    find_subscription, find_subscription_by_id, forget_old_events, known_price, list_owned_orders, orders_to_sweep,
    page_owned_orders, waiting_orders,
};
pub use sync::{Remote, SyncError, fetch_checkout, fetch_subscription, sync};
pub use wish::{CarryError, Wish, WishError, carry_wish, make_wish};
