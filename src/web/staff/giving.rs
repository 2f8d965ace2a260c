//! Money of a server's subscription, for staff: what was paid, what was given back, and giving more of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::lifecycle::{href, instance};
use crate::account::approval;
use crate::account::{self, StaffMember};
use crate::billing;
use crate::billing::giving::{self, Allowed, GiveError, Giving, GivingState, NewGiving, ProposalError};
use crate::billing::stripe::PaidInvoice;
use crate::instance::Instance;
use crate::money::Money;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::instance::view::readable;
use crate::web::order::with_message;
use crate::web::page::{Choice, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/money.html")]
struct StaffMoneyPage {
    page: PageContext,
    back: String,
    address: String,
    /// The payment company does not answer: nothing can be given back just now.
    away: bool,
    /// How much whoever looks may give alone yet, and of how much.
    limit: String,
    invoices: Vec<InvoiceRow>,
    /// What can be chosen as "from": credit, and each invoice of which something is left.
    from: Vec<Choice>,
    given: Vec<GivenRow>,
    /// What waits for another one's word.
    waits: Option<WaitingView>,
    /// More than one person may give was typed: another one can be asked.
    may_ask: bool,
    amount: String,
    reason: String,
    errors: FieldErrors,
}

struct InvoiceRow {
    number: String,
    at: String,
    paid: String,
    /// Empty when nothing was.
    given_back: String,
}

struct GivenRow {
    amount: String,
    kind: String,
    state: StateView,
    at: String,
    reason: String,
    /// Stripe's words when it refused.
    why: String,
}

/// What another one is to agree to.
struct WaitingView {
    /// Its id among all that takes two.
    id: String,
    /// How much, and whether back to the card.
    what: String,
    /// Who asked for it, when and why.
    asked: String,
    /// Why whoever looks can't agree to it now.
    not_yet: String,
    mine: bool,
}

pages!(StaffMoneyPage);

/// What was typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct GiveForm {
    /// `credit`, or Stripe's id of an invoice.
    from: String,
    amount: String,
    reason: String,
    /// Not empty when another one is to be asked.
    ask: String,
}

/// The word for credit in the form.
const CREDIT: &str = "credit";

/// The paid invoices as Stripe has them now; `None` while it does not answer.
async fn paid(state: &AppState, instance: &Instance) -> Result<Option<Vec<PaidInvoice>>, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let subscription = billing::find_subscription(&mut conn, instance.id).await?;
    drop(conn);
    let Some(subscription) = subscription else { return Ok(Some(Vec::new())) };
    match state.stripe.paid_invoices(&subscription.stripe_subscription_id).await {
        Ok(all) => Ok(Some(all)),
        Err(error) => {
            tracing::error!(instance.id = %instance.id, error = telemetry::chain(&error), "paid invoices could not be listed");
            Ok(None)
        }
    }
}

fn given_row(words: &Words, giving: &Giving) -> GivenRow {
    let (kind, key) = match giving.state {
        GivingState::Asked => ("doing", "give-state-asked"),
        GivingState::Done => ("done", "give-state-done"),
        GivingState::Void => ("failed", "give-state-void"),
    };
    GivenRow {
        amount: giving.amount().to_string(),
        kind: words.t(&format!("give-kind-{}", giving.kind.as_str())),
        state: StateView::new(words, kind, key, giving.ended_at.map(|at| time::moment(words, at)).unwrap_or_default()),
        at: words.t2("extend-by", "time", time::moment(words, giving.created_at), "who", giving.staff_id),
        reason: giving.reason.clone(),
        why: giving.why.clone().unwrap_or_default(),
    }
}

