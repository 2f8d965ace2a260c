//! The port to Stripe: what this business asks of it, in our own words.
//!
//! Stripe is the truth about money; we mirror it. So the port reads whole objects, and writes only what can be repeated: each write
//! is keyed by an id of ours, and the same call again gives the same thing. [`RealStripe`] speaks to Stripe, and in tests and the
//! demo to our stateful fake over HTTP: there is no second implementation that could drift.
//!
//! Facts: <https://docs.stripe.com/api>, version `2026-09-30.endive`.

mod account;
mod change;
mod id;
mod read;
mod real;
mod webhook;

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::account::{NEEDED_EVENTS, StripeAccount, StripeMode, WebhookEndpoint};
pub use self::change::{Bill, ItemChange, PACK, Quote, SubscriptionChange, items_to};
pub use self::id::{BadRemoteId, CheckoutId, CustomerId, EventId, InvoiceId, ItemId, PriceId, RemoteSubscriptionId};
pub use self::real::{BadStripeSettings, RealStripe};
pub use self::webhook::{EventHint, EventRefs, WebhookRefused, sign_webhook, verify_webhook};
use crate::ids::{AccountId, ChangeId, GivingId, InstanceId, OrderId};
use crate::money::Money;
pub use crate::plan::Interval;

/// What a call to Stripe gives.
pub type Result<T> = std::result::Result<T, StripeError>;

/// What we ask of Stripe. Each call is one or a few HTTP requests with a deadline; none may run inside a database transaction.
#[async_trait]
pub trait Stripe: Send + Sync + Debug {
    /// The customer of an account: found by the account's id among those with this address, else created. Keep the id: an account
    /// whose address changed before it was kept would get a second (empty) customer.
    async fn ensure_customer(&self, wanted: &NewCustomer) -> Result<CustomerId>;

    /// The active price under this lookup key, created with its product when there is none. A price that exists under the key with
    /// another amount, currency or interval is refused: a new price needs a new lookup key.
    async fn ensure_price(&self, wanted: &PriceWanted) -> Result<PriceId>;

    /// The product of a plan, by its code; `None` when there is none.
    async fn product(&self, code: &str) -> Result<Option<RemoteProduct>>;

    /// Makes the product of a plan, or gives it this name and puts it on sale. Repeatable by itself.
    async fn put_product(&self, code: &str, name: &str) -> Result<()>;

    /// All prices of the product of a plan, newest first, also those that are not on sale.
    async fn prices_of(&self, code: &str) -> Result<Vec<RemotePrice>>;

    /// Puts a price on sale again. Repeatable by itself.
    async fn revive_price(&self, id: &PriceId) -> Result<()>;

    /// Says that tax comes on top of a price of which nothing is said. Repeatable by itself, and never taken back.
    async fn tax_on_top(&self, id: &PriceId) -> Result<()>;

    /// A page to pay an order on. Keyed by the order's id: the same order with the same parameters gives the same session, other
    /// parameters are [`StripeError::Refused`]. So `expires_at` must be stored with the order, not computed again.
    async fn open_checkout(&self, wanted: &CheckoutWanted) -> Result<Checkout>;

    /// The session as it is now.
    async fn checkout(&self, id: &CheckoutId) -> Result<Checkout>;

    /// Makes sure that the session can't be paid any more, and returns it: `Expired` now, or already `Complete` when the customer was
    /// faster. Only after `Expired` may the order's place be freed.
    async fn expire_checkout(&self, id: &CheckoutId) -> Result<Checkout>;

    /// The subscription as it is now; the one input of `billing::sync`.
    async fn subscription(&self, id: &RemoteSubscriptionId) -> Result<RemoteSubscription>;

    /// Ends the subscription at once; nothing is paid back by it. One that is over is [`StripeError::NotFound`] or refused.
    async fn end_subscription(&self, id: &RemoteSubscriptionId) -> Result<()>;

    /// Sets when the subscription ends, or takes that back. Nothing is given back for a period that it ends within. Repeatable by itself; one
    /// that is over is refused.
    async fn set_end(&self, id: &RemoteSubscriptionId, end: End) -> Result<()>;

