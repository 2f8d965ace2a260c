//! What the owner of an account may ask for: a copy of everything, the end of it, and what was agreed to.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit;
use crate::privacy::agreement::{self, Consent, Document};
use crate::privacy::{self, EraseError, Kept};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, end_cookie};
use crate::words::Words;

const HERE: &str = "/account/data";

#[derive(Template)]
#[template(path = "pages/account/data.html")]
struct DataPage {
    page: PageContext,
    /// Whether the one who looks has shown a short while ago who they are.
    fresh: bool,
    /// What was agreed to.
    agreed: Vec<Agreed>,
    /// Documents whose wording of today was not.
    outstanding: Vec<Agreed>,
    /// What stays when the account is erased.
    keeps: Vec<KeptView>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/account/erased.html")]
struct ErasedPage {
    page: PageContext,
    keeps: Vec<KeptView>,
}

pages!(DataPage, ErasedPage);

struct Agreed {
    name: String,
    path: &'static str,
    version: String,
    /// Empty where nobody has agreed yet.
    at: String,
}

struct KeptView {
    what: String,
    why: &'static str,
    until: String,
}

fn name(words: &Words, document: Document) -> String {
    words.t(match document {
        Document::Terms => "terms-title",
        Document::Dpa => "dpa-title",
    })
}

fn agreed(words: &Words, consent: Consent) -> Agreed {
    Agreed {
        name: name(words, consent.document),
        path: consent.document.path(),
        version: consent.version,
        at: time::day(words, consent.at),
    }
}

fn kept(words: &Words, kept: &Kept) -> KeptView {
    KeptView {
        what: words.t(&format!("kept-{}", kept.what.word())),
        why: kept.why,
        until: kept.until.map_or_else(|| words.t("kept-for-ever"), |until| time::day(words, until)),
    }
}

async fn load(state: &AppState, page: PageContext, customer: &Customer, errors: FieldErrors) -> Result<DataPage, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let consents = agreement::consents(tx.conn(), customer.account).await?;
    let missing = |document: Document| Agreed {
        name: name(&page.w, document),
        path: document.path(),
        version: document.version().to_owned(),
        at: String::new(),
    };
    Ok(DataPage {
        fresh: customer.is_fresh(state),
        outstanding: agreement::outstanding(&consents).into_iter().map(missing).collect(),
        agreed: consents.into_iter().map(|consent| agreed(&page.w, consent)).collect(),
        keeps: privacy::ledger(state.clock.now()).iter().map(|one| kept(&page.w, one)).collect(),
        errors,
        page,
    })
}

/// GET `/account/data`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    Ok(html(&load(&state, page, &customer, FieldErrors::default()).await?)?)
}

/// All that is known of the account and of its owner.
pub(in crate::web) async fn copy(state: &AppState, customer: &Customer) -> Result<Value, WebError> {
    let (mut tx, now) = (state.db.begin_account(customer.account).await?, state.clock.now());
    let (clock, subject) = (state.clock.as_ref(), customer.account.to_string());
    let (actor, account) = (customer.actor(), Some(customer.account));
    audit::record(tx.conn(), clock, actor, account, "account.copied", &subject, json!({})).await?;
    let mut auth = state.db.auth().acquire().await?;
    let document = privacy::export(&mut tx, &mut auth, customer.person.id, now).await?;
    tx.commit().await?;
    Ok(document)
}

/// POST `/account/data/copy`: a file.
pub(super) async fn download(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    let document = copy(&state, &customer).await?;
    let headers = AppendHeaders([
        (header::CONTENT_DISPOSITION, "attachment; filename=\"account.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ]);
    Ok((headers, Json(document)).into_response())
}

/// Agrees to the wording of today.
pub(in crate::web) async fn agree_now(state: &AppState, customer: &Customer) -> Result<(), WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    agreement::agree(tx.conn(), state.clock.as_ref(), customer.account, customer.person.id).await?;
    Ok(tx.commit().await?)
}

/// POST `/account/data/agree`
pub(super) async fn agree(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
    agree_now(&state, &customer).await?;
    Ok(with_message(&state, HERE, "done", "flash-agreed"))
}

/// Erases the account. The ledger of what stays.
pub(in crate::web) async fn erase_now(state: &AppState, customer: &Customer) -> Result<Vec<Kept>, EraseError> {
    let mut tx = state.db.begin_members(customer.account).await?;
    let kept = privacy::erase(&mut tx, state.clock.as_ref(), customer.person.id, customer.account).await?;
    tx.commit().await?;
    tracing::info!(account.id = %customer.account, "an account was erased by its owner");
    Ok(kept)
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct EraseForm {
    sure: String,
}

/// POST `/account/data/erase`
pub(super) async fn erase(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Form(form): Form<EraseForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    if form.sure != "yes" {
        errors.add("sure", page.w.t("erase-unsure"));
        return Ok(refused(&load(&state, page, &customer, errors).await?)?);
    }
    match erase_now(&state, &customer).await {
        Ok(ledger) => {
            let keeps = ledger.iter().map(|one| kept(&page.w, one)).collect();
            let gone = AppendHeaders([(header::SET_COOKIE, end_cookie(&state))]);
            Ok((gone, html(&ErasedPage { page: page.signed_out(), keeps })?).into_response())
        }
        Err(EraseError::Database(error)) => Err(error.into()),
        Err(refusal @ (EraseError::Members | EraseError::Servers | EraseError::Again)) => {
            errors.add("sure", page.w.t(refusal_key(&refusal)));
            Ok(refused(&load(&state, page, &customer, errors).await?)?)
        }
    }
}

/// The words for what is in the way.
pub(in crate::web) fn refusal_key(refusal: &EraseError) -> &'static str {
    match refusal {
        EraseError::Members => "erase-members",
        EraseError::Servers => "erase-servers",
        EraseError::Again | EraseError::Database(_) => "erase-again",
    }
}
