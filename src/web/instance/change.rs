//! Another plan, another interval, more or fewer storage packs: what to have, what it costs, and the confirmation of just that.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::DateTime;
use serde::Deserialize;

use super::subscription;
use super::view::readable;
use crate::billing::change::fit::GIB;
use crate::billing::change::{self, ChangeError, Offer, Refusal, Room, Shown, Till, TooMuch, Wanted};
use crate::ids::ChangeId;
use crate::instance::{self, Instance};
use crate::money::Money;
use crate::plan::Interval;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::{Form, Query};
use crate::web::order::with_message;
use crate::web::page::{Choice, Fact, FieldErrors, PageContext, html, pages, refused};
use crate::web::public::plans::{PlanView, limit_names, limits, per, plan_views};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/change.html")]
struct ChangePage {
    page: PageContext,
    id: String,
    address: String,
    plans: Vec<PlanView>,
    limit_names: Vec<String>,
    periods: Vec<Choice>,
    packs: String,
    /// What a pack is and costs; empty when none are sold.
    pack: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/instance/change_review.html")]
struct ChangeReviewPage {
    page: PageContext,
    id: String,
    address: String,
    facts: Vec<Fact>,
    /// What is due at once, and how that comes about.
    due: String,
    sums: Vec<Fact>,
    /// Where a new period begins with it.
    starts_over: bool,
    wish: ChangeForm,
    as_of: i64,
    due_minor: i64,
}

pages!(ChangePage, ChangeReviewPage);

/// What is wanted, as it was chosen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangeForm {
    plan: String,
    period: String,
    packs: String,
}

/// The same with what was shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfirmForm {
    plan: String,
    period: String,
    packs: String,
    as_of: String,
    due: String,
}

fn href(instance: &Instance) -> String {
    format!("/instances/{}/billing", instance.id)
}

/// What was chosen; the field that is wrong, with the key of the words that say so.
fn wanted<'a>(state: &'a AppState, form: &ChangeForm) -> Result<Wanted<'a>, (&'static str, &'static str)> {
    let plan = state.catalogue.get(&form.plan).ok_or(("plan", "change-choose-plan"))?;
    let interval = Interval::from_word(&form.period).ok_or(("period", "change-choose-period"))?;
    let packs = if form.packs.trim().is_empty() { Ok(0) } else { form.packs.trim().parse() };
    Ok(Wanted { plan, interval, packs: packs.map_err(|_| ("packs", "change-packs-wrong"))? })
}

fn till(state: &AppState) -> Till<'_> {
    Till { db: &state.db, clock: state.clock.as_ref(), stripe: state.stripe.as_ref(), catalogue: &state.catalogue }
}

/// Shows what a change would cost. Pages and API end up here.
pub(in crate::web) async fn offer(
    state: &AppState,
    customer: &Customer,
    instance: &Instance,
    wanted: Wanted<'_>,
) -> Result<Offer, ChangeError> {
    change::offer(till(state), customer.account, instance, wanted).await
}

/// Writes down what was confirmed, in one transaction. Pages and API end up here.
pub(in crate::web) async fn ask(
    state: &AppState,
    customer: &Customer,
    instance: &Instance,
    wanted: Wanted<'_>,
    shown: Shown,
) -> Result<ChangeId, ChangeError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let (clock, actor) = (state.clock.as_ref(), customer.actor());
    let id = change::ask(&mut tx, clock, &state.catalogue, actor, instance, wanted, shown).await?;
    tx.commit().await?;
    Ok(id)
}

/// `12.5`
fn gib(bytes: i64) -> String {
    let tenths = bytes / (GIB / 10);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Why a server can't have it, in words.
pub(in crate::web) fn words_of(words: &Words, refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotNow => words.t("change-not-now"),
        Refusal::Busy => words.t("billing-busy"),
        Refusal::Held => words.t("change-held"),
        Refusal::NotOffered => words.t("change-not-offered"),
        Refusal::Packs { most } => words.t1("change-packs-most", "most", most),
        Refusal::Same => words.t("change-same"),
        Refusal::Unmeasured => words.t("change-unmeasured"),
        Refusal::DoesNotFit(all) => all.iter().map(|one| too_much(words, one)).collect::<Vec<_>>().join(" "),
    }
}

