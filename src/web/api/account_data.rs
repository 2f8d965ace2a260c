//! A copy of all that is known of an account, its end, and what was agreed to.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::privacy::agreement::{self, Document};
use crate::privacy::{EraseError, Keep};
use crate::web::AppState;
use crate::web::account::data;
use crate::web::error::{FieldError, WebError};
use crate::web::session::Customer;
use crate::words::Words;

/// Get a copy of everything
///
/// All rows of the account as the database has them, and what is known of you beside. Secrets are left out.
#[utoipa::path(get, path = "/api/v1/account-data", tag = "account", operation_id = "copy_account",
    responses((status = 200, description = "The copy", body = Object)))]
pub(super) async fn copy(State(state): State<AppState>, customer: Customer) -> Result<Answer<Value>, WebError> {
    Ok(Answer(StatusCode::OK, data::copy(&state, &customer).await?))
}

/// Whether it is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sure {
    /// `true`.
    #[serde(default)]
    #[schema(required, example = true)]
    sure: bool,
}

/// What stays of an erased account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erased {
    /// Line by line.
    kept: Vec<KeptView>,
}

/// A thing that stays.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeptView {
    /// What: `books`, `consents`, `log` or `addresses`.
    what: Keep,
    /// Why.
    why: &'static str,
    /// Until when; `null`: it stays.
    until: Option<DateTime<Utc>>,
}

/// Erase the account
///
/// At once, and for good. 409 has one of the codes `members` (there are others; remove them first), `servers` (there is a server or an order;
/// have it removed first) and `erased`.
#[utoipa::path(post, path = "/api/v1/account-data/erase", tag = "account", operation_id = "erase_account", request_body = Sure,
    responses((status = 200, description = "It is erased, but for this", body = Erased)))]
pub(super) async fn erase(
    State(state): State<AppState>,
    customer: Customer,
    JsonBody(body): JsonBody<Sure>,
) -> Result<Answer<Erased>, WebError> {
    if !body.sure {
        let text = Words::english().t("erase-unsure");
        return Err(WebError::Invalid(vec![FieldError { field: "sure".to_owned(), text }]));
    }
    let kept = data::erase_now(&state, &customer).await.map_err(|error| {
        let code = match &error {
            EraseError::Members => "members",
            EraseError::Servers => "servers",
            EraseError::Again => "erased",
            EraseError::Database(_) => return WebError::Internal(crate::telemetry::chain(&error)),
        };
        WebError::Refused { code, text: Words::english().t(data::refusal_key(&error)), errors: Vec::new() }
    })?;
    let kept = kept.into_iter().map(|kept| KeptView { what: kept.what, why: kept.why, until: kept.until }).collect();
    Ok(Answer(StatusCode::OK, Erased { kept }))
}

/// The documents, and which of them the account has agreed to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Agreements {
    /// Each wording that was agreed to, the newest first.
    agreed: Vec<ConsentView>,
    /// Documents whose wording of today was not.
    outstanding: Vec<DocumentView>,
}

/// That somebody has agreed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsentView {
    /// To what.
    document: Document,
    /// In which wording: the day from which it holds.
    #[schema(example = "2026-11-28")]
    version: String,
    /// When.
    at: DateTime<Utc>,
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentView {
    /// Which.
    document: Document,
    /// Its wording of today.
    version: &'static str,
    /// Where it can be read.
    #[schema(example = "/terms")]
    path: &'static str,
}

/// What have we agreed to?
#[utoipa::path(get, path = "/api/v1/agreements", tag = "account", operation_id = "get_agreements",
    responses((status = 200, description = "What was agreed to, and what was not", body = Agreements)))]
pub(super) async fn agreements(State(state): State<AppState>, customer: Customer) -> Result<Answer<Agreements>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let consents = agreement::consents(tx.conn(), customer.account).await?;
    let outstanding = agreement::outstanding(&consents).into_iter();
    let document = |document: Document| DocumentView { document, version: document.version(), path: document.path() };
    let outstanding = outstanding.map(document).collect();
    let view = |consent: agreement::Consent| ConsentView { document: consent.document, version: consent.version, at: consent.at };
    Ok(Answer(StatusCode::OK, Agreements { agreed: consents.into_iter().map(view).collect(), outstanding }))
}

/// Agree
///
/// To every document in its wording of today. An order says the same.
#[utoipa::path(post, path = "/api/v1/agreements", tag = "account", operation_id = "agree",
    responses((status = 204, description = "It is noted")))]
pub(super) async fn agree(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    data::agree_now(&state, &customer).await?;
    Ok(StatusCode::NO_CONTENT)
}