    /// What a change would have to be paid at once. Nothing is changed by a look.
    async fn preview_change(&self, change: &SubscriptionChange) -> Result<Bill>;

    /// Changes what the subscription is for, and charges the difference at once; [`StripeError::Declined`] when that fails, and then nothing
    /// has changed. Keyed by `key`: the same change again is made once.
    async fn change_subscription(&self, change: &SubscriptionChange, key: ChangeId) -> Result<()>;

    /// The newest hundred paid invoices of a subscription, newest first.
    async fn paid_invoices(&self, subscription: &RemoteSubscriptionId) -> Result<Vec<PaidInvoice>>;

    /// Gives back so much of a paid invoice to the card, with a credit note. Known by `key`, which goes along: the same again is one.
    async fn refund(&self, invoice: &InvoiceId, amount: Money, key: GivingId, reason: &str) -> Result<()>;

    /// Gives a customer credit, which is set off against the next invoices. Known by `key`, which goes along: the same again is one.
    async fn credit(&self, customer: &CustomerId, amount: Money, key: GivingId, reason: &str) -> Result<()>;

    /// The oldest invoice of the subscription that is finalised and unpaid: since when money is owed. (`past_due` carries no date.)
    async fn oldest_open_invoice(&self, subscription: &RemoteSubscriptionId) -> Result<Option<Invoice>>;

    /// When a card was last declined that may have been tried on this session's page: by its customer, for its total, since it was made,
    /// for no invoice but a subscription's first, and as far as the newest hundred charges tell. (A session itself says nothing of it: it
    /// stays open for another try, and in mode `subscription` it names no `PaymentIntent`. So another session of the same customer and
    /// total can't be told from this one.)
    async fn last_decline(&self, of: &Checkout) -> Result<Option<DateTime<Utc>>>;

    /// All subscriptions in any state, newest first, a page at a time: `after` is the last id of the page before. One of ours that can't be
    /// read is named apart; one that is not ours, and of a kind that we don't deal in, is left out.
    async fn list_subscriptions(&self, after: Option<&RemoteSubscriptionId>) -> Result<Page<RemoteSubscription>>;

    /// Which subscriptions owe money: one entry for each finalised, unpaid invoice, newest first, a page at a time.
    async fn list_owed(&self, after: Option<&str>) -> Result<Page<Owed>>;

    /// The events after `after`, oldest first; `Page::more` says that there are newer ones yet. Without `after` the newest hundred.
    /// Stripe keeps events for 30 days: an older `after` is [`StripeError::NotFound`], and then only a sweep of all subscriptions helps.
    async fn events_since(&self, after: Option<&EventId>) -> Result<Page<EventHint>>;

    /// An address, good for some minutes, where the customer sees invoices, changes the card or cancels.
    async fn portal_url(&self, customer: &CustomerId, return_url: &str) -> Result<String>;

    /// The account that our key opens.
    async fn account(&self) -> Result<StripeAccount>;

    /// Where its webhooks go.
    async fn webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>>;
}

/// A customer to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCustomer {
    /// Whose it is; travels as metadata and makes the call repeatable.
    pub account: AccountId,
    /// Where Stripe sends receipts.
    pub email: String,
    /// What invoices are addressed to.
    pub name: String,
}

/// A price of the catalogue that Stripe should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceWanted {
    /// Names the price for ever; at most 200 characters.
    pub lookup_key: String,
    /// The plan's code; names the product.
    pub plan_code: String,
    /// What customers read on page and invoice.
    pub plan_name: String,
    /// Per interval, before tax.
    pub amount: Money,
    /// How often.
    pub interval: Interval,
}

/// A product at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteProduct {
    /// What customers read.
    pub name: String,
    /// Whether it is on sale.
    pub active: bool,
}

/// A price at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePrice {
    /// Its id.
    pub id: PriceId,
    /// What it is looked up by.
    pub lookup_key: Option<String>,
    /// How much and how often; `None` for what ours never are.
    pub what: Option<(Money, Interval)>,
    /// Whether it is on sale.
    pub active: bool,
    /// Whether it is said that tax comes on top of it, or is part of it: Stripe works none out for others.
    pub taxable: bool,
}