fn too_much(words: &Words, one: &TooMuch) -> String {
    let key = match one.room {
        Room::Media => "change-too-much-media",
        Room::Database => "change-too-much-database",
    };
    words.t2(key, "used", gib(one.used), "room", one.gib)
}

/// Which field of the first page a refusal is about.
fn field_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Packs { .. } => "packs",
        Refusal::NotNow
        | Refusal::Busy
        | Refusal::Held
        | Refusal::NotOffered
        | Refusal::Same
        | Refusal::Unmeasured
        | Refusal::DoesNotFit(_) => "plan",
    }
}

async fn choose_page(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    typed: Option<ChangeForm>,
    mut errors: FieldErrors,
) -> Result<Option<ChangePage>, WebError> {
    let Some(money) = subscription::load(state, customer.account, instance).await? else { return Ok(None) };
    let mut tx = state.db.begin_account(customer.account).await?;
    let size = instance::size_of(tx.conn(), instance.id).await?;
    drop(tx);
    let now = money.subscription.billing_interval;
    let typed = typed.unwrap_or_else(|| ChangeForm {
        plan: instance.plan_code.clone(),
        period: now.as_str().to_owned(),
        packs: size.packs.to_string(),
    });
    let (w, catalogue) = (&page.w, &state.catalogue);
    let mut plans = plan_views(w, catalogue, now, &typed.plan);
    // A plan that is sold no more is kept by those who have it.
    let kept = catalogue.get(&instance.plan_code).filter(|plan| !plan.offered);
    plans.extend(kept.map(|plan| PlanView {
        id: plan.code.clone(),
        name: plan.name.clone(),
        summary: plan.summary.clone(),
        price: plan.price(now).to_string(),
        per: per(w, now),
        also: String::new(),
        limits: limits(w, plan),
        chosen: plan.code == typed.plan,
    }));
    // The links of the summary lead to the first radio button: plans have no input of that name.
    let first = plans.first().map(|plan| format!("plan-{}", plan.id)).unwrap_or_default();
    errors.list.iter_mut().filter(|error| error.field == "plan").for_each(|error| error.field.clone_from(&first));
    let period = |interval: Interval, key: &str| Choice::new(interval, w.t(key), typed.period == interval.as_str());
    let pack = catalogue.pack().map(|pack| {
        let price = format!("{} {}", pack.price(now), per(w, now));
        w.t2("change-packs-hint", "name", &pack.name, "price", price)
    });
    Ok(Some(ChangePage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        plans,
        limit_names: limit_names(w),
        periods: vec![period(Interval::Month, "period-month"), period(Interval::Year, "period-year")],
        packs: typed.packs,
        pack: pack.unwrap_or_default(),
        errors,
        page,
    }))
}

/// The first page again, with what is wrong.
async fn wrong(
    state: &AppState,
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    typed: ChangeForm,
    (field, text): (&str, String),
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    errors.add(field, text);
    match choose_page(state, page, customer, instance, Some(typed), errors).await? {
        Some(page) => Ok(refused(&page)?),
        None => Ok(Redirect::to(&href(instance)).into_response()),
    }
}

/// GET `/instances/{id}/billing/change`
pub(super) async fn choose(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    match choose_page(&state, page, &customer, &instance, None, FieldErrors::default()).await? {
        Some(page) => Ok(html(&page)?),
        None => Ok(Redirect::to(&format!("/instances/{}", instance.id)).into_response()),
    }
}

