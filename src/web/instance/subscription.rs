//! A server's subscription: where it stands, what follows when, its end, and the way back.

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Deserialize;

use super::view::readable;
use super::{plan_name, time};
use crate::account::Role;
use crate::billing::change::{self, Change, ChangeState};
use crate::billing::{self, AgainError, OrderState, Standing, Subscription, Wish, WishError};
use crate::ids::{AccountId, OrderId};
use crate::instance::{self, Hold, HoldRow, Instance};
use crate::plan::Interval;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::{to_checkout, with_message};
use crate::web::page::{Fact, FieldErrors, PageContext, StateView, flash_number, html, pages, refused};
use crate::web::session::{Customer, OwnedInstance, Verified};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/billing.html")]
#[expect(clippy::struct_excessive_bools, reason = "one for each button")]
struct BillingPage {
    page: PageContext,
    id: String,
    address: String,
    state: StateView,
    /// What that means and what follows when; empty where nothing does.
    text: String,
    facts: Vec<Fact>,
    /// Other reasons for which the server does not run.
    held: Vec<String>,
    /// What is on its way to Stripe; empty for nothing.
    busy: String,
    /// Why the last change was not made; empty when it was, or is long ago.
    trouble: String,
    /// Where the order is that would take it up again; empty when there is none.
    order: String,
    /// Whether there is a page with card and invoices.
    has_portal: bool,
    /// Whether the host says what servers cost.
    has_costs: bool,
    may_change: bool,
    may_end: bool,
    may_go_on: bool,
    may_again: bool,
    again_price: String,
}

#[derive(Template)]
#[template(path = "pages/instance/billing_end.html")]
struct BillingEndPage {
    page: PageContext,
    id: String,
    address: String,
    /// When what is paid for is over, and until when data is kept then.
    period_end: String,
    period_kept: String,
    /// Until when data is kept when it ends now.
    now_kept: String,
    /// It is set to end already: only at once is left.
    ends: bool,
    when: String,
    date: String,
    errors: FieldErrors,
}

pages!(BillingPage, BillingEndPage);

/// What is known of a server's money.
pub(in crate::web) struct Money {
    /// The subscription.
    pub subscription: Subscription,
    /// The order that waits for its payment and would take the server up again.
    pub open: Option<OrderId>,
    /// Why the server does not run.
    pub holds: Vec<HoldRow>,
    /// The newest change of plan that was asked for.
    pub change: Option<Change>,
    has_portal: bool,
}

impl Money {
    /// The change that is on its way.
    pub fn under_way(&self) -> Option<&Change> {
        self.change.as_ref().filter(|change| change.state == ChangeState::Asked)
    }
}

/// Reads it; `None` as long as nothing was paid.
pub(in crate::web) async fn load(state: &AppState, whose: AccountId, instance: &Instance) -> Result<Option<Money>, WebError> {
    let mut tx = state.db.begin_account(whose).await?;
    let Some(subscription) = billing::find_subscription(tx.conn(), instance.id).await? else { return Ok(None) };
    let paid = billing::find_order_of(tx.conn(), instance.id).await?.is_some_and(|order| order.state == OrderState::Paid);
    let waiting = billing::waiting_orders(tx.conn(), whose).await?;
    let open = waiting.into_iter().find(|order| order.instance_id == instance.id).map(|order| order.id);
    let holds = instance::list_holds(tx.conn(), instance.id).await?;
    let change = change::newest_change(tx.conn(), instance.id).await?;
    let has_portal = billing::customer_of(tx.conn(), whose).await?.is_some();
    // An order that ended before it began leaves a subscription too.
    Ok(paid.then_some(Money { subscription, open, holds, change, has_portal }))
}

/// Where a subscription stands, as a word with its date.
fn state_of(words: &Words, subscription: &Subscription) -> StateView {
    let since = || subscription.standing_since.map(|at| words.t1("since", "time", time::day(words, at))).unwrap_or_default();
    let (kind, detail) = match subscription.standing {
        Standing::Good => match subscription.cancel_at {
            Some(at) => {
                return StateView::new(words, "waiting", "standing-leaving", words.t1("until", "time", time::day(words, at)));
            }
            None => ("done", words.t1("until", "time", time::day(words, subscription.current_period_end))),
        },
        Standing::Grace | Standing::Suspended => ("failed", since()),
        Standing::Ending | Standing::Ended => ("waiting", since()),
    };
    StateView::new(words, kind, &format!("standing-{}", subscription.standing.as_str()), detail)
}

/// What follows when.
fn text_of(state: &AppState, words: &Words, subscription: &Subscription) -> String {
    let until = subscription.standing_until.map(|at| time::moment(words, at)).unwrap_or_default();
    match subscription.standing {
        Standing::Good => match subscription.cancel_at {
            Some(at) => {
                words.t2("billing-leaving-text", "time", time::day(words, at), "kept", time::day(words, at + state.dates.ending))
            }
            None => String::new(),
        },
        Standing::Grace => words.t1("billing-grace-text", "time", until),
        Standing::Suspended => words.t1("billing-suspended-text", "time", until),
        Standing::Ending if subscription.standing_until.is_some_and(|at| at <= state.clock.now()) => {
            words.t("billing-ending-waits-text")
        }
        Standing::Ending => words.t1("billing-ending-text", "time", until),
        Standing::Ended => words.t("billing-ended-text"),
    }
}