/// A checkout to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutWanted {
    /// What is paid; the call's key.
    pub order: OrderId,
    /// Who buys.
    pub account: AccountId,
    /// What it is for.
    pub instance: InstanceId,
    /// Who pays.
    pub customer: CustomerId,
    /// How much and how often.
    pub price: PriceId,
    /// Where the customer lands after paying; `{CHECKOUT_SESSION_ID}` in it is replaced by the session's id.
    pub success_url: String,
    /// Where the customer lands on turning back.
    pub cancel_url: String,
    /// When the session can't be paid any more: 30 minutes to 24 hours after its making, in whole seconds.
    pub expires_at: DateTime<Utc>,
    /// What its page asks beside the card.
    pub terms: Terms,
}

/// What a payment page asks, and what it makes of that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Terms {
    /// Tax is worked out by Stripe, from the address and the tax id that the page asks for.
    #[sqlx(rename = "asked_tax")]
    pub tax: bool,
    /// Promo codes are taken.
    #[sqlx(rename = "asked_codes")]
    pub codes: bool,
}

/// A page to pay on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its id.
    pub id: CheckoutId,
    /// Where to send the customer; none once it is not open.
    pub url: Option<String>,
    /// Open, complete or expired.
    pub status: CheckoutStatus,
    /// Money has come in, or none was due.
    pub paid: bool,
    /// What paying made.
    pub subscription: Option<RemoteSubscriptionId>,
    /// Who pays.
    pub customer: Option<CustomerId>,
    /// What is paid now; none in a currency that we do not deal in, which a session of ours is never in.
    pub total: Option<Money>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it ends unless paid.
    pub expires_at: DateTime<Utc>,
    /// Our order, from the metadata.
    pub order: Option<OrderId>,
}

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckoutStatus {
    /// Can be paid.
    Open,
    /// Done by the customer.
    Complete,
    /// Can never be paid.
    Expired,
}

/// Stripe's word for where a subscription stands. All of them: a new one is [`StripeError::Unreadable`], never guessed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RemoteStatus {
    /// The first payment is outstanding.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// Free for now.
    Trialing,
    /// Paid up.
    Active,
    /// A renewal failed; Stripe is retrying or has given up.
    PastDue,
    /// Over.
    Canceled,
    /// A renewal failed for good and invoices pile up as drafts.
    Unpaid,
    /// A trial ended without a card.
    Paused,
}

impl RemoteStatus {
    /// Whether Stripe takes money for it, or will on the next date: what it stands for must run.
    pub fn takes_money(self) -> bool {
        match self {
            Self::Trialing | Self::Active | Self::PastDue => true,
            Self::Incomplete | Self::IncompleteExpired | Self::Canceled | Self::Unpaid | Self::Paused => false,
        }
    }

    /// Whether it will never be anything else.
    pub fn is_over(self) -> bool {
        match self {
            Self::Canceled | Self::IncompleteExpired => true,
            Self::Incomplete | Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid | Self::Paused => false,
        }
    }
}

/// A subscription as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSubscription {
    /// Its id.
    pub id: RemoteSubscriptionId,
    /// Where it stands.
    pub status: RemoteStatus,
    /// Who pays.
    pub customer: CustomerId,
    /// The item of the plan.
    pub item: ItemId,
    /// What the plan costs.
    pub price: PriceId,
    /// Storage packs on top of it.
    pub packs: Option<PackItem>,
    /// How often.
    pub interval: Interval,
    /// For all of it, per interval.
    pub amount: Money,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What is paid for, from…
    pub current_period_start: DateTime<Utc>,
    /// … and until.
    pub current_period_end: DateTime<Utc>,
    /// When it is set to end.
    pub cancel_at: Option<DateTime<Utc>>,
    /// It is set to end with the period.
    pub cancel_at_period_end: bool,
    /// When somebody cancelled it; it may run on to the end of the period.
    pub canceled_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// The newest invoice.
    pub latest_invoice: Option<InvoiceId>,
    /// Our order, from the metadata; none for a subscription that we did not make.
    pub order: Option<OrderId>,
    /// Our account, from the metadata.
    pub account: Option<AccountId>,
    /// Our instance, from the metadata.
    pub instance: Option<InstanceId>,
}

