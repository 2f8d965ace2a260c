//! The host's money: what comes in, who leaves, who does not pay, what was given, and what servers cost; and every server as a table.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::billing::figures::{Cost, churn, percent};
use crate::billing::giving::Kind;
use crate::desk::money::{self, OfPlan, Row, Summary};
use crate::money::Money;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::plan_name;
use crate::web::page::{Fact, PageContext, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/money_all.html")]
struct StaffMoneyAllPage {
    page: PageContext,
    facts: Vec<Fact>,
    funnel: Vec<Fact>,
    plans: Vec<PlanRow>,
    /// Whether what servers cost is known.
    has_costs: bool,
}

struct PlanRow {
    name: String,
    servers: i64,
    paid: String,
    cost: String,
    kept: String,
    margin: String,
}

pages!(StaffMoneyAllPage);

/// What is kept of what is paid, and its share; empty texts where costs are not known.
fn kept(paid: Money, cost: Option<Money>) -> (String, String, String) {
    let Some(cost) = cost else { return Default::default() };
    let kept = paid.minor.saturating_sub(cost.minor);
    (cost.to_string(), Money::new(kept, paid.currency).to_string(), percent(churn(kept, paid.minor)))
}

fn plan_row(state: &AppState, plan: &OfPlan) -> PlanRow {
    let (cost, kept, margin) = kept(plan.paid, plan.cost);
    PlanRow { name: plan_name(state, &plan.code), servers: plan.servers, paid: plan.paid.to_string(), cost, kept, margin }
}

fn facts(words: &Words, of: &Summary) -> Vec<Fact> {
    let yearly = of.monthly.checked_times(12).unwrap_or(of.monthly);
    let left =
        words.with("money-churn-value", &[("gone", &of.gone), ("were", &of.were), ("share", &percent(churn(of.gone, of.were)))]);
    let mut facts = vec![
        Fact::new(words, "money-monthly", of.monthly.to_string()),
        Fact::new(words, "money-yearly", yearly.to_string()),
        Fact::new(words, "money-churn", left),
        Fact::new(words, "money-failed", words.t2("money-failed-value", "n", of.failed, "amount", of.at_risk)),
    ];
    let costs: Option<Vec<Money>> = of.plans.iter().map(|plan| plan.cost).collect();
    if let Some(costs) = costs.filter(|costs| !costs.is_empty()) {
        let all = costs.iter().fold(0, |sum: i64, cost| sum.saturating_add(cost.minor));
        let (cost, kept, margin) = kept(of.monthly, Some(Money::new(all, of.monthly.currency)));
        facts.push(Fact::new(words, "money-cost", cost));
        facts.push(Fact::new(words, "money-kept", kept));
        facts.push(Fact::new(words, "money-margin", margin));
    }
    for gift in &of.gifts {
        let key = match gift.kind {
            Kind::Refund => "money-given-refund",
            Kind::Credit => "money-given-credit",
        };
        let amount = Money::new(gift.minor, gift.currency);
        facts.push(Fact::new(words, key, words.t2("money-given-value", "amount", amount, "n", gift.count)));
    }
    if of.foreign > 0 {
        facts.push(Fact::new(words, "money-foreign", of.foreign.to_string()));
    }
    facts
}

/// GET `/staff/money`
pub(super) async fn show(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let summary = money::summary(&mut conn, &state.catalogue, state.clock.now()).await?;
    drop(conn);
    let w = &page.w;
    let funnel = summary
        .funnel
        .iter()
        .map(|(standing, count)| Fact::new(w, &format!("standing-{}", standing.as_str()), count.to_string()));
    Ok(html(&StaffMoneyAllPage {
        facts: facts(w, &summary),
        funnel: funnel.collect(),
        plans: summary.plans.iter().map(|plan| plan_row(&state, plan)).collect(),
        has_costs: state.catalogue.costs().is_some(),
        page,
    })?)
}

/// An amount as programs read it: with the currency's decimals and without its sign.
fn number(amount: Money) -> String {
    let decimals = u32::try_from(amount.currency.decimals()).unwrap_or(2);
    let scale = 10_u64.pow(decimals);
    let (sign, minor) = (if amount.minor < 0 { "-" } else { "" }, amount.minor.unsigned_abs());
    match decimals {
        0 => format!("{sign}{minor}"),
        _ => format!("{sign}{}.{:0width$}", minor / scale, minor % scale, width = amount.currency.decimals()),
    }
}

/// A field of a table (RFC 4180). What a spreadsheet would take for a formula is marked as text.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn line(row: &Row) -> String {
    let of = &row.paying;
    let mut fields = vec![
        of.id.to_string(),
        of.domain.clone(),
        of.plan_code.clone(),
        of.size.packs.to_string(),
        of.billing_interval.as_str().to_owned(),
        of.currency.code().to_owned(),
        number(of.monthly()),
        of.standing.as_str().to_owned(),
        of.usage().map(|usage| usage.media_bytes.to_string()).unwrap_or_default(),
        of.usage().map(|usage| usage.measured_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).unwrap_or_default(),
    ];
    match &row.account {
        Some(account) => {
            fields.extend(account.costs.iter().map(|(_, amount)| number(*amount)));
            fields.extend([number(account.cost), number(account.kept)]);
        }
        None => fields.extend(std::iter::repeat_n(String::new(), Cost::ALL.len() + 2)),
    }
    fields.iter().map(|one| field(one)).collect::<Vec<_>>().join(",") + "\r\n"
}

fn heading() -> String {
    let known = ["server", "address", "plan", "packs", "period", "currency", "paid", "standing", "media_bytes", "measured_at"];
    let costs = Cost::ALL.map(Cost::as_str);
    known.into_iter().chain(costs).chain(["cost", "kept"]).collect::<Vec<_>>().join(",") + "\r\n"
}

/// GET `/staff/money.csv`: amounts are for a month.
pub(super) async fn csv(State(state): State<AppState>) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let rows = money::rows(&mut conn, &state.catalogue).await?;
    drop(conn);
    let body = rows.iter().fold(heading(), |table, row| table + &line(row));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"money.csv\""));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn numbers_are_read_by_programs() {
        let of = |minor, currency| number(Money::new(minor, currency));
        assert_eq!(
            [of(1905, Currency::Eur), of(-5, Currency::Usd), of(1900, Currency::Jpy), of(6050, Currency::Kwd)],
            ["19.05", "-0.05", "1900", "6.050"]
        );
    }

    #[test]
    fn no_field_is_more_than_a_field() {
        assert_eq!(field("birds.meadow.social"), "birds.meadow.social");
        assert_eq!(field("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(field("=1+1"), "'=1+1");
        assert_eq!(field("-0.05"), "-0.05");
        assert_eq!(heading().matches(',').count(), 9 + Cost::ALL.len() + 2);
    }
}