fn busy_of(words: &Words, money: &Money) -> String {
    match money.subscription.wish {
        None if money.under_way().is_some() => words.t("billing-busy-change"),
        None => String::new(),
        Some(Wish::EndNow | Wish::EndWithPeriod | Wish::EndOn) => words.t("billing-busy-end"),
        Some(Wish::GoOn) => words.t("billing-busy-go-on"),
    }
}

/// How long the page says that a change was not made.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

fn trouble_of(state: &AppState, words: &Words, money: &Money) -> String {
    let failed = money.change.as_ref().and_then(|change| change.why.zip(change.ended_at));
    let recent = failed.filter(|(_, at)| state.clock.now() - *at < REMEMBERED);
    recent.map(|(why, at)| words.t1(&format!("change-void-{}", why.as_str()), "time", time::day(words, at))).unwrap_or_default()
}

/// Reasons that paying does not lift.
fn others(words: &Words, holds: &[HoldRow]) -> Vec<String> {
    let others = holds.iter().filter(|row| !matches!(row.reason, Hold::Unpaid | Hold::Over));
    others.map(|row| words.t(&format!("hold-{}", row.reason.as_str()))).collect()
}

/// Whether paying again would bring the server back.
fn may_come_back(money: &Money) -> bool {
    let stopped = money.holds.iter().any(|row| matches!(row.reason, Hold::Ended | Hold::Abuse | Hold::Staff));
    money.subscription.is_over() && !stopped
}

fn billing_page(state: &AppState, page: PageContext, customer: &Customer, instance: &Instance, money: &Money) -> BillingPage {
    let (w, subscription) = (&page.w, &money.subscription);
    let pays = customer.role >= Role::Billing;
    let idle = pays && subscription.wish.is_none() && money.under_way().is_none();
    let price = match subscription.billing_interval {
        Interval::Month => w.t1("price-month", "price", subscription.price()),
        Interval::Year => w.t1("price-year", "price", subscription.price()),
    };
    let mut facts = vec![Fact::new(w, "fact-plan", plan_name(state, &instance.plan_code)), Fact::new(w, "fact-price", &price)];
    if subscription.packs > 0 {
        facts.push(Fact::new(w, "fact-packs", subscription.packs.to_string()));
    }
    if let (false, None) = (subscription.is_over(), subscription.cancel_at) {
        facts.push(Fact::new(w, "fact-invoice", time::day(&page.w, subscription.current_period_end)));
    }
    facts.extend(
        subscription.cancel_at.filter(|_| !subscription.is_over()).map(|at| Fact::new(w, "fact-ends", time::day(&page.w, at))),
    );
    facts.extend(subscription.ended_at.map(|at| Fact::new(w, "fact-ended", time::day(&page.w, at))));
    BillingPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        state: state_of(w, subscription),
        text: text_of(state, w, subscription),
        facts,
        held: others(w, &money.holds),
        busy: busy_of(w, money),
        trouble: trouble_of(state, w, money),
        order: money.open.map(|order| format!("/orders/{order}")).unwrap_or_default(),
        has_portal: pays && money.has_portal,
        has_costs: state.catalogue.costs().is_some(),
        may_change: page.may_order && idle && subscription.standing == Standing::Good && subscription.cancel_at.is_none(),
        may_end: idle && Wish::EndNow.fits(subscription),
        may_go_on: idle && Wish::GoOn.fits(subscription),
        may_again: page.may_order && money.open.is_none() && may_come_back(money),
        again_price: price,
        page,
    }
}

fn href(instance: &Instance) -> String {
    format!("/instances/{}/billing", instance.id)
}

/// GET `/instances/{id}/billing`
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    match load(&state, customer.account, &instance).await? {
        Some(money) => Ok(html(&billing_page(&state, page, &customer, &instance, &money))?),
        // Nothing is paid yet: the server's page leads to its order.
        None => Ok(Redirect::to(&format!("/instances/{}", instance.id)).into_response()),
    }
}

/// GET `/instances/{id}/billing/portal`: to Stripe's page with card and invoices. A link and no form, because it changes nothing of ours.
pub(super) async fn portal(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Response, WebError> {
    let back = href(&instance);
    let mut tx = state.db.begin_account(customer.account).await?;
    let known = billing::customer_of(tx.conn(), customer.account).await?;
    drop(tx);
    let Some(known) = known else { return Ok(Redirect::to(&back).into_response()) };
    let return_url = format!("{}{back}", state.host.base_url.as_str().trim_end_matches('/'));
    match state.stripe.portal_url(&known, &return_url).await {
        Ok(url) => Ok(Redirect::to(&url).into_response()),
        Err(error) => {
            tracing::error!(instance.id = %instance.id, error = telemetry::chain(&error), "the portal could not be opened");
            Ok(with_message(&state, &back, "failed", "billing-portal-away"))
        }
    }
}

async fn end_page(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    typed: EndForm,
    errors: FieldErrors,
) -> Result<Option<BillingEndPage>, WebError> {
    let Some(money) = load(state, customer.account, instance).await? else { return Ok(None) };
    let subscription = &money.subscription;
    if subscription.wish.is_some() || money.under_way().is_some() || !Wish::EndNow.fits(subscription) {
        return Ok(None);
    }
    let (now, end, kept) = (state.clock.now(), subscription.current_period_end, state.dates.ending);
    Ok(Some(BillingEndPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        period_end: time::day(&page.w, end),
        period_kept: time::day(&page.w, end + kept),
        now_kept: time::day(&page.w, now + kept),
        ends: subscription.cancel_at.is_some(),
        when: typed.when,
        date: typed.date,
        errors,
        page,
    }))
}