/// GET `/instances/{id}/billing/change/review?plan=…&period=month|year&packs=…`: a look, which changes nothing.
pub(super) async fn review(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Query(form): Query<ChangeForm>,
) -> Result<Response, WebError> {
    let wanted = match wanted(&state, &form) {
        Ok(wanted) => wanted,
        Err((field, key)) => {
            let text = page.w.t(key);
            return wrong(&state, page, &customer, &instance, form, (field, text)).await;
        }
    };
    match offer(&state, &customer, &instance, wanted).await {
        Ok(offer) => Ok(html(&review_page(page, &instance, wanted, form, &offer))?),
        Err(ChangeError::Refused(refusal)) => {
            let text = words_of(&page.w, &refusal);
            wrong(&state, page, &customer, &instance, form, (field_of(&refusal), text)).await
        }
        Err(ChangeError::NoRoom) => {
            let text = page.w.t("change-no-room");
            wrong(&state, page, &customer, &instance, form, ("plan", text)).await
        }
        Err(ChangeError::Stale) => Ok(with_message(&state, &href(&instance), "failed", "change-stale")),
        Err(ChangeError::Stripe(error)) => {
            tracing::error!(instance.id = %instance.id, error = telemetry::chain(&error), "a change could not be previewed");
            Ok(with_message(&state, &href(&instance), "failed", "billing-portal-away"))
        }
        Err(ChangeError::Database(error)) => Err(error.into()),
    }
}

fn review_page(page: PageContext, instance: &Instance, wanted: Wanted<'_>, wish: ChangeForm, offer: &Offer) -> ChangeReviewPage {
    let w = &page.w;
    let paid = |amount: Money, interval: Interval| format!("{amount} {}", per(w, interval));
    let mut facts = vec![Fact::new(w, "fact-plan", &wanted.plan.name)];
    if wanted.packs > 0 {
        facts.push(Fact::new(w, "fact-packs", wanted.packs.to_string()));
    }
    facts.push(Fact::new(
        w,
        "change-before",
        paid(offer.before, if offer.starts_over { other(wanted.interval) } else { wanted.interval }),
    ));
    facts.push(Fact::new(w, "change-after", paid(offer.after, wanted.interval)));
    let quote = &offer.quote;
    let minus = |amount: Money| Money::new(amount.minor.saturating_neg(), amount.currency);
    let sums = [
        ("change-charged", quote.charged),
        ("change-given-back", minus(quote.given_back)),
        ("change-discount", minus(quote.discount)),
        ("change-tax", quote.tax),
        ("change-credit-used", minus(quote.credit_used)),
        ("change-credit-left", quote.credit_left),
    ];
    ChangeReviewPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        facts,
        due: quote.due.to_string(),
        sums: sums.into_iter().filter(|(_, sum)| sum.minor != 0).map(|(key, sum)| Fact::new(w, key, sum.to_string())).collect(),
        starts_over: offer.starts_over,
        wish,
        as_of: offer.as_of.timestamp(),
        due_minor: quote.due.minor,
        page,
    }
}

fn other(interval: Interval) -> Interval {
    match interval {
        Interval::Month => Interval::Year,
        Interval::Year => Interval::Month,
    }
}

/// POST `/instances/{id}/billing/change`
pub(super) async fn confirm(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, WebError> {
    let ConfirmForm { plan, period, packs, as_of, due } = form;
    let wish = ChangeForm { plan, period, packs };
    let shown = as_of.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).zip(due.parse().ok());
    let (Ok(wanted), Some((as_of, due))) = (wanted(&state, &wish), shown) else {
        return Ok(with_message(&state, &format!("{}/change", href(&instance)), "failed", "change-stale"));
    };
    let key = match ask(&state, &customer, &instance, wanted, Shown { as_of, due }).await {
        Ok(_) => return Ok(with_message(&state, &href(&instance), "done", "change-noted")),
        Err(ChangeError::Refused(refusal)) => {
            let text = words_of(&page.w, &refusal);
            return wrong(&state, page, &customer, &instance, wish, (field_of(&refusal), text)).await;
        }
        Err(ChangeError::NoRoom) => "change-no-room",
        Err(ChangeError::Stale) => "change-stale",
        Err(ChangeError::Stripe(error)) => {
            tracing::error!(instance.id = %instance.id, error = telemetry::chain(&error), "a change could not be asked for");
            "billing-portal-away"
        }
        Err(ChangeError::Database(error)) => return Err(error.into()),
    };
    Ok(with_message(&state, &format!("{}/change", href(&instance)), "failed", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_tenths_of_a_gib() {
        assert_eq!([gib(0), gib(GIB), gib(GIB * 25 / 2), gib(GIB - 1)], ["0.0", "1.0", "12.5", "0.9"]);
    }
}
