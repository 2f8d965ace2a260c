//! Orders, subscriptions and the port to Stripe.
//!
//! `order` reserves address and place in one transaction. `checkout` then opens Stripe's page for it. `sync` is the only function
//! that turns Stripe's state into ours; webhooks, return page, sweep and settling all end there. `inbox` keeps Stripe's events and hands
//! them on, `difference` compares everything. `standing` says where a subscription stands by that and by the time, `dunning` makes mails
//! and pauses follow from it. `wish` is what customers want of a subscription: to end it, or to go on; `change` another plan for it.
//! `giving` is what staff give back, `free` what they give away, `figures` what servers cost, `shelf` makes Stripe's prices equal the catalogue.

mod again;
pub mod change;
mod checkout;
pub mod difference;
mod dunning;
pub mod figures;
mod free;
pub mod giving;
pub mod inbox;
pub mod jobs;
mod keep;
mod order;
mod settle;
pub mod shelf;
pub mod standing;
mod store;
pub mod stripe;
mod sync;
mod wish;

pub use again::{AgainError, order_again};
pub use checkout::{CheckoutError, Checkouts, Urls, open_checkout, pack_wanted, price_wanted, prices_wanted};
pub use dunning::{ExtendError, ExtensionRow, extend, follow_standing, list_extensions, to_review};
pub use free::{FreeError, FreeServer, give_free, list_free, take_free, withdraw_free};
pub use keep::keep_price;
pub use order::{MOST_UNPAID, NewOrder, OrderError, Placement, give_up, place, price_for};
pub use settle::{SettleError, settle};
pub use standing::{Dates, Standing};
pub use store::{
    ORDER_COLUMNS, Order, OrderState, Subscription, customer_of, earliest_deadline, find_order, find_order_of, find_owned_order,
    find_subscription, find_subscription_by_id, forget_old_events, known_price, list_owned_orders, orders_to_sweep,
    page_owned_orders, waiting_orders,
};
pub use sync::{Remote, SyncError, fetch_checkout, fetch_subscription, sync};
pub use wish::{CarryError, FURTHEST, Wish, WishError, carry_wish, make_wish};
