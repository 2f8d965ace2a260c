//! Money over all accounts: what comes in each month, who leaves, who does not pay, what was given back, and what each server costs.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

pub use self::store::{Gift, Paying};
use crate::billing::Standing;
use crate::billing::figures::{self, Account, Server};
use crate::money::{Currency, Money};
use crate::plan::{Catalogue, Costs};

/// Over how long churn, failures and gifts are counted.
pub const WINDOW: TimeDelta = TimeDelta::days(30);

/// A plan's servers together. Amounts are for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfPlan {
    /// Code of the plan.
    pub code: String,
    /// Servers that are paid for.
    pub servers: i64,
    /// What they bring.
    pub paid: Money,
    /// What they cost; `None` without cost settings.
    pub cost: Option<Money>,
}

/// The money of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What all subscriptions bring in a month, before tax and without discounts.
    pub monthly: Money,
    /// By plan, in the order of the catalogue; plans that have left it behind those.
    pub plans: Vec<OfPlan>,
    /// Subscriptions that were there at the beginning of the window.
    pub were: i64,
    /// How many of them are over.
    pub gone: i64,
    /// Subscriptions with an invoice that is not paid.
    pub failed: i64,
    /// What those bring in a month.
    pub at_risk: Money,
    /// How many subscriptions stand where, in the order of the steps.
    pub funnel: Vec<(Standing, i64)>,
    /// What was given in the window.
    pub gifts: Vec<Gift>,
    /// Subscriptions in another currency than the catalogue's, which are in no sum.
    pub foreign: i64,
}

/// Everything that a server brings and costs.
#[derive(Debug, Clone)]
pub struct Row {
    /// The server and its subscription.
    pub paying: Paying,
    /// What becomes of its price; `None` without cost settings.
    pub account: Option<Account>,
}

/// What becomes of what is paid for a server.
pub fn account_of(costs: &Costs, paying: &Paying) -> Account {
    let takes = paying.size.size.footprint();
    let (price, interval) = (paying.price(), paying.billing_interval);
    figures::account(costs, &Server { price, interval, takes: &takes, usage: paying.usage(), media_gib: paying.size.media_gib })
}

/// Every server that is paid for, by address.
pub async fn rows(conn: &mut PgConnection, catalogue: &Catalogue) -> sqlx::Result<Vec<Row>> {
    let all = store::paying(conn).await?;
    let row = |paying: Paying| Row { account: catalogue.costs().map(|costs| account_of(costs, &paying)), paying };
    Ok(all.into_iter().map(row).collect())
}

/// The sums.
pub async fn summary(conn: &mut PgConnection, catalogue: &Catalogue, now: DateTime<Utc>) -> sqlx::Result<Summary> {
    let since = now - WINDOW;
    let rows = rows(conn, catalogue).await?;
    let (were, gone) = store::churn(conn, since).await?;
    let funnel = store::funnel(conn).await?;
    let gifts = store::gifts(conn, since).await?;
    Ok(sums(catalogue, &rows, Counted { were, gone, funnel, gifts }))
}

/// What the database has counted.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// See [`Summary::were`].
    pub were: i64,
    /// See [`Summary::gone`].
    pub gone: i64,
    /// Where subscriptions stand.
    pub funnel: Vec<(Standing, i64)>,
    /// See [`Summary::gifts`].
    pub gifts: Vec<Gift>,
}

/// Adds everything up. Pure.
pub fn sums(catalogue: &Catalogue, rows: &[Row], counted: Counted) -> Summary {
    let currency = catalogue.currency();
    let nothing = Money::new(0, currency);
    let (ours, foreign): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.paying.currency == currency);
    let mut codes: Vec<&str> = catalogue.plans().iter().map(|plan| plan.code.as_str()).collect();
    for row in &ours {
        if !codes.contains(&row.paying.plan_code.as_str()) {
            codes.push(&row.paying.plan_code);
        }
    }
    let of_plan = |code: &str| {
        let theirs: Vec<&&Row> = ours.iter().filter(|row| row.paying.plan_code == code).collect();
        let cost =
            catalogue.costs().map(|_| total(currency, theirs.iter().filter_map(|row| row.account.as_ref()).map(|of| of.cost)));
        OfPlan {
            code: code.to_owned(),
            servers: i64::try_from(theirs.len()).unwrap_or(i64::MAX),
            paid: total(currency, theirs.iter().map(|row| row.paying.monthly())),
            cost,
        }
    };
    let plans: Vec<OfPlan> = codes.into_iter().map(of_plan).filter(|plan| plan.servers > 0).collect();
    let late: Vec<&&Row> = ours.iter().filter(|row| row.paying.owes).collect();
    let Counted { were, gone, funnel, gifts } = counted;
    let at = |standing: Standing| funnel.iter().find(|(one, _)| *one == standing).map_or(0, |(_, count)| *count);
    Summary {
        monthly: plans.iter().fold(nothing, |sum, plan| sum.checked_add(plan.paid).unwrap_or(sum)),
        at_risk: total(currency, late.iter().map(|row| row.paying.monthly())),
        failed: i64::try_from(late.len()).unwrap_or(i64::MAX),
        plans,
        were,
        gone,
        funnel: Standing::ALL.iter().map(|standing| (*standing, at(*standing))).collect(),
        gifts,
        foreign: i64::try_from(foreign.len()).unwrap_or(i64::MAX),
    }
}

fn total(currency: Currency, amounts: impl Iterator<Item = Money>) -> Money {
    Money::new(amounts.fold(0, |sum: i64, amount| sum.saturating_add(amount.minor)), currency)
}