/// What waits for another one's word.
async fn waiting(
    state: &AppState,
    words: &Words,
    member: &StaffMember,
    instance: &Instance,
) -> Result<Option<WaitingView>, WebError> {
    let (mut conn, clock) = (state.db.staff().acquire().await?, state.clock.as_ref());
    let Some((open, proposal)) = giving::open_proposal(&mut conn, clock, instance.id).await? else { return Ok(None) };
    let by = account::find_staff(&mut conn, open.asked_by).await?.map(|by| by.email).unwrap_or_default();
    let in_the_way = approval::in_the_way(&mut conn, clock, member.id, &open).await.err().map(ProposalError::from);
    let kind = if proposal.invoice_id.is_some() { giving::Kind::Refund } else { giving::Kind::Credit };
    let at = time::moment(words, open.asked_at);
    Ok(Some(WaitingView {
        id: open.id.to_string(),
        what: format!("{} {}", proposal.amount(), words.t(&format!("give-kind-{}", kind.as_str()))),
        asked: words.with("removal-requested-by", &[("by", &by), ("at", &at), ("reason", &open.reason)]),
        not_yet: in_the_way.and_then(|error| error.key()).map(|key| words.t(key)).unwrap_or_default(),
        mine: open.asked_by == member.id,
    }))
}

async fn money_page(
    state: &AppState,
    page: PageContext,
    member: &StaffMember,
    instance: &Instance,
    typed: GiveForm,
    errors: FieldErrors,
) -> Result<StaffMoneyPage, WebError> {
    let invoices = paid(state, instance).await?;
    let waits = waiting(state, &page.w, member, instance).await?;
    let currency = state.catalogue.currency();
    let mut conn = state.db.staff().acquire().await?;
    let given = giving::list_givings(&mut conn, instance.id).await?;
    let lately = giving::given_lately(&mut conn, state.clock.as_ref(), member.id, instance, currency).await?;
    drop(conn);
    let (w, away) = (&page.w, invoices.is_none());
    let invoices = invoices.unwrap_or_default();
    let mut from = vec![Choice::new(CREDIT, w.t("give-from-credit"), typed.from == CREDIT)];
    from.extend(invoices.iter().filter(|invoice| invoice.left().minor > 0).map(|invoice| {
        let label = w.t2("give-from-invoice", "number", &invoice.number, "left", invoice.left());
        Choice::new(&invoice.id, label, typed.from == invoice.id.as_str())
    }));
    let row = |invoice: &PaidInvoice| InvoiceRow {
        number: invoice.number.clone(),
        at: time::day(w, invoice.created),
        paid: invoice.paid.to_string(),
        given_back: if invoice.given_back.minor == 0 { String::new() } else { invoice.given_back.to_string() },
    };
    Ok(StaffMoneyPage {
        back: href(instance.id),
        address: readable(&instance.domain),
        away,
        limit: w.t2("give-limit", "most", state.giving.of(&member.scopes, currency), "given", lately),
        invoices: invoices.iter().map(row).collect(),
        from,
        given: given.iter().map(|giving| given_row(w, giving)).collect(),
        waits,
        may_ask: false,
        amount: typed.amount,
        reason: typed.reason,
        errors,
        page,
    })
}

/// GET `/staff/instances/{id}/money`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    Ok(html(&money_page(&state, page, &member, &instance, GiveForm::default(), FieldErrors::default()).await?)?)
}

/// What a refusal says, and about which field.
fn told(words: &Words, error: &GiveError) -> Option<(&'static str, String)> {
    let key = error.key()?;
    Some(match error {
        GiveError::Reason => ("reason", words.t(key)),
        GiveError::Amount | GiveError::NothingPaid | GiveError::Database(_) => ("amount", words.t(key)),
        GiveError::MoreThanPaid { left } => ("amount", words.t1(key, "left", left)),
        GiveError::SecondNeeded { most, given } => ("amount", words.t2(key, "most", most, "given", given)),
    })
}

