//! Looking into a customer's account: for what, why, and for how long; and the end of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::account::access::{self, AccessError, EndedBy, Wanted};
use crate::account::{self, StaffMember};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{glass_cookie, set_glass};

#[derive(Template)]
#[template(path = "pages/staff/access.html")]
struct StaffAccessPage {
    page: PageContext,
    back: String,
    name: String,
    typed: AccessForm,
    errors: FieldErrors,
}

pages!(StaffAccessPage);

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AccessForm {
    reason: String,
    ticket: String,
    minutes: String,
}

async fn access_page(
    state: &AppState,
    page: PageContext,
    id: AccountId,
    typed: AccessForm,
    errors: FieldErrors,
) -> Result<StaffAccessPage, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let name = account::account_name(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    Ok(StaffAccessPage { page, back: format!("/staff/customers/{id}"), name, typed, errors })
}

/// GET `/staff/customers/{id}/access`
pub(super) async fn show(State(state): State<AppState>, Path(id): Path<String>, page: PageContext) -> Result<Response, WebError> {
    let id = id.parse().map_err(|_| WebError::NotFound)?;
    let typed = AccessForm { minutes: "15".to_owned(), ..AccessForm::default() };
    Ok(html(&access_page(&state, page, id, typed, FieldErrors::default()).await?)?)
}

/// POST `/staff/customers/{id}/access`
pub(super) async fn begin(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    headers: HeaderMap,
    page: PageContext,
    Form(form): Form<AccessForm>,
) -> Result<Response, WebError> {
    let account: AccountId = id.parse().map_err(|_| WebError::NotFound)?;
    // What is no number of minutes is as wrong as none.
    let minutes = form.minutes.trim().parse().unwrap_or(0);
    let wanted = Wanted { account, reason: &form.reason, ticket: &form.ticket, minutes };
    let mut tx = state.db.begin_members(account).await?;
    match access::begin(&mut tx, state.clock.as_ref(), &member, wanted).await {
        Ok((_, secret)) => {
            tx.commit().await?;
            // One at a time in a browser.
            end_this(&state, &member, &headers).await?;
            let cookie = (header::SET_COOKIE, set_glass(&state, &secret));
            Ok((AppendHeaders([cookie]), Redirect::to("/instances")).into_response())
        }
        Err(AccessError::NoAccount) => Err(WebError::NotFound),
        Err(error) => {
            drop(tx);
            let Some((field, key)) = error.field() else { return Err(error.into()) };
            let mut errors = FieldErrors::default();
            errors.add(field, page.w.t(key));
            Ok(refused(&access_page(&state, page, account, form, errors).await?)?)
        }
    }
}

/// POST `/staff/access/end`
pub(super) async fn end(State(state): State<AppState>, member: StaffMember, headers: HeaderMap) -> Result<Response, WebError> {
    let account = end_this(&state, &member, &headers).await?;
    let to = account.map_or_else(|| "/staff".to_owned(), |account| format!("/staff/customers/{account}"));
    let cookie = (header::SET_COOKIE, set_glass(&state, ""));
    Ok((AppendHeaders([cookie]), Redirect::to(&to)).into_response())
}

/// Ends the look that goes on in this browser, if one does. Into which account it was.
async fn end_this(state: &AppState, member: &StaffMember, headers: &HeaderMap) -> Result<Option<AccountId>, WebError> {
    let Some(secret) = glass_cookie(state, headers) else { return Ok(None) };
    let found = access::find(&mut *state.db.auth().acquire().await?, state.clock.as_ref(), member.id, &secret).await?;
    let Some(access) = found else { return Ok(None) };
    let mut tx = state.db.begin_members(access.account).await?;
    match access::end(&mut tx, state.clock.as_ref(), access.account, access.id, EndedBy::Staff(member.id)).await {
        // Over just now, by itself or by the customer.
        Ok(()) | Err(AccessError::Over) => {}
        Err(other) => return Err(other.into()),
    }
    tx.commit().await?;
    Ok(Some(access.account))
}
