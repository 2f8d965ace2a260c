//! Changes of a running subscription: what is asked of Stripe, and what it says that they cost.
//!
//! A look and the change itself are built from the same value, and name the same moment as of which is prorated: so what was shown is what is
//! then billed. Only where a change begins a new period (a month becomes a year) that period begins when the change is made.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{ItemId, PriceId, RemoteSubscription, RemoteSubscriptionId, Result, StripeError};
use crate::money::{Currency, Money};

/// The plan's code of the storage pack. No plan has it: theirs have no underscores.
pub const PACK: &str = "storage_pack";
/// How the ids of our products begin; the plan's code follows.
pub(super) const PRODUCT: &str = "paddock_";

/// What should become of an item of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemChange {
    /// It has this price and quantity from now on.
    Set {
        /// Which.
        item: ItemId,
        /// At which price.
        price: PriceId,
        /// How many.
        quantity: u32,
    },
    /// There is one more.
    Add {
        /// At which price.
        price: PriceId,
        /// How many.
        quantity: u32,
    },
    /// It goes.
    Remove {
        /// Which.
        item: ItemId,
    },
}

/// A change of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// Which.
    pub subscription: RemoteSubscriptionId,
    /// What becomes of its items; those that are not named stay.
    pub items: Vec<ItemChange>,
    /// As of when is prorated, in whole seconds: not before the current period.
    pub as_of: DateTime<Utc>,
}

/// What Stripe would bill for a change, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// Its currency.
    pub currency: Currency,
    /// The lines, before discounts and tax. Negative ones give back.
    pub lines: Vec<i64>,
    /// What discounts take off.
    pub discount: i64,
    /// What is tax of the total, on top of prices; tax that is part of them is not counted.
    pub tax: i64,
    /// All of that together.
    pub total: i64,
    /// The customer's balance before: negative is in their favour.
    pub balance: i64,
    /// What is charged at once.
    pub due: i64,
}

/// What has to be changed so that a subscription is for the plan at this price (`None`: at the price that it has) and for so many packs.
/// Nothing, where it is so already.
pub fn items_to(remote: &RemoteSubscription, plan: Option<&PriceId>, packs: Option<(&PriceId, u32)>) -> Vec<ItemChange> {
    let mut items = Vec::new();
    if let Some(price) = plan.filter(|price| **price != remote.price) {
        items.push(ItemChange::Set { item: remote.item.clone(), price: price.clone(), quantity: 1 });
    }
    match (&remote.packs, packs) {
        (None, None) => {}
        (Some(held), None) => items.push(ItemChange::Remove { item: held.item.clone() }),
        (None, Some((price, quantity))) => items.push(ItemChange::Add { price: price.clone(), quantity }),
        (Some(held), Some((price, quantity))) if held.price != *price || held.quantity != quantity => {
            items.push(ItemChange::Set { item: held.item.clone(), price: price.clone(), quantity });
        }
        (Some(_), Some(_)) => {}
    }
    items
}

impl ItemChange {
    fn form(&self) -> Value {
        match self {
            Self::Set { item, price, quantity } => json!({ "id": item.as_str(), "price": price.as_str(), "quantity": quantity }),
            Self::Add { price, quantity } => json!({ "price": price.as_str(), "quantity": quantity }),
            Self::Remove { item } => json!({ "id": item.as_str(), "deleted": true }),
        }
    }
}

impl SubscriptionChange {
    /// What is said of the subscription, by a look and by the change alike.
    fn terms(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(ItemChange::form).collect();
        json!({ "items": items, "proration_behavior": "always_invoice", "proration_date": self.as_of.timestamp() })
    }

    /// The parameters of `POST /v1/invoices/create_preview`.
    pub(super) fn preview_form(&self) -> Value {
        json!({ "subscription": self.subscription.as_str(), "subscription_details": self.terms() })
    }

    /// The parameters of `POST /v1/subscriptions/{id}`. A change that can't be paid is not made.
    pub(super) fn form(&self) -> Value {
        let mut form = self.terms();
        form["payment_behavior"] = "error_if_incomplete".into();
        form
    }
}

/// Reads a preview's invoice.
pub(super) fn bill(invoice: &Value) -> Result<Bill> {
    let unreadable = |what: &str| StripeError::Unreadable { what: format!("a preview {what}") };
    let number = |field: &str| invoice[field].as_i64().ok_or_else(|| unreadable(&format!("without `{field}`")));
    let code = invoice["currency"].as_str().unwrap_or_default();
    let currency = Currency::from_code(code).ok_or_else(|| unreadable(&format!("in `{code}`")))?;
    if invoice["lines"]["has_more"] == true {
        return Err(unreadable("with more lines than a page has"));
    }
    let amounts =
        |list: &Value| list.as_array().map(|all| all.iter().map(|one| one["amount"].as_i64()).collect::<Option<Vec<i64>>>());
    let lines = amounts(&invoice["lines"]["data"]).flatten().ok_or_else(|| unreadable("without lines"))?;
    let discounts = amounts(&invoice["total_discount_amounts"]).unwrap_or(Some(Vec::new()));
    let on_top = invoice["total_taxes"].as_array().into_iter().flatten().filter(|tax| tax["tax_behavior"] == "exclusive");
    let taxes: Option<Vec<i64>> = on_top.map(|tax| tax["amount"].as_i64()).collect();
    Ok(Bill {
        currency,
        lines,
        discount: discounts.ok_or_else(|| unreadable("with a discount without an amount"))?.iter().sum(),
        tax: taxes.ok_or_else(|| unreadable("with a tax without an amount"))?.iter().sum(),
        total: number("total")?,
        balance: number("starting_balance")?,
        due: number("amount_due")?,
    })
}

/// A bill in the words of a page. What is given back was discounted and taxed like what is charged: so of discount and tax there can be less
/// than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// For the time that was paid for and is not used.
    pub given_back: Money,
    /// For what comes.
    pub charged: Money,
    /// What promo codes take off.
    pub discount: Money,
    /// Tax on top.
    pub tax: Money,
    /// What was in the customer's favour and is used up by this.
    pub credit_used: Money,
    /// What is charged to the card at once.
    pub due: Money,
    /// What is in the customer's favour afterwards, for the next invoices.
    pub credit_left: Money,
}

impl Bill {
    /// Sorts it out.
    pub fn quote(&self) -> Quote {
        let money = |minor: i64| Money::new(minor, self.currency);
        let sum = |sign: i64| self.lines.iter().filter(|amount| amount.signum() == sign).sum::<i64>();
        let before = self.balance.saturating_neg().max(0);
        let after = self.total.saturating_add(self.balance).saturating_neg().max(0);
        Quote {
            given_back: money(sum(-1).saturating_neg()),
            charged: money(sum(1)),
            discount: money(self.discount),
            tax: money(self.tax),
            credit_used: money((before - after).max(0)),
            due: money(self.due),
            credit_left: money(after),
        }
    }
}

#[cfg(test)]
mod tests;
