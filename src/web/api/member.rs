//! The members of the account, and who speaks for its owner.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::paged::PageQuery;
use super::session::Which;
use crate::account::Role;
use crate::account::member::{self, Member};
use crate::ids::PersonId;
use crate::web::AppState;
use crate::web::account::acts::{self, Act, read_role};
use crate::web::error::{FieldError, WebError};
use crate::web::form::Query;
use crate::web::session::Customer;
use crate::words::Words;

/// Who acts for the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Members {
    /// The owner first.
    members: Vec<MemberView>,
    /// The member who can ask to take the account over, if the owner has named one.
    second_contact: Option<ContactView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberView {
    /// The person.
    #[schema(example = "per_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Their address.
    email: String,
    /// What they may do.
    role: Role,
    /// Since when.
    since: DateTime<Utc>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { person, email, locale: _, verified_at: _, role, since } = member;
        Self { id: person.to_string(), email, role, since }
    }
}

/// The second contact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactView {
    /// The person.
    #[schema(example = "per_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Since when.
    nominated_at: DateTime<Utc>,
    /// From when on they may take over; null unless they have asked to.
    take_over_due: Option<DateTime<Utc>>,
}

/// List the members
#[utoipa::path(get, path = "/api/v1/members", tag = "account", operation_id = "list_members", params(PageQuery),
    responses((status = 200, description = "Who acts for the account", body = Members)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Members>, WebError> {
    let part = query.read::<PersonId>()?;
    let mut conn = state.db.auth().acquire().await?;
    let (members, next) = part.pick(member::list(&mut conn, customer.account).await?, |member| member.person);
    let contact = member::second_contact(&mut conn, customer.account).await?;
    let second_contact = contact.map(|contact| ContactView {
        id: contact.person.to_string(),
        nominated_at: contact.nominated_at,
        take_over_due: contact.take_over_due,
    });
    let members = members.into_iter().map(MemberView::from).collect();
    Ok(Answer(StatusCode::OK, Members { members, second_contact, next }))
}

/// A role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    /// `admin`, `billing` or `viewer`.
    #[serde(default)]
    #[schema(required, example = "viewer")]
    role: String,
}

/// The role that a body names, or the field that is wrong.
pub(super) fn role(text: &str) -> Result<Role, FieldError> {
    read_role(text).ok_or_else(|| FieldError { field: "role".to_owned(), text: Words::english().t("members-role-missing") })
}

fn person(text: &str) -> Result<PersonId, WebError> {
    text.parse().map_err(|_| WebError::NotFound)
}

async fn done(state: &AppState, customer: &Customer, act: Act) -> Result<StatusCode, WebError> {
    acts::perform(state, customer, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change a member's role
#[utoipa::path(post, path = "/api/v1/members/{person}", tag = "account", operation_id = "set_role",
    params(("person" = String, Path, description = "Id of the member")), request_body = Given,
    responses((status = 204, description = "The role is theirs")))]
pub(super) async fn set_role(
    State(state): State<AppState>,
    customer: Customer,
    Path(who): Path<String>,
    JsonBody(body): JsonBody<Given>,
) -> Result<StatusCode, WebError> {
    let who = person(&who)?;
    let role = role(&body.role).map_err(|error| WebError::Invalid(vec![error]))?;
    done(&state, &customer, Act::Role(who, role)).await
}

/// Remove a member
#[utoipa::path(delete, path = "/api/v1/members/{person}", tag = "account", operation_id = "remove_member",
    params(("person" = String, Path, description = "Id of the member")),
    responses((status = 204, description = "They are no member any more")))]
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    Path(who): Path<String>,
) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::Remove(person(&who)?)).await
}

/// Hand the account over
///
/// The member becomes the owner, the owner an admin. All members are told by mail.
#[utoipa::path(post, path = "/api/v1/members/{person}/hand-over", tag = "account", operation_id = "hand_over",
    params(("person" = String, Path, description = "Id of the member")),
    responses((status = 204, description = "The account is theirs")))]
pub(super) async fn hand_over(
    State(state): State<AppState>,
    customer: Customer,
    Path(who): Path<String>,
) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::HandOver(person(&who)?)).await
}

/// Name the second contact
#[utoipa::path(post, path = "/api/v1/members/{person}/nominate", tag = "account", operation_id = "nominate",
    params(("person" = String, Path, description = "Id of the member")),
    responses((status = 204, description = "They are the second contact")))]
pub(super) async fn nominate(
    State(state): State<AppState>,
    customer: Customer,
    Path(who): Path<String>,
) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::Nominate(person(&who)?)).await
}

/// Have no second contact
#[utoipa::path(delete, path = "/api/v1/second-contact", tag = "account", operation_id = "dismiss_second_contact",
    responses((status = 204, description = "There is none any more")))]
pub(super) async fn dismiss(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::Dismiss).await
}

/// Ask to take over
///
/// For the second contact. All members are told; `take_over_due` of `GET /api/v1/members` says from when on it can be done.
#[utoipa::path(post, path = "/api/v1/second-contact/take-over", tag = "account", operation_id = "ask_take_over",
    responses((status = 204, description = "It is asked for")))]
pub(super) async fn ask_take_over(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::AskTakeOver).await
}

/// Stop the taking over
#[utoipa::path(delete, path = "/api/v1/second-contact/take-over", tag = "account", operation_id = "stop_take_over",
    responses((status = 204, description = "Nobody takes the account over")))]
pub(super) async fn stop_take_over(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::StopTakeOver).await
}

/// Take over
///
/// For the second contact, once the time has passed.
#[utoipa::path(post, path = "/api/v1/second-contact/take-over/finish", tag = "account", operation_id = "finish_take_over",
    responses((status = 204, description = "The account is yours")))]
pub(super) async fn finish_take_over(State(state): State<AppState>, customer: Customer) -> Result<StatusCode, WebError> {
    done(&state, &customer, Act::FinishTakeOver).await
}

/// Leave the account
///
/// The body names the account that this session acts for, so that nobody leaves another one by mistake. The session ends.
#[utoipa::path(post, path = "/api/v1/members/leave", tag = "account", operation_id = "leave", request_body = Which,
    responses((status = 204, description = "The caller is no member any more")))]
pub(super) async fn leave(
    State(state): State<AppState>,
    customer: Customer,
    JsonBody(body): JsonBody<Which>,
) -> Result<StatusCode, WebError> {
    if body.id()? != customer.account {
        return Err(WebError::NotFound);
    }
    done(&state, &customer, Act::Leave).await
}
