//! Invitations to join the account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use super::member::role;
use super::paged::PageQuery;
use crate::account::Role;
use crate::account::link::{self, Purpose};
use crate::account::member::{self, Invitation};
use crate::ids::InvitationId;
use crate::web::AppState;
use crate::web::account::acts::{self, Act};
use crate::web::account::read_email;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::page::FieldErrors;
use crate::web::session::{Customer, Verified};
use crate::words::Words;

/// Who is asked to join.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invitations {
    /// Those that can still be accepted, the oldest first.
    invitations: Vec<InvitationView>,
    /// Where the next part begins: send it as `after`. `null`: this is the last.
    next: Option<String>,
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitationView {
    /// Which.
    #[schema(example = "inv_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Who may accept it.
    email: String,
    /// As what.
    role: Role,
    /// Until when.
    until: DateTime<Utc>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, account_id: _, account_name: _, email, role, invited_by: _, expires_at: until } = invitation;
        Self { id: id.to_string(), email, role, until }
    }
}

/// List the invitations
#[utoipa::path(get, path = "/api/v1/invitations", tag = "account", operation_id = "list_invitations", params(PageQuery),
    responses((status = 200, description = "Who is asked to join", body = Invitations)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Invitations>, WebError> {
    let part = query.read::<InvitationId>()?;
    let mut conn = state.db.auth().acquire().await?;
    let open = member::open_invitations(&mut conn, state.clock.as_ref(), customer.account).await?;
    let (open, next) = part.pick(open, |invitation| invitation.id);
    let invitations = open.into_iter().map(InvitationView::from).collect();
    Ok(Answer(StatusCode::OK, Invitations { invitations, next }))
}

/// Somebody to ask.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    /// Where the mail with the link goes.
    #[serde(default)]
    #[schema(required, example = "ben@example.org")]
    email: String,
    /// `admin`, `billing` or `viewer`.
    #[serde(default)]
    #[schema(required, example = "viewer")]
    role: String,
}

/// An invitation that is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invited {
    /// Which.
    #[schema(example = "inv_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
}

/// Invite somebody
///
/// A mail with a link that is good for seven days. An older invitation of the same address ends.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "account", operation_id = "invite", request_body = NewInvitation,
    responses((status = 201, description = "The mail is under way", body = Invited)))]
pub(super) async fn create(
    State(state): State<AppState>,
    Verified(customer): Verified,
    JsonBody(body): JsonBody<NewInvitation>,
) -> Result<Answer<Invited>, WebError> {
    let mut errors = FieldErrors::default();
    let email = read_email(&Words::english(), &body.email, &mut errors);
    let role = role(&body.role).map_err(|error| errors.list.push(error)).ok();
    let (Some(email), Some(role)) = (email, role) else { return Err(WebError::Invalid(errors.list)) };
    let id = acts::invite(&state, &customer, &email, role).await?;
    Ok(Answer(StatusCode::CREATED, Invited { id: id.to_string() }))
}

/// Withdraw an invitation
#[utoipa::path(delete, path = "/api/v1/invitations/{invitation}", tag = "account", operation_id = "withdraw_invitation",
    params(("invitation" = String, Path, description = "Id of the invitation")),
    responses((status = 204, description = "It can't be accepted any more")))]
pub(super) async fn withdraw(
    State(state): State<AppState>,
    customer: Customer,
    Path(invitation): Path<String>,
) -> Result<StatusCode, WebError> {
    let invitation: InvitationId = invitation.parse().map_err(|_| WebError::NotFound)?;
    acts::perform(&state, &customer, Act::Withdraw(invitation)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of an invitation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    /// What stands behind the last slash of the mail's link.
    #[serde(default)]
    #[schema(required)]
    token: String,
}

/// Accept an invitation
///
/// For whoever signs in with the address that it was sent to. `POST /api/v1/sessions/current/account` then acts for the account.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "account", operation_id = "accept_invitation",
    request_body = Accepted, responses((status = 204, description = "The caller is a member")))]
pub(super) async fn accept(
    State(state): State<AppState>,
    customer: Customer,
    JsonBody(body): JsonBody<Accepted>,
) -> Result<StatusCode, WebError> {
    let id: InvitationId = link::read(&state.key, &body.token, Purpose::Join).ok_or(WebError::LinkUsedUp)?.into();
    let mut conn = state.db.auth().acquire().await?;
    let invitation = member::look(&mut conn, state.clock.as_ref(), id).await?;
    drop(conn);
    let mut tx = state.db.begin_members(invitation.account_id).await?;
    member::accept(&mut tx, state.clock.as_ref(), &invitation, &customer.person).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
