//! Makes Stripe's products and prices equal the catalogue: first a list of what would be done, then just that.
//!
//! Nothing is ever deleted, and no amount changes: a price that the catalogue no longer has stays for those who pay it. A changed price of the
//! catalogue is another one.

use std::collections::BTreeMap;
use std::fmt;

use super::checkout::prices_wanted;
use super::keep::keep_price;
use super::stripe::{PACK, PriceWanted, RemotePrice, RemoteProduct, Stripe, StripeError};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::db::Db;
use crate::money::Money;
use crate::plan::{Catalogue, Interval};

/// What Stripe has under the code of a plan, or of the storage pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct There {
    /// The product.
    pub product: Option<RemoteProduct>,
    /// Its prices, also those that are not on sale.
    pub prices: Vec<RemotePrice>,
}

/// One thing to do at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is no such product yet.
    Make {
        /// Code of the plan.
        code: String,
        /// What customers read.
        name: String,
    },
    /// The product is called otherwise, or is not on sale.
    Put {
        /// Code of the plan.
        code: String,
        /// What it is called now.
        before: String,
        /// What customers are to read.
        name: String,
    },
    /// There is no such price yet.
    Price(PriceWanted),
    /// The price is there and not on sale.
    Revive {
        /// As it is at Stripe.
        price: RemotePrice,
        /// As it is wanted.
        wanted: PriceWanted,
    },
    /// It is not said of the price whether tax comes on top of it.
    Tax(RemotePrice),
}

/// What would be done, what stays as it is, and what stands in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// Prices that the catalogue does not have (any more): kept for those who pay them.
    pub kept: Vec<RemotePrice>,
    /// Prices under a lookup key of ours with another amount or interval: somebody made them by hand, and nothing is done to them.
    pub odd: Vec<RemotePrice>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make { code, name } => write!(f, "make the product {code}: \"{name}\""),
            Self::Put { code, before, name } if before == name => write!(f, "put the product {code} on sale again"),
            Self::Put { code, before, name } => write!(f, "call the product {code} \"{name}\" (now \"{before}\")"),
            Self::Price(wanted) => {
                write!(f, "make the price {} of {} per {}", wanted.lookup_key, wanted.amount, wanted.interval)
            }
            Self::Tax(price) => {
                write!(f, "say that tax comes on top of the price {}", price.lookup_key.as_deref().unwrap_or_default())
            }
            Self::Revive { price, wanted } => write!(f, "put the price {} ({}) on sale again", wanted.lookup_key, price.id),
        }
    }
}

/// What has to be done so that everything that is wanted is there.
pub fn plan(wanted: &[PriceWanted], there: &BTreeMap<String, There>) -> Plan {
    let nothing = There::default();
    let mut plan = Plan::default();
    let mut seen: Vec<&str> = Vec::new();
    for price in wanted {
        let has = there.get(&price.plan_code).unwrap_or(&nothing);
        if !seen.contains(&price.plan_code.as_str()) {
            seen.push(&price.plan_code);
            plan.steps.extend(product_step(price, has.product.as_ref()));
        }
        match has.prices.iter().find(|one| one.lookup_key.as_deref() == Some(price.lookup_key.as_str())) {
            None => plan.steps.push(Step::Price(price.clone())),
            Some(found) if found.what != Some((price.amount, price.interval)) => plan.odd.push(found.clone()),
            Some(found) => {
                if !found.active {
                    plan.steps.push(Step::Revive { price: found.clone(), wanted: price.clone() });
                }
                if !found.taxable {
                    plan.steps.push(Step::Tax(found.clone()));
                }
            }
        }
    }
    let is_wanted = |price: &RemotePrice| wanted.iter().any(|one| Some(&one.lookup_key) == price.lookup_key.as_ref());
    plan.kept = there.values().flat_map(|has| &has.prices).filter(|price| !is_wanted(price)).cloned().collect();
    plan
}

fn product_step(wanted: &PriceWanted, product: Option<&RemoteProduct>) -> Option<Step> {
    let (code, name) = (wanted.plan_code.clone(), wanted.plan_name.clone());
    match product {
        None => Some(Step::Make { code, name }),
        Some(found) if found.name != name || !found.active => Some(Step::Put { code, before: found.name.clone(), name }),
        Some(_) => None,
    }
}

/// Looks at Stripe, and says what would be done.
pub async fn look(stripe: &dyn Stripe, catalogue: &Catalogue) -> Result<Plan, StripeError> {
    let mut there = BTreeMap::new();
    for code in catalogue.plans().iter().map(|plan| plan.code.as_str()).chain([PACK]) {
        let product = stripe.product(code).await?;
        let prices = if product.is_some() { stripe.prices_of(code).await? } else { Vec::new() };
        there.insert(code.to_owned(), There { product, prices });
    }
    Ok(plan(&prices_wanted(catalogue), &there))
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Stripe.
    #[error("Stripe did not take a step")]
    Stripe(#[from] StripeError),
    /// The database.
    #[error("what Stripe made could not be noted")]
    Database(#[from] sqlx::Error),
}

/// Takes one step. It may be repeated.
pub async fn apply(db: &Db, clock: &dyn Clock, stripe: &dyn Stripe, actor: Actor, step: &Step) -> Result<(), ApplyError> {
    let (wanted, id) = match step {
        Step::Make { code, name } | Step::Put { code, before: _, name } => return Ok(stripe.put_product(code, name).await?),
        Step::Tax(price) => return Ok(stripe.tax_on_top(&price.id).await?),
        Step::Price(wanted) => (wanted, stripe.ensure_price(wanted).await?),
        Step::Revive { price, wanted } => {
            stripe.revive_price(&price.id).await?;
            (wanted, price.id.clone())
        }
    };
    let mut tx = db.owner().begin().await?;
    keep_price(&mut tx, clock, actor, wanted, &id).await?;
    Ok(tx.commit().await?)
}

/// `€19 per month`, for people at a terminal.
pub fn said(what: Option<(Money, Interval)>) -> String {
    what.map_or_else(
        || "an amount or interval that is not ours".to_owned(),
        |(amount, interval)| format!("{amount} per {interval}"),
    )
}

#[cfg(test)]
mod tests;
