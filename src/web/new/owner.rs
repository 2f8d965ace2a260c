//! The question for the owner: the first person of the new server.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::draft::{Draft, address_rules, check_address, check_owner, read_draft, write_draft};
use super::{back_to, progress};
use crate::instance::address::Address;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::Verified;

#[derive(Template)]
#[template(path = "pages/new/owner.html")]
struct NewOwnerPage {
    page: PageContext,
    step: String,
    steps: String,
    address: String,
    back: &'static str,
    owner_name: String,
    owner_email: String,
    errors: FieldErrors,
}

pages!(NewOwnerPage);

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerForm {
    owner_name: String,
    owner_email: String,
}

/// GET `/new/owner`
pub(super) async fn form(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let mut draft = read_draft(&state, &headers).unwrap_or_default();
    let address = match check_address(&page.w, &address_rules(&state), &draft) {
        Ok((address, _)) => address,
        Err(errors) => return Ok(back_to(&errors)),
    };
    if draft.owner_email.is_empty() {
        draft.owner_email = customer.person.email;
    }
    Ok(html(&new_page(page, &address, draft, FieldErrors::default()))?)
}

/// POST `/new/owner`
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    _: Verified,
    headers: HeaderMap,
    Form(form): Form<OwnerForm>,
) -> Result<Response, WebError> {
    let before = read_draft(&state, &headers).unwrap_or_default();
    let address = match check_address(&page.w, &address_rules(&state), &before) {
        Ok((address, _)) => address,
        Err(errors) => return Ok(back_to(&errors)),
    };
    let typed = Draft { owner_username: form.owner_name, owner_email: form.owner_email, ..before };
    let (owner, email) = match check_owner(&page.w, &typed) {
        Ok(good) => good,
        Err(errors) => return Ok(refused(&new_page(page, &address, typed, errors))?),
    };
    let draft = Draft { owner_username: owner.to_string(), owner_email: email.smtp(), ..typed };
    Ok((AppendHeaders([write_draft(&state, &draft)]), Redirect::to("/new/plan")).into_response())
}

fn new_page(page: PageContext, address: &Address, draft: Draft, errors: FieldErrors) -> NewOwnerPage {
    let (step, steps) = progress(&draft, "/new/owner");
    NewOwnerPage {
        page,
        step,
        steps,
        address: address.display().to_owned(),
        back: if draft.kind == "own" { "/new/dns" } else { "/new/address" },
        owner_name: draft.owner_username,
        owner_email: draft.owner_email,
        errors,
    }
}
