//! Orders, subscriptions and the port to Stripe.
//!
//! `order` reserves address and place in one transaction. `checkout` then opens Stripe's page for it. `sync` is the only function
//! that turns Stripe's state into ours; webhooks, return page, sweep and settling all end there.

mod checkout;
pub mod jobs;
mod keep;
mod order;
mod settle;
mod store;
pub mod stripe;
mod sync;

pub use checkout::{CheckoutError, Checkouts, Urls, open_checkout, price_wanted};
pub use keep::keep_price;
pub use order::{MOST_UNPAID, NewOrder, OrderError, Placement, give_up, place};
pub use settle::{SettleError, settle};
pub use store::{
    ORDER_COLUMNS, Order, OrderState, Subscription, customer_of, earliest_deadline, event_received, find_order, find_order_of,
    find_owned_order, find_subscription, forget_old_events, known_price, list_owned_orders, orders_to_sweep, waiting_orders,
};
pub use sync::{Remote, SyncError, fetch_checkout, fetch_subscription, sync};
