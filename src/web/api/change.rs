//! Another plan, interval or number of storage packs for a server.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::subscription::{SubscriptionView, find, refused};
use crate::billing::change::{Change, ChangeError, ChangeState, Offer, Refusal, Shown, Wanted, Why};
use crate::money::Money;
use crate::plan::Interval;
use crate::telemetry;
use crate::web::AppState;
use crate::web::error::{FieldError, WebError};
use crate::web::form::unreadable;
use crate::web::instance::change::{ask, offer, words_of};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

/// A change that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    /// Its id.
    #[schema(example = "chg_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// `asked` (on its way), `done` or `void` (not made, and nothing charged).
    state: ChangeState,
    /// Code of the plan from then on.
    plan: String,
    /// How often it is paid from then on.
    period: Interval,
    /// Storage packs from then on.
    packs: u32,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// Why it was not made.
    why: Option<Why>,
}

impl ChangeView {
    pub(super) fn of(change: &Change) -> Self {
        Self {
            id: change.id.to_string(),
            state: change.state,
            plan: change.plan_code.clone(),
            period: change.billing_interval,
            packs: change.size.packs,
            asked_at: change.created_at,
            why: change.why,
        }
    }
}

/// What a server should have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeWish {
    /// Code of the plan.
    #[schema(example = "community")]
    plan: String,
    /// How often it is paid.
    period: Interval,
    /// Storage packs on top of the plan.
    #[serde(default)]
    packs: u32,
}

/// What a change would cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    /// As of when is prorated; send it with the change, within 30 minutes.
    as_of: DateTime<Utc>,
    /// What is charged at once. Send its `minor` with the change: more is never charged.
    due: Money,
    /// For what comes.
    charged: Money,
    /// For the time that was paid for and is not used.
    given_back: Money,
    /// What discounts take off.
    discount: Money,
    /// Tax on top.
    tax: Money,
    /// What is used up of the credit that there was.
    credit_used: Money,
    /// What stays as credit, for the next invoices.
    credit_left: Money,
    /// What is paid now each period, before tax.
    before: Money,
    /// What is paid from then on each period, before tax.
    after: Money,
    /// Whether a new period begins with the change.
    starts_over: bool,
}

/// A change as it was previewed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChange {
    /// Code of the plan.
    #[schema(example = "community")]
    plan: String,
    /// How often it is paid.
    period: Interval,
    /// Storage packs on top of the plan.
    #[serde(default)]
    packs: u32,
    /// `as_of` of the preview.
    as_of: DateTime<Utc>,
    /// `due.minor` of the preview.
    due: i64,
}

fn wanted<'a>(state: &'a AppState, plan: &str, interval: Interval, packs: u32) -> Result<Wanted<'a>, WebError> {
    let plan = state.catalogue.get(plan).ok_or_else(|| unreadable("plan", "is not the code of a plan; see GET /api/v1/plans"))?;
    Ok(Wanted { plan, interval, packs })
}

fn code_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotNow => "not_now",
        Refusal::Busy => "busy",
        Refusal::Held => "held",
        Refusal::NotOffered => "not_offered",
        Refusal::Packs { .. } => "too_many_packs",
        Refusal::Same => "same",
        Refusal::Unmeasured => "unmeasured",
        Refusal::DoesNotFit(_) => "does_not_fit",
    }
}

fn told(error: ChangeError) -> WebError {
    match error {
        ChangeError::Refused(refusal) => {
            let words = Words::english();
            let errors = match &refusal {
                Refusal::DoesNotFit(all) => all
                    .iter()
                    .map(|one| FieldError {
                        field: one.room.as_str().to_owned(),
                        text: format!("{} bytes are there, and there would be room for {} GiB", one.used, one.gib),
                    })
                    .collect(),
                Refusal::NotNow
                | Refusal::Busy
                | Refusal::Held
                | Refusal::NotOffered
                | Refusal::Packs { .. }
                | Refusal::Same
                | Refusal::Unmeasured => Vec::new(),
            };
            WebError::Refused { code: code_of(&refusal), text: words_of(&words, &refusal), errors }
        }
        ChangeError::NoRoom => refused("no_room", "there is no room for it where the server runs; write to the host's people"),
        ChangeError::Stale => refused("stale", "the preview is older than 30 minutes; ask for another one"),
        ChangeError::Stripe(error) => {
            tracing::error!(error = telemetry::chain(&error), "a change could not be previewed");
            refused("stripe_away", "the payment company does not answer just now; try again in a minute")
        }
        ChangeError::Database(error) => error.into(),
    }
}

/// See what a change would cost
///
/// Nothing is changed. 409 has one of the codes `not_now` (the subscription is over, set to end or not paid), `busy`, `held` (the server does
/// not run), `not_offered`, `too_many_packs`, `same`, `unmeasured` (it would become smaller, and nobody has measured how much is on it),
/// `does_not_fit` (with the numbers), `no_room` and `stripe_away`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/billing/change/preview", tag = "instance", operation_id = "preview_change",
    request_body = ChangeWish, params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "What it would cost", body = Preview)))]
pub(super) async fn preview(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(wish): JsonBody<ChangeWish>,
) -> Result<Answer<Preview>, WebError> {
    let wanted = wanted(&state, &wish.plan, wish.period, wish.packs)?;
    let Offer { as_of, quote, before, after, starts_over } = offer(&state, &customer, &instance, wanted).await.map_err(told)?;
    let preview = Preview {
        as_of,
        due: quote.due,
        charged: quote.charged,
        given_back: quote.given_back,
        discount: quote.discount,
        tax: quote.tax,
        credit_used: quote.credit_used,
        credit_left: quote.credit_left,
        before,
        after,
        starts_over,
    };
    Ok(Answer(StatusCode::OK, preview))
}

/// Change plan, period or storage packs
///
/// As it was previewed. The difference is charged in a moment, and the server follows; `change` says what came of it. If the card is not charged,
/// nothing changes. 409 as for the preview, and `stale`.
#[utoipa::path(post, path = "/api/v1/instances/{id}/billing/change", tag = "instance", operation_id = "change_subscription",
    request_body = NewChange, params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It is noted", body = SubscriptionView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(change): JsonBody<NewChange>,
) -> Result<Answer<SubscriptionView>, WebError> {
    let NewChange { plan, period, packs, as_of, due } = change;
    let wanted = wanted(&state, &plan, period, packs)?;
    ask(&state, &customer, &instance, wanted, Shown { as_of, due }).await.map_err(told)?;
    Ok(Answer(StatusCode::ACCEPTED, find(&state, &customer, &instance).await?))
}