/// POST `/staff/instances/{id}/money`
pub(super) async fn give(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
    Form(form): Form<GiveForm>,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let back = format!("{}/money", href(instance.id));
    let mut errors = FieldErrors::default();
    let currency = state.catalogue.currency();
    // What is no amount is as wrong as none.
    let amount = Money::parse(form.amount.trim(), currency).unwrap_or(Money::new(0, currency));
    let invoices = if form.from == CREDIT { Some(Vec::new()) } else { paid(&state, &instance).await? };
    let Some(invoices) = invoices else { return Ok(with_message(&state, &back, "failed", "billing-portal-away")) };
    let invoice = giving::find_invoice(&invoices, &form.from);
    if form.from != CREDIT && invoice.is_none() {
        errors.add("from", page.w.t("give-choose"));
        return Ok(refused(&money_page(&state, page, &member, &instance, form, errors).await?)?);
    }
    let new = NewGiving { amount, invoice, reason: &form.reason };
    if !form.ask.is_empty() {
        return ask(&state, &member, page, &instance, &new, &form).await;
    }
    let allowed = Allowed::ByOne { most: state.giving.of(&member.scopes, currency) };
    let mut tx = state.db.staff().begin().await?;
    match giving::give(&mut tx, state.clock.as_ref(), member.id, &instance, allowed, &new).await {
        Ok(_) => tx.commit().await?,
        Err(GiveError::Database(error)) => return Err(error.into()),
        Err(error) => {
            drop(tx);
            if let Some((field, text)) = told(&page.w, &error) {
                errors.add(field, text);
            }
            let may_ask = matches!(error, GiveError::SecondNeeded { .. });
            let shown = money_page(&state, page, &member, &instance, form, errors).await?;
            return Ok(refused(&StaffMoneyPage { may_ask, ..shown })?);
        }
    }
    Ok(with_message(&state, &back, "done", "give-noted"))
}

/// Asks another one for more than one person may give.
async fn ask(
    state: &AppState,
    member: &StaffMember,
    page: PageContext,
    instance: &Instance,
    new: &NewGiving<'_>,
    form: &GiveForm,
) -> Result<Response, WebError> {
    let mut tx = state.db.staff().begin().await?;
    let Err(error) = giving::propose(&mut tx, state.clock.as_ref(), member.id, instance, new).await else {
        tx.commit().await?;
        return Ok(with_message(state, &format!("{}/money", href(instance.id)), "done", "give-asked"));
    };
    drop(tx);
    let mut errors = FieldErrors::default();
    let (field, text) = match (&error, error.key()) {
        (ProposalError::Give(error), _) => told(&page.w, error).ok_or_else(|| WebError::Internal(error.to_string()))?,
        (_, Some(key)) => ("reason", page.w.t(key)),
        (_, None) => return Err(WebError::Internal(error.to_string())),
    };
    errors.add(field, text);
    let shown = money_page(state, page, member, instance, form.clone(), errors).await?;
    Ok(refused(&StaffMoneyPage { may_ask: true, ..shown })?)
}

/// POST `/staff/instances/{id}/money/agree`: another one agrees to what was asked for, and it is given.
pub(super) async fn agree(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let instance = instance(&state, &id).await?;
    let back = format!("{}/money", href(instance.id));
    let Some(paid) = paid(&state, &instance).await? else {
        return Ok(with_message(&state, &back, "failed", "billing-portal-away"));
    };
    let mut tx = state.db.staff().begin().await?;
    let Err(error) = giving::agree(&mut tx, state.clock.as_ref(), member.id, &instance, &paid).await else {
        tx.commit().await?;
        return Ok(with_message(&state, &back, "done", "give-noted"));
    };
    drop(tx);
    let mut errors = FieldErrors::default();
    let text = match (&error, error.key()) {
        (ProposalError::Give(error), _) => told(&page.w, error).map(|(_, text)| text),
        (_, key) => key.map(|key| page.w.t(key)),
    };
    errors.add("waits", text.ok_or_else(|| WebError::Internal(error.to_string()))?);
    Ok(refused(&money_page(&state, page, &member, &instance, GiveForm::default(), errors).await?)?)
}
