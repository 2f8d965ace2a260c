//! What the fake knows, and its file.
//!
//! Objects are kept as the JSON that the API shows. What Stripe knows and does not show (cards, baskets, the post to send) stands beside.
//! With a state file the whole is written before a request is answered, to a new file that then takes the old one's name: whoever
//! kills the process finds on the next start what was answered last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::cards::Card;
use super::collection::Collection;
use super::idempotency::StoredAnswer;
use super::lines::Line;
use super::webhooks::{Delivery, Policy};

/// Objects of one kind by id. Ids that the fake makes sort by age.
pub(super) type Shelf = BTreeMap<String, Value>;

/// Everything.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Part of each id, so that two fakes do not make the same ones.
    pub salt: String,
    /// How many ids were made.
    pub made: u64,
    /// Seconds that the test clock is ahead of the given clock.
    pub advanced: i64,
    pub customers: Shelf,
    pub products: Shelf,
    pub prices: Shelf,
    pub checkouts: Shelf,
    pub subscriptions: Shelf,
    pub invoices: Shelf,
    /// Attempts at a card, in Stripe's words; absent in files of an older version.
    #[serde(default)]
    pub attempts: Shelf,
    /// Which payment is of which invoice; absent in files of an older version.
    #[serde(default)]
    pub invoice_payments: Shelf,
    pub events: Shelf,
    #[serde(default)]
    pub coupons: Shelf,
    #[serde(default)]
    pub promotion_codes: Shelf,
    /// Coupons that somebody has, by subscription.
    #[serde(default)]
    pub discounts: Shelf,
    #[serde(default)]
    pub refunds: Shelf,
    #[serde(default)]
    pub credit_notes: Shelf,
    #[serde(default)]
    pub disputes: Shelf,
    #[serde(default)]
    pub tax_ids: Shelf,
    #[serde(default)]
    pub balance_transactions: Shelf,
    /// What waits for the next invoice, by subscription.
    #[serde(default)]
    pub pending: BTreeMap<String, Vec<Line>>,
    /// The `PaymentIntent` of an invoice.
    #[serde(default)]
    pub intents: BTreeMap<String, String>,
    /// What the dashboard says about failed payments.
    #[serde(default)]
    pub collection: Collection,
    /// When the next thing happens by itself, as far as that is known.
    #[serde(skip)]
    pub next_due: Option<NextDue>,
    /// What a session sells, by session.
    pub baskets: BTreeMap<String, Basket>,
    /// The card on file, by customer.
    pub cards: BTreeMap<String, Card>,
    /// Every time money was taken, oldest first.
    pub charges: Vec<Charge>,
    pub portals: BTreeMap<String, Portal>,
    /// Answers by idempotency key.
    pub answers: BTreeMap<String, StoredAnswer>,
    /// Webhooks to send.
    pub deliveries: Vec<Delivery>,
    /// Events that nobody has taken yet.
    pub undelivered: BTreeSet<String>,
    pub policy: Policy,
    /// Where webhooks go: the settings say.
    #[serde(skip)]
    pub webhook_url: Option<Url>,
}

/// When something is due; `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextDue(pub Option<i64>);

/// What a Checkout Session sells.
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of Stripe's, and any combination of them makes sense")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Basket {
    pub price: String,
    pub quantity: i64,
    /// For the subscription to be.
    pub metadata: Map<String, Value>,
    /// Days for nothing, counted from the payment page's end.
    #[serde(default)]
    pub trial_days: Option<i64>,
    /// When the trial ends, where a date was given.
    #[serde(default)]
    pub trial_end: Option<i64>,
    /// What a trial without a card ends in.
    #[serde(default)]
    pub missing_card: Option<String>,
    /// No card is asked for as long as nothing is to be paid.
    #[serde(default)]
    pub card_if_required: bool,
    #[serde(default)]
    pub tax: bool,
    /// The customer's country is the one given on the page.
    #[serde(default)]
    pub keeps_country: bool,
    /// What lowers the price.
    #[serde(default)]
    pub discount: Option<Reduction>,
    /// The page takes a promotion code.
    #[serde(default)]
    pub takes_codes: bool,
}

/// What lowers a price: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reduction {
    Coupon(String),
    PromotionCode(String),
}

/// Money taken from a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The customer.
    pub customer: String,
    /// What it was for.
    pub subscription: String,
    /// The bill.
    pub invoice: String,
    /// Our order, from the subscription's metadata.
    pub order: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// Unix seconds of the fake's clock.
    pub at: i64,
}

/// A visit to the portal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Portal {
    pub customer: String,
    pub return_url: String,
}

impl State {
    /// What the file holds; a new state when there is no file.
    pub(super) fn load(file: Option<&Path>, now: i64) -> io::Result<Self> {
        let new = || Self { salt: format!("{now:x}"), ..Self::default() };
        let Some(file) = file else { return Ok(new()) };
        match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(new()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn save(bytes: &[u8], file: &Path) -> io::Result<()> {
        let new = file.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(&new, file)
    }

    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}{:08}", self.salt, self.made)
    }
}

/// One change of the books: the state, locked, at one moment.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub state: &'a mut State,
    /// Unix seconds of the fake's clock.
    pub now: i64,
    pub base_url: &'a str,
}

impl Turn<'_> {
    /// The customer, or nothing.
    pub(super) fn customer(&self, id: &Value) -> &Value {
        self.state.customers.get(id.as_str().unwrap_or_default()).unwrap_or(&Value::Null)
    }

    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.state.id(prefix)
    }
}
