//! What a server costs and what its host keeps: what becomes of a month's price.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::subscription::load;
use super::time;
use super::view::readable;
use crate::billing::figures::{self, Cost, Server};
use crate::instance::{self, usage};
use crate::money::Money;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, html, pages};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/costs.html")]
struct CostsPage {
    page: PageContext,
    id: String,
    address: String,
    paid: String,
    rows: Vec<CostRow>,
    cost: String,
    kept: String,
    /// What is left is less than nothing.
    loses: bool,
    /// How much is on the server, and when that was measured, or that nobody knows.
    measured: String,
}

struct CostRow {
    label: String,
    /// How much of it.
    quantity: String,
    amount: String,
}

pages!(CostsPage);

/// A number of hundredths: `2.50`.
fn hundredths(of: i64, whole: i64) -> String {
    let all = of.saturating_mul(100) / whole;
    format!("{}.{:02}", all / 100, all % 100)
}

/// How much of something a server takes, in words; empty for what has no quantity.
fn quantity(words: &Words, cost: Cost, server: &Server<'_>) -> String {
    let takes = server.takes;
    match cost {
        Cost::Memory => words.t1("costs-gib", "n", hundredths(takes.memory_mib, 1024)),
        Cost::Processor => words.t1("costs-cores", "n", hundredths(takes.cpu_milli, 1000)),
        Cost::Volumes => words.t1("costs-gib", "n", takes.volume_gib),
        Cost::Bucket => match server.usage {
            Some(usage) => words.t1("costs-gib", "n", hundredths(usage.media_bytes, 1 << 30)),
            None => words.t1("costs-room", "n", server.media_gib),
        },
        Cost::Share | Cost::Fee => String::new(),
    }
}

/// GET `/instances/{id}/billing/costs`. There is no such page where the host does not say what servers cost.
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let costs = state.catalogue.costs().ok_or(WebError::NotFound)?;
    let Some(money) = load(&state, customer.account, &instance).await? else {
        return Ok(Redirect::to(&format!("/instances/{}", instance.id)).into_response());
    };
    let mut tx = state.db.begin_account(customer.account).await?;
    let size = instance::size_of(tx.conn(), instance.id).await?;
    let usage = usage::usage_of(tx.conn(), instance.id).await?;
    drop(tx);
    let (takes, subscription) = (size.size.footprint(), &money.subscription);
    let (price, interval) = (subscription.price(), subscription.billing_interval);
    let server = Server { price, interval, takes: &takes, usage, media_gib: size.media_gib };
    let account = figures::account(costs, &server);
    let w = &page.w;
    let row = |(cost, amount): &(Cost, Money)| CostRow {
        label: w.t(&format!("costs-of-{}", cost.as_str())),
        quantity: quantity(w, *cost, &server),
        amount: amount.to_string(),
    };
    Ok(html(&CostsPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        paid: account.paid.to_string(),
        rows: account.costs.iter().map(row).collect(),
        cost: account.cost.to_string(),
        kept: account.kept.to_string(),
        loses: account.kept.minor < 0,
        measured: match usage {
            Some(usage) => w.t1("costs-measured", "time", time::moment(w, usage.measured_at)),
            None => w.t("costs-unmeasured"),
        },
        page,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_two_decimals() {
        assert_eq!([hundredths(2560, 1024), hundredths(800, 1000), hundredths(0, 1)], ["2.50", "0.80", "0.00"]);
    }
}
