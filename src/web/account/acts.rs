//! What is done to the members of the caller's account. Pages and API call the same.

use crate::account::email::EmailAddress;
use crate::account::member::{self, MemberError};
use crate::account::{Role, session};
use crate::audit;
use crate::ids::{AccountId, InvitationId, PersonId};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::session::Customer;

/// One of them. Which role may ask for it, the table of routes says.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Act {
    /// Gives a member a role.
    Role(PersonId, Role),
    /// Takes a member out.
    Remove(PersonId),
    /// The caller leaves.
    Leave,
    /// Makes a member the owner.
    HandOver(PersonId),
    /// Takes an invitation back.
    Withdraw(InvitationId),
    /// Makes a member the second contact.
    Nominate(PersonId),
    /// There is no second contact any more.
    Dismiss,
    /// The caller, as second contact, asks to take over.
    AskTakeOver,
    /// Nobody takes over.
    StopTakeOver,
    /// The caller, as second contact, takes over.
    FinishTakeOver,
}

/// Does it, all or nothing.
pub(in crate::web) async fn perform(state: &AppState, customer: &Customer, act: Act) -> Result<(), MemberError> {
    let (clock, actor, account) = (state.clock.as_ref(), customer.actor(), customer.account);
    let mut tx = state.db.begin_members(account).await?;
    match act {
        Act::Role(person, role) => member::set_role(&mut tx, clock, actor, account, person, role).await?,
        Act::Remove(person) => member::remove(&mut tx, clock, actor, account, person).await?,
        Act::Leave => member::remove(&mut tx, clock, actor, account, customer.person.id).await?,
        Act::HandOver(person) => member::hand_over(&mut tx, clock, actor, account, person).await?,
        Act::Withdraw(invitation) => member::withdraw(&mut tx, clock, actor, account, invitation).await?,
        Act::Nominate(person) => member::nominate(&mut tx, clock, actor, account, person).await?,
        Act::Dismiss => member::dismiss(&mut tx, clock, actor, account).await?,
        Act::AskTakeOver => member::ask_take_over(&mut tx, clock, customer.person.id, account).await.map(drop)?,
        Act::StopTakeOver => member::stop_take_over(&mut tx, clock, actor, account).await?,
        Act::FinishTakeOver => member::finish_take_over(&mut tx, clock, customer.person.id, account).await?,
    }
    Ok(tx.commit().await?)
}

/// Asks the owner of an address to join.
pub(in crate::web) async fn invite(
    state: &AppState,
    customer: &Customer,
    email: &EmailAddress,
    role: Role,
) -> Result<InvitationId, MemberError> {
    let mut tx = state.db.begin_members(customer.account).await?;
    let id = member::invite(&mut tx, state.clock.as_ref(), &customer.person, customer.account, email, role).await?;
    tx.commit().await?;
    Ok(id)
}

/// From now on the session of the caller acts for another of their accounts. Foreign and missing are the same 404.
pub(in crate::web) async fn act_for(
    state: &AppState,
    customer: &Customer,
    secret: &str,
    account: AccountId,
) -> Result<(), WebError> {
    let mut tx = state.db.auth().begin().await?;
    if crate::account::role_in(&mut tx, customer.person.id, account).await?.is_none() {
        return Err(WebError::NotFound);
    }
    if account != customer.account {
        session::act_for(&mut tx, secret, account).await?;
        let (clock, person) = (state.clock.as_ref(), customer.person.id.to_string());
        let told = serde_json::json!({ "from": customer.account });
        audit::record(&mut tx, clock, customer.actor(), Some(account), "person.acts_for", &person, told).await?;
    }
    Ok(tx.commit().await?)
}

/// The role that a form or body names. Nobody is invited or made an owner this way.
pub(in crate::web) fn read_role(text: &str) -> Option<Role> {
    GIVEN.into_iter().find(|role| role_word(*role) == text)
}

/// The roles that can be given, the widest first.
pub(in crate::web) const GIVEN: [Role; 3] = [Role::Admin, Role::Billing, Role::Viewer];

/// The role in forms and keys.
pub(in crate::web) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Billing => "billing",
        Role::Viewer => "viewer",
    }
}