/// GET `/instances/{id}/billing/end`
pub(super) async fn end_form(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    match end_page(&state, page, &customer, &instance, EndForm::default(), FieldErrors::default()).await? {
        Some(page) => Ok(html(&page)?),
        None => Ok(with_message(&state, &href(&instance), "failed", "billing-not-now")),
    }
}

/// When it should end.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct EndForm {
    when: String,
    /// With `when=date`, such as 2027-03-31.
    date: String,
}

/// The last second of a day: it is the last one on which the server runs.
pub(in crate::web) fn end_of(day: NaiveDate) -> Option<DateTime<Utc>> {
    day.and_hms_opt(23, 59, 59).map(|end| end.and_utc())
}

/// The page again, with what was typed and what is wrong with it.
async fn again_wrong(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    form: EndForm,
    (field, key): (&str, &str),
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    errors.add(field, page.w.t(key));
    match end_page(state, page, customer, instance, form, errors).await? {
        Some(page) => Ok(refused(&page)?),
        None => Ok(with_message(state, &href(instance), "failed", "billing-not-now")),
    }
}

/// POST `/instances/{id}/billing/end`
pub(super) async fn end(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<EndForm>,
) -> Result<Response, WebError> {
    let (wish, ends_at) = match form.when.as_str() {
        "period" => (Wish::EndWithPeriod, None),
        "now" => (Wish::EndNow, None),
        "date" => (Wish::EndOn, form.date.trim().parse().ok().and_then(end_of)),
        _ => return again_wrong(&state, page, &customer, &instance, form, ("when", "billing-end-choose")).await,
    };
    match make(&state, &customer, &instance, wish, ends_at).await {
        Err(WishError::Date) => again_wrong(&state, page, &customer, &instance, form, ("date", "billing-end-date-wrong")).await,
        made => answer(&state, &instance, made),
    }
}

/// POST `/instances/{id}/billing/go-on`
pub(super) async fn go_on(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Response, WebError> {
    answer(&state, &instance, make(&state, &customer, &instance, Wish::GoOn, None).await)
}

fn answer(state: &AppState, instance: &Instance, made: Result<(), WishError>) -> Result<Response, WebError> {
    let (kind, key) = match made {
        Ok(()) => ("done", "billing-noted"),
        Err(WishError::NotNow | WishError::Date) => ("failed", "billing-not-now"),
        Err(WishError::Busy) => ("failed", "billing-busy"),
        Err(WishError::Database(error)) => return Err(error.into()),
    };
    Ok(with_message(state, &href(instance), kind, key))
}

/// Writes down what the customer wants, in one transaction. Pages and API end up here.
pub(in crate::web) async fn make(
    state: &AppState,
    customer: &Customer,
    instance: &Instance,
    wish: Wish,
    ends_at: Option<DateTime<Utc>>,
) -> Result<(), WishError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    billing::make_wish(&mut tx, state.clock.as_ref(), customer.actor(), instance.id, wish, ends_at).await?;
    Ok(tx.commit().await?)
}

/// POST `/instances/{id}/billing/again`: an order for the server that is there, and on to its payment.
pub(super) async fn again(
    State(state): State<AppState>,
    Verified(customer): Verified,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Response, WebError> {
    let key = match order_again(&state, &customer, &instance).await {
        Ok(order) => return to_checkout(&state, &customer, order).await,
        Err(AgainError::NotOver) => "billing-not-now",
        Err(AgainError::Held) => "billing-held",
        Err(AgainError::TooManyUnpaid) => {
            let message = flash_number(&state, "failed", "order-too-many", billing::MOST_UNPAID);
            return Ok((AppendHeaders([message]), Redirect::to("/instances")).into_response());
        }
        Err(AgainError::Database(error)) => return Err(error.into()),
    };
    Ok(with_message(&state, &href(&instance), "failed", key))
}

/// Orders the server again, in one transaction. Pages and API end up here.
pub(in crate::web) async fn order_again(
    state: &AppState,
    customer: &Customer,
    instance: &Instance,
) -> Result<OrderId, AgainError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let (clock, actor) = (state.clock.as_ref(), customer.actor());
    let order = billing::order_again(&mut tx, clock, actor, instance, state.checkout_minutes).await?;
    tx.commit().await?;
    Ok(order)
}
