//! Proving an address.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{discreet, remember_sent};
use crate::account::email::EmailAddress;
use crate::account::link::{self, Purpose};
use crate::account::{self, AccountError, VISITOR};
use crate::crash;
use crate::ids::PersonId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::page::{PageContext, html, pages};
use crate::web::session::Caller;

#[derive(Template)]
#[template(path = "pages/account/verify.html")]
struct VerifyPage {
    page: PageContext,
    token: String,
    email: String,
}

#[derive(Template)]
#[template(path = "pages/account/verified.html")]
struct VerifiedPage {
    page: PageContext,
}

pages!(VerifyPage, VerifiedPage);

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResendForm {
    email: String,
}

/// GET `/verify/{token}`: asks for one press, because mail scanners follow links.
pub(super) async fn ask(
    State(state): State<AppState>,
    page: PageContext,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let id = link::read(&state.key, &token, Purpose::Verify).ok_or(WebError::LinkUsedUp)?;
    let mut conn = state.db.auth().acquire().await?;
    match account::look_at_link(&mut conn, state.clock.as_ref(), id, Purpose::Verify).await? {
        Some((person, true)) => Ok(html(&VerifyPage { page, token, email: person.email })?),
        // Pressed twice, or in another window: what they wanted is done.
        Some((person, false)) if person.verified_at.is_some() => Ok(Redirect::to("/verified").into_response()),
        Some(_) | None => Err(WebError::LinkUsedUp),
    }
}

/// POST `/verify/{token}`. Begins no session: whoever presses may only have the mail, not the password.
pub(super) async fn confirm(
    State(state): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let proven = prove(&state, &token).await?;
    let signed_in = matches!(&caller, Caller::Customer(customer) if customer.person.id == proven);
    Ok(Redirect::to(if signed_in { "/new/address" } else { "/verified" }).into_response())
}

/// Takes the link of a verification mail. One that was used by somebody whose address is proven is as good.
pub(in crate::web) async fn prove(state: &AppState, token: &str) -> Result<PersonId, WebError> {
    let id = link::read(&state.key, token, Purpose::Verify).ok_or(WebError::LinkUsedUp)?;
    let mut tx = state.db.auth().begin().await?;
    let proven = match account::verify(&mut tx, state.clock.as_ref(), id).await {
        Ok(person) => person,
        Err(AccountError::Link) => match account::look_at_link(&mut tx, state.clock.as_ref(), id, Purpose::Verify).await? {
            Some((person, _)) if person.verified_at.is_some() => person.id,
            Some(_) | None => return Err(WebError::LinkUsedUp),
        },
        Err(other) => return Err(other.into()),
    };
    crash::point("verify.before_commit");
    tx.commit().await?;
    crash::point("verify.committed");
    Ok(proven)
}

/// GET `/verified`
pub(super) async fn verified(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&VerifiedPage { page })?)
}

/// POST `/verify/resend`: the same answer whether the address is known, proven, or neither.
pub(super) async fn resend(
    State(state): State<AppState>,
    caller: Caller,
    Form(form): Form<ResendForm>,
) -> Result<Response, WebError> {
    let (typed, actor) = match &caller {
        Caller::Customer(customer) => (&customer.person.email, customer.actor()),
        Caller::Nobody | Caller::Staff(_) => (&form.email, VISITOR),
    };
    let Ok(email) = EmailAddress::parse(typed) else { return Ok(Redirect::to("/sign-up").into_response()) };
    discreet::resend_verification(&state, actor, &email).await?;
    let back = if matches!(caller, Caller::Customer(_)) { "/check-mail?resent=1" } else { "/sign-up/sent?resent=1" };
    Ok((AppendHeaders([remember_sent(&state, &email)]), Redirect::to(back)).into_response())
}
