//! Signing up, and who one is.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use crate::account::{Role, member};
use crate::ids::AccountId;
use crate::switch::{self, Switch};
use crate::web::AppState;
use crate::web::account::LOCALE;
use crate::web::account::{discreet, read_email, read_new_password};
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::page::FieldErrors;
use crate::web::session::Customer;
use crate::words::Words;

/// Somebody who signs up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Where the verification mail goes.
    #[serde(default)]
    #[schema(required, example = "ada@example.org")]
    email: String,
    /// 8 to 128 characters of any kind.
    #[serde(default)]
    #[schema(required, format = Password)]
    password: String,
}

/// A mail says what happened: to those whose address we know and to those whose address we don't, so that nobody else learns which.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailUnderWay {
    /// The same sentence for every address.
    message: &'static str,
}

impl MailUnderWay {
    pub fn answer() -> Answer<Self> {
        Answer(StatusCode::ACCEPTED, Self { message: "if a mail is due, it is on its way to this address and says how to go on" })
    }
}

/// Sign up
///
/// The mail that follows holds a link whose last part is the token for `POST /api/v1/verifications`. The answer is the same
/// for every address; somebody who has an account already is told so by mail.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "account", operation_id = "sign_up", request_body = NewAccount,
    responses((status = 202, description = "A mail is under way, if one is due", body = MailUnderWay)))]
pub(super) async fn create(
    State(state): State<AppState>,
    JsonBody(body): JsonBody<NewAccount>,
) -> Result<Answer<MailUnderWay>, WebError> {
    let (words, mut errors) = (Words::english(), FieldErrors::default());
    let email = read_email(&words, &body.email, &mut errors);
    let password = read_new_password(&words, body.password, &mut errors);
    let (Some(email), Some(password)) = (email, password) else { return Err(WebError::Invalid(errors.list)) };
    if !switch::is_on(&mut *state.db.auth().acquire().await?, Switch::SignUps).await? {
        let text = "this host takes no new accounts at the moment; try again later".to_owned();
        return Err(WebError::Refused { code: "closed", text, errors: Vec::new() });
    }
    discreet::sign_up(&state, &email, password, LOCALE).await?;
    Ok(MailUnderWay::answer())
}

/// Who calls, and for which account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// The person.
    #[schema(example = "per_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Their address.
    email: String,
    /// When the address was proven. Until then nothing can be ordered.
    verified_at: Option<DateTime<Utc>>,
    /// The account that they act for.
    #[schema(example = "acc_01kanyg7c3e8ht2w9c5m1r4q6z")]
    account: String,
    /// What they may do in it.
    role: Role,
}

/// Who am I?
#[utoipa::path(get, path = "/api/v1/me", tag = "account", operation_id = "me",
    responses((status = 200, description = "Who calls", body = Me)))]
pub(super) async fn me(customer: Customer) -> Answer<Me> {
    let Customer { person, account, role, proven_at: _, glass: _ } = customer;
    let me = Me {
        id: person.id.to_string(),
        email: person.email,
        verified_at: person.verified_at,
        account: account.to_string(),
        role,
    };
    Answer(StatusCode::OK, me)
}

/// The accounts that the caller may act for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accounts {
    accounts: Vec<AccountView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// The account.
    #[schema(example = "acc_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// What it is called.
    name: String,
    /// What the caller may do in it.
    role: Role,
    /// Whether this session acts for it.
    current: bool,
}

/// List my accounts
///
/// `POST /api/v1/sessions/current/account` makes this session act for another one.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "account", operation_id = "list_accounts", params(PageQuery),
    responses((status = 200, description = "The accounts that the caller may act for", body = Accounts)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Accounts>, WebError> {
    let part = query.read::<AccountId>()?;
    let mut conn = state.db.auth().acquire().await?;
    let all = member::accounts_of(&mut conn, customer.person.id).await?;
    let (all, next) = part.pick(all, |(id, _, _)| *id);
    let view = |(id, name, role): (AccountId, String, Role)| AccountView {
        id: id.to_string(),
        name,
        role,
        current: id == customer.account,
    };
    Ok(Answer(StatusCode::OK, Accounts { accounts: all.into_iter().map(view).collect(), next }))
}
