//! The last look before the order: everything, the price, and what happens next. The button posts to `/orders`.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};

use super::address::{conflict, warnings};
use super::draft::{Checked, Draft, check_draft, read_draft};
use super::{back_to, progress};
use crate::billing;
use crate::capacity;
use crate::instance::address::AddressKind;
use crate::money::Money;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::order::place::own_order;
use crate::web::page::{Fact, PageContext, flash, html, pages};
use crate::web::public::plans::{limits, per};
use crate::web::session::Verified;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/new/review.html")]
struct NewReviewPage {
    page: PageContext,
    step: String,
    steps: String,
    facts: Vec<Fact>,
    warnings: Vec<String>,
    /// Whether the address is a domain of the customer's own.
    own: bool,
    price: String,
    per: String,
    /// Staff have given it: nothing is paid.
    free: bool,
    kept_for: String,
    full: bool,
}

pages!(NewReviewPage);

/// GET `/new/review`
pub(super) async fn review(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let draft = read_draft(&state, &headers).unwrap_or_default();
    let checked = match check_draft(&page.w, &state, &draft) {
        Ok(checked) => checked,
        Err(errors) => return Ok(back_to(&errors)),
    };
    if conflict(&state, customer.account, &checked.address, checked.web_domain.as_ref()).await?.is_some() {
        // What is in the way may be the visitor's own order, left on the way to its payment.
        if let Some((order, _)) = own_order(&state, &customer, checked.address.domain()).await? {
            return Ok(Redirect::to(&format!("/orders/{}", order.id)).into_response());
        }
        let told = flash(&state, "failed", "form-address-changed");
        return Ok((AppendHeaders([told]), Redirect::to("/new/address")).into_response());
    }
    let (whose, clock) = (customer.account, state.clock.as_ref());
    let mut tx = state.db.begin_account(whose).await?;
    let clusters = capacity::open_clusters(tx.conn(), clock, Some(whose)).await?;
    let price = billing::price_for(tx.conn(), whose, checked.plan, checked.interval).await?;
    drop(tx);
    let full = capacity::room(&clusters, &checked.plan.size.footprint(), clock.now()) == 0;
    Ok(html(&new_page(&state, page, &draft, &checked, price, full))?)
}

fn new_page(
    state: &AppState,
    page: PageContext,
    draft: &Draft,
    checked: &Checked<'_>,
    price: Money,
    full: bool,
) -> NewReviewPage {
    let (step, steps) = progress(draft, "/new/review");
    NewReviewPage {
        step,
        steps,
        facts: facts(&page.w, checked, price),
        warnings: warnings(&page.w, &checked.address, checked.web_domain.as_ref()),
        own: checked.address.kind() == AddressKind::Own,
        price: price.to_string(),
        free: price.minor == 0,
        per: per(&page.w, checked.interval),
        kept_for: page.w.count("minutes", "n", state.checkout_minutes),
        full,
        page,
    }
}

fn facts(words: &Words, checked: &Checked<'_>, price: Money) -> Vec<Fact> {
    let fact = |key: &str, value: String, change: &str| Fact { change: change.to_owned(), ..Fact::new(words, key, value) };
    let (address, plan) = (checked.address.display(), checked.plan);
    let price = words.t2("fact-price-value", "price", price, "per", per(words, checked.interval));
    let mut facts = vec![fact("fact-address", address.to_owned(), "/new/address")];
    if let Some(web) = &checked.web_domain {
        facts.push(fact("fact-web", web.display().to_owned(), "/new/address"));
    }
    facts.extend([
        fact("fact-handle", format!("@{}@{address}", checked.owner), "/new/owner"),
        fact("fact-owner-email", checked.email.display(), "/new/owner"),
        fact("fact-plan", plan.name.clone(), "/new/plan"),
    ]);
    let room = limits(words, plan).into_iter();
    facts.extend(room.map(|limit| Fact { label: limit.label, value: limit.value, ..Fact::default() }));
    facts.push(fact("fact-price", price, "/new/plan"));
    facts
}