/// The storage packs of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackItem {
    /// The item.
    pub item: ItemId,
    /// Its price.
    pub price: PriceId,
    /// What one costs per interval.
    pub each: Money,
    /// How many.
    pub quantity: u32,
}

/// When a subscription is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Never,
    /// With what is paid for.
    WithPeriod,
    /// On a date.
    On(DateTime<Utc>),
}

/// An unpaid invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it is to be paid; none when the card is charged by itself.
    pub due: Option<DateTime<Utc>>,
    /// What is owed.
    pub amount_due: Money,
    /// How many times the card was tried.
    pub attempt_count: u64,
    /// When it is tried next; none when Stripe has given up.
    pub next_attempt: Option<DateTime<Utc>>,
    /// Where the customer can pay it.
    pub hosted_url: Option<String>,
}

/// An invoice that is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidInvoice {
    /// Its id.
    pub id: InvoiceId,
    /// What it is called on paper.
    pub number: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What was paid.
    pub paid: Money,
    /// What of that was given back.
    pub given_back: Money,
}

impl PaidInvoice {
    /// What of it can be given back yet.
    pub fn left(&self) -> Money {
        Money::new(self.paid.minor.saturating_sub(self.given_back.minor), self.paid.currency)
    }
}

/// That a subscription owes money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Which.
    pub subscription: RemoteSubscriptionId,
    /// When the invoice was made.
    pub since: DateTime<Utc>,
}

/// Something of ours in a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id.
    pub id: String,
    /// What about it.
    pub why: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The part.
    pub items: Vec<T>,
    /// There is more after the last of it.
    pub more: bool,
    /// The id of the last of it at Stripe, which need not be among `items`.
    pub last: Option<String>,
    /// What of ours could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// Why Stripe did not do what we asked.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// No answer, or an answer that it is unwell. The request may or may not have had an effect: repeat it under the same key.
    #[error("Stripe could not be reached ({reason})")]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// Too many requests.
    #[error("Stripe asks us to slow down")]
    RateLimited,
    /// The same call is running somewhere else at this moment.
    #[error("Stripe is at work on the same request already")]
    Conflict,
    /// It read the request and says no: repeating does not help.
    #[error("Stripe refused{}: {message}", param.as_deref().map(|name| format!(" `{name}`")).unwrap_or_default())]
    Refused {
        /// Stripe's words, for the log and staff; never for customers.
        message: String,
        /// The parameter at fault.
        param: Option<String>,
        /// What to name to Stripe's support.
        request_id: Option<String>,
    },
    /// The card was not charged, so what it was to pay for was not done: repeating does not help until there is another card.
    #[error("the card was declined: {message}")]
    Declined {
        /// Stripe's words, for the log and staff.
        message: String,
    },
    /// There is no such thing (or the key belongs to another Stripe account).
    #[error("Stripe does not know what we asked for: {message}")]
    NotFound {
        /// Stripe's words.
        message: String,
    },
    /// It answered something that we do not understand: most likely the API version moved.
    #[error("Stripe's answer could not be read: {what}")]
    Unreadable {
        /// Which part.
        what: String,
    },
}

impl StripeError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::RateLimited | Self::Conflict => true,
            Self::Refused { .. } | Self::Declined { .. } | Self::NotFound { .. } | Self::Unreadable { .. } => false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::money::Currency;

    /// A subscription of €19 a month that was paid on 1 November.
    pub(crate) fn remote() -> RemoteSubscription {
        let at = |text: &str| text.parse().unwrap();
        RemoteSubscription {
            id: "sub_1".parse().unwrap(),
            status: RemoteStatus::Active,
            customer: "cus_1".parse().unwrap(),
            item: "si_1".parse().unwrap(),
            price: "price_1".parse().unwrap(),
            packs: None,
            interval: Interval::Month,
            amount: Money::new(1900, Currency::Eur),
            created: at("2026-11-01T00:00:00Z"),
            current_period_start: at("2026-11-01T00:00:00Z"),
            current_period_end: at("2026-12-01T00:00:00Z"),
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            latest_invoice: None,
            order: Some(OrderId::new()),
            account: None,
            instance: None,
        }
    }
}
